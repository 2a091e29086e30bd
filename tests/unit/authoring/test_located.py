"""Reading YAML and JSON: values, places, and what is refused."""

import pytest
import yaml

from events.values import Value
from orchestrator.authoring import InvalidDefinition
from orchestrator.authoring.located import Mapping, Scalar, Sequence, parse, plain
from orchestrator.authoring.problems import Place

LOADERS = [yaml.SafeLoader, yaml.CSafeLoader]


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", 5),
        ("-5", -5),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 17),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("1_000", "1_000"),
        ("hello", "hello"),
        ("9223372036854775807", 2**63 - 1),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("[1, [2], {a: 3}]", [1, [2], {"a": 3}]),
        ("a:\n- 1\nb:", {"a": [1], "b": None}),
        ('{"a": "\\u00e9\\/\\ud83d\\ude00"}', {"a": "é/😀"}),
        ('{"a": "\\\\ud83d\\\\ude00"}', {"a": "\\ud83d\\ude00"}),
        ('{\n\t"a": 1\n}', {"a": 1}),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_values_are_those_of_yaml_1_2(
    text: str, expected: Value, loader: type[yaml.SafeLoader]
) -> None:
    found = plain(parse(text, loader=loader))

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("", 1, 1, "empty"),
        ("# nothing\n", 1, 1, "empty"),
        ("a: 1\na: 2", 2, 1, "key `a` twice, first in line 1"),
        ("a: 1\n5: 2", 2, 1, "keys must be text"),
        ("? [a]\n: 1", 1, 3, "keys must be text"),
        ("a: &x 1\nb: *x", 1, 4, "anchors"),
        ("a: !!python/object:os.system x", 1, 4, "tags such as"),
        ("a: !thing x", 1, 4, "tags such as"),
        ("a\n--- \nb", 2, 1, "a second document"),
        ("a: .nan", 1, 4, "JSON has no word for"),
        ("a: -.inf", 1, 4, "JSON has no word for"),
        ("a: 1e999", 1, 4, "too large"),
        ("a: 9223372036854775808", 1, 4, "over 64 bits"),
        ("a: " + "9" * 5000, 1, 4, "over 64 bits"),
        ('{"a": NaN}', 1, 7, "JSON has no word for"),
        ("a: 'x", 1, 6, "not readable as YAML"),
        ("a: \x07", 1, 4, "remove the character"),
    ],
)
def test_what_is_refused(
    text: str, line: int, column: int, words: str, loader: type[yaml.SafeLoader]
) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse(text, "f.yaml", loader)

    (problem,) = refused.value.problems
    assert words in problem.message
    assert problem.place is not None
    assert problem.place.line == line
    assert abs(problem.place.column - column) <= 2
    assert f"f.yaml:{line}:" in str(refused.value)


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("opening", ["[", "- ", "{a: ", "? "])
def test_any_depth_is_refused_and_breaks_nothing(
    opening: str, loader: type[yaml.SafeLoader]
) -> None:
    with pytest.raises(InvalidDefinition):
        parse(opening * 3_000, loader=loader)


def test_places_are_where_contents_begin() -> None:
    root = parse("a: 1\nbc:\n  - 'x'\n  -  [y]\n")

    assert isinstance(root, Mapping)
    assert root.keys == {"a": Place(1, 1), "bc": Place(2, 1)}
    assert root.items["a"] == Scalar(1, Place(1, 4))
    inner = root.items["bc"]
    assert isinstance(inner, Sequence)
    assert inner.items[0] == Scalar("x", Place(3, 6))
    assert inner.items[1].place == Place(4, 6)
