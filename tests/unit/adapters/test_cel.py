"""The CEL adapter: what is read, what comes out, how wrong text is named."""

import os
import subprocess
import sys

import pytest

from events.limits import Limits
from events.values import Value
from orchestrator.adapters.cel import CelExpressions
from orchestrator.adapters.cel.scan import nesting
from orchestrator.kernel.expressions import (
    ExpressionFailed,
    InvalidExpression,
    PathMissing,
    consult,
    descend,
)


@pytest.fixture
def cel() -> CelExpressions:
    return CelExpressions()


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        ("1 + 2", ()),
        ("steps.a.output.n + input.x", ("steps.a.output.n", "input.x")),
        ("input.x + input.x", ("input.x",)),
        ("input.a.b + input.a", ("input.a",)),
        ("has(input.q) ? input.q : vars.z", ("input.q", "vars.z")),
        ("steps['fetch-all'].output.n", ("steps.fetch-all.output.n",)),
        ('input["a.b"].c', ("input",)),
        ("input.xs[0].name", ("input.xs",)),
        ("input.xs[vars.i].name", ("input.xs", "vars.i")),
        ("input.items.size() > 2", ("input.items",)),
        ("size(input.items)", ("input.items",)),
        ("input.xs.map(x, x.a + input.k)", ("input.xs", "input.k")),
        ("input.xs.all(x, x.ys.exists(y, y == x.z))", ("input.xs",)),
        ("[input.a].exists(input, input.b)", ("input.a",)),
        ("input.a.filter(x, x > 1).map(x, x * 2).size()", ("input.a",)),
        ("'a' in input.m && input.s.matches('b')", ("input.m", "input.s")),
        ("{'a': input.b, \"c}\": vars.d}", ("input.b", "vars.d")),
        ("int(input.x) == int", ("input.x",)),
        ("type(input.x) == string", ("input.x",)),
        ("// input.no\ninput.yes", ("input.yes",)),
        ("'input.no' + \"input.no\" + r'\\' + input.yes", ("input.yes",)),
        ("'''input.no ' '''+ input.yes", ("input.yes",)),
        ("input . a . b", ("input.a.b",)),
        ("math.abs(vars.n)", ("vars.n",)),
        ("-input.a - (-input.b)", ("input.a", "input.b")),
        ("foo.bar", ("foo.bar",)),
        ("true || null == vars.a", ("vars.a",)),
    ],
)
def test_only_outermost_paths_are_read(
    cel: CelExpressions, source: str, paths: tuple[str, ...]
) -> None:
    assert cel.paths(source) == paths


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("input.n + 1", 4),
        ("input.f * 2.0", 3.0),
        ("input.n > 2 && !(input.s == 'x')", True),
        ("input.none == null", True),
        ("input.xs.map(x, x * 2)", [6, 2, 4]),
        ("input.xs.sort()", [1, 2, 3]),
        ("input.xs.sum()", 6),
        ("has(input.m.a) && !has(input.m.b)", True),
        ("input.m", {"a": 2, "z": 1}),
        ("{'z': 1, 'a': {'q': 1, 'b': 2}}", {"a": {"b": 2, "q": 1}, "z": 1}),
        ("input.s + string(input.n)", "text3"),
        ("['b', 'a'].join('-')", "b-a"),
        ("9223372036854775807", 2**63 - 1),
        ("input.n > 2 ? 'yes' : input.absent", "yes"),
    ],
)
def test_values_are_plain_json(cel: CelExpressions, source: str, value: Value) -> None:
    found = evaluate(cel, source)

    assert found == value
    assert type(found) is type(value)
    if isinstance(found, dict):
        assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("input.m.map(k, k)", ["a", "z"]),
        ("input.m.filter(k, input.m[k] < 9)", ["a", "z"]),
        ("[input.m].map(m, m.map(k, k))", [["a", "z"]]),
        ("{'y': 1, 'b': 2}.map(k, k)", ["b", "y"]),
        ("input.m.exists(k, 1 / (input.m[k] - 1) > 0)", True),
        ("input.m.all(k, k < 'b' ? false : 1 / 0 > 0)", False),
    ],
)
def test_loops_over_objects_run_over_sorted_keys(
    cel: CelExpressions, source: str, expected: Value
) -> None:
    assert evaluate(cel, source) == expected


def test_the_value_is_the_same_with_another_hash_seed() -> None:
    program = (
        "from orchestrator.adapters.cel import CelExpressions\n"
        "m = {str(n): n for n in range(50)}\n"
        "print(CelExpressions().evaluate('input.m.map(k, [k, input.m])', {'input.m': m}))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
            timeout=25,
        ).stdout
        for seed in (1, 2)
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(
    ("source", "line", "column", "word"),
    [
        ("1 +", 1, 4, "unexpected end"),
        ("a\n  + * b", 2, 5, "unexpected '*'"),
        ("(1", 1, 3, "missing ')'"),
        ("foo bar", 1, 5, "unexpected 'bar'"),
        ("'abc", 1, 1, "unexpected"),
        ("1 + nope(2)", 1, 5, "unknown function `nope`"),
        ("input.a.replace('a', 'b')", 1, 9, "unknown function `replace`"),
        ("ordered__(input.a)", 1, 1, "unknown function"),
        ("9223372036854775808", 1, 1, "invalid int"),
        ("", 1, 1, "empty"),
        ("  ", 1, 1, "empty"),
        ("(" * 60 + "1" + ")" * 60, 1, 1, "nested deeper than 40"),
        ("1" + " + 1" * 600, 1, 1, "over 2000"),
        ("a.map(x, x.map(y, y.map(z, z)))", 1, 1, "loops inside each other"),
    ],
)
def test_invalid_text_is_refused_with_its_place(
    cel: CelExpressions, source: str, line: int, column: int, word: str
) -> None:
    with pytest.raises(InvalidExpression, match=r"at line \d+, column \d+ of") as refused:
        cel.paths(source)

    assert (refused.value.line, refused.value.column) == (line, column)
    assert word in str(refused.value)
    assert refused.value.code == "invalid_expression"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("1 / 0", "division by zero"),
        ("input.s + 1", "string + int"),
        ("9223372036854775807 + 1", "overflow"),
        ("1.0 / 0.0", "the result is inf"),
        ("{1: 2}", "keys must be text"),
        ("timestamp('2020-01-01T00:00:00Z')", "convert it"),
        ("b'a'", "convert it"),
        ("18446744073709551615u", "pass it as text"),
        ("string(input.m)", "string() does not take such arguments"),
        ("{'a': 1}['q']", "no key 'q'"),
        ("[1][2]", "index out of bounds"),
        ("int('x')", "invalid digit"),
    ],
)
def test_a_failing_expression_says_why(cel: CelExpressions, source: str, words: str) -> None:
    with pytest.raises(ExpressionFailed) as failed:
        evaluate(cel, source)

    assert words in str(failed.value)
    assert failed.value.code == "expression_failed"


def test_a_missing_path_is_named(cel: CelExpressions) -> None:
    with pytest.raises(PathMissing) as missing:
        cel.evaluate("input.q.r + 1", {})

    assert missing.value.path == "input.q.r"
    assert "has(input.q.r)" in str(missing.value)


def test_a_missing_path_that_is_not_needed_does_no_harm(cel: CelExpressions) -> None:
    assert cel.evaluate("has(input.q) ? input.q : 7", {}) == 7
    assert cel.evaluate("true || input.q", {}) is True


def test_consulting_returns_the_values_that_were_there(cel: CelExpressions) -> None:
    value, read = consult("has(input.q) || input.n == 3", cel, resolve)

    assert value is True
    assert read == {"input.n": 3}


def test_consulting_for_a_missing_path_raises_what_the_resolver_said(cel: CelExpressions) -> None:
    with pytest.raises(PathMissing, match="has no `q`; its keys: a, z"):
        consult("input.m.q + 1", cel, resolve)


def test_the_cache_is_bounded() -> None:
    cel = CelExpressions(cache_max=2)

    assert [cel.evaluate(f"{n} + 1", {}) for n in (1, 2, 3, 1)] == [2, 3, 4, 2]
    assert len(cel._cache) == 2


def test_limits_are_those_it_was_given() -> None:
    with pytest.raises(InvalidExpression, match="over 5"):
        CelExpressions(Limits(expression_chars_max=5)).paths("1 + 2 + 3")


@pytest.mark.edge("Limits.expression_work_max")
@pytest.mark.parametrize(
    ("source", "is_too_much"),
    [
        ("input.xs.map(x, x + 1)", False),
        ("input.xs.map(x, input.xs.exists(y, y == x))", True),
        ("input.xs.map(x, [x, x].exists(y, y == x))", True),
        ("input.rows.map(row, row.filter(x, x > 1))", False),
        ("input.rows.map(row, row.map(x, [x])[0].map(x, x))", False),
        ("input.text.split(',').map(x, x)", True),
        ("input.text.size()", False),
    ],
)
def test_loops_are_bounded_by_what_they_would_run_over(source: str, is_too_much: bool) -> None:
    cel = CelExpressions(Limits(expression_work_max=1_000))
    values: dict[str, Value] = {
        "input.xs": list(range(100)),
        "input.rows": [list(range(10)) for _ in range(50)],
        "input.text": "," * 2_000,
    }
    bindings = {path: values[path] for path in cel.paths(source)}

    if is_too_much:
        with pytest.raises(ExpressionFailed, match="let a task compute this"):
            cel.evaluate(source, bindings)
    else:
        cel.evaluate(source, bindings)


def test_nesting_counts_brackets_outside_texts() -> None:
    assert nesting("f([{'a': '((('}])") == 3


DATA: Value = {
    "input": {
        "n": 3,
        "f": 1.5,
        "s": "text",
        "none": None,
        "xs": [3, 1, 2],
        "m": {"z": 1, "a": 2},
    }
}


def resolve(path: str) -> Value:
    return descend(DATA, path, 0)


def evaluate(cel: CelExpressions, source: str) -> Value:
    return consult(source, cel, resolve)[0]
