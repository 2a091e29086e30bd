"""Every limit says what it is, and has a test of what happens at it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from docs.generator.source import constant_texts, field_texts
from events import limits
from events.limits import configured

ROOT = Path(__file__).parents[2]
STRUCTS = (limits.Limits, limits.EngineLimits, limits.BatchLimits)
UNITS = ("KIB", "MIB")


def described() -> dict[str, str]:
    """Every limit by its name, with its text."""
    fields = {
        f"{struct.__name__}.{name}": text
        for struct in STRUCTS
        for name, text in field_texts(struct).items()
    }
    texts = constant_texts(limits) | constant_texts(configured)
    constants = {n: t for n, t in texts.items() if n not in UNITS and n != "__all__"}
    return fields | constants


def attacked() -> Iterator[str]:
    """The limits that tests are marked with."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="edge"), args=[ast.Constant(value=str(name))]
                ):
                    yield name
                case _:
                    pass


def test_every_limit_is_described() -> None:
    assert [name for name, text in described().items() if len(text) < 20] == []


def test_every_limit_has_a_test_at_its_edge() -> None:
    known, tested = set(described()), set(attacked())

    assert sorted(known - tested) == [], "mark the test of what happens there: pytest.mark.edge"
    assert sorted(tested - known) == [], "there is no such limit in events/limits"
