"""The door that admits values."""

from enum import IntEnum

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import InvalidValue, Rejected
from events.limits import VALUE_DEPTH_MAX
from events.values import Value, admit


class Colour(IntEnum):
    RED = 3


class Text(str):
    __slots__ = ()


class Point(msgspec.Struct):
    x: int


def nested(levels: int) -> object:
    value: object = 1
    for level in range(levels):
        value = [value] if level % 2 else {"k": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**63 - 1,
        -(2**63),
        0.0,
        -0.0,
        1e308,
        "",
        "é\U0001f600\x00",
        [],
        {},
    ],
)
def test_plain_data_is_admitted_as_it_is(value: Value) -> None:
    admitted = admit(value)
    assert admitted == value
    assert type(admitted) is type(value)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ((1, (2,)), [1, [2]]),
        (Colour.RED, 3),
        (Text("x"), "x"),
        ({Text("k"): Text("v")}, {"k": "v"}),
        ({"k": (Colour.RED,)}, {"k": [3]}),
    ],
)
def test_relatives_of_plain_data_become_plain(value: object, plain: Value) -> None:
    admitted = admit(value)
    assert admitted == plain
    assert msgspec.json.encode(admitted) == msgspec.json.encode(plain)
    assert type(admitted) is type(plain)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "value is nan"),
        (float("inf"), "value is inf"),
        (-float("inf"), "value is -inf"),
        (2**63, "value is an integer of 64 bits, over 64: pass it as text"),
        (-(2**63) - 1, "value is an integer of 64 bits"),
        ({1: 2}, "value has a key that is a int: keys must be text"),
        ({None: 2}, "value has a key that is a NoneType"),
        ({"a": {(1,): 2}}, "value.a has a key that is a tuple"),
        ([0, {"k": [float("nan")]}], "value[1].k[0] is nan"),
        ("\ud800", "value has text that is not Unicode"),
        ({"\ud800": 1}, "value has text that is not Unicode"),
        ([["ok", "\udfff"]], "value[0][1] has text that is not Unicode"),
        (b"bytes", "value is a bytes"),
        ({1, 2}, "value is a set"),
        (Point(1), "value is a Point"),
        (object(), "value is a object"),
        ({"when": 1j}, "value.when is a complex"),
    ],
)
def test_anything_else_is_refused_by_name(value: object, message: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        admit(value)
    assert message in str(caught.value)
    assert caught.value.code == "invalid_value"
    assert isinstance(caught.value, Rejected)


def test_integers_that_python_does_not_print_are_refused_like_others() -> None:
    huge = 10**5000
    with pytest.raises(InvalidValue, match="value is an integer of 16610 bits"):
        admit(huge)
    with pytest.raises(InvalidValue, match="value has a key that is a int"):
        admit({huge: 1})


def test_the_message_begins_where_the_caller_says() -> None:
    with pytest.raises(InvalidValue, match=r"input\.items\[2\] is nan"):
        admit({"items": [1, 2, float("nan")]}, "input")


@pytest.mark.edge("VALUE_DEPTH_MAX")
def test_depth_is_bounded_exactly() -> None:
    assert admit(nested(VALUE_DEPTH_MAX)) == nested(VALUE_DEPTH_MAX)
    with pytest.raises(InvalidValue, match="nested deeper than 64 levels"):
        admit(nested(VALUE_DEPTH_MAX + 1))
    with pytest.raises(InvalidValue, match="nested deeper"):
        admit(nested(5000))


def test_a_value_that_holds_itself_is_too_deep() -> None:
    loop: list[object] = []
    loop.append(loop)
    loop.append(loop)
    with pytest.raises(InvalidValue, match="nested deeper"):
        admit(loop)


def test_the_admitted_value_is_a_copy() -> None:
    inner: list[object] = [1]
    value = {"k": inner}
    admitted = admit(value)
    inner.append(2)
    assert admitted == {"k": [1]}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(value=VALUES)
def test_what_is_admitted_survives_the_codec(value: Value) -> None:
    admitted = admit(value)
    assert msgspec.json.decode(msgspec.json.encode(admitted)) == admitted
    assert admit(admitted) == admitted
