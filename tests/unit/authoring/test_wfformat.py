"""WfFormat: what a trace becomes, and what is refused at the door, with its place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from events.definition import Definition, TaskStep
from events.limits import Limits
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import InvalidDefinition, NotLoadable, Problem, check, load, read
from orchestrator.authoring.wfformat import is_trace, read_trace, step_ids

Json = dict[str, Any]


def entry(name: str, parents: str = "", reads: str = "", writes: str = "") -> Json:
    """A task; names are separated by spaces."""
    return {
        "name": name,
        "id": name,
        "parents": parents.split(),
        "children": [],
        "inputFiles": reads.split(),
        "outputFiles": writes.split(),
    }


def trace(*tasks: Json, **more: Any) -> Json:
    """A trace whose files have ten bytes more than the one before, and whose tasks ran 1, 2 … s."""
    named = [name for one in tasks for name in (*one["inputFiles"], *one["outputFiles"])]
    files = [{"id": n, "sizeInBytes": 10 * i} for i, n in enumerate(dict.fromkeys(named), 1)]
    ran = [{"id": one["id"], "runtimeInSeconds": i} for i, one in enumerate(tasks, 1)]
    return {
        "name": "some trace",
        "schemaVersion": "1.5",
        "workflow": {
            "specification": {"tasks": list(tasks), "files": files},
            "execution": {"makespanInSeconds": 9, "executedAt": "then", "tasks": ran},
        },
        **more,
    }


DIAMOND = (
    entry("a", writes="f"),
    entry("b", "a", reads="f"),
    entry("c", "a", reads="f"),
    entry("d", "b c"),
)


def definition(made: Json, time_scale: float = 1.0) -> Definition:
    found = read_trace(json.dumps(made), time_scale=time_scale).definition
    assert check(found, CelExpressions()).is_accepted
    return found


def waits(made: Json) -> dict[str, tuple[str, ...] | None]:
    return {step.id: step.depends_on for step in definition(made).steps}


def problems(made: Json, limits: Limits | None = None) -> tuple[Problem, ...]:
    with pytest.raises(InvalidDefinition) as refused:
        read_trace(json.dumps(made, indent=1), "t.json", limits)
    return refused.value.problems


# -- what a trace becomes -------------------------------------------------------------------------


def test_every_task_becomes_a_step_with_its_runtime_and_its_files() -> None:
    made = definition(trace(entry("a", writes="out log"), entry("b", "a", reads="in out")), 0.5)
    assert made.name == "some_trace"
    assert made.steps == (
        TaskStep(
            id="a",
            task="trace.task",
            depends_on=(),
            inputs={
                "name": "a",
                "runtime_s": 1.0,
                "time_scale": 0.5,
                "writes": {"out": 10, "log": 20},
            },
        ),
        TaskStep(
            id="b",
            task="trace.task",
            depends_on=("a",),
            inputs={
                "name": "b",
                "runtime_s": 2.0,
                "time_scale": 0.5,
                "reads": {"in": 30, "out": 10},
            },
        ),
    )


def test_steps_wait_for_parents() -> None:
    assert waits(trace(*DIAMOND)) == {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}


def test_a_relation_may_be_named_by_the_parent_alone() -> None:
    parent = {**entry("a"), "children": ["b"]}
    assert waits(trace(parent, entry("b"))) == {"a": (), "b": ("a",)}


def test_who_reads_a_file_waits_for_who_writes_it() -> None:
    made = trace(entry("reads", reads="f g"), entry("writes", writes="f"), entry("too", writes="g"))
    assert waits(made) == {"reads": ("writes", "too"), "writes": (), "too": ()}


def test_nobody_waits_for_a_later_task_that_overwrites_what_was_read() -> None:
    made = trace(entry("first", reads="f"), entry("second", "first", writes="f"))
    assert waits(made) == {"first": (), "second": ("first",)}


def test_a_task_may_write_what_it_reads() -> None:
    assert waits(trace(entry("a", reads="f", writes="f"))) == {"a": ()}


def test_what_is_not_told_is_nothing() -> None:
    made = trace(entry("a", writes="f"))
    del made["workflow"]["execution"]
    del made["workflow"]["specification"]["files"]
    (step,) = definition(made).steps
    assert isinstance(step, TaskStep)
    assert step.inputs == {"name": "a", "runtime_s": 0.0, "time_scale": 1.0, "writes": {"f": 0}}


def test_names_become_ids_that_can_be_read() -> None:
    found = step_ids(["NF.ALIGN:SORT (x)_3", "plain-id_1", "1st", "a.b", "a:b", "a_b"])
    assert list(found.values())[:3] == ["NF_ALIGN_SORT_x__3", "plain-id_1", "task_1st"]
    alike = [found["a.b"], found["a:b"], found["a_b"]]
    assert alike[2] == "a_b"
    assert len(set(alike)) == 3
    assert all(one.startswith("a_b") for one in alike)
    assert step_ids(list(found)[::-1]) == found


def test_the_original_name_is_kept_as_it_is() -> None:
    (step,) = definition(trace(entry("odd:${name}"))).steps
    assert isinstance(step, TaskStep)
    assert step.inputs["name"] == "odd:$${name}"  # which a template turns into `odd:${name}`


def test_the_later_version_is_read_as_well() -> None:
    assert definition(trace(*DIAMOND, schemaVersion="1.6")).name == "some_trace"


# -- what is refused ------------------------------------------------------------------------------

SPEC = "workflow.specification.tasks"
RAN = "workflow.execution.tasks"


def negative_runtime(made: Json) -> None:
    made["workflow"]["execution"]["tasks"][1]["runtimeInSeconds"] = -2.5


def runtime_as_text(made: Json) -> None:
    made["workflow"]["execution"]["tasks"][2]["runtimeInSeconds"] = "long"


def negative_size(made: Json) -> None:
    made["workflow"]["specification"]["files"][0]["sizeInBytes"] = -1


def no_id(made: Json) -> None:
    del made["workflow"]["specification"]["tasks"][1]["id"]


def unknown_file(made: Json) -> None:
    made["workflow"]["specification"]["tasks"][1]["inputFiles"].append("ghost")


def unknown_child(made: Json) -> None:
    made["workflow"]["specification"]["tasks"][0]["children"].append("ghost")


def stranger_ran(made: Json) -> None:
    made["workflow"]["execution"]["tasks"][0]["id"] = "dd"


def ran_twice(made: Json) -> None:
    made["workflow"]["execution"]["tasks"][3]["id"] = "a"


def centuries(made: Json) -> None:
    made["workflow"]["execution"]["tasks"][0]["runtimeInSeconds"] = 1e12


@pytest.mark.parametrize(
    ("spoil", "where", "said"),
    [
        (negative_runtime, f"{RAN}[1].runtimeInSeconds", "`b` ran for -2.5 s: expected 0 or more"),
        (runtime_as_text, f"{RAN}[2].runtimeInSeconds", "Expected `float`, got `str`"),
        (negative_size, "workflow.specification.files[0].sizeInBytes", "`f` has -1 bytes"),
        (no_id, f"{SPEC}[1]", "missing required field `id`"),
        (unknown_file, f"{SPEC}[1].inputFiles[1]", "`ghost` is not in workflow.specification"),
        (unknown_child, f"{SPEC}[0].children[0]", "there is no task `ghost`"),
        (stranger_ran, f"{RAN}[0].id", "no task `dd`; did you mean `d`?"),
        (ran_twice, f"{RAN}[3].id", f"id `a` twice, first at {RAN}[0]"),
        (centuries, f"{RAN}[0].runtimeInSeconds", "give a smaller --time-scale"),
    ],
)
def test_a_wrong_value_is_refused_with_its_path(
    spoil: Callable[[Json], None], where: str, said: str
) -> None:
    made = json.loads(json.dumps(trace(*DIAMOND)))
    spoil(made)
    problem = problems(made)[0]
    assert problem.where == where
    assert said in problem.message
    assert problem.place is not None
    assert problem.place.line > 1


@pytest.mark.parametrize(
    ("tasks", "where", "said"),
    [
        ([entry("a", "b")], f"{SPEC}[0].parents[0]", "there is no task `b`"),
        ([entry("a"), entry("a")], f"{SPEC}[1].id", f"id `a` twice, first at {SPEC}[0]"),
        ([entry("a", "a")], f"{SPEC}[0]", "`a` waits for itself (its parent)"),
        ([entry("a", "b"), entry("b", "a")], f"{SPEC}[0]", "`a` waits for `b` (its parent)"),
        (
            [entry("a", reads="f", writes="g"), entry("b", reads="g", writes="f")],
            f"{SPEC}[0]",
            "`a` waits for `b` (it reads f)",
        ),
        ([], SPEC, "no tasks"),
    ],
)
def test_tasks_that_do_not_fit_are_refused(tasks: list[Json], where: str, said: str) -> None:
    problem = problems(trace(*tasks))[0]
    assert problem.where == where
    assert said in problem.message


@pytest.mark.parametrize("version", ["1.4", "2.0", 1.5, None])
def test_another_version_is_refused(version: object) -> None:
    (problem,) = problems(trace(*DIAMOND, schemaVersion=version))
    assert (problem.code, problem.where) == ("schema_version", "schemaVersion")
    assert "expected '1.5' or '1.6'" in problem.message


def test_all_problems_are_told_at_once_in_the_order_of_the_text() -> None:
    found = problems(trace(entry("a", "x y"), entry("b", "z"), entry("b")))
    assert [one.code for one in found] == ["unknown_task"] * 3 + ["duplicate_id"] * 2
    places = [one.place for one in found]
    assert places == sorted(place for place in places if place is not None)


def test_too_many_tasks_are_refused_before_anything_is_compared() -> None:
    (problem,) = problems(trace(*(entry(f"t{i}", "ghost") for i in range(20))), Limits(steps_max=9))
    assert (problem.code, problem.where) == ("too_large", SPEC)


def test_of_countless_problems_some_are_told() -> None:
    """In bounded time: parents that nobody knows, and loops."""
    ghosts = problems(trace(*(entry(f"t{i}", f"ghost{i}") for i in range(3000))))
    assert {one.code for one in ghosts} == {"unknown_task"}
    loops = problems(trace(*(entry(f"t{i}", f"t{i ^ 1}") for i in range(3000))))
    assert {one.code for one in loops} == {"loop"}
    assert len(ghosts) == len(loops) == 100


def test_files_that_join_everything_with_everything_are_refused_early() -> None:
    writers = [entry(f"w{i}", writes="f") for i in range(30)]
    readers = [entry(f"r{i}", reads="f") for i in range(30)]
    (problem,) = problems(trace(*writers, *readers), Limits(arcs_max=500))
    assert "in over 500 ways" in problem.message


# -- where FILE stands ----------------------------------------------------------------------------


def test_a_json_file_is_told_apart_by_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text(json.dumps(trace(*DIAMOND)))
    ours = {"workflow": "ours", "steps": [{"id": "a", "task": "t"}]}
    (tmp_path / "ours.json").write_text(json.dumps(ours))
    assert load(tmp_path / "trace.json").name == "some_trace"
    assert load(tmp_path / "ours.json").name == "ours"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"workflow": {}}', True),
        ('{"schemaVersion": "0.1"}', True),
        ('{"workflow": "x", "steps": []}', False),
        ("[1]", False),
        ("{", False),
        ("workflow: x", False),
        ('{"workflow": ' + "[" * 100_000, False),
    ],
)
def test_what_is_meant_as_a_trace(text: str, expected: bool) -> None:
    assert is_trace(text) is expected


@pytest.mark.parametrize("scale", [-1.0, float("nan"), float("inf")])
def test_a_time_scale_is_zero_or_more(tmp_path: Path, scale: float) -> None:
    (tmp_path / "trace.json").write_text(json.dumps(trace(*DIAMOND)))
    with pytest.raises(NotLoadable, match=r"--time-scale is .*: expected 0"):
        read(tmp_path / "trace.json", time_scale=scale)


@pytest.mark.parametrize("name", ["flow.yaml", "flow.json", "flow.py"])
def test_only_a_trace_takes_a_time_scale(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{workflow: w, steps: []}")
    with pytest.raises(NotLoadable, match="is no WfFormat trace: leave --time-scale out"):
        read(tmp_path / name, time_scale=0)
