"""A handler's parameters as a schema: inputs are converted by it and checked against it.

Conversion is strict: text is not taken for a number nor a number for text, but JSON's own
shortfalls are made up for, so that dates, UUIDs, decimals, bytes (base 64), enums, dataclasses and
structs may be declared. An int is accepted for a float.
"""

import inspect
from collections.abc import Callable
from copy import copy
from typing import get_type_hints

import msgspec

from events.errors import Misconfigured
from events.values import Value
from node_agent.context import TaskContext
from node_agent.tasks import Arguments

Schema = dict[str, object]


class InvalidInputs(Exception):
    """The inputs do not fit the parameters; the message names the first that does not."""


class Signature:
    """The parameters of one handler."""

    __slots__ = ("_fields", "_model", "_takes_more", "context_name")

    def __init__(self, function: Callable[..., object], task: str, origin: str) -> None:
        """Raises `Misconfigured` for parameters that inputs cannot be given to."""
        hints = _hints(function, origin)
        fields: list[tuple[str, object, object]] = []
        self.context_name: str | None = None
        self._takes_more = False
        for parameter in inspect.signature(function).parameters.values():
            hint = hints.get(parameter.name, Value)
            if hint is TaskContext:
                self.context_name = parameter.name
            elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
                self._takes_more = True
            elif parameter.kind in {
                inspect.Parameter.VAR_POSITIONAL,
                inspect.Parameter.POSITIONAL_ONLY,
            }:
                raise Misconfigured(
                    f"{origin}: parameter {parameter.name!r} can be given by position only, and "
                    "inputs are given by name"
                )
            else:
                fields.append((parameter.name, hint, _default(parameter)))
        self._fields = tuple(name for name, _, _ in fields)
        self._model = _model(task, fields, not self._takes_more, origin)

    def bind(self, inputs: dict[str, Value]) -> Arguments:
        """Returns the arguments by name. Raises `InvalidInputs`."""
        try:
            given = msgspec.convert(inputs, self._model)
        except msgspec.ValidationError as error:
            raise InvalidInputs(_explain(str(error))) from None
        arguments = {name: getattr(given, name) for name in self._fields}
        if self._takes_more:
            arguments = inputs | arguments
        return arguments

    def schema(self) -> Schema:
        """Returns the JSON schema of the inputs, with its `$defs`."""
        (shown,), definitions = msgspec.json.schema_components(
            [self._model], ref_template="#/$defs/{name}"
        )
        name = str(shown.get("$ref", "")).rpartition("/")[2]
        schema = dict(definitions.pop(name)) if name in definitions else dict(shown)
        schema["additionalProperties"] = self._takes_more
        if definitions:
            schema["$defs"] = definitions
        return schema


def _hints(function: Callable[..., object], origin: str) -> dict[str, object]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise Misconfigured(f"{origin}: an annotation cannot be resolved: {error}") from error


def _default(parameter: inspect.Parameter) -> object:
    """Returns a field default; a mutable one is copied for each call."""
    default: object = parameter.default
    if default is inspect.Parameter.empty:
        return msgspec.NODEFAULT
    if isinstance(default, (list, dict, set, bytearray)) and default:
        return msgspec.field(default_factory=lambda: copy(default))
    return default


def _model(
    task: str, fields: list[tuple[str, object, object]], is_closed: bool, origin: str
) -> type[msgspec.Struct]:
    declared = [(name, hint, default) for name, hint, default in fields]
    try:
        model = msgspec.defstruct(
            f"{task} inputs", declared, kw_only=True, forbid_unknown_fields=is_closed
        )
        msgspec.json.schema(model)
        msgspec.json.Decoder(model)
    except (TypeError, ValueError) as error:
        raise Misconfigured(
            f"{origin}: its parameters cannot be read from JSON inputs: {error}"
        ) from error
    return model


def _explain(error: str) -> str:
    """Turns "Expected `int`, got `str` - at `$.limit`" into a sentence on the parameter."""
    what, at, path = error.partition(" - at `$")
    if not at:
        return _missing(what)
    name, _, rest = path.rstrip("`").lstrip(".").partition(".")
    place = f"parameter {name!r}" + (f" at .{rest}" if rest else "")
    return f"{place}: {what[0].lower()}{what[1:]}".replace("`", "")


def _missing(what: str) -> str:
    for opening, saying in (
        ("Object missing required field `", "parameter {!r} is missing"),
        ("Object contains unknown field `", "there is no parameter {!r}"),
    ):
        if what.startswith(opening):
            return saying.format(what[len(opening) :].rstrip("`"))
    return what.replace("`", "")
