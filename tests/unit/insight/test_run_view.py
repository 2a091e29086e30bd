"""The view of a run: what never ran is said to be skipped once that is certain."""

from msgspec import UNSET

from events import definition as d
from events.policies import Retry
from orchestrator.insight.run_view import run_view
from orchestrator.kernel.durations import as_text
from tests.builders import Play, started, task, workflow


def guarded() -> d.Definition:
    """`a` with a handler of one code and one of any."""
    special = d.Handler(codes=("special",), steps=(task("mend"),))
    other = d.Handler(steps=(task("note"),))
    return workflow(task("a", on_error=(special, other), retry=Retry()), task("b"))


def statuses(play: Play) -> dict[str, str]:
    view = run_view(play.state, play.net.net)
    shown = {step.name: step.status for step in view.steps}
    assert {one.name: one.status for one in view.tasks} == shown
    return shown


def test_handlers_of_what_did_not_fail_are_skipped() -> None:
    shown = statuses(started(guarded()).finish())
    assert shown == {"a": "completed", "b": "completed", "mend": "skipped", "note": "skipped"}


def test_of_several_handlers_those_that_did_not_run_are_skipped() -> None:
    play = started(guarded())
    play.place("a")
    play.fail("a", "special")
    shown = statuses(play.finish())
    assert shown == {"a": "failed", "mend": "completed", "b": "completed", "note": "skipped"}


def test_an_open_run_skips_nothing_that_may_still_run() -> None:
    play = started(guarded())
    assert statuses(play) == {"a": "ready"}


def test_what_a_cancelled_run_did_not_reach_is_not_shown() -> None:
    play = started(guarded())
    play.cancel()
    assert statuses(play) == {"a": "cancelled"}


def test_a_group_that_is_open_says_by_when_it_is_to_be_over_and_that_it_is_late() -> None:
    group = d.WithinStep(id="offer", timeout_s=30.0, steps=(task("a"),))
    play = started(workflow(group))

    def pending() -> object:
        return {step.name: step.pending for step in run_view(play.state, play.net.net).steps}[
            "offer"
        ]

    assert pending() == f"until {as_text(play.state.timers['within:offer'])}"
    play.place("a")
    play.due(30.0)
    assert pending() == "late: what is under way is called back"
    play.give_back("a")
    assert pending() is UNSET
