"""Declaring tasks, collecting them, describing them, and what is refused."""

import datetime as dt
from collections.abc import Callable
from typing import Annotated, Literal, TypedDict

import msgspec
import pytest

from events.errors import Misconfigured
from events.values import Value
from node_agent import Inputs, TaskContext, interceptor, subprocess_task, task
from node_agent.registry import TaskRegistry, collect
from node_agent.signatures import InvalidInputs, Signature
from node_agent.tasks import Arguments, Handler, Kind


class Point(msgspec.Struct):
    x: int
    y: float = 0.5


@task(name="shop.price", timeout_s=5)
async def price(
    item: str, count: Annotated[int, msgspec.Meta(ge=1)] = 1, *, ctx: TaskContext
) -> float:
    """What it costs.

    In cents.
    """
    return len(item) * count


@task()
def plain(at: dt.date, where: Point, how: Literal["fast", "slow"] = "fast") -> str:
    return f"{at} {where.x} {where.y} {how}"


def signature(function: Callable[..., object]) -> Signature:
    return Signature(function, "t", "here.t")


def test_a_declared_task_is_still_the_function() -> None:
    assert plain(dt.date(2024, 2, 3), Point(1)) == "2024-02-03 1 0.5 fast"
    assert plain.name == "plain"
    assert (plain.kind, price.kind) == (Kind.PLAIN, Kind.ASYNC)


def test_inputs_are_converted_by_annotation() -> None:
    given: dict[str, Value] = {"at": "2024-02-03", "where": {"x": 1, "y": 2}}
    assert signature(plain.function).bind(given) == {
        "at": dt.date(2024, 2, 3),
        "where": Point(1, 2.0),
        "how": "fast",
    }


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "parameter 'item' is missing"),
        ({"item": 3}, "parameter 'item': expected str, got int"),
        ({"item": "x", "count": "3"}, "parameter 'count': expected int, got str"),
        ({"item": "x", "count": 2.5}, "parameter 'count': expected int, got float"),
        ({"item": "x", "count": True}, "parameter 'count': expected int, got bool"),
        ({"item": "x", "count": 0}, "parameter 'count': expected int >= 1"),
        ({"item": "x", "size": 1}, "there is no parameter 'size'"),
        ({"item": "x", "ctx": 1}, "there is no parameter 'ctx'"),
    ],
)
def test_inputs_that_do_not_fit_are_named(inputs: dict[str, Value], message: str) -> None:
    with pytest.raises(InvalidInputs) as caught:
        signature(price.function).bind(inputs)
    assert str(caught.value) == message


def test_the_place_inside_a_parameter_is_named() -> None:
    with pytest.raises(InvalidInputs) as caught:
        signature(plain.function).bind({"at": "2024-02-03", "where": {"x": "one"}})
    assert str(caught.value) == "parameter 'where' at .x: expected int, got str"


def test_keyword_parameters_take_whatever_else_is_given() -> None:
    def open_ended(first: int, **others: Value) -> None: ...

    bound = signature(open_ended).bind({"first": 1, "second": [2]})
    assert bound == {"first": 1, "second": [2]}


def test_a_mutable_default_is_not_shared() -> None:
    def defaults(items: list[int] = [1]) -> None: ...  # noqa: B006 -- what is tested

    one = signature(defaults)
    first, second = one.bind({})["items"], one.bind({})["items"]
    assert first == [1]
    assert first is not second


def test_parameters_without_annotation_take_any_value() -> None:
    def anything(value) -> None: ...  # type: ignore[no-untyped-def]

    assert signature(anything).bind({"value": {"a": [1]}}) == {"value": {"a": [1]}}


ANYTHING = {"description": "any value"}


def test_object_stands_for_any_value() -> None:
    def merged(data: dict[str, object], more: list[object] | None = None) -> None: ...

    given: dict[str, Value] = {"data": {"a": [1, None], "b": {"c": "d"}}, "more": [1, "x"]}
    assert signature(merged).bind(given) == given
    properties = signature(merged).schema()["properties"]
    assert isinstance(properties, dict)
    assert properties["data"] == {"type": "object", "additionalProperties": ANYTHING}


class Opaque:
    """Nothing that JSON could become."""


def positional_only(a: int, /) -> None: ...
def starred(*parts: int) -> None: ...
def opaque(thing: Opaque) -> None: ...
def unresolved(thing: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (positional_only, "parameter 'a' can be given by position only"),
        (starred, "parameter 'parts' can be given by position only"),
        (opaque, "its parameters cannot be read from JSON"),
        (unresolved, "an annotation cannot be resolved: name 'Nowhere'"),
    ],
)
def test_parameters_that_inputs_cannot_fill_are_refused(
    function: Callable[..., object], message: str
) -> None:
    with pytest.raises(Misconfigured, match=f"here.t: {message}"):
        signature(function)


@pytest.mark.parametrize("name", [" padded", "x" * 201, "line\nbreak"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match="a task name has 1 to 200 printable characters"):
        task(name=name)(price.function)


def test_other_bad_declarations_are_refused() -> None:
    with pytest.raises(Misconfigured, match="without parentheses"):
        task(plain.function)  # type: ignore[arg-type]
    with pytest.raises(Misconfigured, match="timeout_s=-1: expected seconds above 0"):
        task(timeout_s=-1)(plain.function)
    with pytest.raises(Misconfigured, match="expected a list of texts"):
        subprocess_task("s", "cat file")
    with pytest.raises(Misconfigured, match="expected a list of texts"):
        subprocess_task("s", [])


# -- the registry ---------------------------------------------------------------------------------


@interceptor
async def watch(ctx: TaskContext, arguments: Arguments, proceed: Handler) -> object:
    return await proceed(ctx, arguments)


def test_tasks_are_collected_from_modules_once_each() -> None:
    cat = subprocess_task("cat", ["cat"])
    registry = collect(
        {"a": {"price": price, "n": 1, "cat": cat}, "b": {"imported": price, "watch": watch}}
    )
    assert registry.names == {"shop.price", "cat"}
    assert registry.interceptors == (watch.function,)
    assert registry.timeouts_s() == {"shop.price": 5, "cat": None}


def test_two_tasks_of_one_name_are_refused_with_both_named() -> None:
    other = task(name="shop.price")(plain.function)
    with pytest.raises(Misconfigured, match=r"test_tasks\.price and .*test_tasks\.plain; give one"):
        TaskRegistry([price, other])


def test_a_module_without_tasks_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"my\.tasks declares no task: decorate"):
        collect({"my.tasks": {"function": plain.function}})


def test_tasks_are_described_with_the_schema_of_their_parameters() -> None:
    registry = TaskRegistry([price, plain, subprocess_task("cat", ["cat"], description="Echo.")])
    cat, by_plain, by_price = registry.describe()
    assert (cat.kind, cat.parameters["additionalProperties"]) == ("subprocess", True)
    assert by_price.description.startswith("What it costs.")
    assert by_price.parameters == {
        "title": "shop.price inputs",
        "type": "object",
        "properties": {
            "item": {"type": "string"},
            "count": {"type": "integer", "minimum": 1, "default": 1},
        },
        "required": ["item"],
        "additionalProperties": False,
    }
    definitions = by_plain.parameters["$defs"]
    assert isinstance(definitions, dict)
    assert list(definitions) == ["Point"]
    msgspec.json.encode(registry.describe())


class Order(msgspec.Struct):
    number: int
    express: bool = False


class Noted(TypedDict):
    number: int


def place_order(ctx: TaskContext, order: Inputs[Order]) -> None: ...
def note_order(order: Inputs[Noted]) -> None: ...
def two_orders(order: Inputs[Order], other: int) -> None: ...
def no_order(order: Inputs[int]) -> None: ...


def test_one_parameter_may_take_all_inputs() -> None:
    whole = signature(place_order)

    assert whole.bind({"number": 3}) == {"order": Order(3)}
    assert whole.context_name == "ctx"
    assert signature(note_order).bind({"number": 3}) == {"order": {"number": 3}}
    assert whole.schema()["required"] == ["number"]
    assert whole.schema()["additionalProperties"] is False


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"number": 3, "expres": True}, "there is no parameter 'expres'"),
        ({"number": "3"}, "parameter 'number': expected int, got str"),
        ({}, "parameter 'number' is missing"),
    ],
)
def test_inputs_taken_together_are_checked_as_one_by_one(
    inputs: dict[str, Value], message: str
) -> None:
    with pytest.raises(InvalidInputs, match=message):
        signature(place_order).bind(inputs)


@pytest.mark.parametrize(
    ("function", "message"),
    [(two_orders, "beside it there can be the context only"), (no_order, "expected a struct")],
)
def test_all_inputs_are_one_object_and_stand_alone(
    function: Callable[..., object], message: str
) -> None:
    with pytest.raises(Misconfigured, match=message):
        signature(function)
