"""The repository as the architecture tests see it: tracked files, parsed modules, settings."""

import ast
import os
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

ROOT = Path(__file__).resolve().parents[2]
OLDEST_PYTHON = (3, 11)
PRODUCT = ("events", "orchestrator", "node_agent", "dalsegno")

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Module(NamedTuple):
    """One source file: its path relative to the root, its text, its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The dotted name, `events.ids` for `events/ids.py`."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def modules(*folders: str) -> list[Module]:
    """Parse every Python file below the folders (default: the product), sorted by path."""
    return [
        parse(path)
        for folder in folders or PRODUCT
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]


@cache
def parse(path: Path) -> Module:
    """The module; with an empty tree if it cannot be parsed, which a test of its own reports."""
    text = path.read_text(encoding="utf-8")
    try:
        tree = ast.parse(text, filename=str(path), feature_version=OLDEST_PYTHON)
    except SyntaxError:
        tree = ast.Module(body=[], type_ignores=[])
    return Module(path.relative_to(ROOT).as_posix(), text, tree)


def functions(module: Module) -> Iterator[Function]:
    """All functions and methods of a module, nested ones too."""
    for node in ast.walk(module.tree):
        if isinstance(node, Function):
            yield node


def imports(module: Module) -> Iterator[tuple[str, int]]:
    """Every imported module with its line; `from a import b` counts as `a.b`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


@cache
def tracked_texts() -> tuple[tuple[str, str], ...]:
    """Path and text of each file that git tracks or would track, binaries left out."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        capture_output=True,
        check=True,
    )
    found = []
    for name in listing.stdout.decode().split("\0"):
        path = ROOT / name
        if not name or not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            found.append((name, content.decode("utf-8", errors="replace")))
    return tuple(found)


@cache
def project() -> dict[str, Any]:
    """`pyproject.toml`, parsed."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
