"""CelExpressions: the kernel's expression port over the `cel` package.

Guarantees
    Equal source and bindings give the equal value in every process: results are plain JSON with
    sorted keys, loops over an object run over its sorted keys (the engine's own order is random in
    each process), and no function reads clock, randomness or environment.
    Only the paths that are read are handed over. Length and nesting are bounded before the engine
    sees the text, loops before it sees the values, so that neither its parser nor an evaluation can
    run away; below these bounds no worker process is needed (ADR 0008).

The cache holds `EXPRESSIONS_KEPT_MAX` compiled expressions, the least recently used leave. An
instance belongs to one thread.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping

import msgspec

from events.errors import InvalidValue
from events.limits import EXPRESSIONS_KEPT_MAX, Limits
from events.values import Value, admit
from orchestrator.adapters.cel.functions import ORDERED, extra_functions, is_known
from orchestrator.adapters.cel.package import cel
from orchestrator.adapters.cel.scan import Scan, nesting, scan
from orchestrator.kernel.expressions import ExpressionFailed, InvalidExpression, PathMissing

_PLACE = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDEFINED = re.compile(r"Undefined variable or function: '([^']*)'")
_UNEXPECTED = re.compile(
    r"(mismatched|extraneous) input|no viable alternative at input|token recognition error at:"
)
_EXPECTING = re.compile(r" expecting \{.*|Syntax error: ")


class _Compiled(msgspec.Struct, frozen=True):
    """`calls_python` says that functions beside the engine's own are needed."""

    program: cel.Program
    paths: tuple[str, ...]
    calls_python: bool
    has_loops: bool
    multiplies: bool


class CelExpressions:
    """See the text above; implements `orchestrator.kernel.expressions.Expressions`."""

    def __init__(self, limits: Limits | None = None, cache_max: int = EXPRESSIONS_KEPT_MAX) -> None:
        self._limits = limits or Limits()
        self._cache_max = cache_max
        self._cache: OrderedDict[str, _Compiled] = OrderedDict()
        self._functions = dict(extra_functions())

    def paths(self, source: str) -> tuple[str, ...]:
        return self._compiled(source).paths

    def evaluate(self, source: str, bindings: Mapping[str, Value]) -> Value:
        compiled = self._compiled(source)
        if compiled.has_loops:
            self._check_work(source, compiled, bindings)
        variables = _nest(compiled.paths, bindings)
        context: cel.Context | dict[str, object] = variables
        if compiled.calls_python:
            context = cel.Context(variables=variables, functions=self._functions)
        try:
            result = compiled.program.execute(context)
        except Exception as error:
            absent = [path for path in compiled.paths if path not in bindings]
            raise _failure(source, error, absent) from error
        return _plain(source, result)

    def _compiled(self, source: str) -> _Compiled:
        found = self._cache.get(source)
        if found is not None:
            self._cache.move_to_end(source)
            return found
        compiled = self._compile(source)
        self._cache[source] = compiled
        if len(self._cache) > self._cache_max:
            self._cache.popitem(last=False)
        return compiled

    def _compile(self, source: str) -> _Compiled:
        self._check_size(source)
        program = _parse(source)
        found = scan(source)
        self._check_calls(source, found)
        if found.loops > self._limits.expression_loops_max:
            most = self._limits.expression_loops_max
            raise InvalidExpression(
                f"loops inside each other more than {most} deep: let a task compute this", source
            )
        if found.targets:
            program = _parse(_with_ordered_targets(source, found))
        calls_python = bool(found.targets) or any(c.name in self._functions for c in found.calls)
        has_loops = bool(found.targets)
        return _Compiled(program, found.paths, calls_python, has_loops, found.multiplies)

    def _check_work(self, source: str, compiled: _Compiled, bindings: Mapping[str, Value]) -> None:
        """Refuses before it runs what would hold up everybody else."""
        items, longest = _extent(bindings)
        work = longest**2 if compiled.multiplies else items
        most = self._limits.expression_work_max
        if work > most:
            raise ExpressionFailed(
                f"loops of up to {work} rounds, over {most}: let a task compute this, in {source!r}"
            )

    def _check_size(self, source: str) -> None:
        most = self._limits.expression_chars_max
        if len(source) > most:
            raise InvalidExpression(
                f"{len(source)} characters, over {most}: let a task compute this", source[:80] + "…"
            )
        if not source.strip():
            raise InvalidExpression("empty expression", source)
        if nesting(source) > self._limits.expression_nesting_max:
            deepest = self._limits.expression_nesting_max
            raise InvalidExpression(f"brackets nested deeper than {deepest}", source)

    def _check_calls(self, source: str, found: Scan) -> None:
        for call in found.calls:
            if not is_known(call.name):
                line, column = _place(source, call.start)
                raise InvalidExpression(f"unknown function `{call.name}`", source, line, column)


def _parse(source: str) -> cel.Program:
    try:
        return cel.compile(source)
    except ValueError as error:
        found = _PLACE.search(str(error))
        if found is None:
            raise InvalidExpression(str(error), source) from error
        reason = _UNEXPECTED.sub("unexpected", _EXPECTING.sub("", found[3]))
        reason = reason.replace("'<EOF>'", "end")
        line, column = int(found[1]), int(found[2])
        raise InvalidExpression(reason, source, line, column) from error


def _place(source: str, at: int) -> tuple[int, int]:
    return source.count("\n", 0, at) + 1, at - source.rfind("\n", 0, at)


def _with_ordered_targets(source: str, found: Scan) -> str:
    """`source` with each loop target `t` as `ordered__(t)`."""
    inserts = [(start, 1, f"{ORDERED}(") for start, _ in found.targets]
    inserts += [(end, 0, ")") for _, end in found.targets]
    for at, _, text in sorted(inserts, reverse=True):
        source = source[:at] + text + source[at:]
    return source


def _nest(paths: tuple[str, ...], bindings: Mapping[str, Value]) -> dict[str, object]:
    """Bindings as objects inside objects. Of a path that is not bound only the surroundings are
    made, so that `has()` can look into them."""
    root: dict[str, object] = {}
    for path in paths:
        *above, last = path.split(".")
        level = root
        for name in above:
            below = level.setdefault(name, {})
            if not isinstance(below, dict):
                break
            level = below
        else:
            if path in bindings:
                level[last] = bindings[path]
    return root


def _extent(bindings: Mapping[str, Value]) -> tuple[int, int]:
    """How many items there are in all lists and objects, and in the longest of them. A text counts
    as a list of its characters, since it can be split."""
    items = longest = 0
    waiting: list[Value] = list(bindings.values())
    while waiting:
        value = waiting.pop()
        if not isinstance(value, (list, dict, str)):
            continue
        items += len(value)
        longest = max(longest, len(value))
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
    return items, longest


def _failure(source: str, error: Exception, absent: list[str]) -> ExpressionFailed:
    """What the engine raised, in words for an author."""
    text = str(error)
    undefined = _UNDEFINED.search(text)
    name = text.strip("'\"") if isinstance(error, KeyError) else undefined and undefined[1]
    missing = next((path for path in absent if name and name in path.split(".")), None)
    if missing:
        return PathMissing(missing)
    if isinstance(error, KeyError):
        return ExpressionFailed(f"no key {text} in {source!r}; guard it with has()")
    if undefined and is_known(undefined[1]):
        text = f"{undefined[1]}() does not take such arguments"
    elif undefined:
        text = f"`{undefined[1]}` is not known"
    return ExpressionFailed(f"{text.rstrip('.')}, in {source!r}")


def _plain(source: str, result: object) -> Value:
    """`result` as JSON with sorted keys; keys of other types than text are refused."""
    try:
        return _sorted(admit(result, "the result"))
    except InvalidValue as error:
        is_foreign = not isinstance(result, (int, float, str, list, dict))
        mend = "; convert it, e.g. with string()" if is_foreign else ""
        raise ExpressionFailed(f"{error}, in {source!r}{mend}") from error


def _sorted(value: Value) -> Value:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value
