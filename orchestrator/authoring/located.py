"""Located: a YAML or JSON text as a tree of values with their lines and columns.

Built from the parser's events with a stack of our own, so that depth is bounded before anything
recurses. Plain scalars mean what YAML 1.2 says (`yes`, `on` and dates are text). Refused, because a
definition needs none of it and each has surprised somebody: anchors and aliases, tags, several
documents, keys that are not text, a key twice.
"""

import math
import re
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeAlias

import msgspec
import yaml

from events.limits import INTEGER_MAX, VALUE_DEPTH_MAX
from events.values import INTEGER_MIN, Value
from orchestrator.authoring.problems import InvalidDefinition, Place, Problem

_Loader: TypeAlias = "type[yaml.SafeLoader | yaml.CSafeLoader]"
FASTEST: _Loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?(?:\.inf|\.Inf|\.INF|Infinity)|\.nan|\.NaN|\.NAN|NaN")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DIGITS_MAX = 40
_ODD = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Not allowed in YAML or line breaks there; in JSON mere characters of a text."""
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB]\w\w)\\u([dD][c-fC-F]\w\w)", re.ASCII)


class Scalar(msgspec.Struct, frozen=True):
    """`place` is where the content begins, behind an opening quote."""

    value: Value
    place: Place


class Sequence(msgspec.Struct, frozen=True):
    items: "tuple[Located, ...]"
    place: Place


class Mapping(msgspec.Struct, frozen=True):
    """`keys` are the places of the keys; the order is that of the text."""

    items: "dict[str, Located]"
    keys: dict[str, Place]
    place: Place


Located = Scalar | Sequence | Mapping


def parse(text: str, name: str = "", loader: _Loader = FASTEST) -> Located:
    """The one document in `text`. Raises `InvalidDefinition` with the first problem's place."""
    text = text.removeprefix("\ufeff")
    if _is_json(text):
        text = _PAIR.sub(_character, _ODD.sub(_escaped, text.replace("\t", " ")))
    try:
        return _Tree(_events(text, loader)).document()
    except _Refusal as refusal:
        problem = Problem(code="yaml", where="", message=refusal.reason, place=refusal.place)
    raise InvalidDefinition([problem], name)


def plain(located: Located) -> Value:
    """The value without places."""
    match located:
        case Scalar(value=value):
            return value
        case Sequence(items=items):
            return [plain(item) for item in items]
        case Mapping(items=items):
            return {key: plain(item) for key, item in items.items()}


class _Refusal(Exception):
    def __init__(self, reason: str, place: Place) -> None:
        super().__init__(reason)
        self.reason = reason
        self.place = place


def _is_json(text: str) -> bool:
    """JSON may be indented by tabs, escape surrogates and hold control characters; YAML may not."""
    try:
        return text.lstrip().startswith("{") and bool(msgspec.json.decode(text, type=msgspec.Raw))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False


def _escaped(odd: re.Match[str]) -> str:
    return f"\\u{ord(odd[0]):04x}"


def _character(pair: re.Match[str]) -> str:
    """A character that JSON escapes as two surrogates, which YAML does not know."""
    high, low = int(pair[2], 16), int(pair[3], 16)
    return pair[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _events(text: str, loader: _Loader) -> Iterator[yaml.Event]:
    """The parser's events; whatever it raises becomes a `_Refusal`."""
    place = Place(1, 1)
    try:
        for event in yaml.parse(text, Loader=loader):
            place = _place(event.start_mark)
            yield event
    except yaml.reader.ReaderError as error:
        at = error.position if isinstance(error.position, int) else 0
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        raise _Refusal(f"{error.reason}: remove the character", Place(line, column)) from error
    except yaml.MarkedYAMLError as error:
        reason = " ".join(part for part in (error.context, error.problem) if part)
        where = _place(error.problem_mark) if error.problem_mark else place
        mark = error.problem_mark
        if mark and text[mark.index : mark.index + 1] == "\t":
            raise _Refusal("a tab where YAML takes none: indent with spaces", where) from error
        raise _Refusal(f"not readable as YAML: {reason}", where) from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise _Refusal(f"not readable as YAML: {error}", place) from error


class _Mark(Protocol):
    """Both parsers' marks; lines and columns from 0."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


def _place(mark: _Mark | None) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)


class _Open:
    """A collection whose end has not come yet."""

    def __init__(self, place: Place, is_mapping: bool) -> None:
        self.place = place
        self.is_mapping = is_mapping
        self.items: list[Located] = []
        self.entries: dict[str, Located] = {}
        self.keys: dict[str, Place] = {}
        self.key: str | None = None

    def add(self, node: Located) -> None:
        if not self.is_mapping:
            self.items.append(node)
        elif self.key is None:
            self._begin(node)
        else:
            self.entries[self.key] = node
            self.key = None

    def _begin(self, node: Located) -> None:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            raise _Refusal("keys must be text: put it in quotes", node.place)
        if node.value in self.keys:
            first = self.keys[node.value].line
            raise _Refusal(f"key `{node.value}` twice, first in line {first}", node.place)
        self.key = node.value
        self.keys[node.value] = node.place

    def close(self) -> Located:
        if self.is_mapping:
            return Mapping(self.entries, self.keys, self.place)
        return Sequence(tuple(self.items), self.place)


class _Tree:
    def __init__(self, events: Iterable[yaml.Event]) -> None:
        self._events = events
        self._open: list[_Open] = []
        self._root: Located | None = None

    def document(self) -> Located:
        for event in self._events:
            self._take(event)
        if self._root is None:
            raise _Refusal("empty: expected a workflow", Place(1, 1))
        return self._root

    def _take(self, event: yaml.Event) -> None:
        place = _place(event.start_mark)
        self._check(event, place)
        match event:
            case yaml.ScalarEvent():
                inside = Place(place.line, place.column + (event.style in {"'", '"'}))
                self._add(Scalar(_scalar(event, place), inside))
            case yaml.CollectionStartEvent():
                if len(self._open) >= VALUE_DEPTH_MAX * 2:
                    raise _Refusal(
                        f"nested deeper than {VALUE_DEPTH_MAX * 2} levels: flatten it", place
                    )
                self._open.append(_Open(place, isinstance(event, yaml.MappingStartEvent)))
            case yaml.CollectionEndEvent():
                self._add(self._open.pop().close())
            case _:
                pass

    def _check(self, event: yaml.Event, place: Place) -> None:
        if isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
            raise _Refusal("a second document: one file holds one workflow", place)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Refusal("anchors and aliases are not understood: write the value out", place)
        tag = getattr(event, "tag", None)
        if tag not in {None, "!"}:
            raise _Refusal(f"tags such as `{tag}` are not understood: remove it", place)

    def _add(self, node: Located) -> None:
        if self._open:
            self._open[-1].add(node)
        else:
            self._root = node


def _scalar(event: yaml.ScalarEvent, place: Place) -> Value:
    text = event.value
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise _Refusal("text that is not Unicode: half of a surrogate pair", place)
    return text if event.style else _resolve(text, place)


def _resolve(text: str, place: Place) -> Value:
    """What a scalar without quotes means."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) or _OTHER_BASE.fullmatch(text):
        return _integer(text, place)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise _Refusal(f"{text} is too large for a number: pass it as text, in quotes", place)
        return number
    if _NO_NUMBER.fullmatch(text):
        raise _Refusal(f"{text}, which JSON has no word for: use null, or text in quotes", place)
    return text


def _integer(text: str, place: Place) -> int:
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    if len(text) <= _DIGITS_MAX and INTEGER_MIN <= (number := int(text, base)) <= INTEGER_MAX:
        return number
    raise _Refusal(f"{text[:_DIGITS_MAX]} is over 64 bits: pass it as text, in quotes", place)


def reads_as_text(text: str) -> bool:
    """Whether `text` without quotes would be read as itself."""
    try:
        return isinstance(_resolve(text, Place(1, 1)), str)
    except _Refusal:
        return False
