"""Reading located values as what the authored form expects; a problem for whatever else is there.

Every reader returns something usable also when it reports a problem, so that one pass finds all.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from events.policies import Attribute
from events.values import Value
from orchestrator.authoring.located import Located, Mapping, Scalar, Sequence, plain
from orchestrator.authoring.problems import Place, Problems, suggestion
from orchestrator.authoring.quantities import seconds, size_bytes
from orchestrator.authoring.shapes import Shape

T = TypeVar("T")
W = TypeVar("W", bound=str)


class Field(msgspec.Struct, frozen=True):
    """A value and its path in the authored form."""

    where: str
    node: Located

    @property
    def place(self) -> Place:
        return self.node.place


class FormReader:
    """Typed readers over fields. `places` are those of all paths that were read."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self.places: dict[str, Place] = {}

    def complain(self, code: str, field: Field, message: str) -> None:
        self._problems.add(code, field.where, message, field.place)

    def fields(self, field: Field, shape: Shape) -> dict[str, Field]:
        """The entries of an object with known keys."""
        found = self.entries(field)
        allowed = shape.names
        for key in [key for key in found if key not in allowed]:
            unknown = found.pop(key)
            place = self._key_place(field, key) or unknown.place
            known = f"expected one of {', '.join(sorted(allowed))}{suggestion(key, allowed)}"
            self._problems.add("unknown_key", field.where, f"unknown key `{key}`: {known}", place)
        for key in shape.required:
            if key not in found and isinstance(field.node, Mapping):
                self.complain("missing_key", field, f"`{key}` is missing")
        return found

    def entries(self, field: Field) -> dict[str, Field]:
        """The entries of an object with any keys."""
        self.places.setdefault(field.where, field.place)
        if not isinstance(field.node, Mapping):
            self._expected(field, "an object (key: value)")
            return {}
        nodes = field.node.items.items()
        found = {key: Field(_below(field.where, key), node) for key, node in nodes}
        for key, entry in found.items():
            is_scalar = isinstance(entry.node, Scalar)
            self.places[entry.where] = entry.place if is_scalar else field.node.keys[key]
        return found

    def items(self, field: Field) -> list[Field]:
        self.places.setdefault(field.where, field.place)
        if not isinstance(field.node, Sequence):
            self._expected(field, "a list")
            return []
        found = [Field(f"{field.where}[{i}]", node) for i, node in enumerate(field.node.items)]
        self.places.update((item.where, item.place) for item in found)
        return found

    def text(self, field: Field) -> str:
        value = field.node.value if isinstance(field.node, Scalar) else None
        if isinstance(value, str):
            return value
        scalar = isinstance(field.node, Scalar) and value is not None
        self._expected(field, "text: put it in quotes" if scalar else "text")
        return ""

    def texts(self, field: Field) -> tuple[str, ...]:
        return tuple(self.text(item) for item in self.items(field))

    def text_map(self, field: Field) -> dict[str, str]:
        return {key: self.text(entry) for key, entry in self.entries(field).items()}

    def scalar_map(self, field: Field) -> dict[str, Attribute]:
        return {key: self.scalar(entry) for key, entry in self.entries(field).items()}

    def scalar(self, field: Field) -> Attribute:
        value = field.node.value if isinstance(field.node, Scalar) else None
        if isinstance(value, (bool, int, float, str)):
            return value
        self._expected(field, "text, a number, true or false")
        return ""

    def value(self, field: Field) -> Value:
        return plain(field.node)

    def values(self, field: Field) -> dict[str, Value]:
        return {key: self.value(entry) for key, entry in self.entries(field).items()}

    def integer(self, field: Field) -> int:
        value = field.node.value if isinstance(field.node, Scalar) else None
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self._expected(field, "a whole number")
        return 0

    def boolean(self, field: Field) -> bool:
        value = field.node.value if isinstance(field.node, Scalar) else None
        if isinstance(value, bool):
            return value
        self._expected(field, "true or false")
        return False

    def number(self, field: Field) -> float:
        value = field.node.value if isinstance(field.node, Scalar) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        self._expected(field, "a number")
        return 0.0

    def seconds(self, field: Field) -> float:
        return self._quantity(field, seconds, 1.0)

    def size(self, field: Field) -> int:
        return self._quantity(field, size_bytes, 0)

    def one_of(self, field: Field, choices: tuple[W, ...], default: W) -> W:
        problems = self._problems.count
        value = self.text(field)
        for choice in choices:
            if choice == value:
                return choice
        if problems == self._problems.count:  # it is text
            expected = f"expected one of {', '.join(choices)}{suggestion(value, choices)}"
            self.complain("invalid_value", field, f"`{value}` is not known: {expected}")
        return default

    def _quantity(self, field: Field, read: Callable[[object], T], default: T) -> T:
        try:
            return read(plain(field.node))
        except ValueError as error:
            self.complain("invalid_value", field, str(error))
            return default

    def _expected(self, field: Field, what: str) -> None:
        self.complain("wrong_type", field, f"expected {what}, found {_kind(field.node)}")

    def _key_place(self, field: Field, key: str) -> Place | None:
        return field.node.keys.get(key) if isinstance(field.node, Mapping) else None


def _below(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _kind(node: Located) -> str:
    match node:
        case Mapping():
            return "an object"
        case Sequence():
            return "a list"
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=value):
            return f"{value!r}"
