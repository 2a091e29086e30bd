"""What expressions see."""

import pytest

from events.facts import Failure
from events.values import Value
from orchestrator.kernel.expressions import PathMissing
from orchestrator.kernel.scope import Scope
from orchestrator.kernel.state import RunState, StepState

STATE = RunState(
    run_id="r",
    workflow="w",
    input={"a": {"b": 1}, "n": None},
    variables={"v": [1], "o": {"x": 2}},
    steps={
        "done": StepState("completed", output={"y": {"z": 3}}),
        "bare": StepState("completed"),
        "failed": StepState("failed", failure=Failure(code="boom", details={"k": 4})),
        "retried": StepState("completed", output=1, failure=Failure(code="once")),
        "waiting": StepState("retrying", failure=Failure(code="once")),
        "skipped": StepState("skipped"),
    },
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("input", {"a": {"b": 1}, "n": None}),
        ("input.a.b", 1),
        ("input.n", None),
        ("vars.v", [1]),
        ("vars.o.x", 2),
        ("run.id", "r"),
        ("run.workflow", "w"),
        ("steps.done.output", {"y": {"z": 3}}),
        ("steps.done.output.y.z", 3),
        ("steps.bare.output", None),
        ("steps.done.error", None),
        ("steps.failed.error.code", "boom"),
        ("steps.failed.error.details.k", 4),
        ("steps.failed.output", None),
        ("steps.failed.output.x.y", None),
        ("steps.retried.error", None),
        ("steps.retried.output", 1),
        ("steps.waiting.error", None),
        ("steps.skipped.output.x", None),
        ("steps.skipped.error", None),
        ("steps.never.output.x", None),
        ("steps.never.error.code", None),
    ],
)
def test_a_path_leads_to_its_value(path: str, value: Value) -> None:
    assert Scope(STATE).resolve(path) == value


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("input.x", "`input` has no `x`; its keys: a, n"),
        ("input.a.b.c", "`input.a.b` has no `c`: it is a number"),
        ("input.n.x", "it is null"),
        ("vars.nope", "`vars.nope` is not set yet"),
        ("vars.v.x", "it is a list of 1"),
        ("vars", "is not known"),
        ("steps.done", "is not known"),
        ("steps.done.status", "is not known"),
        ("steps.done.output.q", "`steps.done.output` has no `q`"),
        ("run.secret", "is not known"),
        ("env.HOME", "is not known"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(path: str, message: str) -> None:
    with pytest.raises(PathMissing) as caught:
        Scope(STATE).resolve(path)
    assert message in str(caught.value)
    assert caught.value.path == path


def test_the_decision_under_way_lies_over_the_state() -> None:
    scope = Scope(
        STATE,
        outputs={"never": {"new": 1}},
        failures={"done": Failure(code="now")},
        variables={"v": "new"},
    )
    assert scope.resolve("steps.never.output.new") == 1
    assert scope.resolve("steps.done.error.code") == "now"
    assert scope.resolve("vars.v") == "new"
    assert scope.resolve("vars.o.x") == 2
