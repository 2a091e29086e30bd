"""The published schema of the YAML and JSON form, for editors and other tools: JSON Schema draft 7,
the newest one that the editors' YAML servers know whole.
"""

import msgspec

from events.values import Value
from orchestrator.authoring.fragments import Fragment, ref
from orchestrator.authoring.shapes import PARTS, STEPS, WORKFLOW, Key, Shape

DRAFT = "http://json-schema.org/draft-07/schema#"


def form_schema() -> Fragment:
    """The schema of a workflow file."""
    parts: Fragment = {shape.name: _object(shape) for shape in PARTS}
    step: Fragment = {
        "description": "One step of a workflow, of exactly one kind.",
        "type": "object",
        "oneOf": [ref(shape.name) for shape in STEPS.values()],
    }
    return {
        "$schema": DRAFT,
        "title": "Dal Segno workflow",
        **_object(WORKFLOW),
        "definitions": {"step": step, **parts},
    }


def form_schema_text() -> str:
    """The same as a file."""
    return msgspec.json.format(msgspec.json.encode(form_schema()), indent=2).decode() + "\n"


def _object(shape: Shape) -> Fragment:
    found: Fragment = {
        "description": shape.words,
        "type": "object",
        "properties": {key.name: _value(key) for key in shape.keys},
        "additionalProperties": False,
    }
    if shape.required:
        found["required"] = list(shape.required)
    if shape.one_of:
        found["oneOf"] = [{"required": [name]} for name in shape.one_of]
    return found


def _value(key: Key) -> Value:
    """In draft 7 whatever stands beside a `$ref` is passed over."""
    value: Fragment = {"allOf": [key.value]} if "$ref" in key.value else key.value
    usual: Fragment = {} if key.usual is None else {"default": key.usual}
    return {**value, "description": key.words, **usual}
