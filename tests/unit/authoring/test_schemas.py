"""Authored inputs against what tasks say they take."""

import pytest

from events.values import Value
from orchestrator.authoring.schemas import TaskSchema, mismatches

SCHEMA = TaskSchema(
    name="demo.work",
    parameters={
        "type": "object",
        "properties": {
            "url": {"type": "string", "minLength": 3},
            "n": {"type": "integer", "minimum": 1, "maximum": 9},
            "ratio": {"type": "number"},
            "kind": {"enum": ["a", "b"]},
            "fixed": {"const": 1},
            "tags": {"type": "array", "items": {"type": "string"}},
            "maybe": {"anyOf": [{"type": "null"}, {"type": "integer"}]},
            "point": {"$ref": "#/$defs/Point"},
            "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
            "tree": {"$ref": "#/$defs/Tree"},
            "any": {},
        },
        "required": ["url"],
        "$defs": {
            "Point": {
                "type": "object",
                "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
                "required": ["x", "y"],
                "additionalProperties": False,
            },
            "Tree": {
                "type": "object",
                "properties": {"inner": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}]}},
            },
        },
    },
)


def complaints(**inputs: Value) -> list[tuple[str, str]]:
    return [(found.at, found.message) for found in mismatches({"url": "abc", **inputs}, SCHEMA)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 1),
        ("ratio", 1),
        ("ratio", 1.5),
        ("kind", "b"),
        ("fixed", 1),
        ("tags", ["x", "y ${ input.z }"]),
        ("maybe", None),
        ("maybe", 5),
        ("point", {"x": 1, "y": 2.5}),
        ("point", {"x": "${ input.x }", "y": "${ input.y }"}),
        ("counts", {"a": 1}),
        ("tree", {"inner": {"inner": None}}),
        ("any", [1, {"x": None}]),
        ("n", "${ input.n }"),
        ("point", "${ input.point }"),
        ("url", "x${ input.x }"),
    ],
)
def test_what_fits_is_silent(name: str, value: Value) -> None:
    assert complaints(**{name: value}) == []


@pytest.mark.parametrize(
    ("name", "value", "at", "words"),
    [
        ("n", "5", "n", 'expected integer, found "5"'),
        ("n", True, "n", "expected integer, found true"),
        ("n", 1.5, "n", "expected integer"),
        ("n", 0, "n", "expected at least 1, found 0"),
        ("n", 10, "n", "expected at most 9"),
        ("n", "n${ input.n }", "n", "expected integer"),
        ("url", 5, "url", "expected string, found 5"),
        ("url", "ab", "url", "a length of at least 3"),
        ("url", None, "url", "expected string, found null"),
        ("kind", "c", "kind", 'expected one of "a", "b", found "c"'),
        ("fixed", 2, "fixed", "expected 1, found 2"),
        ("tags", ["x", 5], "tags[1]", "expected string"),
        ("tags", "x", "tags", "expected array"),
        ("maybe", "x", "maybe", "expected null or integer"),
        ("point", {"x": 1}, "point", "`y` is missing"),
        ("point", {"x": 1, "y": "2"}, "point.y", "expected number"),
        ("point", {"x": 1, "y": 2, "z": 3}, "point", "`z` is not expected"),
        ("counts", {"a": "b"}, "counts.a", "expected integer"),
        ("tree", {"inner": {"inner": 5}}, "tree.inner.inner", "expected object or null"),
        ("ulr", "x", "ulr", "has no parameter `ulr`"),
    ],
)
def test_what_does_not_fit_is_named(name: str, value: Value, at: str, words: str) -> None:
    ((where, message),) = complaints(**{name: value})

    assert where == at
    assert words in message


def test_a_missing_parameter_is_named() -> None:
    (found,) = mismatches({}, SCHEMA)

    assert found.message == "demo.work needs `url`, which is missing"


def test_a_parameter_close_to_the_one_meant_is_suggested() -> None:
    ((_, message),) = complaints(kidn="a")

    assert "did you mean `kind`?" in message


def test_other_parameters_are_accepted_where_the_task_takes_any() -> None:
    schema = TaskSchema(name="t", parameters={"additionalProperties": True})

    assert list(mismatches({"x": 1}, schema)) == []


def test_a_schema_that_refers_to_itself_for_ever_ends() -> None:
    schema = TaskSchema(
        name="t",
        parameters={
            "properties": {"x": {"$ref": "#/$defs/A"}},
            "$defs": {"A": {"$ref": "#/$defs/A"}},
        },
    )

    assert list(mismatches({"x": 1}, schema)) == []


def test_a_text_that_does_not_fit_its_pattern_is_refused_unless_an_expression_makes_it() -> None:
    schema = TaskSchema(
        name="t", parameters={"properties": {"url": {"type": "string", "pattern": "^https?://"}}}
    )

    (found,) = mismatches({"url": "ftp://h/"}, schema)
    assert (found.at, found.message) == ("url", 'expected text like ^https?://, found "ftp://h/"')
    assert list(mismatches({"url": "http://h/"}, schema)) == []
    assert list(mismatches({"url": "${ input.base }/orders"}, schema)) == []


def test_of_several_alternatives_the_one_of_the_same_type_says_what_is_wrong() -> None:
    status: Value = {"anyOf": [{"type": "string", "pattern": "^[1-5]xx$"}, {"type": "integer"}]}
    schema = TaskSchema(name="t", parameters={"properties": {"status": status}})

    (found,) = mismatches({"status": "6xx"}, schema)
    assert found.message == 'expected text like ^[1-5]xx$, found "6xx"'
    (found,) = mismatches({"status": None}, schema)
    assert found.message == "expected string or integer, found null"
