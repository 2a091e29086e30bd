"""What a check refuses, with its message and place."""

import pytest

from events.definition import ChoiceStep, Definition, ParallelStep, SetStep, Step, TaskStep
from events.limits import Limits
from events.policies import RunOptions
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import InvalidDefinition, Report, TaskSchema, check, read_yaml

SCHEMAS = {
    "t": TaskSchema(
        name="t", parameters={"properties": {"x": {"type": "integer"}}, "required": ["x"]}
    )
}


def checked(steps: str, rest: str = "", limits: Limits | None = None) -> Report:
    """The report on `steps` (in flow form, from line 2)."""
    authored = read_yaml(f"workflow: w\nsteps:\n{steps}\n{rest}")
    return check(authored.definition, CelExpressions(), None, authored.places, limits)


@pytest.mark.parametrize(
    "steps",
    [
        "- {id: a, task: t}",
        "- {id: a-b, task: x.y/z:1}\n- {id: b, task: t, with: {x: '${ steps[\"a-b\"].output }'}}",
        "- {id: a, task: t}\n- {id: b, task: t, depends_on: [], with: {x: '${ steps.a.error }'}}",
        "- {id: a, task: t, when: has(input.x)}\n- {id: b, set: {v: '${ steps.a.output }'}}",
        "- {id: a, set: {v: 1}}\n- {id: b, set: {v: '${ vars.v + 1 }'}}",
        "- {id: a, set: {v: '${ run.id } ${ run.workflow } ${ input }'}}",
        (
            "- id: p\n  parallel: {l: [{id: l, task: t}], r: [{id: r, task: t}]}\n"
            "- {id: a, task: t, with: {x: '${ steps.l.output }'}}"
        ),
        (
            "- {id: a, task: t}\n- id: c\n  choice: [{when: steps.a.output, steps: "
            "[{id: b, task: t, with: {x: '${ steps.a.output }'}}]}, {default: []}]"
        ),
        "- id: a\n  task: t\n  on_error: [{steps: [{id: h, set: {v: '${ steps.a.error.code }'}}]}]",
        (
            "- id: c\n  choice: [{when: input.x, steps: [{id: s, set: {v: 1}}]}, {default: []}]\n"
            "- {id: a, task: t, when: has(vars.v)}"
        ),
    ],
)
def test_what_is_right_is_accepted_with_its_net(steps: str) -> None:
    report = checked(steps)

    assert report.problems == ()
    assert report.is_accepted
    assert report.accepted() is report.net
    assert len(report.workflow_version) == 20


@pytest.mark.parametrize(
    ("steps", "code", "where", "words"),
    [
        ("- {id: '', task: t}", "invalid_name", "steps[0].id", "the step's id is empty"),
        ("- {id: 1a, task: t}", "invalid_name", "steps[0].id", "not beginning with a digit"),
        ("- {id: a.b, task: t}", "invalid_name", "steps[0].id", "'a.b' is not valid"),
        (f"- {{id: {'a' * 201}, task: t}}", "invalid_name", "steps[0].id", "201 characters"),
        ("- {id: a, task: ''}", "invalid_name", "steps[0].task", "the task type is empty"),
        ("- {id: a, task: ' x'}", "invalid_name", "steps[0].task", "without space around it"),
        ("- {id: a, set: {x-y: 1}}", "invalid_name", "steps[0].set.x-y", "the variable 'x-y'"),
        ("- {id: a, set: {in: 1}}", "invalid_name", "steps[0].set.in", "expression language"),
        ("- {id: a, fail: {code: a b}}", "invalid_name", "steps[0].fail.code", "without spaces"),
        (
            "- {id: a, task: t}\n- {id: p, parallel: {l: [{id: a, task: t}]}}",
            "duplicate_id",
            "steps[1].parallel.l[0].id",
            "id `a` twice, first at steps[0]",
        ),
        ("- {id: a, set: {}}", "empty", "steps[0].set", "sets no variable"),
        ("- {id: a, choice: []}", "empty", "steps[0].choice", "without a case"),
        ("- {id: a, parallel: {}}", "empty", "steps[0].parallel", "without a branch"),
        ("- {id: a, parallel: {l: []}}", "empty", "steps[0].parallel.l", "no steps"),
        ("  []", "empty", "steps", "a workflow needs at least one"),
        (
            "- {id: abc, task: t}\n- {id: b, task: t, depends_on: [abd]}",
            "unknown_step",
            "steps[1].depends_on[0]",
            "`abd` does not exist; did you mean `abc`?",
        ),
        (
            "- {id: p, parallel: {l: [{id: a, task: t}]}}\n- {id: b, task: t, depends_on: [a]}",
            "unknown_step",
            "steps[1].depends_on[0]",
            "`a` is not in the same list of steps",
        ),
        ("- {id: a, task: t, when: 1 +}", "invalid_expression", "steps[0].when", "unexpected end"),
        ("- {id: a, task: t, when: '${ input.x }'}", "invalid_expression", "steps[0].when", "drop"),
        (
            "- {id: a, task: t, with: {x: '${ nope(1) }'}}",
            "invalid_expression",
            "steps[0].with.x",
            "unknown function `nope`",
        ),
        ("- {id: a, task: t, with: {x: '${'}}", "invalid_expression", "steps[0].with.x", "`$${`"),
        (
            "- {id: a, task: t, retry: {attempts: 0}}",
            "out_of_range",
            "steps[0].retry.attempts",
            "expected 1 to 1000",
        ),
        (
            "- {id: a, task: t, retry: {initial: 90s}}",
            "out_of_range",
            "steps[0].retry.cap",
            "below the initial delay",
        ),
        (
            "- {id: a, task: t, retry: {factor: 0.5}}",
            "out_of_range",
            "steps[0].retry.factor",
            "delays would shrink",
        ),
        (
            "- {id: a, task: t, retry: {retryable: [x], permanent: [x]}}",
            "out_of_range",
            "steps[0].retry.permanent",
            "retryable and permanent",
        ),
        (
            "- {id: a, task: t, timeouts: {start_to_close: 0}}",
            "out_of_range",
            "steps[0].timeouts.start_to_close",
            "more than 0",
        ),
        (
            "- {id: a, task: t, needs: {cpu: -1}}",
            "out_of_range",
            "steps[0].needs.cpu",
            "expected 0 or more",
        ),
        (
            f"- {{id: a, task: t, labels: {{z: {'x' * 201}}}}}",
            "too_large",
            "steps[0].labels.z",
            "over 200",
        ),
    ],
)
def test_a_wrong_step_is_refused(steps: str, code: str, where: str, words: str) -> None:
    (problem,) = checked(steps).problems

    assert (problem.code, problem.where) == (code, where)
    assert words in problem.message
    assert problem.place is not None


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("- {id: a, task: t, depends_on: [a]}", "`a` waits for itself (depends_on)"),
        (
            "- {id: a, task: t, depends_on: [b]}\n- {id: b, task: t, depends_on: [a]}",
            "`a` waits for `b` (depends_on), `b` waits for `a` (depends_on)",
        ),
        (
            "- {id: a, task: t, with: {x: '${ steps.b.output }'}}\n- {id: b, task: t}",
            "`a` waits for `b` (it reads steps.b), `b` waits for `a` (it follows it)",
        ),
        (
            (
                "- {id: s, set: {v: 1}, depends_on: [c]}\n- {id: b, task: t, depends_on: [], "
                "when: vars.v == 1}\n- {id: c, task: t, depends_on: [b]}"
            ),
            "(it reads vars.v)",
        ),
        (
            (
                "- id: p\n  parallel: {l: [{id: l, task: t, when: steps.z.output}]}\n"
                "- {id: z, task: t}"
            ),
            "`p` waits for `z` (it reads steps.z)",
        ),
        (
            (
                "- id: p\n  parallel: {l: [{id: x, task: t, depends_on: [y]}, "
                "{id: y, task: t, depends_on: [x]}]}"
            ),
            "`x` waits for `y`",
        ),
    ],
)
def test_a_loop_is_refused_and_told(steps: str, words: str) -> None:
    (problem,) = checked(steps).problems

    assert problem.code == "loop"
    assert words in problem.message


def test_several_loops_are_told_at_once() -> None:
    steps = "\n".join(f"- {{id: {i}, task: t, depends_on: [{i}]}}" for i in "abc")

    assert [problem.code for problem in checked(steps).problems] == ["loop"] * 3


def test_a_long_loop_is_told_in_short() -> None:
    steps = "- {id: s0, task: t, depends_on: [s20]}\n" + "\n".join(
        f"- {{id: s{n}, task: t}}" for n in range(1, 21)
    )
    (problem,) = checked(steps).problems

    assert "… 15 more …" in problem.message


CHOICE = (
    "- id: c\n  choice:\n    - {when: input.x, steps: [{id: a, task: t}, {id: sa, set: {v: 1}}]}\n"
    "    - default: [{id: b, task: t, with: {x: '${ READS }'}}]\n"
    "- {id: z, task: t, with: {x: '${ AFTER }'}}"
)
PARALLEL = (
    "- id: p\n  parallel:\n    l: [{id: a, task: t}, {id: sa, set: {v: 1}}]\n"
    "    r: [{id: b, task: t, with: {x: '${ READS }'}}]\n"
    "- {id: z, task: t, with: {x: '${ AFTER }'}}"
)
HANDLER = (
    "- id: f\n  task: t\n  on_error: [{codes: [x], steps: [{id: a, task: t}]}, "
    "{steps: [{id: b, task: t, with: {x: '${ READS }'}}]}]\n"
    "- {id: z, task: t, with: {x: '${ AFTER }'}}"
)


@pytest.mark.parametrize(
    ("steps", "reads", "after", "words"),
    [
        (CHOICE, "input.q", "steps.q.output", "there is no step `q`"),
        (CHOICE, "input.q", "steps.c.output", "`c` has no output"),
        (CHOICE, "input.q", "steps.sa.output", "`sa` has no output"),
        (CHOICE, "input.q", "steps.a.status", "read steps.a.output or steps.a.error"),
        (CHOICE, "input.q", "steps.a.output", "in a branch of `c` that may not have run"),
        (CHOICE, "steps.a.output", "input.q", "in a branch of `c` that does not run with this one"),
        (CHOICE, "input.q", "steps.z.output", "a step cannot read itself"),
        (CHOICE, "vars.v", "input.q", "vars.v is set by `sa` only, which does not come before"),
        (CHOICE, "vars.w", "input.q", "vars.w is set nowhere"),
        (CHOICE, "error.code", "input.q", "read steps.<id>.error of the task that failed"),
        (CHOICE, "foo.bar", "input.q", "`foo.bar` is not known: expressions read `input`"),
        (CHOICE, "run.started_at", "input.q", "`run.started_at` is not known"),
        (CHOICE, "vars", "input.q", "`vars` is not known"),
        (PARALLEL, "steps.a.output", "input.q", "runs at the same time, in another branch of `p`"),
        (PARALLEL, "vars.v", "input.q", "which does not come before"),
        (HANDLER, "steps.a.output", "input.q", "in a branch of `f` that does not run with this"),
        (HANDLER, "input.q", "steps.a.output", "in an error handler of `f` that may not have run"),
    ],
)
def test_reading_what_may_not_be_there_is_refused(
    steps: str, reads: str, after: str, words: str
) -> None:
    (problem,) = checked(steps.replace("READS", reads).replace("AFTER", after)).problems

    assert problem.code == "invalid_reference"
    assert words in problem.message
    assert problem.place is not None


@pytest.mark.parametrize(
    ("steps", "after"),
    [(PARALLEL, "steps.a.output"), (PARALLEL, "vars.v"), (CHOICE, "vars.v"), (HANDLER, "input.q")],
)
def test_reading_what_came_before_is_accepted(steps: str, after: str) -> None:
    assert checked(steps.replace("READS", "input.q").replace("AFTER", after)).problems == ()


def test_a_choice_cannot_decide_by_what_lies_behind_it() -> None:
    steps = "- {id: c, choice: [{when: steps.a.output, steps: [{id: a, task: t}]}, {default: []}]}"
    (problem,) = checked(steps).problems

    assert problem.message == "`steps.a.output`: `a` runs only after `c` has read this"
    assert problem.where == "steps[0].choice[0].when"


@pytest.mark.parametrize(
    ("output", "words"),
    [("steps.a.output", "may not have run"), ("steps.q.output", "no step `q`"), ("vars.q", "set")],
)
def test_the_output_reads_only_what_has_run(output: str, words: str) -> None:
    steps = "- {id: c, choice: [{when: 'true', steps: [{id: a, task: t}]}, {default: []}]}"
    (problem,) = checked(steps, f'output: "${{ {output} }}"').problems

    assert problem.where == "output"
    assert words in problem.message


def test_an_expression_is_placed_inside_its_line() -> None:
    (problem,) = checked("- {id: a, task: t, with: {x: 'n ${ 1 + } m'}}").problems

    assert problem.place is not None
    line = "- {id: a, task: t, with: {x: 'n ${ 1 + } m'}}"
    assert problem.place.line == 3
    assert problem.place.column == line.index("1 +") + 1 + len("1 +")


@pytest.mark.parametrize(
    ("steps", "where", "words"),
    [
        ("- {id: a, task: tt}", "steps[0].task", "no loaded module has the task `tt`; did you"),
        ("- {id: a, task: zzz}", "steps[0].task", "import the module that defines it"),
        ("- {id: a, task: t}", "steps[0].with", "t needs `x`, which is missing"),
        ("- {id: a, task: t, with: {x: y}}", "steps[0].with.x", "expected integer"),
        ("- {id: a, task: t, with: {x: 1, y: 2}}", "steps[0].with.y", "no parameter `y`"),
    ],
)
def test_tasks_are_checked_against_what_they_take(steps: str, where: str, words: str) -> None:
    authored = read_yaml(f"workflow: w\nsteps:\n{steps}")
    report = check(authored.definition, CelExpressions(), SCHEMAS, authored.places)

    (problem,) = report.problems
    assert problem.where == where
    assert words in problem.message


def test_all_problems_come_at_once() -> None:
    report = checked(
        "- {id: a, task: t, timeouts: {heartbeat: 0}}\n- {id: a, task: t, when: 1 +}\n"
        "- {id: b, task: t, depends_on: [q], with: {x: '${'}}",
        "options: {priority: 5000, concurrency_max: 0}",
    )

    assert [problem.code for problem in report.problems] == [
        *("out_of_range", "duplicate_id", "invalid_expression"),
        *("unknown_step", "invalid_expression", "out_of_range", "out_of_range"),
    ]
    with pytest.raises(InvalidDefinition, match=r"w\.yaml:3:\d+: steps\[0\]") as refused:
        report.accepted("w.yaml")
    assert refused.value.code == "invalid_definition"
    assert refused.value.problems == report.problems


@pytest.mark.edge("Limits.definition_bytes_max")
@pytest.mark.edge("Limits.net_bytes_max")
@pytest.mark.edge("Limits.steps_max")
@pytest.mark.edge("Limits.arcs_max")
@pytest.mark.edge("Limits.nesting_max")
@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(steps_max=1), "over 1 steps"),
        (Limits(nesting_max=1), "nested deeper than 1 levels"),
        (Limits(arcs_max=2), "arcs, over 2: split the workflow"),
        (Limits(net_bytes_max=10), "bytes of net, over 10"),
        (Limits(definition_bytes_max=300, net_bytes_max=300), "bytes of net, over 300"),
    ],
)
def test_what_is_too_large_is_refused(limits: Limits, words: str) -> None:
    steps = "- {id: a, task: t}\n- {id: p, parallel: {l: [{id: l, task: t}]}}"
    (problem,) = checked(steps, limits=limits).problems

    assert problem.code == "too_large"
    assert words in problem.message


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"x": float("nan")}, "nan"),
        ({"x": [2**70]}, "64"),
        ({"x": {1: 2}}, "key"),
        ({"x": {"y": b"z"}}, "bytes"),
        ({"x": object()}, "object"),
    ],
)
def test_values_from_python_pass_the_door(inputs: dict[str, object], words: str) -> None:
    step = TaskStep(id="a", task="t", inputs=inputs)  # type: ignore[arg-type]
    report = check(Definition(name="w", steps=(step,)), CelExpressions())

    (problem,) = report.problems
    assert problem.code in {"invalid_value", "malformed"}
    assert words in problem.message


def test_a_definition_that_is_none_is_refused() -> None:
    steps: tuple[Step, ...] = (TaskStep(id=5, task="t"),)  # type: ignore[arg-type]
    (problem,) = check(Definition(name="w", steps=steps), CelExpressions()).problems

    assert problem.code == "malformed"


def test_a_constant_over_the_payload_limit_is_refused() -> None:
    step = TaskStep(id="a", task="t", inputs={"x": "y" * 100})
    limits = Limits(payload_bytes_max=50)
    (problem,) = check(
        Definition(name="w", steps=(step,)), CelExpressions(), limits=limits
    ).problems

    assert (problem.code, problem.where) == ("too_large", "steps[0].with.x")
    assert "102 bytes, over 50" in problem.message


def test_a_check_gives_up_on_a_hopeless_definition() -> None:
    steps = tuple(TaskStep(id=f"step{n}", task="t", depends_on=(f"stop{n}",)) for n in range(5_000))
    report = check(Definition(name="w", steps=steps), CelExpressions())

    assert len(report.problems) == 100
    assert 100 < report.more < 200


def test_many_steps_that_set_and_read_one_variable_take_one_arc_each() -> None:
    steps = tuple(
        SetStep(id=f"s{n}", variables={"v": f"${{ vars.v + {n} }}" if n else 0})
        for n in range(3_000)
    )
    net = check(Definition(name="w", steps=steps), CelExpressions()).accepted()

    assert len(net.arcs) == 3_001


def test_a_definition_with_too_many_ways_to_wait_is_refused() -> None:
    setters = tuple(SetStep(id=f"s{n}", variables={"v": n}, depends_on=()) for n in range(1_100))
    readers = tuple(
        TaskStep(id=f"r{n}", task="t", inputs={"x": "${ vars.v }"}, depends_on=())
        for n in range(1_000)
    )
    definition = Definition(name="w", steps=(*setters, *readers))
    (problem,) = check(definition, CelExpressions()).problems

    assert problem.code == "too_large"
    assert "over 1000000 ways" in problem.message


def test_endless_nesting_is_refused() -> None:
    step: Step = SetStep(id="inner", variables={"v": 1})
    for number in range(500):
        step = ParallelStep(id=f"p{number}", branches={"b": (step,)})
    report = check(Definition(name="w", steps=(step,)), CelExpressions())

    assert [problem.code for problem in report.problems] == ["too_large"]


def test_run_options_are_checked() -> None:
    options = RunOptions(timeout_s=float("inf"))
    steps = (ChoiceStep(id="c", cases=(), default=()),)
    report = check(Definition(name="a b", steps=steps, options=options), CelExpressions())

    assert {problem.where for problem in report.problems} == {
        *("workflow", "options.timeout", "steps[0].choice"),
    }
