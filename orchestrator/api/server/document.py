"""The OpenAPI document: made from the operations, so that it says what is served."""

from collections.abc import Iterable, Mapping
from typing import Annotated, get_args, get_origin

import msgspec

from orchestrator.api.errors import TITLES
from orchestrator.api.operations.all import Operations
from orchestrator.api.operations.examples import example_of
from orchestrator.api.operations.operation import Argument, Operation, operations
from orchestrator.api.server.problems import MEDIA_TYPE
from orchestrator.api.shapes import Problem

Json = dict[str, object]
REFS = "#/components/schemas/{name}"
JSON, EVENTS, TEXT = "application/json", "text/event-stream", "text/plain"
ALWAYS = (400, 401, 403, 503)
WITH_BODY = (413, 415)
"""Refusals of every operation, and of those that take a body."""
WORDS = {
    400: "The request is malformed: the detail names what is wrong.",
    401: "A token is needed, or the one given is not known.",
    403: "The request comes from another site, or for another host.",
    404: "There is no such thing.",
    409: "Not possible now, or not at all: the detail says why, and what is.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "A value that cannot be stored, or a definition that is wrong.",
    503: "Log or coordinators are away: ask again after a while.",
}
DESCRIPTION = """\
Workflows, their runs, and the past of these.

Instants are integers: microseconds since 1970, UTC. Lists come in pages: `next` is the `cursor` of
the one after. What changes something may be sent with an `Idempotency-Key`, and sent again. Errors
are problems by RFC 9457 whose `code` is stable. A feed is a stream of server-sent events; asked for
as a WebSocket, it sends the same messages as JSON texts."""


def document(version: str) -> Json:
    """The document as it is served. O(operations)."""
    all_ = operations(Operations)
    schemas = Schemas(all_.values())
    paths: dict[str, Json] = {}
    for operation in all_.values():
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, schemas
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Dal Segno",
            "version": version,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(one.tag for one in all_.values())],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


class Schemas:
    """Schemas of all types that are named, each made once."""

    def __init__(self, all_: Iterable[Operation]) -> None:
        kinds: list[object] = [Problem]
        for operation in all_:
            kinds += [argument.type for argument in operation.arguments]
            kinds.append(operation.returns)
            if operation.body is not None:
                kinds.append(self._body(operation))
        unique = list({self._key(kind): kind for kind in kinds}.items())
        made, components = msgspec.json.schema_components(
            [kind for _, kind in unique], ref_template=REFS
        )
        names = {name: readable(name) for name in components}
        self._made: dict[str, Json] = {
            key: _renamed(schema, names) for (key, _), schema in zip(unique, made, strict=True)
        }
        self.components: Json = {
            names[name]: _renamed(components[name], names) for name in sorted(components)
        }

    def of(self, kind: object) -> Json:
        return dict(self._made[self._key(kind)])

    def body_of(self, operation: Operation) -> Json:
        return self.of(self._body(operation))

    def _body(self, operation: Operation) -> object:
        return operation.body

    def _key(self, kind: object) -> str:
        return repr(kind)


def readable(name: str) -> str:
    """`Page_RunRow_` as `RunRowPage`; of two types of one name, `replay.forks.Difference` as
    `ForksDifference`."""
    if name.startswith("Page_"):
        return f"{name.removeprefix('Page_').rstrip('_')}Page"
    return "".join(part[:1].upper() + part[1:] for part in name.split(".")[-2:])


def _renamed(schema: Json, names: Mapping[str, str]) -> Json:
    text = msgspec.json.encode(schema).decode()
    for old, new in names.items():
        if old != new:
            text = text.replace(f'"{REFS.format(name=old)}"', f'"{REFS.format(name=new)}"')
    found: Json = msgspec.json.decode(text)
    return found


def _operation(operation: Operation, schemas: Schemas) -> Json:
    said: Json = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary.removesuffix("."),
        "parameters": [
            _parameter(one, schemas) for one in operation.arguments if one.place != "body"
        ],
        "responses": _responses(operation, schemas),
    }
    if operation.description:
        said["description"] = operation.description
    if operation.body is not None:
        said["requestBody"] = _body(operation, schemas)
    return said


def _parameter(argument: Argument, schemas: Schemas) -> Json:
    schema = schemas.of(argument.type)
    description, examples = schema.pop("description", ""), schema.pop("examples", None)
    if not argument.required:
        schema["default"] = msgspec.to_builtins(argument.default)
    said: Json = {
        "name": argument.wire,
        "in": argument.place,
        "required": argument.required,
        "description": description,
        "schema": schema,
    }
    if examples:
        said["example"] = examples[0] if isinstance(examples, list) else examples
    return said


def _body(operation: Operation, schemas: Schemas) -> Json:
    example = {
        one.wire: _example(one)
        for one in operation.arguments
        if one.place == "body" and (one.required or one.name in EXEMPLARY)
    }
    required = any(one.required for one in operation.arguments if one.place == "body")
    return {
        "required": required,
        "content": {JSON: {"schema": schemas.body_of(operation), "example": example}},
    }


EXEMPLARY = frozenset({"source", "input", "data", "output", "reason", "workflow"})
"""Members that examples of bodies have although they may be left out."""


def _example(argument: Argument) -> object:
    metas = [one for one in get_args(argument.type)[1:] if isinstance(one, msgspec.Meta)]
    found = [one.examples[0] for one in metas if one.examples]
    return found[0] if get_origin(argument.type) is Annotated and found else argument.default


def _responses(operation: Operation, schemas: Schemas) -> Mapping[str, Json]:
    found: dict[str, Json] = {str(operation.status): _answer(operation, schemas)}
    statuses = {*ALWAYS, *operation.refusals, *(WITH_BODY if operation.body else ())}
    for status in sorted(statuses):
        found[str(status)] = _refusal(status, schemas)
    return found


def _answer(operation: Operation, schemas: Schemas) -> Json:
    if operation.kind == "feed":
        words = f"Server-sent events; the data of each is a {_name(operation.returns)}."
        return {"description": words, "content": {EVENTS: {"schema": {"type": "string"}}}}
    if operation.returns is str:
        return {"description": operation.summary, "content": {TEXT: {"schema": {"type": "string"}}}}
    content: Json = {"schema": schemas.of(operation.returns)}
    if (example := example_of(operation.returns)) is not None:
        content["example"] = example
    return {"description": operation.summary, "content": {JSON: content}}


def _refusal(status: int, schemas: Schemas) -> Json:
    said: Json = {
        "description": WORDS[status],
        "content": {MEDIA_TYPE: {"schema": schemas.of(Problem), "example": _problem(status)}},
    }
    if status == 503:
        said["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return said


def _problem(status: int) -> object:
    code = CODES[status]
    return msgspec.to_builtins(
        Problem(
            type=f"urn:dalsegno:error:{code}",
            title=TITLES[status],
            status=status,
            code=code,
            detail=WORDS[status],
        )
    )


CODES = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "rejected",
    413: "too_large",
    415: "unsupported",
    422: "invalid_value",
    503: "unavailable",
}


def _name(kind: object) -> str:
    return getattr(kind, "__name__", str(kind))
