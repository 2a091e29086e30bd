"""The OpenAPI document is valid, and its examples are what it says."""

from collections.abc import Iterator
from functools import cache

import jsonschema_rs
import msgspec
from openapi_spec_validator import OpenAPIV31SpecValidator

from orchestrator.api.server.document import document

DOCUMENT = msgspec.json.decode(msgspec.json.encode(document("9.9")))


def test_the_document_is_valid() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def examples() -> Iterator[tuple[str, dict[str, object], object]]:
    """Where each is, its schema, and itself."""
    for path, verbs in DOCUMENT["paths"].items():
        for verb, said in verbs.items():
            where = f"{verb} {path}"
            for one in said["parameters"]:
                yield f"{where} {one['name']}", one["schema"], one["example"]
            contents = [*said["responses"].items(), ("body", said.get("requestBody", {}))]
            for name, one in contents:
                for kind, content in one.get("content", {}).items():
                    if kind != "text/event-stream":
                        yield f"{where} {name}", content["schema"], content["example"]


def test_examples_are_what_their_schemas_say() -> None:
    complaints = [
        f"{where}: {'/'.join(map(str, error.instance_path))}: {error.message}"
        for where, schema, example in examples()
        for error in validator(msgspec.json.encode(schema).decode()).iter_errors(example)
    ]
    assert complaints == []


@cache
def validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    whole = {**msgspec.json.decode(schema), "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(whole)


def test_every_operation_says_what_it_does_and_how_it_refuses() -> None:
    silent = [
        said["operationId"]
        for verbs in DOCUMENT["paths"].values()
        for said in verbs.values()
        if len(said["summary"]) < 10 or not {"400", "401", "403", "503"} <= said["responses"].keys()
    ]
    assert silent == []


def test_every_parameter_is_described() -> None:
    silent = [
        f"{said['operationId']}.{one['name']}"
        for verbs in DOCUMENT["paths"].values()
        for said in verbs.values()
        for one in said["parameters"]
        if len(one["description"]) < 8
    ]
    assert silent == []
