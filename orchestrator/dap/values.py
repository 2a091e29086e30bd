"""Values as a client shows them: a text, a type, and what is inside, page by page.

What a client can open has a number, which holds until the next stop and never comes again: one of
an earlier stop is refused instead of showing something else.
"""

import re
from collections.abc import Callable, Iterator, Sequence

import msgspec

from events.limits import DAP_REFERENCES_MAX, DAP_TEXT_CHARS_MAX, DAP_VARIABLES_MAX
from events.values import Value
from orchestrator.dap.refusals import Stale

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A name and a value. `path`: the expression that gives it, empty where there is none. `note`:
    what is said beside the type, such as the version that set it. `label` stands for the value
    where the value itself would say too little."""

    name: str
    value: Value = None
    path: str = ""
    note: str = ""
    label: str | None = None
    rows: "Callable[[], Sequence[Row]] | None" = None
    """What is inside, of a value that is none of the user's."""


class Inside(msgspec.Struct, frozen=True):
    """What a reference stands for. `path` is that of the value itself."""

    path: str
    count: int
    is_list: bool
    rows: Callable[[int, int], Sequence[Row]]
    """Rows from a number on, at most so many."""


class References:
    """What a client may open in this stop."""

    def __init__(self, most: int = DAP_REFERENCES_MAX) -> None:
        self._most = most
        self._next = 1
        self._inside: dict[int, Inside] = {}

    def forget(self) -> None:
        """A new stop: no number of before means anything any more."""
        self._inside.clear()

    def put(self, inside: Inside) -> int:
        """Its number; 0, nothing to open, when there are too many."""
        if len(self._inside) >= self._most:
            return 0
        number, self._next = self._next, self._next + 1
        self._inside[number] = inside
        return number

    def of(self, number: int) -> Inside:
        """Raises `Stale`."""
        found = self._inside.get(number)
        if found is None:
            raise Stale(f"there is no value {number} in this stop: ask for `scopes` again")
        return found

    # -- as the protocol has it -------------------------------------------------------------------

    def rows(self, number: int, start: int, count: int) -> list[dict[str, object]]:
        """The children of a reference."""
        inside = self.of(number)
        most = min(count or DAP_VARIABLES_MAX, DAP_VARIABLES_MAX)
        return [self.shown(row) for row in inside.rows(max(start, 0), most)]

    def shown(self, row: Row) -> dict[str, object]:
        """A row as a `Variable`."""
        told: dict[str, object] = {"name": row.name, **self.result(row)}
        told["value"] = told.pop("result")
        if row.path:
            told["evaluateName"] = row.path
        return told

    def result(self, row: Row) -> dict[str, object]:
        """The same as the answer to `evaluate`."""
        text = text_of(row.value) if row.label is None else row.label
        kind = "" if row.rows is not None else kind_of(row.value)
        told: dict[str, object] = {"result": text, "variablesReference": 0}
        if said := ", ".join(filter(None, [kind, row.note])):
            told["type"] = said
        inside = inside_value(row.value, row.path)
        if row.rows is not None:
            inside = inside_rows(row.rows(), row.path)
        if inside is not None and inside.count:
            told["variablesReference"] = self.put(inside)
            told["indexedVariables" if inside.is_list else "namedVariables"] = inside.count
        return told


def inside_rows(rows: Sequence[Row], path: str = "") -> Inside:
    """Rows that are there already."""
    return Inside(path, len(rows), False, lambda start, most: rows[start : start + most])


def inside_value(value: Value, path: str) -> Inside | None:
    """The items of a list or an object; None for every other value."""
    match value:
        case list() as items:
            return Inside(
                path, len(items), True, lambda start, most: _items(items, path, start, most)
            )
        case dict() as entries:
            return Inside(
                path, len(entries), False, lambda start, most: _entries(entries, path, start, most)
            )
        case _:
            return None


def _items(items: list[Value], path: str, start: int, most: int) -> list[Row]:
    return [
        Row(name=f"[{at}]", value=item, path=f"{path}[{at}]" if path else "")
        for at, item in enumerate(items[start : start + most], start)
    ]


def _entries(entries: dict[str, Value], path: str, start: int, most: int) -> list[Row]:
    keys = list(entries)[start : start + most]
    return [Row(name=key, value=entries[key], path=below(path, key)) for key in keys]


def below(path: str, key: str) -> str:
    """The expression for a key of what `path` gives; empty where there is none."""
    if not path:
        return ""
    if _NAME.fullmatch(key):
        return f"{path}.{key}"
    return f"{path}[{msgspec.json.encode(key).decode()}]"


def text_of(value: Value, most: int = DAP_TEXT_CHARS_MAX) -> str:
    """The value as JSON in one line, cut off at so many characters. O(what is shown)."""
    whole = _beginning(value, most)
    return whole if len(whole) <= most else f"{whole[: most - 1]}…"


def _beginning(value: Value, most: int) -> str:
    """At least `most` characters of the value if it has so many, and not much more."""
    parts: list[str] = []
    room = most + 1
    for part in _parts(value, most):
        parts.append(part)
        room -= len(part)
        if room < 0:
            break
    return "".join(parts)


def _parts(value: Value, most: int) -> Iterator[str]:
    """Its JSON piece by piece, without recursion into what will not be shown."""
    if isinstance(value, dict):
        yield "{"
        for number, (key, inner) in enumerate(value.items()):
            yield f"{', ' if number else ''}{_json(key)}: "
            yield from _parts(inner, most)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for number, inner in enumerate(value):
            if number:
                yield ", "
            yield from _parts(inner, most)
        yield "]"
    elif isinstance(value, str):
        yield _json(value[: most + 1])
    else:
        yield _json(value)


def _json(value: Value) -> str:
    return msgspec.json.encode(value).decode()


def kind_of(value: Value) -> str:
    """What the value is, in a word or two."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "text"
        case list():
            return f"list of {len(value)}"
        case _:
            return f"object of {len(value)}"
