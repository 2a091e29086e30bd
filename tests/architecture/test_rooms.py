"""Who may import whom: the import contracts, and what they cannot say.

The contracts in `pyproject.toml` forbid by name. Here the purest rooms get a list of what they may
use instead, so that a dependency nobody thought of is refused as well.
"""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, Function, Module, functions, imports, modules

# Standard library that reaches outside the process, or whose answers differ from call to call.
IMPURE = {
    "asyncio", "concurrent", "fcntl", "getpass", "glob", "http", "io", "locale", "logging",
    "multiprocessing", "os", "pathlib", "platform", "queue", "random", "sched", "secrets", "select",
    "selectors", "shutil", "signal", "socket", "socketserver", "sqlite3", "ssl", "subprocess",
    "sys", "tempfile", "threading", "time", "urllib", "weakref",
}  # fmt: skip

# Adapters that a technology belongs to; nobody else may import it.
HOMES = {
    "cel": {"cel"},
    "eventsourcing": {"postgres"},
    "nats": {"nats"},
    "opentelemetry": {"otel"},
    "psycopg": {"postgres", "embedded"},
    "psycopg_pool": {"postgres"},
}

# Where the name for users' JSON-like values is defined; everybody else says `Value`.
VALUES = "events/values.py"


def test_import_contracts_hold() -> None:
    tool = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert tool is not None, "import-linter is missing from the environment: run `make setup`"
    outcome = subprocess.run(
        [tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stdout[outcome.stdout.find("Contracts") :]


@pytest.mark.parametrize("room", ["events", "orchestrator/kernel"])
def test_pure_rooms_import_only_what_is_pure(room: str) -> None:
    ours = {"events"} if room == "events" else {"events", "orchestrator"}
    foreign = [
        f"{module.path}:{line} {name}"
        for module in modules(room)
        for name, line in imports(module)
        if (top := name.partition(".")[0]) != "msgspec"
        and (top in IMPURE or top not in sys.stdlib_module_names | ours)
    ]
    assert not foreign, f"{room} may use itself, msgspec and pure standard library: {foreign}"


def test_technologies_stay_at_home() -> None:
    strayed = [
        f"{module.path}:{line} {name}"
        for module in modules("orchestrator", "node_agent", "dalsegno")
        for name, line in imports(module)
        if (homes := HOMES.get(name.partition(".")[0])) is not None
        and _adapter(module) not in homes
    ]
    assert not strayed, f"a driver is imported outside its adapter: {strayed}"


def test_any_stays_in_the_adapters() -> None:
    strayed = [
        f"{module.path}:{line}"
        for module in modules()
        for name, line in imports(module)
        if name in {"typing.Any", "typing_extensions.Any"}
        and _adapter(module) is None
        and module.path != VALUES
    ]
    assert not strayed, f"use `events.values.Value` or a type of ours instead of Any: {strayed}"


def test_nobody_passes_unnamed_keywords_through() -> None:
    """Keywords of a user (a builder's inputs) are data; handed on unread they hide a signature."""
    strayed = [
        f"{module.path}:{function.lineno} {function.name}"
        for module in modules()
        for function in functions(module)
        if _passes_keywords_through(function) and _adapter(module) is None
    ]
    assert not strayed, f"name the parameters instead of **{{...}}: {strayed}"


def test_modules_keep_no_mutable_state() -> None:
    """A `global` is state of a process that no test can reset and no replay can rebuild."""
    strayed = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Global)
    ]
    assert not strayed, f"keep state in an object of the composition root: {strayed}"


def _passes_keywords_through(function: Function) -> bool:
    """Keywords of a `ParamSpec` are typed and do not count."""
    keywords = function.args.kwarg
    if keywords is None or isinstance(keywords.annotation, ast.Attribute):
        return False
    return any(
        isinstance(node, ast.keyword)
        and node.arg is None
        and isinstance(node.value, ast.Name)
        and node.value.id == keywords.arg
        for node in ast.walk(function)
    )


def _adapter(module: Module) -> str | None:
    """The technology whose adapter the module is part of, None outside the adapters."""
    parts = module.name.split(".")
    return parts[2] if len(parts) > 2 and parts[1] == "adapters" else None
