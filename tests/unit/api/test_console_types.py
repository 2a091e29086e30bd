"""What the console's types say that the API answers is what its structs are."""

import re
from pathlib import Path

import msgspec
import pytest

from events.policies import Origin
from events.views import ErrorView, RunView
from orchestrator.api.shapes import (
    EventNews,
    EventShown,
    Page,
    RunNews,
    RunRow,
    Workflow,
    WorkflowRow,
)
from orchestrator.replay.attempts import AttemptAt
from orchestrator.replay.changes import Change
from orchestrator.replay.moments import MapAt, Moment, StepAt, TaskAt, TokenAt, VariableAt, WaitAt
from orchestrator.replay.why.reasons import Link, Reason

WIRE = Path(__file__).parents[3] / "console/src/api/wire.ts"

ANSWERS: dict[str, type[msgspec.Struct]] = {
    "WirePage<T>": Page,
    "WireRow": RunRow,
    "WireRun": RunView,
    "WireError": ErrorView,
    "WireEvent": EventShown,
    "WireWorkflow": Workflow,
    "WireWorkflowRow": WorkflowRow,
    "WireStep": StepAt,
    "WireTask": TaskAt,
    "WireAttempt": AttemptAt,
    "WireMap": MapAt,
    "WireToken": TokenAt,
    "WireVariable": VariableAt,
    "WireWait": WaitAt,
    "WireOrigin": Origin,
    "WireMoment": Moment,
    "WireLink": Link,
    "WireReason": Reason,
    "WireChange": Change,
    "WireNews": RunNews,
    "WireEventNews": EventNews,
}

INTERFACE = re.compile(
    r"^export interface (?P<name>\w+(?:<T>)?)(?: extends \w+)? \{\n(?P<body>.*?)^\}", re.M | re.S
)
FIELD = re.compile(r"^  (?P<name>\w+)(?P<optional>\??): (?P<type>.+);$", re.M)


def interfaces() -> dict[str, list[tuple[str, bool, str]]]:
    text = WIRE.read_text(encoding="utf-8")
    return {
        found["name"]: [
            (field["name"], bool(field["optional"]), field["type"])
            for field in FIELD.finditer(found["body"])
        ]
        for found in INTERFACE.finditer(text)
    }


def test_each_type_of_the_wire_is_compared() -> None:
    assert interfaces().keys() - {"WireFailure"} == ANSWERS.keys()


@pytest.mark.parametrize("name", ANSWERS)
def test_the_console_reads_what_is_answered(name: str) -> None:
    struct = ANSWERS[name]
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    told = interfaces()[name]
    assert told

    for field, optional, type_ in told:
        assert field in fields, f"{name}.{field} is nothing that {struct.__name__} has"
        found = msgspec.inspect.type_info(fields[field].type)
        kinds = list(found.types) if isinstance(found, msgspec.inspect.UnionType) else [found]
        assert optional == _may_be_left_out(struct, fields[field]), f"{name}.{field}"
        if any(isinstance(kind, msgspec.inspect.NoneType) for kind in kinds):
            assert "null" in type_ or type_ == "Json", f"{name}.{field} may be null"
        for kind in kinds:
            word = WORDS.get(type(kind))
            assert word is None or word in type_, f"{name}.{field} is {kind}, not {type_}"


WORDS: dict[type, str] = {
    msgspec.inspect.IntType: "number",
    msgspec.inspect.FloatType: "number",
    msgspec.inspect.StrType: "string",
    msgspec.inspect.BoolType: "boolean",
    msgspec.inspect.VarTupleType: "[]",
    msgspec.inspect.ListType: "[]",
}


def _may_be_left_out(struct: type[msgspec.Struct], field: msgspec.structs.FieldInfo) -> bool:
    if field.required:
        return False
    return struct.__struct_config__.omit_defaults or field.default is msgspec.UNSET
