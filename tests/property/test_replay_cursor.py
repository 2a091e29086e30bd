"""Wherever a cursor goes, and on whatever way: the state there is that of a fresh fold.

The runs are those of simulated worlds: coordinators die, nodes vanish, operators restore and fork,
maps run in parts, steps call other workflows, values are erased, two releases write side by side.
"""

import asyncio
import os
from collections.abc import Iterator
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import run_facts as r
from events.catalogue import Catalogue
from events.codec import encode
from events.envelope import Event
from events.facts import Fact
from events.operator_facts import RunRestored
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.snapshot import restore
from orchestrator.kernel.state import RunState, serialise
from orchestrator.replay.changes import change_at, changes
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.moments import moment_of
from orchestrator.replay.ports import History
from orchestrator.replay.rebuild import Kept, Rebuilder
from orchestrator.replay.recording import Recording, record
from orchestrator.replay.stops import OnError, OnStep, OnType, Stop
from orchestrator.replay.why.reasons import why_event
from tests.builders import Play
from tests.property.test_operators import histories
from tests.recordings import forked, recorded
from tests.simulation.versions import catalogue
from tests.simulation.world import World

WORLDS = int(os.environ.get("REPLAY_SEEDS", "3"))
WORLDS_MAX = 12
"""Where those have not had all kinds of runs."""
EXAMPLES = 100
MOVES = 25
ERASED = b'"$erased"'
KINDS = {"forks", "restores", "maps", "parts", "calls", "erased values"}
STOPS: tuple[tuple[Stop, ...], ...] = (
    (OnType("task.completed"),),
    (OnError(attempts=True), OnType("run.*")),
    (OnStep("s1"), OnStep("s2*")),
)


class Folded:
    """A run folded anew, event by event, by the code that rebuilds runs; its states as bytes."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.states = [serialise(RunState())]
        self.kinds: set[str] = set()

    async def fold(self, history: History) -> "Folded":
        rebuilder = Rebuilder(history, self.recording.catalogue, snapshots=False)
        state, kept = RunState(), Kept()
        async for event in rebuilder.follow(self.recording.run_id):
            state = await rebuilder.ground(state, event, kept)
            evolve(state, event.fact, event.header.recorded_at)
            self.states.append(serialise(state))
            self.kinds.update(_kinds(event))
        return self

    def is_at(self, cursor: Cursor) -> bool:
        return serialise(cursor.state) == self.states[cursor.version]

    def see(self, cursor: Cursor) -> None:
        assert self.is_at(cursor), f"{self.recording.run_id} at {cursor.version}"


def _kinds(event: Event) -> Iterator[str]:
    fact: Fact = event.fact
    if isinstance(fact, r.RunForked):
        yield "forks"
    elif isinstance(fact, RunRestored):
        yield "restores"
    elif isinstance(fact, r.MapPartCompleted):
        yield "parts"
    flow = getattr(fact, "flow", None)
    if flow is not None and flow.maps:
        yield "maps"
    if flow is not None and flow.calls:
        yield "calls"
    if ERASED in encode(fact):
        yield "erased values"


def everywhere(folded: Folded, rng: Random) -> None:
    """At every version: on the way there, on the way back, and from anywhere else."""
    cursor, last = Cursor(folded.recording), folded.recording.last
    assert len(folded.states) == last + 1 > 1
    for version in (*range(last + 1), *range(last, -1, -1)):
        folded.see(cursor.to(version))
    for version in rng.sample(range(last + 1), min(last + 1, MOVES)):
        folded.see(cursor.to(version))
        folded.see(Cursor(folded.recording).to(version))
    wander(cursor, rng, folded)


def follow(play: Play, folded: Folded) -> None:
    """Along with a run that goes on: it may be restored to where the cursor was long ago."""
    live = Recording(play.setting.run_id, Catalogue())
    cursor = Cursor(live)
    for version, stored in enumerate(play.stored(), start=1):
        live.take(stored)
        folded.see(cursor.to(version))


def wander(cursor: Cursor, rng: Random, folded: Folded, moves: int = MOVES) -> None:
    """Goes forward and back, jumps and runs, and compares wherever it comes to."""
    for _ in range(moves):
        way, far = rng.randrange(7), rng.randint(1, max(2, cursor.last // 3))
        before = cursor.version
        if way == 0:
            assert cursor.forward(far).version == min(cursor.last, before + far)
        elif way == 1:
            assert cursor.back(far).version == max(0, before - far)
        elif way == 2:
            _step_by_step(cursor, rng, folded)
        elif way == 3:
            cursor.to_time(cursor.recording.at(rng.randint(1, cursor.last)))
        elif way == 4:
            cursor.run_to(rng.choice(STOPS), backwards=rng.random() < 0.5)
        else:
            to = rng.randint(0, cursor.last)
            assert cursor.to(to).version == to
        folded.see(cursor)


def _step_by_step(cursor: Cursor, rng: Random, folded: Folded) -> None:
    for _ in range(rng.randint(1, 12)):
        cursor.back() if rng.random() < 0.6 else cursor.forward()
        folded.see(cursor)


def look(folded: Folded, rng: Random) -> None:
    """What is told at some versions is told of these states."""
    recording, states = folded.recording, folded.states
    for version in rng.sample(range(1, recording.last + 1), min(6, recording.last)):
        before, after = restore(states[version - 1]), restore(states[version])
        assert change_at(recording, version) == changes(before, after)
        reason = why_event(recording, version)
        assert reason.sentence
        assert all(link.version < version or link.run_id for link in reason.chain)
        moment = moment_of(Cursor(recording).to(version))
        assert msgspec.json.encode(moment)
        assert {name: one.value for name, one in moment.variables.items()} == after.variables


async def _all_runs(world: World) -> list[Folded]:
    history, found = world.logs.reader(), list[Folded]()
    for run_id in world.auditor.books:
        recording = await record(history, catalogue(), run_id)
        found.append(await Folded(recording).fold(history))
    return found


@pytest.mark.timeout(60)
def test_runs_of_simulated_worlds_are_the_same_on_every_way() -> None:
    kinds = set[str]()
    for seed in range(WORLDS_MAX):
        if seed >= WORLDS and kinds == KINDS:
            break
        world, rng = World(seed), Random(seed)
        assert not world.run().violations
        for folded in asyncio.run(_all_runs(world)):
            kinds |= folded.kinds
            everywhere(folded, rng)
            look(folded, rng)
    assert kinds == KINDS


@settings(max_examples=EXAMPLES)
@given(play=histories(), seed=st.integers(0, 2**32), data=st.data())
def test_runs_that_operators_have_had_their_hands_in_and_forks_of_them(
    play: Play, seed: int, data: st.DataObject
) -> None:
    rng, folded = Random(seed), Folded(recorded(play))
    folded.states += play.states
    everywhere(folded, rng)
    follow(play, folded)

    version = data.draw(st.integers(1, len(play.facts)), label="version")
    source = restore(play.states[version - 1])
    if source.terminal or source.closing is not None:
        return  # nothing can go on from there
    part = Recording(play.setting.run_id, Catalogue())
    for stored in play.stored()[:version]:
        part.take(stored)
    fork = forked(play, version)
    folded = Folded(recorded(fork, part))
    folded.states += fork.states
    everywhere(folded, rng)
    look(folded, rng)
