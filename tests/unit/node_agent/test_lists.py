"""`ctx.values`: lists and references alike, read in pieces, in the event loop and in threads."""

from collections.abc import Awaitable, Callable

import anyio
import anyio.to_thread
import pytest

from events.errors import Corrupt, Rejected
from events.references import Chunk, ListReference, as_value
from events.values import Value
from node_agent import LargeList, TaskCancelled, TaskContext, TaskError
from node_agent.credentials import NoSecrets
from node_agent.lists import ListReader
from node_agent.once import Keeper
from node_agent.signatures import Signature
from tests.unit.node_agent.fakes import DEADLINE_S, FakeLists, execute

pytestmark = pytest.mark.anyio
HASH = "a" * 64
VALUES: list[Value] = [1, {"x": 2}, None, "four", 5]
REFERENCE = ListReference(
    count=8, bytes=30, chunks=(Chunk(count=5, hash=HASH), Chunk(count=2), Chunk(count=1, hash=HASH))
)


@pytest.fixture
def lists() -> FakeLists:
    return FakeLists({HASH: VALUES})


def context(lists: FakeLists) -> TaskContext:
    return TaskContext(
        execute(),
        1,
        lambda sign: None,
        NoSecrets(),
        lists=ListReader(lists),
        keeper=Keeper(lambda kept: None),
    )


async def in_loop(ctx: TaskContext, given: object) -> list[Value]:
    return [value async for value in ctx.values(given)]


async def in_thread(ctx: TaskContext, given: object) -> list[Value]:
    with anyio.fail_after(DEADLINE_S):
        return await anyio.to_thread.run_sync(lambda: list(ctx.values(given)))


Way = Callable[[TaskContext, object], Awaitable[list[Value]]]
WAYS: list[Way] = [in_loop, in_thread]


def one_chunk(count: int) -> Value:
    chunks = (Chunk(count=count, hash=HASH),)
    return as_value(ListReference(count=count, bytes=9, chunks=chunks))


@pytest.mark.parametrize("way", WAYS)
async def test_values_of_a_list_and_of_a_reference_come_in_order(
    way: Way, lists: FakeLists
) -> None:
    chunks = (Chunk(count=5, hash=HASH), Chunk(count=2), Chunk(count=1, hash="b" * 64))
    lists.chunks["b" * 64] = ["last"]
    reference = ListReference(count=8, bytes=30, chunks=chunks)
    expected = [*VALUES, None, None, "last"]
    ctx = context(lists)
    assert await way(ctx, reference) == expected
    assert await way(ctx, as_value(reference)) == expected
    assert await way(ctx, VALUES) == VALUES
    assert await way(ctx, []) == []


async def test_the_length_is_known_without_reading(lists: FakeLists) -> None:
    assert len(context(lists).values(as_value(REFERENCE))) == 8
    assert len(context(lists).values([1, 2])) == 2
    assert not lists.asked.is_set()


async def test_a_parameter_takes_both(lists: FakeLists) -> None:
    def reduce(results: LargeList, ctx: TaskContext) -> None: ...

    signature = Signature(reduce, "reduce", "test")
    for given in (VALUES, one_chunk(5)):
        bound = signature.bind({"results": given})["results"]
        assert await in_loop(context(lists), bound) == VALUES
    assert signature.schema()["required"] == ["results"]


@pytest.mark.parametrize("given", [7, "text", None, {"a": 1}, {"$ref": "list", "count": 3}])
async def test_what_is_no_list_is_refused(given: Value, lists: FakeLists) -> None:
    with pytest.raises(TaskError) as caught:
        context(lists).values(given)
    assert (caught.value.failure_code, caught.value.retryable) == ("no_list", False)


@pytest.mark.parametrize("way", WAYS)
async def test_a_question_is_asked_again_while_nobody_answers(way: Way, lists: FakeLists) -> None:
    lists.away = 2
    assert await way(context(lists), one_chunk(5)) == VALUES
    assert lists.away == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("failure", "code"),
    [(Rejected("there are none"), "values_missing"), (Corrupt("it is"), "values_damaged")],
)
async def test_what_asking_again_does_not_mend_fails_for_good(
    way: Way, failure: Exception, code: str, lists: FakeLists
) -> None:
    lists.failure = failure
    with pytest.raises(TaskError) as caught:
        await way(context(lists), one_chunk(5))
    assert (caught.value.failure_code, caught.value.retryable) == (code, False)
    assert str(failure) in caught.value.message


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [3, 6])
async def test_a_chunk_of_another_length_is_damaged(way: Way, count: int, lists: FakeLists) -> None:
    with pytest.raises(TaskError) as caught:
        await way(context(lists), one_chunk(count))
    assert caught.value.failure_code == "values_damaged"


@pytest.mark.edge("VALUES_WAIT_S")
async def test_nobody_is_waited_for_for_ever(
    lists: FakeLists, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node_agent.lists.VALUES_WAIT_S", 0.01)
    lists.away = 10**6
    with pytest.raises(TaskError) as caught:
        await in_loop(context(lists), one_chunk(5))
    assert (caught.value.failure_code, caught.value.retryable) == ("values_unavailable", True)
    assert "nobody answers" in caught.value.message


async def test_a_plain_handler_that_waits_is_cancelled(lists: FakeLists) -> None:
    lists.away = 10**6
    ctx = context(lists)

    def read() -> str:
        try:
            return str(list(ctx.values(one_chunk(5))))
        except TaskCancelled:
            return "cancelled"

    async def cancel() -> None:
        await lists.asked.wait()
        ctx.cancel()

    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as group:
            group.start_soon(cancel)
            assert await anyio.to_thread.run_sync(read) == "cancelled"
    with pytest.raises(TaskCancelled):
        await in_thread(ctx, one_chunk(5))


async def test_an_async_handler_is_told_not_to_stand_still(lists: FakeLists) -> None:
    with pytest.raises(TaskError, match="async for") as caught:
        list(context(lists).values(one_chunk(5)))
    assert caught.value.failure_code == "blocking_read"
    assert not lists.asked.is_set()
