"""The limits of definitions: what is just within passes, one more is refused by name."""

from collections.abc import Callable

import pytest

from events.definition import Definition, SetStep, TaskStep, UntilStep, Update
from events.errors import InvalidValue, Misconfigured
from events.limits import (
    CANDIDATES_MAX,
    CYCLES_MAX,
    INTEGER_MAX,
    NAME_CHARS_MAX,
    PRIORITY_MAX,
    PROBLEMS_COUNTED_MAX,
    SCHEMA_DEPTH_MAX,
    STEP_WAITS_MAX,
    Limits,
)
from events.policies import Retry, RunOptions
from events.values import Value, admit
from node_agent.tasks import task
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import TaskSchema, check
from orchestrator.authoring.order import order
from orchestrator.authoring.outline import Wait, outline, waits
from orchestrator.authoring.problems import InvalidDefinition, Problems, suggestion
from orchestrator.authoring.schemas import Schema, mismatches
from orchestrator.kernel.expressions import InvalidExpression

STEP = TaskStep(id="a", task="t")
SET = SetStep(id="a", variables={"v": 0})
SECONDS = 100.0
FEW = Limits(
    name_chars_max=8,
    description_chars_max=8,
    tags_max=2,
    codes_max=2,
    attempts_max=8,
    iterations_max=8,
    concurrency_max=8,
    updates_max=2,
    duration_s_max=SECONDS,
    payload_bytes_max=8,
)


def named(size: int) -> Definition:
    return Definition(name="x" * size, steps=(STEP,))


def described(size: int) -> Definition:
    return Definition(name="w", description="x" * size, steps=(STEP,))


def optioned(options: RunOptions) -> Definition:
    return Definition(name="w", options=options, steps=(STEP,))


def tagged(size: int) -> Definition:
    return optioned(RunOptions(tags={f"t{number}": "" for number in range(size)}))


def coded(size: int) -> Definition:
    codes = tuple(f"c{number}" for number in range(size))
    return optioned(RunOptions(retry=Retry(attempts_max=2, permanent_codes=codes)))


def tried(size: int) -> Definition:
    return optioned(RunOptions(retry=Retry(attempts_max=size)))


def looped(size: int) -> Definition:
    step = UntilStep(id="l", condition="true", steps=(STEP,), iterations_max=size)
    return Definition(name="w", steps=(step,))


def abreast(size: int) -> Definition:
    return optioned(RunOptions(concurrency_max=size))


def updated(size: int) -> Definition:
    updates = {f"u{number}": Update(variables={"v": 1}) for number in range(size)}
    return Definition(name="w", updates=updates, steps=(SET,))


def timed(size: int) -> Definition:
    return optioned(RunOptions(timeout_s=SECONDS + size - 8))


def ranked(size: int) -> Definition:
    return optioned(RunOptions(priority=-PRIORITY_MAX + 8 - size))


def constant(size: int) -> Definition:
    return Definition(name="w", steps=(SetStep(id="a", variables={"v": "x" * (size - 2)}),))


@pytest.mark.parametrize(
    ("make", "most"),
    [
        pytest.param(named, 8, marks=pytest.mark.edge("Limits.name_chars_max")),
        pytest.param(described, 8, marks=pytest.mark.edge("Limits.description_chars_max")),
        pytest.param(tagged, 2, marks=pytest.mark.edge("Limits.tags_max")),
        pytest.param(coded, 2, marks=pytest.mark.edge("Limits.codes_max")),
        pytest.param(tried, 8, marks=pytest.mark.edge("Limits.attempts_max")),
        pytest.param(looped, 8, marks=pytest.mark.edge("Limits.iterations_max")),
        pytest.param(abreast, 8, marks=pytest.mark.edge("Limits.concurrency_max")),
        pytest.param(updated, 2, marks=pytest.mark.edge("Limits.updates_max")),
        pytest.param(timed, 8, marks=pytest.mark.edge("Limits.duration_s_max")),
        pytest.param(ranked, 8, marks=pytest.mark.edge("PRIORITY_MAX")),
        pytest.param(constant, 8, marks=pytest.mark.edge("Limits.payload_bytes_max")),
    ],
)
def test_the_most_is_accepted_and_one_more_is_refused(
    make: Callable[[int], Definition], most: int
) -> None:
    assert check(make(most), CelExpressions(), limits=FEW).problems == ()

    (problem,) = check(make(most + 1), CelExpressions(), limits=FEW).problems
    assert problem.code in {"invalid_name", "out_of_range", "too_large"}


@pytest.mark.parametrize(
    ("within", "beyond", "limits"),
    [
        pytest.param(
            "1 + 2",
            "1 + 22",
            Limits(expression_chars_max=5),
            marks=pytest.mark.edge("Limits.expression_chars_max"),
        ),
        pytest.param(
            "((1))",
            "(((1)))",
            Limits(expression_nesting_max=2),
            marks=pytest.mark.edge("Limits.expression_nesting_max"),
        ),
        pytest.param(
            "input.map(x, x)",
            "input.map(x, x.map(y, y))",
            Limits(expression_loops_max=1),
            marks=pytest.mark.edge("Limits.expression_loops_max"),
        ),
    ],
)
def test_an_expression_has_bounds(within: str, beyond: str, limits: Limits) -> None:
    CelExpressions(limits).paths(within)

    with pytest.raises(InvalidExpression, match=r"over|deep"):
        CelExpressions(limits).paths(beyond)


@pytest.mark.edge("NAME_CHARS_MAX")
def test_the_name_of_a_task_has_bounds() -> None:
    def do() -> None: ...

    assert len(task(name="x" * NAME_CHARS_MAX)(do).name) == NAME_CHARS_MAX

    with pytest.raises(Misconfigured, match=str(NAME_CHARS_MAX)):
        task(name="x" * (NAME_CHARS_MAX + 1))(do)


@pytest.mark.edge("INTEGER_MAX")
def test_integers_have_64_bits() -> None:
    assert admit([INTEGER_MAX, -INTEGER_MAX - 1]) == [INTEGER_MAX, -INTEGER_MAX - 1]

    for number in (INTEGER_MAX + 1, -INTEGER_MAX - 2):
        with pytest.raises(InvalidValue, match="64"):
            admit(number)


@pytest.mark.edge("STEP_WAITS_MAX")
def test_steps_wait_for_each_other_in_so_many_ways_only() -> None:
    count = 1416  # each waits for all before it: n * (n - 1) / 2
    ids = [f"s{number}" for number in range(count)]
    steps = tuple(
        TaskStep(id=id_, task="t", depends_on=tuple(ids[:number])) for number, id_ in enumerate(ids)
    )
    cel = CelExpressions()
    within = outline(Definition(name="w", steps=steps[:-2]), cel)
    assert sum(map(len, waits(within))) <= STEP_WAITS_MAX

    with pytest.raises(InvalidDefinition, match="split the workflow"):
        waits(outline(Definition(name="w", steps=steps), cel))


@pytest.mark.edge("CYCLES_MAX")
def test_so_many_cycles_are_looked_for() -> None:
    itself = tuple((Wait(index, "depends_on"),) for index in range(CYCLES_MAX + 1))
    assert len(order((*itself[: CYCLES_MAX - 1], ())).loops) == CYCLES_MAX - 1

    assert len(order(itself).loops) == CYCLES_MAX


@pytest.mark.edge("SCHEMA_DEPTH_MAX")
def test_schemas_are_followed_so_deep_only() -> None:
    def deep(levels: int) -> tuple[Value, Schema]:
        value, schema = "no number", Schema({"type": "integer"})
        given: Value = value
        for _ in range(levels):
            given, schema = [given], {"type": "array", "items": schema}
        return given, schema

    for levels, found in ((SCHEMA_DEPTH_MAX, 1), (SCHEMA_DEPTH_MAX + 1, 0)):
        value, schema = deep(levels)
        task_schema = TaskSchema(name="t", parameters={"properties": {"x": schema}})
        assert len(list(mismatches({"x": value}, task_schema))) == found


@pytest.mark.edge("PROBLEMS_COUNTED_MAX")
def test_a_check_gives_up_counting() -> None:
    problems = Problems(1)
    for _ in range(1 + PROBLEMS_COUNTED_MAX):
        problems.add("c", "", "m")
    assert not problems.is_overflowing

    problems.add("c", "", "m")
    assert problems.is_overflowing


@pytest.mark.edge("CANDIDATES_MAX")
def test_a_suggestion_is_looked_for_among_so_many() -> None:
    others = [f"{number:05}" for number in range(CANDIDATES_MAX)]

    assert "handle" in suggestion("hondle", [*others[1:], "handle"])
    assert suggestion("hondle", [*others, "handle"]) == ""
