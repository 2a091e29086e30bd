"""Every problem of a definition that is written in Python names file and line."""

import re
from pathlib import Path

import pytest

from dalsegno.testing import run_workflow
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import Authored, InvalidDefinition, Workflow, check, read
from orchestrator.authoring.load import NotLoadable

HEAD = """\
from orchestrator.authoring import Workflow, steps

flow = Workflow("w")
"""
TASK = "a = steps.task('a', 't')"
BEGUN = ["c = flow.choice('c')"]
ENDED = ["    pass", "with c.default():", "    flow.task('a', 't', x=flow.vars.x)"]


def problems(authored: Authored) -> str:
    report = check(authored.definition, CelExpressions(), None, authored.places)
    with pytest.raises(InvalidDefinition) as refused:
        report.accepted(authored.name)
    assert all(problem.place for problem in report.problems), report.problems
    return str(refused.value)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ["flow.task('a', 't')", "flow.task('a', 't')"],
            "w.py:5: steps[1].id: id `a` twice, first at steps[0] (line 4): give",
        ),
        (
            ["a = flow.task('a', 't')", "a.retry(3)", "a.retry(0)"],
            "w.py:6: steps[0].retry.attempts: 0 attempts",
        ),
        (["m = flow.map('m', 't', [])", "m.retry(0)"], "w.py:5: steps[0].map.retry.attempts"),
        (["m = flow.map('m', 't', [])", "m.done_when_count(0)"], "w.py:5: steps[0].map.complete"),
        (
            ["a = flow.task('a', 't')", "a.when('1 +')"],
            "w.py:5: steps[0].when: ",
        ),
        (
            [*BEGUN, "with c.case('1 +'):", *ENDED],
            "w.py:5: steps[0].choice[0].when",
        ),
        (
            [*BEGUN, "with c.case('true'):", *ENDED],
            "w.py:8: steps[0].choice[1].default[0].with.x: vars.x is set nowhere",
        ),
        (
            ["a = flow.task('a', 't')", "with a.on_error('a b'):", "    pass"],
            "w.py:5: steps[0].on_error[0].codes[0]",
        ),
        (["flow.task('a', 't')", "flow.output(flow.vars.x)"], "w.py:5: output: vars.x is set"),
        (
            ["flow.task('a', 't')", "flow.accept_update('u', '', x=flow.update.x, y='${ 1 + }')"],
            "w.py:5: updates.u.set.y",
        ),
        ([], "w.py:3: steps: no steps"),
        (
            [TASK, "b = steps.task('b', 't', x=steps.vars.x)", "flow.add(a.then(b))"],
            "w.py:5: steps[1].with.x: vars.x is set nowhere",
        ),
        (
            [TASK, "b = (", "    a", "    .retry(0)", ")", "flow.add(b)"],
            "w.py:7: steps[0].retry.attempts",
        ),
        (
            [TASK, "b = a.par_with(", "   a", ")", "flow.add(b)"],
            "w.py:4: steps[0].parallel.a-2[0].id: id `a` twice",
        ),
        (
            [TASK, "b = a.then(a)", "flow.add(b.", "    with_timeout(0)", ")"],
            "w.py:7: steps[0].within: 0 s: expected more than 0",
        ),
        (["flow.choice('c')"], "w.py:4: choice `c` needs a default"),
        (
            [TASK, "b = a.then(", "    a", ")", "b.named('x')"],
            "w.py:8: the steps that begin with `a` cannot be named x",
        ),
    ],
)
def test_a_problem_names_its_line(tmp_path: Path, lines: list[str], told: str) -> None:
    path = tmp_path / "w.py"
    path.write_text(HEAD + "\n".join(lines) + "\n")
    try:
        said = problems(read(path))
    except InvalidDefinition as error:
        said = str(error)
    assert f"{tmp_path}/{told}" in said


def test_an_attribute_that_is_none_is_told_with_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "w.py"
    path.write_text(f"{HEAD}flow.map('m', 't', [1], n=flow.itm.n)\n")
    with pytest.raises(NotLoadable, match=r"w\.py:4: AttributeError: .*; did you mean `item`\?$"):
        read(path)


def test_steps_of_another_file_are_named_with_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stages_of_places.py").write_text(
        "from orchestrator.authoring import steps\n\n\n"
        "def stage(name):\n"
        "    return steps.task(name, 't', x=steps.vars.x)\n"
    )
    (tmp_path / "w.py").write_text(
        HEAD
        + "from stages_of_places import stage\n"
        + "flow.add(stage('a'))\nflow.set('b', y='${ vars.z }')\n"
    )
    monkeypatch.chdir(tmp_path)
    said = problems(read("w.py")).splitlines()

    assert said[1].startswith("w.py:6: steps[1].set.y: ")
    assert said[2].startswith(f"{tmp_path}/stages_of_places.py:5: steps[0].with.x: ")


def test_a_definition_that_is_checked_where_it_is_written_names_the_file() -> None:
    flow = Workflow("w")
    flow.task("a b", "t")
    assert f"{__file__}:" in problems(flow.authored())


def test_the_test_kit_names_the_line_too() -> None:
    flow = Workflow("w")
    flow.task("a b", "t")
    with pytest.raises(InvalidDefinition, match=re.escape(f"{__file__}:")):
        run_workflow(flow)
