"""Stepping through long runs: opening, going back, memory, and the fold alone; prints JSON.

    python -m tests.benchmarks.bench_replay [loop] [map] [--iterations N] [--items N]

Two runs are made in memory with the product's own kernel: a loop of some 50,000 events (10,000
iterations of two tasks) and a map of 10,000 items that are all under way at the same time. Each is
then looked at in a process of its own, so that memory is that of the session. Times are wall and
CPU: where others use the machine too, CPU is what a session takes of it. `fold` is decode + evolve
by the code that coordinators rebuild runs with, without the check of the chain of digests.
"""

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Generic, TypeVar

import msgspec

from events import definition as d
from events import messages as m
from events.api import StartRun
from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.envelope import Head, Stamp, Stored, decoded, seal
from events.facts import Placement, Usage
from events.ids import definition_stream, run_stream
from events.limits import Limits
from events.policies import RunOptions
from events.values import Value
from orchestrator.adapters.cel import CelExpressions
from orchestrator.cli.collecting import collect_rarely, keep_what_is_loaded
from orchestrator.kernel import inputs as i
from orchestrator.kernel.decide import decide
from orchestrator.kernel.env import Env
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.state import RunState, serialise
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.exchange.export import Exported
from orchestrator.replay.moments import moment_of
from orchestrator.replay.recording import Recording, record
from tests.builders import NOW, VERSION, index, task, workflow

RUN_ID = "run-1"
PLACES = 40
STEPS = 5
ROUNDS = 5
Row = tuple[str, int, str, bytes]
T = TypeVar("T")


# -- making ---------------------------------------------------------------------------------------


def a_loop(iterations: int) -> tuple[d.Definition, Value, Limits]:
    body = (
        task("fetch", inputs={"n": "${ iteration.index }"}),
        task("store", inputs={"value": "${ steps.fetch.output.value }"}),
    )
    condition = f"steps.store.output == null || steps.store.output.value < {iterations - 1}"
    loop = d.WhileStep(id="loop", condition=condition, steps=body, iterations_max=iterations)
    return workflow(loop), None, Limits(instances_max=2 * iterations + 10)


def a_map(items: int) -> tuple[d.Definition, Value, Limits]:
    inputs: dict[str, Value] = {"item": "${ iteration.item }"}
    step = d.MapStep(
        id="map", items="${ input.items }", task="work", inputs=inputs, concurrency=items
    )
    value: Value = {"items": [{"id": n, "name": f"item {n}"} for n in range(items)]}
    return workflow(step), value, Limits(map_part_items_max=items)


class Maker:
    """Decides a run as a coordinator does, with envelopes of their usual size."""

    def __init__(self, definition: d.Definition, value: Value, limits: Limits) -> None:
        self._expressions, self._limits = CelExpressions(), limits
        self.net: NetIndex = index(definition, self._expressions)
        self.stored: list[Stored] = []
        self._state, self._head, self._now = RunState(), Head(run_stream(RUN_ID)), NOW
        request = StartRun(run_id=RUN_ID, workflow="workflow", input=value)
        self._give(
            i.Start(request=request, workflow_version=VERSION, options=RunOptions()), "start_run"
        )

    def finish(self) -> list[Stored]:
        state = self._state
        while not state.terminal:
            for step in list(state.ready):
                placement = Placement(candidates=3, score=0.75)
                given = i.Place(step=step, node="n1", incarnation="i1", placement=placement)
                self._give(given)
            for step in list(state.outstanding):
                self._complete(step)
            if not (state.ready or state.outstanding or state.terminal):
                self._give(i.Due())
        return self.stored

    def _complete(self, step: str) -> None:
        number = int(step[step.rfind("[") + 1 : -1])
        report = m.Completed(
            attempt=self._state.attempt_of(step),
            output={"value": number, "text": "what came of it"},
            started_at=self._now,
            ended_at=self._now + 500,
            usage=Usage(wall_s=0.1, cpu_s=0.05, memory_peak_bytes=1_000_000),
        )
        self._give(i.Reported(report=report), str(report.attempt))

    def _give(self, given: i.RunInput, causation: str = "") -> None:
        self._now += 1_000
        stamp = Stamp(recorded_at=self._now, causation=causation, epoch=3)
        env = Env(now=self._now, expressions=self._expressions, limits=self._limits)
        for fact in decide(self._state, self.net, given, env):
            event_id = f"01HABCDEFGH{len(self.stored):015d}"
            self.stored.append(seal(self._head, fact, event_id, stamp))


def make(kind: str, size: int, path: Path) -> None:
    maker = Maker(*(a_loop(size) if kind == "loop" else a_map(size)))
    net = DefinitionRegistered(
        workflow="workflow", workflow_version=VERSION, definition=workflow(), net=maker.net.net
    )
    definition = seal(Head(definition_stream("workflow")), net, "d1", Stamp(recorded_at=NOW))
    rows = [_row(one) for one in (definition, *maker.finish())]
    path.write_bytes(msgspec.msgpack.encode(rows))


def _row(one: Stored) -> Row:
    return one.stream, one.version, one.type, one.state


# -- looking --------------------------------------------------------------------------------------


def look(path: Path) -> dict[str, object]:
    """What a session with the run in the file takes."""
    rows = msgspec.msgpack.decode(path.read_bytes(), type=list[Row])
    streams: dict[str, list[Stored]] = {}
    for row in rows:
        streams.setdefault(row[0], []).append(Stored(*row))
    collect_rarely()  # as in the commands that open a session
    keep_what_is_loaded()
    history, before = Exported(RUN_ID, streams), _peak_mb()
    opened = timed(lambda: asyncio.run(record(history, Catalogue(), RUN_ID)))
    recording = opened.result
    cursor = Cursor(recording)
    to_end = timed(lambda: cursor.to(cursor.last))
    state_bytes = len(serialise(cursor.state))
    backs = [timed(cursor.back).wall_s for _ in range(4 * PLACES)]
    scattered = list(_scattered(recording))
    told = timed(lambda: moment_of(cursor.to(cursor.last // 2)))
    again = timed(lambda: moment_of(cursor))
    return {
        "events": recording.last,
        "event_bytes": recording.bytes,
        "state_bytes": state_bytes,
        "open": opened.shown(),
        "fold_to_the_end": to_end.shown(),
        "back_from_the_end_ms": _spread(backs),
        "back_anywhere_ms": _spread(scattered),
        "moment": told.shown(),
        "moment_again": again.shown(),
        "keyframes": len(recording.keyframes),
        "keyframe_bytes": recording.keyframes.bytes,
        "fold": _fold(recording, streams[recording.stream]),
        "memory_before_mb": before,
        "memory_peak_mb": _peak_mb(),
    }


class Timed(msgspec.Struct, Generic[T]):
    result: T
    wall_s: float
    cpu_s: float

    def shown(self) -> dict[str, float]:
        return {"wall_s": round(self.wall_s, 3), "cpu_s": round(self.cpu_s, 3)}


def timed(what: Callable[[], T]) -> Timed[T]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = what()
    return Timed(result, time.perf_counter() - wall, time.process_time() - cpu)


def _scattered(recording: Recording) -> Iterator[float]:
    """Steps back from places all over the run, to where a cursor has never been."""
    rng = Random(1)
    for _ in range(PLACES):
        cursor = Cursor(recording).to(rng.randint(STEPS, recording.last))
        yield from (timed(cursor.back).wall_s for _ in range(STEPS))


def _fold(recording: Recording, stored: Sequence[Stored]) -> dict[str, object]:
    """Decode + evolve, the best of some rounds."""
    catalogue, rates = Catalogue(), list[float]()
    for _ in range(ROUNDS):
        state, began = RunState(), time.process_time()
        for one in stored:
            header, fact = decoded(one, catalogue)
            evolve(state, fact, header.recorded_at)
        rates.append(len(stored) / (time.process_time() - began))
        if serialise(state) != serialise(Cursor(recording).to(recording.last).state):
            raise AssertionError("the fold differs from the cursor")
    return {"events_per_cpu_s": round(max(rates)), "rounds": [round(rate) for rate in rates]}


def _spread(times_s: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times_s, n=10)
    shown = {"median": cuts[4], "p90": cuts[8], "most": max(times_s)}
    return {name: round(1000 * value, 2) for name, value in shown.items()}


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=["loop", "map"])
    parser.add_argument("--iterations", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--look", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.look is not None:
        print(json.dumps(look(given.look)))
        return
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in given.kinds:
            path = Path(folder) / kind
            make(kind, given.iterations if kind == "loop" else given.items, path)
            command = [sys.executable, "-m", "tests.benchmarks.bench_replay", "--look", str(path)]
            done = subprocess.run(command, check=True, capture_output=True)
            found[kind] = json.loads(done.stdout)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
