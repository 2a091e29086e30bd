"""Compiled nets of small definitions, in full."""

import pytest

from events.definition import (
    Case,
    ChoiceStep,
    Definition,
    FailStep,
    Handler,
    ParallelStep,
    SetStep,
    Step,
    TaskStep,
)
from events.net import Arc, Choice, End, Fail, Join, Net, Set, Split, Start, Task
from events.policies import Needs, Retry, RunOptions, Timeouts
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring.compile import canonical, compile_net, workflow_version


def task(id_: str, reads: str = "", depends_on: tuple[str, ...] | None = None) -> TaskStep:
    inputs = {"x": f"${{ {reads} }}"} if reads else {}
    return TaskStep(id=id_, task="t", inputs=dict(inputs), depends_on=depends_on)


def compiled(*steps: Step) -> Net:
    return compile_net(Definition(name="w", steps=steps), CelExpressions())


def arcs(net: Net) -> set[str]:
    """`source>target`, with the kind in front when it is not normal."""
    return {arc.id if arc.kind == "normal" else f"{arc.kind} {arc.id}" for arc in net.arcs}


def shape(net: Net) -> dict[str, str]:
    """Kind and join of every step."""
    return {step.id: f"{type(step.action).__name__} {step.join}" for step in net.steps}


def test_a_sequence() -> None:
    net = compiled(task("a"), task("b"), task("c"))

    assert arcs(net) == {"/start>a", "a>b", "b>c", "c>/end"}
    assert shape(net) == {
        "/start": "Start all",
        "a": "Task all",
        "b": "Task all",
        "c": "Task all",
        "/end": "End all",
    }
    assert [step.name for step in net.steps] == ["", "a", "b", "c", ""]
    assert net.sinks == ("c",)


def test_depends_on_makes_a_graph() -> None:
    net = compiled(
        task("a"),
        task("b", depends_on=()),
        task("c", depends_on=("a",)),
        task("d", depends_on=("a", "b")),
    )

    assert arcs(net) == {
        *("/start>a", "/start>b", "a>c", "a>d", "b>d"),
        *("c>/end", "d>/end"),
    }
    assert net.sinks == ("c", "d")


def test_reading_an_output_makes_an_arc() -> None:
    net = compiled(task("a"), task("b", depends_on=()), task("c", "steps.a.output", ()))

    assert arcs(net) == {"/start>a", "/start>b", "a>c", "b>/end", "c>/end"}


def test_reading_from_a_later_sibling_makes_an_arc_too() -> None:
    net = compiled(task("a", "steps.b.output", ()), task("b", depends_on=()))

    assert arcs(net) == {"/start>b", "b>a", "a>/end"}


def test_reading_what_lies_further_back_in_a_sequence_adds_no_arc() -> None:
    net = compiled(task("a"), task("b"), task("c", "steps.a.output + steps.b.output"))

    assert arcs(net) == {"/start>a", "a>b", "b>c", "c>/end"}


def test_reading_a_variable_waits_for_the_earlier_steps_that_set_it() -> None:
    net = compiled(
        SetStep(id="one", variables={"v": 1}),
        SetStep(id="two", variables={"v": 2}, depends_on=()),
        task("read", "vars.v", ()),
        SetStep(id="three", variables={"v": 3}, depends_on=("read",)),
    )

    assert {"one>read", "two>read", "read>three"} <= arcs(net)


def test_what_is_read_inside_a_step_makes_the_step_wait() -> None:
    inner = ParallelStep(id="both", branches={"l": (task("l", "steps.a.output"),)}, depends_on=())
    condition = TaskStep(id="c", task="t", when="steps.a.output", depends_on=())
    net = compiled(task("a"), inner, condition)

    assert {"a>both", "a>c/when"} <= arcs(net)
    assert "a>l" not in arcs(net)


def test_a_choice() -> None:
    net = compiled(
        ChoiceStep(
            id="route",
            cases=(
                Case(when="input.n > 3", steps=(task("a"), task("b"))),
                Case(when="input.n > 2", steps=()),
            ),
            default=(task("c"),),
        )
    )

    assert arcs(net) == {
        "/start>route",
        "conditional route>a",
        "conditional route>route/end",
        "default route>c",
        *("a>b", "b>route/end", "c>route/end", "route/end>/end"),
    }
    ways = [arc for arc in net.arcs if arc.source == "route"]
    assert [arc.when for arc in ways] == ["input.n > 3", "input.n > 2", ""]
    assert action(net, "route") == Choice(
        skips={
            "route>a": ("c",),
            "route>route/end": ("a", "b", "c"),
            "route>c": ("a", "b"),
        }
    )
    assert action(net, "route/end") == Join(closes="route")
    assert shape(net)["route/end"] == "Join any"
    assert net.sinks == ("b", "c")


def test_branches_that_lead_nowhere_have_arcs_of_their_own() -> None:
    net = compiled(ChoiceStep(id="r", cases=(Case(when="input.x"),), default=()))

    assert arcs(net) == {
        *("/start>r", "conditional r>r/end", "default r>r/end#2", "r/end>/end"),
    }


def test_a_branch_with_several_first_and_last_steps_is_split_and_joined() -> None:
    steps = (task("a"), task("b", depends_on=()))
    net = compiled(ChoiceStep(id="r", cases=(Case(when="input.x", steps=steps),), default=()))

    assert {"conditional r>r/1/start", "r/1/start>a", "r/1/start>b"} <= arcs(net)
    assert {"a>r/1/end", "b>r/1/end", "r/1/end>r/end"} <= arcs(net)
    assert shape(net)["r/1/end"] == "Join all"
    assert action(net, "r/1/start") == Split()


def test_a_parallel() -> None:
    branches: dict[str, tuple[Step, ...]] = {
        "left": (task("l1"), task("l2")),
        "right": (task("r1"), task("r2", depends_on=())),
    }
    net = compiled(ParallelStep(id="both", branches=branches), task("after"))

    assert arcs(net) == {
        *("/start>both", "both>l1", "l1>l2", "l2>both/end"),
        *("both>r1", "both>r2", "r1>both/end", "r2>both/end"),
        *("both/end>after", "after>/end"),
    }
    assert action(net, "both") == Split()
    assert action(net, "both/end") == Join(closes="both")
    assert shape(net)["both/end"] == "Join all"


def test_a_condition_goes_around_the_step() -> None:
    inner = ParallelStep(id="p", branches={"l": (task("l"),)}, when="input.x")
    net = compiled(inner)

    assert arcs(net) == {
        *("/start>p/when", "conditional p/when>p", "default p/when>p/after"),
        *("p>l", "l>p/end", "p/end>p/after", "p/after>/end"),
    }
    assert action(net, "p/when") == Choice(skips={"p/when>p/after": ("p", "l")})
    assert shape(net)["p/after"] == "Join any"
    assert net.sinks == ("l",)


def test_error_handlers_meet_the_normal_way_after_the_task() -> None:
    step = TaskStep(
        id="a",
        task="t",
        when="input.x",
        on_error=(
            Handler(codes=("timeout", "lost"), steps=(task("h", "steps.a.error.code"),)),
            Handler(),
        ),
    )
    net = compiled(step, task("b"))

    assert arcs(net) == {
        *("/start>a/when", "conditional a/when>a", "default a/when>a/after"),
        *("a>a/after", "error a>h", "h>a/after", "error a>a/after#2"),
        *("a/after>b", "b>/end"),
    }
    errors = [(arc.target, arc.codes) for arc in net.arcs if arc.kind == "error"]
    assert errors == [("h", ("timeout", "lost")), ("a/after", ())]
    assert action(net, "a/after") == Join()
    assert action(net, "a/when") == Choice(skips={"a/when>a/after": ("a", "h")})


def test_actions_carry_what_the_author_said() -> None:
    step = TaskStep(
        id="a",
        task="demo.work",
        inputs={"x": 1},
        retry=Retry(attempts_max=3),
        timeouts=Timeouts(heartbeat_s=5.0),
        needs=Needs(cpu=2.0),
        labels={"zone": "a"},
    )
    net = compiled(
        step,
        SetStep(id="b", variables={"v": "${ input.x }"}),
        FailStep(id="c", code="bad", message="m ${ vars.v }"),
    )

    assert action(net, "a") == Task(
        task="demo.work",
        inputs={"x": 1},
        retry=Retry(attempts_max=3),
        timeouts=Timeouts(heartbeat_s=5.0),
        needs=Needs(cpu=2.0),
        labels={"zone": "a"},
    )
    assert action(net, "b") == Set(variables={"v": "${ input.x }"})
    assert action(net, "c") == Fail(code="bad", message="m ${ vars.v }")
    assert (action(net, "/start"), action(net, "/end")) == (Start(), End())


def test_the_output_is_kept() -> None:
    definition = Definition(name="w", steps=(task("a"),), output={"x": "${ steps.a.output }"})

    assert compile_net(definition, CelExpressions()).output == {"x": "${ steps.a.output }"}


def test_the_version_depends_on_content_only() -> None:
    one = Definition(name="w", steps=(TaskStep(id="a", task="t", inputs={"x": 1, "y": 2}),))
    same = Definition(name="w", steps=(TaskStep(id="a", task="t", inputs={"y": 2, "x": 1}),))
    other = Definition(name="w", steps=(TaskStep(id="a", task="t", inputs={"x": 1, "y": 3}),))

    assert workflow_version(one) == workflow_version(same) != workflow_version(other)
    assert canonical(one) == canonical(same)
    assert len(workflow_version(one)) == 20


def test_a_whole_number_of_seconds_has_the_version_of_the_same_float() -> None:
    one = Definition(name="w", steps=(task("a"),), options=RunOptions(timeout_s=10))
    same = Definition(name="w", steps=(task("a"),), options=RunOptions(timeout_s=10.0))

    assert workflow_version(one) == workflow_version(same)


def test_the_version_of_a_known_definition_never_changes() -> None:
    definition = Definition(name="w", steps=(task("a"), task("b", "steps.a.output")))

    assert workflow_version(definition) == "3ddcb75c67a65b0c2cb6"


@pytest.mark.parametrize("count", [2_000])
def test_a_long_sequence_that_reads_much_stays_small(count: int) -> None:
    steps = [
        task("s0"),
        *(task(f"s{n}", f"steps.s{n - 1}.output + steps.s0.output") for n in range(1, count)),
    ]
    net = compiled(*steps)

    assert len(net.arcs) == count + 1


def action(net: Net, step_id: str) -> object:
    return next(step.action for step in net.steps if step.id == step_id)


def test_arcs_know_both_ends() -> None:
    net = compiled(task("a"))

    assert net.arcs == (
        Arc(id="/start>a", source="/start", target="a"),
        Arc(id="a>/end", source="a", target="/end"),
    )
