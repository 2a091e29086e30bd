"""Expressions and templates: any text has a value, or an error of ours."""

from hypothesis import given
from hypothesis import strategies as st

from events.values import Value, admit
from orchestrator.adapters.cel import CelExpressions
from orchestrator.adapters.cel.scan import scan
from orchestrator.adapters.cel.tokens import tokens
from orchestrator.kernel.expressions import ExpressionFailed, consult, descend
from orchestrator.kernel.templates import compile_template

CEL = CelExpressions()
DATA: Value = {"input": {"n": 3, "xs": [1, 2], "m": {"b": 1, "a": [{"c": "x"}]}, "none": None}}
NAMES = ["input", ".n", ".xs", ".m", ".none", "vars.x", "x", "y", "true", "null", " in "]
LITERALS = ["1", "1.5", "2u", "'a'", '"b"', "b'x'", "r'\\'", "duration('1s')", "timestamp('2020')"]
CALLS = ["has(", "size(", "int(", "string(", "type(", ".map(x, ", ".filter(k, ", ".exists(y, "]
MARKS = [*"()[]{}.,:?+-*/%<>!'\"|&\n", "==", "&&", "||", "[0]", "['a']", "//", "${", "$$"]
PIECES = st.sampled_from([*NAMES, *LITERALS, *CALLS, *MARKS])
SOURCES = st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=20)


def resolve(path: str) -> Value:
    return descend(DATA, path, 0)


def outcome(source: str, engine: CelExpressions) -> tuple[str, Value]:
    try:
        return "value", consult(source, engine, resolve)[0]
    except ExpressionFailed as error:
        return error.code, None


@given(source=SOURCES)
def test_any_expression_has_a_plain_value_or_fails_with_an_error_of_ours(source: str) -> None:
    code, value = outcome(source, CEL)

    assert code in {"value", "expression_failed", "invalid_expression"}
    assert admit(value) == value
    assert outcome(source, CelExpressions()) == (code, value)


@given(value=st.recursive(SOURCES, lambda inner: st.lists(inner, max_size=3), max_leaves=3))
def test_any_template_renders_or_fails_with_an_error_of_ours(value: Value) -> None:
    try:
        template = compile_template(value)
        template.paths(CEL)
        rendered = template.render(resolve, CEL)
    except ExpressionFailed:
        return
    assert admit(rendered) == rendered


@given(text=st.text(max_size=30))
def test_any_text_can_be_escaped(text: str) -> None:
    escaped = text.replace("$", "").replace("{", "${")
    wanted = escaped.replace("${", "${")

    assert compile_template(escaped.replace("${", "$${")).render(resolve, CEL) == wanted


@given(source=SOURCES)
def test_tokens_cover_the_text_in_order(source: str) -> None:
    places = [(token.start, token.end) for token in tokens(source)]

    assert places == sorted(places)
    assert all(source[start:end].strip() for start, end in places)


@given(path=st.lists(st.sampled_from(["a", "b1", "c_d"]), min_size=1, max_size=4))
def test_a_path_reads_itself(path: list[str]) -> None:
    dotted = ".".join(["input", *path])

    assert scan(dotted).paths == (dotted,)
    assert CEL.paths(f"{dotted} == 1 || size({dotted}) > 2") == (dotted,)
    assert compile_template(f"${{ {dotted} }}").paths(CEL) == (dotted,)
