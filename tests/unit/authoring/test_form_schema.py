"""The published schema knows what the reader and the check take: never less, in shapes no more."""

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft7Validator, meta

from events.definition import Definition
from events.values import Value
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import InvalidDefinition, check, dump, read_yaml
from orchestrator.authoring.form_schema import form_schema, form_schema_text
from orchestrator.authoring.fragments import DURATION, SIZE
from orchestrator.authoring.quantities import seconds, size_bytes
from orchestrator.authoring.shapes import PARTS, WORKFLOW
from tests.unit.authoring.forms import WHOLE, damaged, parts, whole
from tests.unit.authoring.nets import definitions

ROOT = Path(__file__).parents[3]
PUBLISHED = ROOT / "docs/reference/workflow.schema.json"
EXPRESSIONS = CelExpressions()
VALIDATOR = Draft7Validator(form_schema())
OF_SHAPE = {"unknown_key", "missing_key", "wrong_type", "step_kind", "empty", "no_default"}
BEYOND_A_SHAPE = ("goes with `signal`", "go with `signal`", "must be the last")
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


def codes(text: str) -> tuple[set[str], str]:
    """The codes of all problems of a text, and what is said of them."""
    try:
        authored = read_yaml(text)
        check(authored.definition, EXPRESSIONS, None, authored.places).accepted()
    except InvalidDefinition as error:
        return {problem.code for problem in error.problems}, str(error)
    return set(), ""


def test_the_published_schema_is_the_current_one() -> None:
    assert PUBLISHED.read_text("utf-8") == form_schema_text(), "run `make docs`"


def test_the_schema_is_one() -> None:
    assert meta.is_valid(form_schema())


def test_every_key_is_explained() -> None:
    for shape in (WORKFLOW, *PARTS):
        assert shape.words.endswith("."), shape.name
        for key in shape.keys:
            assert key.words.endswith("."), (shape.name, key.name)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_fits_and_names_the_schema(path: Path) -> None:
    text = path.read_text("utf-8")
    line = "# yaml-language-server: $schema=../docs/reference/workflow.schema.json"

    VALIDATOR.validate(yaml.safe_load(text))
    assert text.splitlines()[0] == line
    assert (path.parent / line.partition("=")[2]).resolve() == PUBLISHED


def test_a_document_with_every_key_fits() -> None:
    assert codes(WHOLE) == (set(), "")
    VALIDATOR.validate(whole())
    used = set(re.findall(r"[$\w]+", WHOLE))
    assert {key.name for shape in (WORKFLOW, *PARTS) for key in shape.keys} <= used


@given(definition=definitions())
def test_what_is_accepted_fits(definition: Definition) -> None:
    VALIDATOR.validate(yaml.safe_load(dump(definition)))


@pytest.mark.parametrize("part", [*parts()])
def test_damages_of_the_shape_are_seen_and_nothing_right_is_refused(part: Value) -> None:
    wrong: list[str] = []
    seen = 0
    for document in damaged(part):
        found, said = codes(json.dumps(document))
        fits = VALIDATOR.is_valid(document)
        if not fits and not found:
            wrong.append(f"refused by the schema, and right: {document}")
        if found & OF_SHAPE and not any(words in said for words in BEYOND_A_SHAPE):
            seen += 1
            if fits:
                wrong.append(f"let through by the schema: {said}")
    assert not wrong, "\n".join(wrong)
    assert seen > 20


@settings(deadline=None, max_examples=30)
@given(definition=definitions(depth=1), data=st.data())
def test_damaged_definitions_are_judged_alike(definition: Definition, data: st.DataObject) -> None:
    form: Value = yaml.safe_load(dump(definition))
    document = data.draw(st.sampled_from([*damaged(form)]))
    found, said = codes(json.dumps(document))
    fits = VALIDATOR.is_valid(document)

    assert fits or found
    assert not (fits and found & OF_SHAPE) or any(words in said for words in BEYOND_A_SHAPE), said


NUMBERS = st.integers(0, 999).map(str) | st.floats(0, 999).map(lambda n: f"{n:.2f}")
PIECES = [" ", "ms", "s", "m", "min", "h", "d", "us", "µs", "P", "T", "W", "D", "H", "M", "S", "+"]
QUANTITIES = st.lists(NUMBERS | st.sampled_from([*PIECES, "k", "Ki", "B", "e3"]), max_size=6)


@settings(max_examples=500)
@given(text=QUANTITIES.map("".join))
def test_durations_and_sizes_fit(text: str) -> None:
    for read, fragment in ((seconds, DURATION), (size_bytes, SIZE)):
        try:
            read(text)
        except ValueError:
            continue
        assert Draft7Validator(fragment).is_valid(text), text
