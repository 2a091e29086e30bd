"""The reference is what the code says."""

import ast
import re
from pathlib import Path

import pytest

from docs.generator.codes import FAILURES
from docs.generator.pages import PARTS, REFERENCE, current, names
from orchestrator.cli import exits
from tests.architecture.tree import modules

PAGES = sorted(REFERENCE.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_made_from_the_code_is_current(page: Path) -> None:
    assert current(page), "run `make docs`"


def test_every_part_stands_on_one_page() -> None:
    assert sorted(name for page in PAGES for name in names(page)) == sorted(PARTS)


def test_every_failure_code_of_ours_is_described() -> None:
    found = {code for module in modules() for code in _codes(module.tree)}
    assert found <= set(FAILURES), f"not described: {sorted(found - set(FAILURES))}"


def _codes(tree: ast.Module) -> set[str]:
    """What `Failure(code=…)` is given in a module: texts, and constants of the module."""
    constants = {
        one.targets[0].id: one.value.value
        for one in tree.body
        if isinstance(one, ast.Assign)
        and isinstance(one.targets[0], ast.Name)
        and isinstance(one.value, ast.Constant)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Failure"):
            continue
        for keyword in node.keywords:
            given = keyword.value
            value = given.value if isinstance(given, ast.Constant) else None
            if isinstance(given, ast.Name):
                value = constants.get(given.id)
            if keyword.arg == "code" and isinstance(value, str):
                found.add(value)
    return found


def test_every_exit_code_is_described() -> None:
    text = (REFERENCE / "cli.md").read_text("utf-8")
    described = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    defined = {value for value in vars(exits).values() if type(value) is int}
    assert described == defined
