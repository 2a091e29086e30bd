"""Whatever the world does to a run, its promises hold."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from events import run_facts as r
from events import task_facts as t
from events.definition import Definition
from events.facts import Fact
from orchestrator.adapters.cel import CelExpressions
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.snapshot import restore
from orchestrator.kernel.state import serialise
from tests.builders import Play, index
from tests.worlds import INPUT, Author, Drawn, Rolled, World, definitions, setting_of

ROOT = Path(__file__).parents[2]
TERMINAL = (r.RunCompleted, r.RunFailed, r.RunCancelled, r.RunTimedOut)
ENDS = (t.TaskCompleted, t.TaskFailed, t.TaskCancelled)
EXPRESSIONS = CelExpressions()


def history(definition: Definition, world_of: Drawn | Rolled, deeds: int) -> Play:
    """A run in a wild world that turns fair in the end."""
    play = Play(index(definition, EXPRESSIONS), setting_of(definition), EXPRESSIONS)
    play.start(INPUT)
    world = World(play, world_of)
    world.act(deeds)
    world.settle_down()
    return play


@st.composite
def histories(draw: st.DrawFn) -> Play:
    definition = draw(definitions())
    return history(definition, Drawn(draw), draw(st.integers(0, 60)))


@given(play=histories())
def test_a_run_reaches_an_end_and_every_promise_holds_on_the_way(play: Play) -> None:
    assert play.state.terminal
    check_end(play.facts)
    check_tasks(play.facts)
    play.check_replay()


def check_end(facts: list[Fact]) -> None:
    """One terminal fact, and it is the last."""
    assert [isinstance(fact, TERMINAL) for fact in facts].count(True) == 1
    assert isinstance(facts[-1], TERMINAL)
    assert isinstance(facts[0], r.RunStarted)


def check_tasks(facts: list[Fact]) -> None:
    """Enabled once, ended once, nothing after that; attempts count one by one."""
    enabled, ended = Counter[str](), Counter[str]()
    attempts = Counter[str]()
    recalls = Counter[tuple[str, int, str]]()
    for fact in facts:
        step = getattr(fact, "step", "")
        if step and not isinstance(fact, (r.RunFailed, r.RunClosing)):
            assert not ended[step], f"{fact.TYPE} about {step}, which is over"
        if isinstance(fact, t.TaskDispatched):
            attempts[step] += 1
            assert fact.attempt == attempts[step]
        elif isinstance(fact, (t.AttemptFailed, t.TaskCompleted, t.TaskStarted, t.TaskRecalled)):
            assert fact.attempt == attempts[step]
        if isinstance(fact, t.TaskRecalled):
            recalls[step, fact.attempt, fact.code] += 1
        if isinstance(fact, ENDS):
            ended[step] += 1
        flow = getattr(fact, "flow", None)
        enabled.update(one.step for one in flow.enabled) if flow else None
    assert max(enabled.values(), default=1) == 1
    assert max(recalls.values(), default=1) == 1


@given(play=histories(), data=st.data())
def test_a_state_restored_at_any_version_goes_on_like_the_live_one(
    play: Play, data: st.DataObject
) -> None:
    """Snapshot + tail is full replay."""
    version = data.draw(st.integers(1, len(play.facts)), label="version")
    snapshot = play.states[version - 1]
    assert serialise(restore(snapshot)) == snapshot
    tail = Play(play.net, play.setting, play.expressions)
    tail.base = restore(snapshot)
    tail.facts, tail.instants = play.facts[version:], play.instants[version:]
    tail.before, tail.states = play.states[:version], play.states[version:]
    tail.check_replay()


@given(play=histories(), data=st.data())
def test_a_fork_at_any_open_version_reaches_an_end(play: Play, data: st.DataObject) -> None:
    version = data.draw(st.integers(1, len(play.facts)), label="version")
    source = restore(play.states[version - 1])
    if source.terminal or source.closing is not None:
        return
    fork = Play(play.net, setting_of(Definition(name="w", steps=()), "fork"), EXPRESSIONS)
    fork.state, fork.base = source, restore(play.states[version - 1])
    fork.now = play.now
    fork.fork("fork", version)
    fork.finish()
    check_end([*play.facts[:1], *fork.facts])
    fork.check_replay()


# -- the same in another process ------------------------------------------------------------------


def digest_of_histories(count: int) -> str:
    """A digest over every state of so many seeded histories."""
    found = hashlib.sha256()
    for seed in range(count):
        choose = Rolled(seed)
        play = history(Author(choose).write(), choose, 40)
        for state in play.states:
            found.update(state)
        for stored in play.stored():
            found.update(stored.state)
    return found.hexdigest()


def test_another_process_with_another_hash_seed_and_time_zone_finds_the_same_states() -> None:
    count = 60
    code = "from tests.property import test_kernel_runs as t; print(t.digest_of_histories({}))"
    found = {digest_of_histories(count)}
    for hash_seed, zone in (("1", "Asia/Kathmandu"), ("4242", "America/St_Johns")):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": zone}
        answer = subprocess.run(
            [sys.executable, "-c", code.format(count)],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=25,
            check=True,
        )
        found.add(answer.stdout.strip())
    assert len(found) == 1


def test_a_net_is_shared_by_runs_and_not_changed_by_them() -> None:
    choose = Rolled(7)
    definition = Author(choose).write()
    net: NetIndex = index(definition, EXPRESSIONS)
    first, second = (Play(net, setting_of(definition), EXPRESSIONS) for _ in range(2))
    for play in (first, second):
        play.start(INPUT)
        World(play, Rolled(3)).act(40)
        play.finish()
    assert first.states == second.states
