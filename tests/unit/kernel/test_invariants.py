"""The invariants: each of them can be broken, and says so."""

from collections.abc import Callable

import pytest

from events.facts import Failure
from orchestrator.kernel.invariants import violations
from orchestrator.kernel.state import Closing, RunState, StepState
from tests.builders import copy, started, task, workflow


def sound() -> RunState:
    play = started(workflow(task("a"), task("b", depends_on=()), task("c", depends_on=())))
    play.place("a")
    return copy(play.state)


def set_status(state: RunState, status: str) -> None:
    state.status = status


def set_closing(state: RunState) -> None:
    state.closing = Closing("cancelled")


BREAKS: dict[str, tuple[Callable[[RunState], object], str]] = {
    "an unknown status": (lambda s: set_status(s, "sleeping"), "closed set"),
    "a terminal status without an end": (lambda s: set_status(s, "failed"), "come together"),
    "an end without a terminal status": (lambda s: setattr(s, "ended_at", 1), "come together"),
    "outstanding, not held": (lambda s: s.outstanding.update(b=1), "b is not one"),
    "outstanding, another attempt": (lambda s: s.outstanding.update(a=7), "attempt 7 of a"),
    "outstanding, unknown": (lambda s: s.outstanding.update(x=1), "of x is not one"),
    "held, not outstanding": (lambda s: s.outstanding.clear(), "a is dispatched and not"),
    "ready and outstanding": (lambda s: s.ready.update(a=None), "a is in the ready set"),
    "retrying without a timer": (
        lambda s: s.steps.update(b=StepState("retrying")),
        "b waits for a retry without a timer",
    ),
    "closing with a timer": (set_closing, "a closing run still has"),
    "recalled, not outstanding": (
        lambda s: setattr(s.steps["b"], "recalled", "x"),
        "b is recalled and not outstanding",
    ),
    "a debt of tokens": (lambda s: s.tokens.update({"x>y": -1}), "x>y has -1 tokens"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_broken_state_is_described(what: str) -> None:
    state = sound()
    assert violations(state) == []
    damage, words = BREAKS[what]
    damage(state)
    assert any(words in found for found in violations(state)), violations(state)


def test_nothing_to_wait_for_is_a_violation() -> None:
    state = RunState(run_id="r", version=1, status="running")
    assert violations(state) == ["open, with nothing outstanding, ready or timed"]
    state.timers["run"] = 5
    assert violations(state), "the run's own timeout is no progress"
    state.timers["retry:a"] = 5
    assert violations(state) == []


@pytest.mark.parametrize(
    "state",
    [
        RunState(version=1, status="running", at_end=True),
        RunState(version=1, status="running", stuck={"a": Failure(code="x")}),
        RunState(version=1, status="running", closing=Closing("cancelled")),
        RunState(version=1, status="running", failure=Failure(code="x"), failed_step="a"),
    ],
)
def test_between_the_facts_of_a_decision_the_next_fact_is_what_comes(state: RunState) -> None:
    assert violations(state) == []
    assert state.unsettled


def test_leftovers_of_an_ended_run_are_violations() -> None:
    play = started(workflow(task("a"))).finish()
    for damage in (
        lambda s: s.tokens.update({"x>y": 1}),
        lambda s: s.outstanding.update(a=1),
        lambda s: s.ready.update(a=None),
        lambda s: s.timers.update(run=1),
        lambda s: setattr(s, "closing", Closing("failed")),
    ):
        state = copy(play.state)
        assert violations(state) == []
        damage(state)
        assert violations(state)


def test_a_run_that_does_not_exist_yet_is_sound() -> None:
    assert violations(RunState()) == []
