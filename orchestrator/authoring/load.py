"""Loading a definition from a file: YAML, JSON, a WfFormat trace, or a Python module.

A Python file is executed, with its folder importable, and must hold exactly one `Workflow` or
`Definition` at its top level; `file.py:name` picks one of several.
"""

import importlib.util
import math
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from msgspec.structs import replace

from events.definition import Definition
from events.errors import Rejected
from events.limits import Limits
from orchestrator.authoring.authored import Authored
from orchestrator.authoring.builder import Workflow
from orchestrator.authoring.problems import InvalidDefinition, Place, Problem, suggestion
from orchestrator.authoring.wfformat import AS_RECORDED, is_trace, read_trace
from orchestrator.authoring.yaml import read_yaml

YAML_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


class NotLoadable(Rejected):
    """There is no such file, it is of no known kind, or its code does not run."""

    code = "not_loadable"


def load(path: str | Path) -> Definition:
    """The definition in a file. Raises `NotLoadable` and `InvalidDefinition`."""
    return read(path).definition


def read(
    path: str | Path, limits: Limits | None = None, time_scale: float | None = None
) -> Authored:
    """The same with the places of its parts, for `check`.

    `time_scale` is what the recorded runtimes of a trace are multiplied by; only a trace takes it.
    """
    file, name = _split(str(path))
    if file.suffix == ".py":
        _refuse_scale(path, time_scale)
        return _from_python(file, name, str(path))
    if file.suffix not in YAML_SUFFIXES:
        raise NotLoadable(f"{path} is of no known kind: expected .yaml, .yml, .json or .py")
    text = _text(file, limits or Limits())
    if file.suffix == ".json" and is_trace(text):
        return read_trace(text, str(path), limits, _checked_scale(time_scale))
    _refuse_scale(path, time_scale)
    return read_yaml(text, str(path), limits)


def _refuse_scale(path: str | Path, time_scale: float | None) -> None:
    if time_scale is not None:
        raise NotLoadable(f"{path} is no WfFormat trace: leave --time-scale out")


def _checked_scale(time_scale: float | None) -> float:
    if time_scale is None:
        return AS_RECORDED
    if not (math.isfinite(time_scale) and time_scale >= 0):
        raise NotLoadable(f"--time-scale is {time_scale}: expected 0 (no waiting) or more")
    return time_scale


def _split(path: str) -> tuple[Path, str]:
    """`file.py:name` in its two parts."""
    file, colon, name = path.rpartition(":")
    if colon and file.endswith(".py") and name.isidentifier():
        return Path(file), name
    return Path(path), ""


def _text(file: Path, limits: Limits) -> str:
    most = limits.definition_bytes_max
    data = _bytes(file, most + 1)
    if len(data) > most:
        raise NotLoadable(f"{file} is over {most} bytes: split the workflow")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        message = "not UTF-8: save the file in that encoding"
        problem = Problem(code="yaml", where="", message=message, place=Place(line, column))
        raise InvalidDefinition([problem], str(file)) from error


def _bytes(file: Path, most: int) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(most)
    except FileNotFoundError as error:
        raise _missing(file) from error
    except OSError as error:
        raise NotLoadable(f"{file} cannot be read: {error.strerror or error}") from error


def _missing(file: Path) -> NotLoadable:
    beside = [one.name for one in file.parent.glob("*")] if file.parent.is_dir() else []
    return NotLoadable(f"{file} cannot be read: no such file{suggestion(file.name, beside)}")


def _from_python(file: Path, name: str, told: str) -> Authored:
    if not file.is_file():
        raise _missing(file)
    try:
        authored = _authored(_chosen(file, name))
    except InvalidDefinition as error:
        seen = _Seen(file)
        problems = [replace(one, place=one.place and seen(one.place)) for one in error.problems]
        raise InvalidDefinition(problems, told, error.more) from error
    seen = _Seen(file)
    places = {where: seen(place) for where, place in authored.places.items()}
    return Authored(authored.definition, places, told)


def _chosen(file: Path, name: str) -> Workflow | Definition:
    """What the file holds, of this name if one is given."""
    found = vars(_executed(file))
    if name:
        if not isinstance(found.get(name), (Workflow, Definition)):
            raise NotLoadable(f"{file} has no Workflow or Definition called `{name}`")
        chosen: Workflow | Definition = found[name]
        return chosen
    candidates = {
        id(value): (key, value)
        for key, value in found.items()
        if isinstance(value, (Workflow, Definition))
    }
    if len(candidates) != 1:
        names = ", ".join(key for key, _ in candidates.values()) or "none"
        mend = f"pick one with {file}:<name>" if candidates else "make one at the top level"
        raise NotLoadable(f"{file} must hold exactly one Workflow, found {names}: {mend}")
    return next(value for _, value in candidates.values())


def _authored(value: Workflow | Definition) -> Authored:
    return value.authored() if isinstance(value, Workflow) else Authored(value)


class _Seen:
    """Places as the author of `file` names it, who may have given a relative path or a link."""

    def __init__(self, file: Path) -> None:
        self._file = file.resolve()
        self._is_it: dict[str, bool] = {}

    def __call__(self, place: Place) -> Place:
        is_it = self._is_it.get(place.file)
        if is_it is None:
            is_it = self._is_it[place.file] = Path(place.file).resolve() == self._file
        return replace(place, file="") if is_it else place


def _executed(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"dalsegno_definition_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise NotLoadable(f"{file} is no Python module")
    module = importlib.util.module_from_spec(spec)
    with _importable(file.parent.resolve()):
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            if isinstance(error, InvalidDefinition) and not error.name:
                raise  # of this very file, with the line in which it is wrong
            raise NotLoadable(_fault(file, error)) from error
    return module


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Modules beside the file can be imported while it runs, as when Python runs it itself."""
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)


def _fault(file: Path, error: BaseException) -> str:
    """What the author's code raised and in which of its lines.

    The import system makes paths absolute, and the author's may be relative or a link: so files are
    compared, not their names.
    """
    ours = file.resolve()
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == ours
    ]
    if isinstance(error, SyntaxError) and Path(error.filename or "").resolve() == ours:
        lines.append(error.lineno)
        error = SyntaxError(error.msg)  # which would else name file and line once more
    place = f":{lines[-1]}" if lines else ""
    return f"{file}{place}: {type(error).__name__}: {error}{_meant(error)}"


def _meant(error: BaseException) -> str:
    """What Python itself would propose, where it shows the error to nobody but us."""
    if not isinstance(error, AttributeError) or not error.name:
        return ""
    known = [name for name in dir(error.obj) if not name.startswith("_")]
    close = get_close_matches(error.name, known, n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
