"""Templates: what a rendering returns, and how its failures are named."""

from collections.abc import Mapping

import pytest

from events.values import Value
from orchestrator.kernel.expressions import InvalidExpression, PathMissing, descend
from orchestrator.kernel.templates import compile_template

DATA: Value = {
    "input": {
        "n": 3,
        "f": 1.0,
        "yes": True,
        "none": None,
        "text": "t",
        "xs": [{"name": "a"}, 2],
        "a-b": {"c.d": 4},
    }
}


class Upper:
    """An engine that knows `upper <path>` and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def paths(self, source: str) -> tuple[str, ...]:
        return (source.removeprefix("upper ").strip(),)

    def evaluate(self, source: str, bindings: Mapping[str, Value]) -> Value:
        self.asked.append(source)
        (path,) = self.paths(source)
        if path not in bindings:
            raise PathMissing(path)
        return str(bindings[path]).upper()


def render(value: Value, engine: Upper | None = None) -> Value:
    return compile_template(value).render(resolve, engine or Upper())


def resolve(path: str) -> Value:
    return descend(DATA, path, 0)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        (5, 5),
        (None, None),
        ("${ input.n }", 3),
        ("${input.n}", 3),
        ("${ input.yes }", True),
        ("${ input.none }", None),
        ("${ input.xs }", [{"name": "a"}, 2]),
        ("${ input.xs[0].name }", "a"),
        ("${ input . xs [ 1 ] }", 2),
        ("${ input['a-b'][\"c.d\"] }", 4),
        ("n=${ input.n }.", "n=3."),
        ("${ input.n }${ input.n }", "33"),
        (" ${ input.n }", " 3"),
        ("${ input.none }|${ input.yes }|${ input.f }|${ input.text }", "|true|1.0|t"),
        ("${ input.xs } ", '[{"name":"a"},2] '),
        ("$${ input.n }", "${ input.n }"),
        ("$$${ input.n }", "$${ input.n }"),
        ("a $${ b } ${ input.n }", "a ${ b } 3"),
        ("$ {x} $", "$ {x} $"),
        ({"a": ["${ input.n }", {"b": "${ input.text }"}]}, {"a": [3, {"b": "t"}]}),
        ({"${ input.n }": 1}, {"${ input.n }": 1}),
        ("${ upper input.text }", "T"),
        ("<${ upper input.text }>", "<T>"),
    ],
)
def test_rendering(template: Value, expected: Value) -> None:
    found = render(template)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("source", ["'}'", '"}"', "{'a': {}}", "r'\\'", "'\\'}'", "'''}'''"])
def test_an_expression_ends_at_its_own_brace(source: str) -> None:
    template = compile_template(f"<${{ {source} }}>")

    assert template.sources == (source,)


def test_a_bare_path_never_reaches_the_engine() -> None:
    engine = Upper()
    render(["${ input.n }", "${ input.xs[0] }", "${ input['n'] }"], engine)
    assert engine.asked == []
    render("${ upper input.n }", engine)
    assert engine.asked == ["upper input.n"]


@pytest.mark.parametrize("word", ["true", "false", "null"])
def test_a_literal_is_no_path(word: str) -> None:
    engine = Upper()
    with pytest.raises(PathMissing):
        render(f"${{ {word} }}", engine)
    assert engine.asked == [word]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("${ input.q }", "`input` has no `q`"),
        ("${ input.n.q }", "`input.n` has no `q`: it is a number"),
        ("${ input.xs[2] }", "`input.xs[2]` is not there: no 2 in a list of 2"),
        ("${ input.xs['a'] }", "`input.xs` has no `a`: it is a list of 2"),
        ("${ input.xs[0].q }", "no 'q' in an object"),
        ("${ input.none[0] }", "no 0 in null"),
        ("x ${ upper input.q }", "`input` has no `q`"),
    ],
)
def test_a_missing_path_is_named(template: str, words: str) -> None:
    with pytest.raises(PathMissing) as missing:
        render(template)

    assert words in str(missing.value)


@pytest.mark.parametrize(
    ("template", "line", "column"),
    [("${", 1, 1), ("${ a", 1, 1), ("a\nb ${ { }", 2, 3), ("${}", 1, 1), ("x ${  }", 1, 3)],
)
def test_an_open_or_empty_expression_is_refused_with_its_place(
    template: str, line: int, column: int
) -> None:
    with pytest.raises(InvalidExpression) as refused:
        compile_template(template)

    assert (refused.value.line, refused.value.column) == (line, column)


def test_paths_are_all_that_is_read() -> None:
    template = compile_template(
        {"a": "${ input.n } ${ upper input.text }", "b": ["${ input.xs[0].name }", "${ input.n }"]}
    )

    assert template.paths(Upper()) == ("input.n", "input.text", "input.xs")


def test_a_value_without_expressions_is_constant_and_returned_as_it_is() -> None:
    value: Value = {"a": [1, "b", "$$", {"c": None}]}
    template = compile_template(value)

    assert template.constant
    assert template.render(resolve, Upper()) is value


@pytest.mark.parametrize(
    ("value", "constant", "is_text"),
    [("a", True, False), ("$${a}", True, False), ("${a}", False, False), ("x${a}", False, True)],
)
def test_what_kind_of_template_it_is(value: str, constant: bool, is_text: bool) -> None:
    template = compile_template(value)

    assert (template.constant, template.is_text) == (constant, is_text)
