"""A handler's parameters as a schema: inputs are converted by it and checked against it.

Conversion is strict: text is not taken for a number nor a number for text, but JSON's own
shortfalls are made up for, so that dates, UUIDs, decimals, bytes (base 64), enums, dataclasses and
structs may be declared. An int is accepted for a float.
"""

import inspect
from collections.abc import Callable
from copy import copy
from typing import Annotated, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from events.errors import Misconfigured
from events.values import Value
from node_agent.context import TaskContext
from node_agent.tasks import Arguments

Schema = dict[str, object]
T = TypeVar("T")
_WHOLE = "all inputs"

Inputs = Annotated[T, _WHOLE]
"""`request: Inputs[Request]`: a handler's one parameter that is given all inputs together, as a
struct, dataclass or typed dict whose fields they are."""


class InvalidInputs(Exception):
    """The inputs do not fit the parameters; the message names the first that does not."""


class Signature:
    """The parameters of one handler."""

    __slots__ = ("_fields", "_known", "_model", "_takes_more", "_whole", "context_name")

    def __init__(self, function: Callable[..., object], task: str, origin: str) -> None:
        """Raises `Misconfigured` for parameters that inputs cannot be given to."""
        hints = _hints(function, origin)
        fields: list[tuple[str, object, object]] = []
        self.context_name: str | None = None
        self._takes_more = False
        self._whole = ""
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
                if _is_whole(hint):
                    self._whole = parameter.name
                fields.append((parameter.name, hint, _default(parameter)))
        self._fields = tuple(name for name, _, _ in fields)
        if not self._whole:
            self._model: object = _model(task, fields, not self._takes_more, origin)
            return
        if len(fields) > 1 or self._takes_more:
            raise Misconfigured(
                f"{origin}: parameter {self._whole!r} takes all inputs: beside it there can be the "
                "context only"
            )
        self._model = get_args(fields[0][1])[0]
        self._known = _field_names(self._model, origin)

    def bind(self, inputs: dict[str, Value]) -> Arguments:
        """Returns the arguments by name. Raises `InvalidInputs`."""
        try:
            given = msgspec.convert(inputs, self._model)
        except msgspec.ValidationError as error:
            raise InvalidInputs(_explain(str(error))) from None
        if self._whole:
            return {self._whole: _without_others(given, inputs, self._known)}
        arguments = {name: getattr(given, name) for name in self._fields}
        if self._takes_more:
            arguments = inputs | arguments
        return arguments

    def schema(self) -> Schema:
        """Returns the JSON schema of the inputs, with its `$defs`."""
        (shown,), definitions = msgspec.json.schema_components(
            [self._model], schema_hook=_anything, ref_template="#/$defs/{name}"
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


def _is_whole(hint: object) -> bool:
    return get_origin(hint) is Annotated and _WHOLE in get_args(hint)[1:]


def _field_names(model: object, origin: str) -> frozenset[str]:
    """The names of a struct's, dataclass's or typed dict's fields as inputs have them."""
    expected = f"{origin}: its inputs are {model!r}: expected a struct, dataclass or typed dict"
    try:
        msgspec.json.schema(model, schema_hook=_anything)
    except (TypeError, ValueError) as error:
        raise Misconfigured(f"{expected} that JSON can fill: {error}") from error
    match msgspec.inspect.type_info(model):
        case (
            msgspec.inspect.StructType(fields=fields)
            | msgspec.inspect.DataclassType(fields=fields)
            | msgspec.inspect.TypedDictType(fields=fields)
        ):
            return frozenset(field.encode_name for field in fields)
        case _:
            raise Misconfigured(expected)


def _without_others(given: object, inputs: dict[str, Value], known: frozenset[str]) -> object:
    """Many types pass over fields that they do not know; inputs are checked."""
    others = [name for name in inputs if name not in known]
    if others:
        raise InvalidInputs(f"there is no parameter {others[0]!r}")
    return given


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
        msgspec.json.schema(model, schema_hook=_anything)
        msgspec.json.Decoder(model)
    except (TypeError, ValueError) as error:
        raise Misconfigured(
            f"{origin}: its parameters cannot be read from JSON inputs: {error}"
        ) from error
    return model


def _anything(kind: type) -> Schema:
    """`object` stands for any value, as in `dict[str, object]`."""
    if kind is object:
        return {"description": "any value"}  # an empty schema would not be taken for one
    raise NotImplementedError


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
