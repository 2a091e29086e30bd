"""What a definition would do, before anything runs."""

import pytest

from events.definition import (
    CallStep,
    Case,
    ChoiceStep,
    Definition,
    ForEachStep,
    Handler,
    MapStep,
    SetStep,
    WaitStep,
)
from events.policies import Retry, RunOptions, Timeouts
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring.plan import Planned, Window, plan, schedule
from tests.builders import parallel, task, workflow

VERSION = "0123456789abcdef"
MAP = MapStep(
    id="s", items="${ input.x }", task="t", concurrency=5, complete_when="count", number=3.0
)


def planned(definition: Definition) -> dict[str, Planned]:
    return {line.id: line for line in plan(definition, CelExpressions()) if line.id}


def stages(definition: Definition) -> dict[str, int]:
    return {name: line.stage for name, line in planned(definition).items()}


def test_steps_follow_each_other_or_what_they_depend_on() -> None:
    diamond = workflow(
        task("a"),
        task("b"),
        task("c", depends_on=("a",)),
        task("d", depends_on=("b", "c")),
        task("z", depends_on=()),
    )
    assert stages(diamond) == {"a": 1, "b": 2, "c": 2, "d": 3, "z": 1}
    assert planned(diamond)["d"].after == ("b", "c")


def test_a_step_waits_for_the_data_that_it_reads() -> None:
    reading = task("b", inputs={"x": "${ steps.a.output }"}, depends_on=())
    assert stages(workflow(task("a"), reading)) == {"a": 1, "b": 2}


def test_what_lies_inside_has_stages_of_its_own() -> None:
    choice = ChoiceStep(
        id="c", cases=(Case(when="input.x > 1", steps=(task("big"), task("more"))),), default=()
    )
    loop = ForEachStep(id="l", items="${ input.names }", steps=(task("each"),))
    guarded = task("g", on_error=(Handler(codes=("busy",), steps=(task("mend"),)),))
    definition = workflow(choice, parallel(left=task("x"), right=task("y")), loop, guarded)
    shown = [
        ("  " * line.depth) + (line.id or line.what) for line in plan(definition, CelExpressions())
    ]
    assert shown == [
        "c",
        "  if input.x > 1",
        "    big",
        "    more",
        "  otherwise",
        "p",
        "  branch left",
        "    x",
        "  branch right",
        "    y",
        "l",
        "  each time",
        "    each",
        "g",
        "  on error busy",
        "    mend",
    ]
    assert stages(definition) == {
        "c": 1, "big": 1, "more": 2, "p": 2, "x": 1, "y": 1, "l": 3, "each": 1, "g": 4, "mend": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (task("s", "mail.send"), "task mail.send"),
        (SetStep(id="s", variables={"a": 1, "b": 2}), "set a, b"),
        (WaitStep(id="s", signal="go", timeout_s=3.0), "wait for signal go, 3s at most"),
        (WaitStep(id="s", duration=90.0), "wait 1m30s"),
        (CallStep(id="s", workflow="child", version=VERSION), "run workflow child@0123456789ab"),
        (MAP, "task t for each of ${ input.x }, 5 at the same time, done when 3 items completed"),
    ],
)
def test_a_step_in_words(step: WaitStep, said: str) -> None:
    assert planned(workflow(step))["s"].what == said


def test_a_task_without_policies_has_those_of_the_run() -> None:
    own, runs = Retry(attempts_max=2), Retry(attempts_max=7)
    options = RunOptions(retry=runs, timeouts=Timeouts(start_to_close_s=9.0))
    found = planned(Definition(name="w", steps=(task("a", retry=own), task("b")), options=options))
    assert (found["a"].retry, found["b"].retry) == (own, runs)
    assert found["a"].timeouts == found["b"].timeouts == Timeouts(start_to_close_s=9.0)


def test_a_schedule_adds_up_the_delays() -> None:
    retry = Retry(kind="exponential", attempts_max=5, initial_s=1.0, cap_s=3.0)
    assert schedule(retry) == tuple(Window(at, at) for at in (0.0, 1.0, 3.0, 6.0, 9.0))
    assert len(schedule(retry, 2)) == 2
    assert schedule(Retry()) == (Window(0.0, 0.0),)


def test_jitter_makes_a_schedule_a_row_of_windows() -> None:
    retry = Retry(kind="decorrelated", attempts_max=4, initial_s=1.0, cap_s=5.0)
    assert schedule(retry) == (
        Window(0.0, 0.0), Window(1.0, 3.0), Window(2.0, 8.0), Window(3.0, 13.0),
    )  # fmt: skip
