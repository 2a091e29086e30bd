"""Two definitions, step by step."""

import msgspec
from hypothesis import given

from events.definition import Case, ChoiceStep, Definition, Handler
from events.policies import Retry, RunOptions
from orchestrator.authoring.difference import Change, difference
from tests.builders import parallel, task, workflow
from tests.unit.authoring.nets import definitions


def changed(before: Definition, after: Definition) -> dict[str, dict[str, tuple[object, object]]]:
    """Step → field → both sides; None where a side has none."""
    return {
        one.step: {
            change.field: (_side(change.before), _side(change.after)) for change in one.changes
        }
        for one in difference(before, after)
    }


def _side(value: object) -> object:
    return None if value is msgspec.UNSET else value


def test_a_changed_field_is_named_by_its_path() -> None:
    before = workflow(task("a", retry=Retry(attempts_max=2)), task("b"))
    after = workflow(task("a", retry=Retry(attempts_max=5)), task("b", inputs={"x": 1}))
    assert changed(before, after) == {
        "a": {"retry.attempts_max": (2, 5)},
        "b": {"inputs": (None, {"x": 1})},
    }


def test_steps_come_go_and_move() -> None:
    before = workflow(task("a"), task("b"), parallel(left=task("c"), right=task("d")))
    after = workflow(task("a"), task("new"), parallel(left=task("c"), right=(task("d"), task("b"))))
    found = {one.step: one.how for one in difference(before, after)}
    assert found == {"new": "added", "p": "changed", "b": "changed"}
    assert changed(before, after)["b"] == {
        "place": ("the workflow", "p, branch right"),
        "follows": ("a", "d"),
    }
    assert {one.step: one.how for one in difference(after, before)}["new"] == "removed"


def test_cases_and_handlers_are_told_apart_by_what_leads_to_them() -> None:
    def branching(when: str, code: str) -> Definition:
        choice = ChoiceStep(id="c", cases=(Case(when=when, steps=(task("x"),)),), default=())
        return workflow(choice, task("g", on_error=(Handler(codes=(code,), steps=(task("m"),)),)))

    assert changed(branching("input.n > 1", "busy"), branching("input.n > 2", "full")) == {
        "c": {"cases": ([{"when": "input.n > 1"}], [{"when": "input.n > 2"}])},
        "g": {"on_error": ([{"codes": ["busy"]}], [{"codes": ["full"]}])},
    }


def test_the_workflow_itself() -> None:
    before, after = workflow(task("a")), workflow(task("a"), output=1)
    after = msgspec.structs.replace(after, options=RunOptions(timeout_s=5.0))
    assert changed(before, after) == {
        "": {"output": (None, 1), "options": (None, {"timeout_s": 5.0})}
    }


def test_one_is_not_true() -> None:
    found = difference(
        workflow(task("a", inputs={"x": 1})), workflow(task("a", inputs={"x": True}))
    )
    assert found[0].changes == (Change(field="inputs.x", before=1, after=True),)


@given(definitions())
def test_nothing_differs_from_itself(definition: Definition) -> None:
    assert difference(definition, definition) == ()
