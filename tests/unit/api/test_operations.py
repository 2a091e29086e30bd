"""Operations are declared once: server, client and document are made of the same words."""

import inspect
from typing import get_type_hints

import msgspec
import pytest

from orchestrator.api.operations.all import Operations
from orchestrator.api.operations.examples import example_of
from orchestrator.api.operations.operation import Carrier, Group, Operation, operations
from orchestrator.api.server.document import Schemas, document
from orchestrator.api.server.reading import Reader
from orchestrator.api.service.service import Service
from orchestrator.client import Client
from orchestrator.client.http import question_of

ALL = list(operations(Operations).values())
DOCUMENT = document("9.9")


def named(operation: Operation) -> str:
    return operation.id


@pytest.mark.parametrize("operation", ALL, ids=named)
def test_the_service_carries_out_every_operation(operation: Operation) -> None:
    method = getattr(Service, operation.id)

    assert not hasattr(method, "__operation__"), "it would ask itself"
    assert list(inspect.signature(method).parameters) == list(
        inspect.signature(getattr(Operations, operation.id)).parameters
    )


def described() -> dict[str, tuple[str, str, dict[str, object]]]:
    paths = DOCUMENT["paths"]
    assert isinstance(paths, dict)
    return {
        said["operationId"]: (path, verb, said)
        for path, verbs in paths.items()
        for verb, said in verbs.items()
    }


def test_the_client_has_a_method_for_every_route_and_no_other() -> None:
    methods = {
        name for name, member in inspect.getmembers(Client) if hasattr(member, "__operation__")
    }

    assert methods == set(described())


@pytest.mark.parametrize("operation", ALL, ids=named)
def test_a_method_of_the_client_takes_what_the_document_says(operation: Operation) -> None:
    """By name, by whether it is required, and by its schema."""
    path, verb, said = described()[operation.id]
    method = getattr(Client, operation.id)
    hints = get_type_hints(method, include_extras=True)
    schemas: dict[str, tuple[object, bool]] = {}
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        kind = hints[parameter.name]
        if isinstance(kind, type) and issubclass(kind, Group):
            inner = get_type_hints(kind, include_extras=True)
            schemas |= {
                field.name: (inner[field.name], field.required)
                for field in msgspec.structs.fields(kind)
            }
        else:
            required = parameter.default is inspect.Parameter.empty
            schemas[parameter.name] = kind, required

    assert (operation.path, operation.method.lower()) == (path, verb)
    wires = {one.name: one.wire for one in operation.arguments}
    taken = {(wires[name], required) for name, (_, required) in schemas.items()}
    assert taken == documented(said)


def documented(said: dict[str, object]) -> set[tuple[str, bool]]:
    parameters = said["parameters"]
    assert isinstance(parameters, list)
    found = {(one["name"], one["required"]) for one in parameters}
    body = said.get("requestBody")
    if isinstance(body, dict):
        schema = body["content"]["application/json"]["schema"]
        whole = resolved(schema)
        required = whole.get("required", ())
        properties = whole["properties"]
        assert isinstance(properties, dict)
        assert isinstance(required, list | tuple)
        found |= {(name, name in required) for name in properties}
    return found


def resolved(schema: dict[str, object]) -> dict[str, object]:
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    components = DOCUMENT["components"]
    assert isinstance(components, dict)
    found: dict[str, object] = components["schemas"][reference.rpartition("/")[2]]
    return found


@pytest.mark.parametrize("operation", ALL, ids=named)
def test_a_method_of_the_client_returns_what_the_document_says(operation: Operation) -> None:
    _, _, said = described()[operation.id]
    responses = said["responses"]
    assert isinstance(responses, dict)
    content = responses[str(operation.status)]["content"]
    if operation.kind == "feed":
        assert set(content) == {"text/event-stream"}
        return
    schema = content["application/json"]["schema"]
    assert schema == Schemas(ALL).of(operation.returns)


@pytest.mark.parametrize("operation", ALL, ids=named)
def test_what_a_client_sends_is_read_as_it_was_meant(operation: Operation) -> None:
    """Every argument with its example, through the wire's form and back."""
    given = {one.name: argument_of(operation, one.name) for one in operation.arguments}
    question, reader = question_of(operation, given), Reader(operation)
    path = dict(zip(names_of(operation.path), parts_of(operation, question.path), strict=True))

    read = reader.parameters(path, question.query, question.headers)
    if operation.method == "POST":
        read |= reader.body("application/json", question.body or b"")

    assert read == given
    assert operation.flat(operation.grouped(read)) == given


def argument_of(operation: Operation, name: str) -> object:
    (argument,) = (one for one in operation.arguments if one.name == name)
    return msgspec.convert(example_of(argument.type), argument.type)


def names_of(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def parts_of(operation: Operation, path: str) -> list[str]:
    pairs = zip(operation.path.split("/"), path.split("/"), strict=True)
    return [sent for said, sent in pairs if said.startswith("{")]


async def test_who_carries_nothing_out_says_so() -> None:
    with pytest.raises(NotImplementedError, match="show_run"):
        await Carrier().carry_out(operations(Operations)["show_run"], {})


test_who_carries_nothing_out_says_so = pytest.mark.anyio(test_who_carries_nothing_out_says_so)
