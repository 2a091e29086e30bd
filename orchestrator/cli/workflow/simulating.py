"""`dalsegno simulate`: one's own workflow in a simulated cluster, under faults, many times."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
from cyclopts import Parameter

from events.errors import InvariantViolation, Misconfigured, Rejected
from events.simulation import FAULTS, Plan, SimulatedSeed
from orchestrator.authoring import read
from orchestrator.cli.exits import DONE, FAILED
from orchestrator.cli.output import counted, print_json
from orchestrator.cli.progress import Progress
from orchestrator.cli.run.inputs import read_input
from orchestrator.cli.workflow.definitions import TimeScale, checked_authored
from orchestrator.cli.workflow.modelling import read_model

SEEDS_MAX = 1_000_000
RUNS_MAX = 1000
NODES_MAX = 100
NONE, STANDARD = "none", "standard"


def simulate(  # noqa: PLR0913 -- they are options of a command
    file: str,
    *,
    seeds: int = 100,
    faults: str = STANDARD,
    model: str = "",
    input: str = "",  # noqa: A002 -- the flag is called so
    also: Annotated[list[str] | None, Parameter(negative="")] = None,
    runs: int = 1,
    agents: int = 3,
    slots: int = 8,
    coordinators: int = 2,
    start: int = 0,
    seed: int | None = None,
    time_scale: TimeScale = None,
    json: bool = False,
) -> int:
    """Play a workflow many times in a simulated cluster, under faults, and say what came of it.

    No server is needed, no handler is called, and time is virtual: coordinators and agents decide
    as in production, while they are killed and cut off and their disks and clocks fail. In place
    of a handler stands a model. Without --model an attempt of every task takes a second in half of
    the cases and ten seconds or less in 99 of 100, fails in 1 of 100, and returns null. The same
    seed is the same history.

    Exit code 0 if every promise was kept, 1 if one was broken: that is a fault of Dal Segno.

    Parameters
    ----------
    file
        A .yaml, .json or .py file, or a WfFormat trace.
    seeds
        How many histories.
    faults
        `standard` (all), `none`, or some of them: crashes, pauses, partitions, messages, disks,
        clocks, store, bus, drains; with commas between.
    model
        A YAML or JSON file that says how long tasks take, how often they fail, what they return,
        and which signals come when.
    input
        The run's input as JSON, or @file.
    also
        File with a workflow that steps of this one call; may be repeated.
    runs
        How many runs at the same time.
    agents
        How many nodes.
    slots
        How many attempts a node runs at the same time.
    coordinators
        How many coordinators share the work.
    start
        The first seed.
    seed
        Play this one only, and print what happened when.
    json
        Answer in JSON.

    Examples
    --------
    dalsegno simulate examples/diamond.py --input '{"values": [4, 8, 15]}'
    dalsegno simulate shop.yaml --model shop.model.yaml --seeds 1000 --runs 20
    dalsegno simulate shop.yaml --faults crashes,partitions --seed 71
        What happened in this history, line by line.
    """
    _within("--seeds", seeds, SEEDS_MAX)
    _within("--runs", runs, RUNS_MAX)
    _within("--agents", agents, NODES_MAX)
    _within("--coordinators", coordinators, NODES_MAX)
    _within("--slots", slots, RUNS_MAX)
    definitions = [
        checked_authored(one, None)
        for one in (*map(read, also or ()), read(file, time_scale=time_scale))
    ]
    plan = Plan(
        definitions=tuple(definitions),
        input=read_input(input),
        model=read_model(model),
        seeds=(seed,) if seed is not None else tuple(range(start, start + seeds)),
        faults=_faults(faults),
        runs=runs,
        agents=agents,
        slots=slots,
        coordinators=coordinators,
        timeline=seed is not None,
        workers=min(os.cpu_count() or 1, seeds),
    )
    with Progress(f"simulating {counted(len(plan.seeds), 'seed')}") as progress:
        calm, *found = play(plan, lambda done: progress.say(f"{done} of {len(plan.seeds)} seeds"))
    if json:
        print_json({"undisturbed": calm, "seeds": found})
    else:
        from orchestrator.cli.workflow.simulated import show, show_timeline

        if seed is None:
            show(plan, calm, found, shlex.join(["dalsegno", *sys.argv[1:]]))
        else:
            show_timeline(plan, found[0])
    return FAILED if any(one.violations for one in found) else DONE


def _within(flag: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise Misconfigured(f"{flag} is {value}: expected 1 to {most}")


def _faults(text: str) -> tuple[str, ...]:
    """The kinds of faults that a list names."""
    if text in {NONE, STANDARD}:
        return tuple(FAULTS) if text == STANDARD else ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in FAULTS:
            known = ", ".join(FAULTS)
            raise Misconfigured(
                f"--faults {text}: there are no faults called {name}; expected {STANDARD}, "
                f"{NONE}, or some of {known}"
            )
    return names


def play(plan: Plan, done: Callable[[int], None]) -> Sequence[SimulatedSeed]:
    """What came of an undisturbed world and then of each seed, in order.

    Raises `Rejected` when the workflow cannot be started with its input.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "dalsegno.simulation"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise InvariantViolation("a process was started without its pipes")
        process.stdin.write(msgspec.json.encode(plan))
        process.stdin.close()
        found: list[SimulatedSeed] = []
        try:
            for line in process.stdout:
                found.append(msgspec.json.decode(line, type=SimulatedSeed))
                done(len(found) - 1)
            said = process.stderr.read().decode(errors="replace").strip()
        except BaseException:
            process.kill()
            raise
    code, _, message = said.partition(": ")
    if process.returncode and code == Rejected.code:
        raise Rejected(message)
    if process.returncode or len(found) != len(plan.seeds) + 1:
        raise InvariantViolation(f"the simulator has ended with {process.returncode}: {said}")
    return found
