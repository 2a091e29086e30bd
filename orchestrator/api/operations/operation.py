"""Operations: methods that say what can be asked, of which everything else is made.

    @get("/runs/{run_id}", RUNS)
    async def show_run(self, run_id: RunId) -> RunView:
        \"\"\"Show a run.\"\"\"

The name is the operation's id, the first line of the docstring its summary, the types say what is
accepted. A parameter that the path names is part of it; one that `HEADERS` knows is a header; of
the others those of a `get` are the query, those of a `post` the members of a JSON object.

Such a method has no body: called on a client it is sent to a server, which has a class whose
methods do the work. So document, routes and client cannot differ.
"""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import wraps
from typing import Generic, Literal, ParamSpec, TypeVar, cast, get_args, get_type_hints

import msgspec

P = ParamSpec("P")
T = TypeVar("T")

BASE = "/api/v1"
HEADERS: Mapping[str, str] = {
    "idempotency_key": "Idempotency-Key",
    "last_event_id": "Last-Event-ID",
}
"""Parameters that travel as headers."""

OPERATION = "__operation__"

Place = Literal["path", "query", "header", "body"]
Kind = Literal["answer", "feed"]
Verb = Literal["GET", "POST", "DELETE"]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Base of parameters that go together: in Python one, on the wire each by itself."""


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter: `name` in Python, `wire` as it is sent; `type_` is sent as `type`. `group`: the
    parameter that it is a field of."""

    name: str
    wire: str
    place: Place
    type: object
    required: bool
    default: object = None
    group: str = ""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """`refusals`: statuses of problems that it may answer with, beside those that all have."""

    id: str
    method: Verb
    path: str
    tag: str
    summary: str
    description: str
    arguments: tuple[Argument, ...]
    groups: dict[str, type[Group]]
    returns: object
    kind: Kind = "answer"
    status: int = 200
    refusals: tuple[int, ...] = ()

    @property
    def parameters(self) -> type[msgspec.Struct]:
        """What is not in the body, as a struct that checks it."""
        return self._struct("Parameters", [a for a in self.arguments if a.place != "body"])

    @property
    def body(self) -> type[msgspec.Struct] | None:
        """What the body holds; None for an operation without one."""
        found = [a for a in self.arguments if a.place == "body"]
        return self._struct("Body", found) if self.method == "POST" else None

    def flat(self, arguments: Mapping[str, object]) -> dict[str, object]:
        """Arguments with the fields of groups among them."""
        found: dict[str, object] = {}
        for name, value in arguments.items():
            if isinstance(value, Group):
                found |= msgspec.structs.asdict(value)
            else:
                found[name] = value
        return found

    def grouped(self, arguments: Mapping[str, object]) -> dict[str, object]:
        """The other way."""
        found: dict[str, object] = {}
        parts: dict[str, dict[str, object]] = {group: {} for group in self.groups}
        for one in self.arguments:
            if one.name in arguments:
                place = parts[one.group] if one.group else found
                place[one.name] = arguments[one.name]
        return found | {name: kind(**parts[name]) for name, kind in self.groups.items()}

    def _struct(self, what: str, arguments: list[Argument]) -> type[msgspec.Struct]:
        fields: list[tuple[str, type] | tuple[str, type, object]] = []
        for one in arguments:
            kind = cast("type", one.type)
            fields.append((one.name, kind) if one.required else (one.name, kind, one.default))
        name = "".join(word.title() for word in self.id.split("_")) + what
        rename = {one.name: one.wire for one in arguments}
        return msgspec.defstruct(
            name, fields, kw_only=True, forbid_unknown_fields=True, rename=rename
        )


Feed = AbstractAsyncContextManager[AsyncIterator[T]]
"""What goes on telling: entered it is open, or has been refused; then it is iterated over."""


class Begun(Generic[T]):
    """What a feed tells, and behind which place it begins: who comes back with that has missed
    nothing, also before there was a message."""

    def __init__(self, place: str, messages: AsyncGenerator[T]) -> None:
        self.place = place
        self._messages = messages

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        return await anext(self._messages)

    async def aclose(self) -> None:
        await self._messages.aclose()


class Carrier:
    """Who has operations, and does not carry them out by methods of its own."""

    async def carry_out(self, operation: Operation, arguments: Mapping[str, object]) -> object:
        """The answer, of the type that the operation returns."""
        raise NotImplementedError(operation.id)

    def open_feed(
        self, operation: Operation, arguments: Mapping[str, object]
    ) -> Feed[msgspec.Struct]:
        """What a feed tells."""
        raise NotImplementedError(operation.id)


def get(path: str, tag: str, refusals: tuple[int, ...] = (), base: str = BASE) -> "Declaring":
    return Declaring("GET", path, tag, 200, refusals, base)


def post(path: str, tag: str, refusals: tuple[int, ...] = (), status: int = 200) -> "Declaring":
    return Declaring("POST", path, tag, status, refusals)


def delete(path: str, tag: str, refusals: tuple[int, ...] = ()) -> "Declaring":
    return Declaring("DELETE", path, tag, 200, refusals)


class Declaring(msgspec.Struct, frozen=True):
    """Makes an operation of a method that says one."""

    method: Verb
    path: str
    tag: str
    status: int
    refusals: tuple[int, ...]
    base: str = BASE

    def __call__(self, function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        operation = _operation(function, self.method, self.base + self.path, self.tag)
        operation = msgspec.structs.replace(operation, status=self.status, refusals=self.refusals)
        signature = inspect.signature(function)

        @wraps(function)
        async def carried_out(*given: P.args, **named: P.kwargs) -> T:
            carrier, arguments = _bound(signature, given, named)
            return cast("T", await carrier.carry_out(operation, arguments))

        setattr(carried_out, OPERATION, operation)
        return carried_out


def feed(
    path: str, tag: str, refusals: tuple[int, ...] = ()
) -> Callable[[Callable[P, Feed[T]]], Callable[P, Feed[T]]]:
    """An operation that goes on telling."""

    def declared(function: Callable[P, Feed[T]]) -> Callable[P, Feed[T]]:
        operation = _operation(function, "GET", BASE + path, tag)
        (messages,) = get_args(operation.returns)
        (told,) = get_args(messages)
        operation = msgspec.structs.replace(operation, kind="feed", returns=told, refusals=refusals)
        signature = inspect.signature(function)

        @wraps(function)
        def told_of(*given: P.args, **named: P.kwargs) -> Feed[T]:
            carrier, arguments = _bound(signature, given, named)
            return cast("Feed[T]", carrier.open_feed(operation, arguments))

        setattr(told_of, OPERATION, operation)
        return told_of

    return declared


def operations(of: type) -> dict[str, Operation]:
    """All operations of a class by id, in the order in which they are declared."""
    found: dict[str, Operation] = {}
    for base in reversed(of.__mro__):
        for name, member in vars(base).items():
            operation = getattr(member, OPERATION, None)
            if isinstance(operation, Operation):
                found[name] = operation
    return found


def _bound(
    signature: inspect.Signature, given: tuple[object, ...], named: Mapping[str, object]
) -> tuple[Carrier, dict[str, object]]:
    """Whose operation it is, and the arguments that were given."""
    arguments = signature.bind(*given, **named).arguments
    return cast("Carrier", arguments.pop("self")), arguments


def _operation(function: Callable[..., object], method: Verb, path: str, tag: str) -> Operation:
    hints = get_type_hints(function, include_extras=True)
    summary, _, more = (inspect.getdoc(function) or "").partition("\n\n")
    declaring = _Declared(method, path)
    for one in list(inspect.signature(function).parameters.values())[1:]:
        declaring.take(one, hints[one.name])
    return Operation(
        id=function.__name__,
        method=method,
        path=path,
        tag=tag,
        summary=" ".join(summary.split()),
        description=more,
        arguments=tuple(declaring.arguments),
        groups=declaring.groups,
        returns=hints["return"],
    )


class _Declared:
    """Gathers what a method says of its parameters."""

    def __init__(self, method: Verb, path: str) -> None:
        self._method = method
        self._path = path
        self.arguments: list[Argument] = []
        self.groups: dict[str, type[Group]] = {}

    def take(self, said: inspect.Parameter, kind: object) -> None:
        if isinstance(kind, type) and issubclass(kind, Group):
            self.groups[said.name] = kind
            hints = get_type_hints(kind, include_extras=True)
            for field in msgspec.structs.fields(kind):
                default = field.default
                if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
                    default = field.default_factory()
                self._add(field.name, hints[field.name], default, said.name)
        else:
            empty = said.default is inspect.Parameter.empty
            self._add(said.name, kind, msgspec.NODEFAULT if empty else said.default, "")

    def _add(self, name: str, kind: object, default: object, group: str) -> None:
        place: Place = "body" if self._method == "POST" else "query"
        if f"{{{name}}}" in self._path:
            place = "path"
        elif name in HEADERS:
            place = "header"
        required = default is msgspec.NODEFAULT
        self.arguments.append(
            Argument(
                name=name,
                wire=HEADERS.get(name, name.rstrip("_")),
                place=place,
                type=kind,
                required=required,
                default=None if required else default,
                group=group,
            )
        )
