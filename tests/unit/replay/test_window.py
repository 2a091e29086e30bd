"""States around a cursor are kept apart from each other, and share what is the same."""

import pytest

from events import definition as d
from events.envelope import Header
from events.facts import Fact
from events.limits import WINDOW_STEPS_MAX
from orchestrator.kernel.snapshot import restore
from orchestrator.kernel.state import RunState, StepState, serialise
from orchestrator.replay.changes import changes
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.recording import Recording
from orchestrator.replay.window import STATES_MAX, STATES_MIN, Window
from tests.builders import Play, started, task, workflow
from tests.recordings import recorded


def of_steps(count: int) -> RunState:
    return RunState(steps={f"s{number}": StepState("ready") for number in range(count)})


def test_a_state_stays_as_it_was_when_the_next_one_changes() -> None:
    window, state = Window(), of_steps(3)
    window.put(1, state)
    kept = serialise(state)
    state.steps["s1"].status = "failed"
    state.steps["s1"].excluded = {"n1": "refused"}
    state.steps.pop("s2")
    state.steps["new"] = StepState("ready")
    state.order.append("s1")

    found = window.take(1)
    assert found is not None
    assert serialise(found) == kept
    assert found.steps["s0"] is not state.steps["s0"]
    found.steps["s0"].status = "completed"
    again = window.look(1)
    assert again is not None
    assert serialise(again) == kept


def test_what_no_event_touched_is_shared() -> None:
    window, state = Window(), of_steps(3)
    window.put(1, state)
    state.steps["s1"].status = "failed"
    window.put(2, state)
    one, other = window.look(1), window.look(2)
    assert one is not None
    assert other is not None
    assert one.steps["s0"] is other.steps["s0"]
    assert one.steps["s1"] is not other.steps["s1"]


def test_states_far_away_make_room() -> None:
    window = Window()
    for version in range(1, 200):
        window.put(version, of_steps(1))
    assert len(window) == STATES_MAX
    assert 199 in window
    assert 100 not in window
    window.put(50, of_steps(1))
    assert 50 in window
    assert 199 not in window


@pytest.mark.edge("WINDOW_STEPS_MAX")
def test_the_more_steps_the_fewer_states() -> None:
    window = Window(steps_max=100)
    for version in range(30):
        window.put(version, of_steps(10))
    assert len(window) == 10
    window.put(30, of_steps(1000))
    assert len(window) == STATES_MIN
    assert Window().width(of_steps(1)) == STATES_MAX < WINDOW_STEPS_MAX


class Counting(Recording):
    """Counts the events that are decoded."""

    count = 0

    def decoded(self, version: int) -> tuple[Header, Fact]:
        self.count += 1
        return super().decoded(version)


@pytest.fixture
def play() -> Play:
    loop = d.ForEachStep(id="loop", items=list(range(40)), steps=(task("a"),))
    return started(workflow(loop)).finish()


def test_steps_back_fold_nothing_as_long_as_the_window_lasts(play: Play) -> None:
    plain = recorded(play)
    counting = Counting(plain.run_id, plain.catalogue)
    for version in range(1, plain.last + 1):
        counting.take(plain.stored(version))
    cursor = Cursor(counting).to(plain.last)
    counting.count = 0
    for version in range(plain.last - 1, plain.last - 1 - STATES_MAX, -1):
        assert serialise(cursor.back().state) == play.states[version - 1]
    assert counting.count == 0
    cursor.back()
    assert counting.count > 0


def test_what_changed_is_the_difference_to_the_state_before(play: Play) -> None:
    cursor = Cursor(recorded(play)).to(20)
    before, after = restore(play.states[18]), restore(play.states[19])
    assert cursor.changed() == changes(before, after) != ()
    assert cursor.to(30).to(20).changed() == changes(before, after)
