"""Importing the modules that declare tasks, by dotted name or by path."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from events.errors import Misconfigured
from node_agent.registry import TaskRegistry, collect

BUILT_IN = ("node_agent.acting", "node_agent.traces", "node_agent.web.task")
"""Modules of tasks that every agent has."""


def load_registry(modules: Sequence[str]) -> TaskRegistry:
    """Imports `modules` (`my.tasks` or `path/file.py`) and returns what they and the built-in ones
    declare.

    Raises `Misconfigured` naming the module and what is wrong with it. A file's folder is added to
    the end of the import path, as its own imports may need it.
    """
    names = dict.fromkeys((*BUILT_IN, *modules))
    return collect({name: vars(_import(name)) for name in names})


def _import(name: str) -> ModuleType:
    is_path = name.endswith(".py") or "/" in name
    try:
        return _import_file(Path(name)) if is_path else importlib.import_module(name)
    except Misconfigured:
        raise
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise Misconfigured(f"cannot import {name}: {_told(error)}") from error
        raise Misconfigured(
            f"cannot import {name}: there is no module {error.name} on the import path, which is "
            "the current folder, PYTHONPATH and what is installed"
        ) from error
    except Exception as error:
        raise Misconfigured(f"cannot import {name}: {_told(error)}") from error


def _import_file(path: Path) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise Misconfigured(f"cannot import {path}: there is no such file")
    known = sys.modules.get(path.stem)
    if known is not None:
        if getattr(known, "__file__", None) == str(path):
            return known
        raise Misconfigured(
            f"cannot import {path}: a module called {path.stem} is loaded already; rename the file"
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise Misconfigured(f"cannot import {path}: it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module


def _told(error: Exception) -> str:
    """Returns one line: what was raised, and where in the user's code."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f.filename != __file__ and "importlib" not in f.filename]
    where = f" ({ours[-1].filename}, line {ours[-1].lineno})" if ours else ""
    if isinstance(error, SyntaxError):
        where = f" ({error.filename}, line {error.lineno})"
        return f"SyntaxError: {error.msg}{where}"
    return f"{type(error).__name__}: {error}{where}"
