"""Texts: what is written is read back, and whatever is read is accepted or refused with a place."""

import json
import re

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from events.codec import decode, encode
from events.definition import Definition
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import InvalidDefinition, Problem, check, dump, read_yaml
from orchestrator.authoring.located import parse, plain
from tests.unit.authoring.nets import VALUES, definitions

EXPRESSIONS = CelExpressions()
VALID = """\
workflow: census
options: {timeout: 10m, retry: {attempts: 3, initial: 1s}}
steps:
  - id: list
    task: census.list_files
    with: {root: "${ input.root }", depth: 3}
    on_error: [{codes: [timeout], steps: [{id: none, set: {files: []}}]}]
  - id: route
    choice:
      - when: "size(steps.list.output) > 100"
        steps: [{id: stop, fail: {code: too_many, message: "of ${ steps.list.output }"}}]
      - default: []
  - id: both
    parallel: {left: [{id: l, task: t}], right: [{id: r, task: t, when: "has(input.x)"}]}
output: {total: "${ steps.l.output + 1 }"}
"""
KEYS = st.sampled_from(
    re.findall(
        r"\w+",
        "workflow steps output options timeout id depends_on when task with retry attempts kind "
        "timeouts heartbeat needs cpu memory labels on_error codes choice default parallel set "
        "fail code message",
    )
)
WORDS = st.sampled_from(
    ["a", "", "${ steps.a.output }", "${", "1 +", "5m", "never", "vars.x", "input.a.b", "[", "s-1"]
)
FORMS = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


def judge(text: str) -> None:
    """Fails unless `text` is accepted, or refused with a place for every problem."""
    for problem in problems(text):
        assert problem.message
        assert problem.place is not None, problem
        assert problem.place.line >= 1
        assert problem.place.column >= 1


def problems(text: str) -> tuple[Problem, ...]:
    try:
        authored = read_yaml(text, "junk.yaml")
    except InvalidDefinition as error:
        return error.problems or (Problem(code="silent", where="", message=""),)
    return check(authored.definition, EXPRESSIONS, {}, authored.places).problems


@given(definition=definitions())
def test_what_is_written_is_read_back(definition: Definition) -> None:
    assert read_yaml(dump(definition)).definition == definition


@given(definition=definitions())
def test_a_definition_survives_the_codec(definition: Definition) -> None:
    assert decode(encode(definition), Definition) == definition


@given(value=VALUES)
def test_json_means_the_same_to_the_yaml_reader(value: object) -> None:
    for text in (json.dumps(value, indent="\t"), json.dumps(value, ensure_ascii=False)):
        document = f'{{"value":{text}}}'
        assert plain(parse(document)) == {"value": value}
        assert plain(parse(document, loader=yaml.SafeLoader)) == {"value": value}


@given(text=st.text())
@example("")
@example("%YAML 9.9\n--- x")
@example("a: \ud800")
@example('"\\UFFFFFFFF"')
@example("{" * 2000)
@example("? " * 2000)
@example("- " * 2000)
@example("workflow: x\nsteps: [{id: a, task: t, with: {x: 1e999}}]")
@example('{"workflow": "x", "steps": [{"id": "a", "task": NaN}]}')
def test_random_text_is_refused_with_a_place(text: str) -> None:
    judge(text)


@given(form=FORMS)
def test_random_forms_are_accepted_or_refused_with_a_place(form: object) -> None:
    judge(yaml.safe_dump(form))


@given(data=st.data())
def test_damaged_definitions_are_accepted_or_refused_with_a_place(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(VALID) - 1))
    length = data.draw(st.integers(0, 30))
    instead = data.draw(st.sampled_from(["", " ", "\n", "}", "[", '"', "${", ": ", "- ", "\x00"]))
    judge(VALID[:start] + instead + VALID[start + length :])


def test_the_undamaged_definition_is_accepted() -> None:
    assert check(read_yaml(VALID).definition, EXPRESSIONS).problems == ()
