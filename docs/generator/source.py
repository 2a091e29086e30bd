"""What the source says beside the code: docstrings of classes, and those under their fields."""

import ast
import inspect
from functools import cache
from pathlib import Path
from types import ModuleType

OURS = ("events", "orchestrator", "node_agent")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def under_names(body: list[ast.stmt]) -> dict[str, str]:
    """The text under each assigned name, in one line."""
    found: dict[str, str] = {}
    for one, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            found[one.target.id] = _text(following)
        elif isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
            found[one.targets[0].id] = _text(following)
    return found


def field_texts(cls: type) -> dict[str, str]:
    """The docstring under each field of a class, in one line; empty where there is none."""
    return {
        name: text
        for one in reversed(cls.__mro__)
        if one.__module__.partition(".")[0] in OURS
        for name, text in _own_texts(one).items()
    }


def _own_texts(cls: type) -> dict[str, str]:
    for node in ast.walk(parsed(Path(inspect.getfile(cls)))):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            return under_names(node.body)
    return {}


def annotations(cls: type) -> dict[str, str]:
    """Each field's type as it is written."""
    for node in ast.walk(parsed(Path(inspect.getfile(cls)))):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            return {
                one.target.id: ast.unparse(one.annotation)
                for one in node.body
                if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
            }
    return {}


def constant_texts(module: ModuleType) -> dict[str, str]:
    """The text under each constant of a module."""
    return under_names(parsed(Path(inspect.getfile(module))).body)


def doc(thing: object) -> str:
    """The whole docstring; paragraphs stay apart, lines of one are joined."""
    text = inspect.getdoc(thing) or ""
    return "\n\n".join(one_line(paragraph) for paragraph in text.split("\n\n") if paragraph)


def one_line(text: str) -> str:
    return " ".join(text.split())


def _text(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return one_line(str(node.value.value))
    return ""
