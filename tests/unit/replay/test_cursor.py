"""A cursor goes anywhere in a history, and finds there what a fold up to there finds."""

import pytest

from events import definition as d
from events.errors import Corrupt, InvariantViolation, Rejected
from events.limits import KEYFRAMES_BYTES_MAX
from events.task_facts import TaskCompleted
from orchestrator.kernel.state import RunState, serialise
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.keyframes import TAIL_BYTES_MIN, Keyframes
from orchestrator.replay.recording import Recording
from tests.builders import NOW, Play, started, task, workflow
from tests.recordings import forked, recorded


@pytest.fixture
def play() -> Play:
    body = (task("a"), task("b"))
    loop = d.ForEachStep(id="loop", items=list(range(6)), steps=body)
    return started(workflow(loop, task("last"))).finish()


def same(cursor: Cursor, play: Play, version: int) -> bool:
    there = play.states[version - 1] if version else serialise(RunState())
    return cursor.version == version and serialise(cursor.state) == there


def test_it_goes_forward_and_back_one_by_one(play: Play) -> None:
    cursor = Cursor(recorded(play))
    assert same(cursor, play, 0)
    for version in range(1, len(play.facts) + 1):
        assert same(cursor.forward(), play, version)
    for version in range(len(play.facts) - 1, -1, -1):
        assert same(cursor.back(), play, version)
    assert cursor.event is None


def test_it_stays_at_the_ends(play: Play) -> None:
    cursor = Cursor(recorded(play))
    assert cursor.back(3).version == 0
    assert same(cursor.forward(10_000), play, cursor.last)
    assert cursor.forward().version == cursor.last
    assert cursor.back(10_000).version == 0


def test_it_goes_to_a_version_and_to_an_instant(play: Play) -> None:
    cursor = Cursor(recorded(play))
    for version in (9, 2, 14, 0, 14, 1):
        assert same(cursor.to(version), play, version)
    assert cursor.to_time(NOW).version == cursor.last
    assert cursor.to_time(NOW - 1).version == 0
    for outside in (-1, cursor.last + 1):
        with pytest.raises(Rejected, match="has no version"):
            cursor.to(outside)


def test_its_event_is_the_one_that_led_there(play: Play) -> None:
    cursor = Cursor(recorded(play)).to(7)
    assert cursor.event is not None
    assert cursor.event.fact == play.facts[6]


def test_a_fork_begins_with_the_state_of_its_source(play: Play) -> None:
    source = recorded(play)
    part = Recording("run-1", source.catalogue)
    for version in range(1, 8):
        part.take(source.stored(version))
    fork = forked(play, 7)
    cursor = Cursor(recorded(fork, part))

    assert same(cursor.to(cursor.last), fork, cursor.last)
    assert same(cursor.to(1), fork, 1)
    with pytest.raises(Corrupt, match="are absent"):
        Cursor(recorded(fork)).to(1)


def test_a_run_that_went_back_goes_on_from_there() -> None:
    play = started(workflow(task("a"), task("b"), task("c")))
    play.run("a")
    early = play.state.version
    play.run("b")
    play.restore(early)
    play.run("b")
    later = play.state.version
    play.restore(later)
    play.restore(early)
    play.finish()
    cursor = Cursor(recorded(play))
    for version in (cursor.last, early, later, 1, later + 1, cursor.last, later + 2):
        assert same(cursor.to(version), play, version)


def test_states_lie_apart_as_far_as_events_outgrow_them() -> None:
    frames = Keyframes()
    assert frames.apart(state_bytes=1_000_000) == 1_000_000
    assert frames.apart(state_bytes=10) == TAIL_BYTES_MIN


@pytest.mark.edge("KEYFRAMES_BYTES_MAX")
def test_over_their_bound_fewer_states_are_kept(play: Play) -> None:
    size = len(play.states[-1])
    assert size < KEYFRAMES_BYTES_MAX
    frames = Keyframes({1}, bytes_max=10 * size)
    for version, state in enumerate(play.states, 1):
        frames.keep(version, state)
    assert frames.bytes <= 10 * size
    assert frames.at(1) == play.states[0]
    found = frames.before(len(play.states))
    assert found is not None
    assert found[1] == play.states[found[0] - 1]
    recording = recorded(play)
    recording.keyframes = frames
    cursor = Cursor(recording)
    for version in (len(play.states), 5, 17, 3, 0):
        assert same(cursor.to(version), play, version)


def test_an_event_that_does_not_fit_stops_it_before(play: Play) -> None:
    second = next(n for n, fact in enumerate(play.facts) if isinstance(fact, TaskCompleted))
    wrong = Play(play.net, play.setting, play.expressions)
    wrong.facts = [*play.facts[:second], play.facts[-2], *play.facts[second + 1 :]]
    wrong.instants = play.instants
    cursor = Cursor(recorded(wrong))
    with pytest.raises(InvariantViolation):
        cursor.to(cursor.last)
    assert cursor.version < cursor.last
    assert same(cursor, play, cursor.version)
