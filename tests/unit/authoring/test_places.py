"""Every problem that the reader and the check can raise has its line and column.

Samples reach every call in the source that reports a problem; one that is added needs its sample.
"""

import ast
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from events.limits import Limits
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import InvalidDefinition, Problem, TaskSchema, check, located, read_yaml
from orchestrator.authoring.problems import Problems

FOLDER = Path(inspect.getfile(located)).parent
FILES = ("check.py", "form.py", "yaml.py", "step_rules.py", "located.py")
REPORTING = {"add", "complain", "add_expression", "_Refusal", "_expected"}
SCHEMAS = {"t": TaskSchema(name="t", parameters={"properties": {"x": {"type": "integer"}}})}
NOT_OF_A_TEXT = ("'malformed'", "half of a surrogate pair")
"""Reports of definitions that Python made of what is none, and of the parser that is not in C."""


def steps(text: str) -> str:
    return f"workflow: w\nsteps:\n{text}"


def task(more: str) -> str:
    return steps(f"- {{id: a, task: t, {more}}}")


def with_limits(text: str, **changed: int) -> tuple[str, Limits]:
    return text, Limits(**changed)


HELD = "- {id: a, while: 'true', steps: [{id: b, until: 'true', steps: [{id: c, task: t}]}]}"
SAMPLES: list[str | tuple[str, Limits]] = [
    # texts
    "",
    "a: \x00",
    "\tworkflow: x",
    "workflow: [",
    '"\\UFFFFFFFF"',
    "? [a]\n: b",
    "a: 1\na: 2",
    "- " * 2000,
    "a: 1\n--- \nb: 2",
    "a: &x 1\nb: *x",
    "a: !t 1",
    '"\\ud800"',
    '{"workflow": "\\ud800"}',
    "%YAML 9.9\n--- x",
    "a: \ud800",
    f"a: {'9' * 5000}",
    "a: 1e999",
    "a: .nan",
    "workflow: w\noptions: {attributes: {region: [eu]}}\nsteps: [{id: a, task: t}]",
    "workflow: w\noptions: {personal: 1}\nsteps: [{id: a, task: t}]",
    "a: 99999999999999999999",
    # shapes
    "[]",
    "workflow: w\nsteps: 3",
    "workflow: w\nstep: []",
    "workflow: w",
    "workflow: 5\nsteps: []",
    steps("- 3"),
    steps("- {id: a}"),
    steps("- {id: a, task: t, set: {x: 1}}"),
    task("retry: {kind: odd}"),
    task("retry: {attempts: x, factor: y, initial: soon}"),
    task("needs: {memory: much}"),
    steps("- {id: a, choice: [{default: []}, {when: 'true', steps: []}]}"),
    steps("- {id: a, choice: [{when: 'true', steps: []}]}"),
    steps("- {id: a, map: {items: [], task: t, complete_when: {}}}"),
    # names, sizes and ranges
    "workflow: a b\nsteps: []",
    with_limits("workflow: w\ndescription: too long\nsteps: []", description_chars_max=5),
    with_limits("workflow: w\nsteps: [{id: a, task: t}]", definition_bytes_max=10),
    with_limits(
        "workflow: w\nsteps: []\nupdates: {a: {set: {x: 1}}, b: {set: {x: 1}}}", updates_max=1
    ),
    task("with: {x: '${'}"),
    steps("- {id: a, task: t}\n- {id: a, task: t}"),
    steps("- {id: a, choice: []}"),
    steps("- {id: a, set: {}}"),
    steps("- {id: a, wait: {}}"),
    steps("- {id: a, wait: {for: 5, timeout: 3}}"),
    steps("- {id: a, map: {items: -3, task: t}}"),
    steps('- {id: a, call: {workflow: w, version: "\\t"}}'),
    steps("- {id: a, while: 'true', steps: []}"),
    steps("- {id: a, while: 'true', steps: [{id: b, task: t}], max: 0}"),
    steps("- {id: a, within: 5s, steps: []}"),
    steps("- {id: a, within: 0, steps: [{id: b, task: t}]}"),
    steps("- {id: a, for_each: 3, steps: [{id: b, task: t}]}"),
    task("labels: {'': x}"),
    steps("- {id: a, parallel: {}}"),
    steps("- {id: a, parallel: {x: []}}"),
    task("depends_on: [b]"),
    task("timeouts: {heartbeat: 0}"),
    # the whole
    with_limits(steps("- {id: a, task: t}\n- {id: b, task: t}"), steps_max=1),
    with_limits(steps(HELD), nesting_max=1),
    with_limits(task("with: {x: '01234567890123456789'}"), payload_bytes_max=10),
    with_limits(steps("- {id: a, task: t}\n- {id: b, task: t}"), arcs_max=1),
    task("when: 1 +"),
    task(f"with: {{x: {'[' * 70}{']' * 70}}}"),
    task("with: {x: '${ vars.v }'}"),
    "workflow: w\nsteps: [{id: a, task: t}]\nupdates: {u: {set: {x: '${ vars.y }'}}}",
    task("depends_on: [a]"),
    steps("- {id: a, task: nope}"),
    task("with: {x: y}"),
]


def found(sample: str | tuple[str, Limits]) -> tuple[Problem, ...]:
    text, limits = sample if isinstance(sample, tuple) else (sample, Limits())
    try:
        authored = read_yaml(text, "", limits)
    except InvalidDefinition as error:
        return error.problems
    return check(authored.definition, CelExpressions(), SCHEMAS, authored.places, limits).problems


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_problem_has_its_line_and_column(sample: str | tuple[str, Limits]) -> None:
    problems = found(sample)

    assert problems
    for problem in problems:
        assert problem.place is not None, problem
        assert problem.place.line >= 1
        assert problem.place.column >= 1


def test_the_samples_reach_every_report(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: set[tuple[str, int]] = set()

    def remember(original: Callable[..., None]) -> Callable[..., None]:
        def reporting(*given: object) -> None:
            frame: FrameType | None = sys._getframe(1)
            while frame:
                reached.add((Path(frame.f_code.co_filename).name, frame.f_lineno))
                frame = frame.f_back
            original(*given)

        return reporting

    monkeypatch.setattr(Problems, "add", remember(Problems.add))
    monkeypatch.setattr(located._Refusal, "__init__", remember(located._Refusal.__init__))
    for sample in SAMPLES:
        found(sample)

    reports = {name: _reports(name) for name in FILES}
    said = {
        ast.unparse(call)
        for name, calls in reports.items()
        for call in calls
        if any((name, line) in reached for line in _lines(call))
    }
    missed = [
        f"{name}:{call.lineno}"
        for name, calls in reports.items()
        for call in calls
        if ast.unparse(call) not in said
    ]
    assert not missed, f"no sample: {missed}"


def _reports(name: str) -> list[ast.Call]:
    tree = ast.parse((FOLDER / name).read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if _name(call.func) in REPORTING and not _is_other(call)]


def _is_other(call: ast.Call) -> bool:
    """Something else that is called `add`, and codes that no text can have."""
    if _name(call.func) == "add" and not isinstance(call.args[0], ast.Constant | ast.Name):
        return True
    return any(text in ast.unparse(call) for text in NOT_OF_A_TEXT)


def _name(function: ast.expr) -> str:
    return getattr(function, "attr", "") or getattr(function, "id", "")


def _lines(call: ast.Call) -> range:
    return range(call.lineno, (call.end_lineno or call.lineno) + 1)
