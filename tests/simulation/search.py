"""Searching seeds, over several processes, and showing what was found."""

import multiprocessing
import time
from collections.abc import Iterable, Iterator

import msgspec

from orchestrator.cli.collecting import collect_rarely
from tests.simulation.checks import Found
from tests.simulation.world import World

SHOWN_MAX = 5
BROKEN_MAX = 3
"""Seeds with a violation after which a search stops."""
SAID_EVERY_S = 30.0


def run_seed(seed: int) -> Found:
    return World(seed).run()


def run_in_two_logs(seed: int) -> Found:
    return World(seed, logs=2).run()


def run_calm(seed: int) -> Found:
    return World(seed, calm=True).run()


def find(seeds: Iterable[int], workers: int, calm: bool = False, logs: int = 0) -> Iterator[Found]:
    """What each seed came to, in the order in which they are done."""
    work = run_calm if calm else run_in_two_logs if logs == 2 else run_seed
    if workers <= 1:
        collect_rarely()
        yield from map(work, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(workers, collect_rarely) as pool:
        yield from pool.imap_unordered(work, seeds, chunksize=4)


def search(start: int, seeds: int, workers: int, calm: bool = False, logs: int = 0) -> int:
    """Prints the violations, and now and then how far it is; stops when `BROKEN_MAX` seeds have
    one. Returns whether any has, as an exit code."""
    began = said_at = time.perf_counter()
    tried, broken, events, virtual_s = 0, 0, 0, 0.0
    for found in find(range(start, start + seeds), workers, calm, logs):
        tried += 1
        events += found.events
        virtual_s += found.virtual_s
        if found.violations:
            broken += 1
            _print_violations(found, logs)
            if broken == BROKEN_MAX:
                break
        if time.perf_counter() - said_at > SAID_EVERY_S:
            said_at = time.perf_counter()
            _print_progress(tried, seeds, said_at - began, broken)
    took_s = time.perf_counter() - began
    print(
        f"{tried} seeds from {start}, {broken} with a violation; {events} events, "
        f"{virtual_s:.0f} s of virtual time in {took_s:.1f} s ({tried / took_s:.1f} seeds/s)"
    )
    return min(broken, 1)


def _print_progress(tried: int, seeds: int, took_s: float, broken: int) -> None:
    left_s = (seeds - tried) * took_s / tried
    print(
        f"{tried} of {seeds} seeds, {broken} with a violation; {tried / took_s:.1f} seeds/s, "
        f"{left_s / 60:.0f} min left",
        flush=True,
    )


def first(start: int, seeds: int, workers: int) -> int:
    """Searches until one seed breaks a promise; says after how many and how long."""
    began, tried, broken = time.perf_counter(), 0, None
    for found in find(range(start, start + seeds), workers):
        tried += 1
        if found.violations:
            broken = found
            break
    took_s = time.perf_counter() - began
    if broken is None:
        print(f"none in {tried} seeds and {took_s:.1f} s")
        return 0
    text = broken.violations[0].splitlines()[-1]
    print(f"found after {tried} seeds and {took_s:.1f} s by seed {broken.seed}: {text}")
    return 1


def sweep(seed: int, stride: int = 1) -> Iterator[Found]:
    """Kills each process of a calm world before every turn that it takes, one turn a world."""
    calm = World(seed, calm=True)
    calm.run()
    for process in calm.processes:
        for turn in range(1, process.turns + 1, stride):
            found = World(seed, calm=True, doomed=(process.name, turn)).run()
            texts = tuple(f"{process.name} dead before turn {turn}: {t}" for t in found.violations)
            yield msgspec.structs.replace(found, violations=texts)


def show_sweep(seed: int) -> int:
    """Prints what the sweep of a seed came to."""
    worlds, broken = 0, 0
    for found in sweep(seed):
        worlds += 1
        if found.violations:
            broken += 1
            _print_violations(found)
    print(f"seed {seed} swept: {worlds} worlds, {broken} with a violation", flush=True)
    return min(broken, 1)


def show(seed: int, trace: bool, calm: bool = False, logs: int = 0) -> int:
    """Runs one seed, with every action if asked for."""
    world = World(seed, keep_trace=trace, calm=calm, logs=logs)
    found = world.run()
    for line in world.scheduler.lines or ():
        print(line)
    if found.violations:
        _print_violations(found, logs)
    print(
        f"seed {seed}: {found.runs} runs, {found.events} events, {found.actions} actions, "
        f"{found.virtual_s:.1f} s, trace {found.trace_hash}"
    )
    return min(len(found.violations), 1)


def _print_violations(found: Found, logs: int = 0) -> None:
    for text in found.violations[:SHOWN_MAX]:
        print(f"seed {found.seed}: {text}")
    more = f" --logs {logs}" if logs else ""
    print(f"  again: python -m tests.simulation --seed {found.seed} --trace{more}", flush=True)
