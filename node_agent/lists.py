"""Large lists for handlers: the values behind a reference, read from coordinators as they are used.

    async handler    async for value in ctx.values(given)
    plain handler    for value in ctx.values(given)

A list is read through as it is, so a handler need not know whether it was large. Of a reference one
answer of a coordinator is held at a time (`limits.values_answer_bytes_max`), however long the list
is. The chunks are durable before anything names them, so any coordinator can answer; while none
does, the reader asks again, for `VALUES_WAIT_S` at most. The attempt's timeout and cancellation end
that wait as they end any other.

A plain handler's thread hands each question to the event loop and waits; its cancellation cancels
the question.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Protocol

import anyio

from events.errors import Corrupt, DalsegnoError, InvalidValue, Rejected, Unavailable
from events.limits import VALUES_WAIT_S
from events.references import Chunk, ListReference, as_value, reference_of
from events.values import Value
from node_agent.errors import TaskCancelled, TaskError
from node_agent.ports import Coordinators

NULLS_AT_ONCE = 1_000
"""Nulls of a large list that are made at a time."""

ASK_AGAIN_FIRST_S, ASK_AGAIN_LAST_S = 0.05, 2.0

LargeList = list[Value] | ListReference
"""What a parameter is that takes the output of a map of any size: the list, or a reference to it;
`ctx.values` reads both."""

log = logging.getLogger("dalsegno.task")


class Attending(Protocol):
    """As much of a context as reading needs."""

    @property
    def cancelled(self) -> bool: ...

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]: ...


class ListReader:
    """Asks for values until there is an answer. One for all handlers of an agent, made in the event
    loop that its `source` lives in."""

    def __init__(self, source: Coordinators) -> None:
        self.source = source
        self._loop = asyncio.get_running_loop()
        self._home = threading.get_ident()

    async def read(self, hash_: str, first: int) -> list[Value]:
        """Values of a chunk from the first on, one at least. Raises `TaskError`."""
        pause_s, trouble = ASK_AGAIN_FIRST_S, "no answer in time"
        with anyio.move_on_after(VALUES_WAIT_S):
            while True:
                try:
                    return await self.source.fetch_values(hash_, first)
                except Unavailable as error:
                    if pause_s == ASK_AGAIN_FIRST_S:
                        log.info("values are asked for again: %s", error)
                    trouble = str(error)
                except DalsegnoError as error:
                    raise _failure(error) from error
                await anyio.sleep(pause_s)
                pause_s = min(2 * pause_s, ASK_AGAIN_LAST_S)
        raise TaskError(
            "values_unavailable",
            f"no coordinator handed over values of {hash_} within {VALUES_WAIT_S:g} s: {trouble}; "
            "is one running, and its database up?",
        )

    def read_in_thread(self, hash_: str, first: int, attending: Attending) -> list[Value]:
        """The same for a plain handler. Raises `TaskError`, and `TaskCancelled`."""
        if threading.get_ident() == self._home:
            raise TaskError(
                "blocking_read",
                "an async handler reads values with `async for`: with `for` the agent would stand "
                "still",
                retryable=False,
            )
        asked: Future[list[Value]] = asyncio.run_coroutine_threadsafe(
            self.read(hash_, first), self._loop
        )
        forget = attending.on_cancel(lambda: _give_up(asked))
        try:
            return asked.result()
        except CancelledError:
            raise TaskCancelled from None
        finally:
            forget()


class Values:
    """The values of a list, in order; `len` of it reads none of them. Each iteration begins with
    the first. Iterating raises `TaskError`: `values_missing`, `values_damaged`,
    `values_unavailable`."""

    def __init__(self, given: object, reader: ListReader, attending: Attending) -> None:
        """Raises `TaskError` (`no_list`) for what is neither a list nor a reference to one."""
        self._list = given if isinstance(given, list) else []
        self._reference = None if isinstance(given, list) else _reference(given)
        self._reader = reader
        self._attending = attending

    def __len__(self) -> int:
        return len(self._list) if self._reference is None else self._reference.count

    async def __aiter__(self) -> AsyncIterator[Value]:
        for value in self._list:
            yield value
        for chunk in self._chunks():
            first = 0
            while first < chunk.count:
                found = _nulls(chunk, first) or await self._reader.read(chunk.hash, first)
                first = _counted(chunk, first, found)
                for value in found:
                    yield value

    def __iter__(self) -> Iterator[Value]:
        yield from self._list
        for chunk in self._chunks():
            first = 0
            while first < chunk.count:
                if self._attending.cancelled:
                    raise TaskCancelled
                found = _nulls(chunk, first) or self._reader.read_in_thread(
                    chunk.hash, first, self._attending
                )
                first = _counted(chunk, first, found)
                yield from found

    def _chunks(self) -> tuple[Chunk, ...]:
        return () if self._reference is None else self._reference.chunks


def _reference(given: object) -> ListReference:
    value = as_value(given) if isinstance(given, ListReference) else given
    try:
        found = reference_of(value) if isinstance(value, dict) else None
    except InvalidValue as error:
        raise TaskError("no_list", str(error), retryable=False) from error
    if found is None:
        kind = type(given).__name__
        message = f"values are read of a list, or of a reference to one: this is a {kind}"
        raise TaskError("no_list", message, retryable=False)
    return found


def _nulls(chunk: Chunk, first: int) -> list[Value]:
    """Of a chunk that stands for nulls; of any other none."""
    return [] if chunk.hash else [None] * min(chunk.count - first, NULLS_AT_ONCE)


def _counted(chunk: Chunk, first: int, found: list[Value]) -> int:
    """Where to go on."""
    reached = first + len(found)
    if not found or reached > chunk.count:
        message = f"chunk {chunk.hash} has other values than the {chunk.count} of its reference"
        raise TaskError("values_damaged", message, retryable=False)
    return reached


def _failure(error: DalsegnoError) -> TaskError:
    match error:
        case Corrupt():
            mend = "restore the table dalsegno.payloads from a backup, then retry the run"
            return TaskError("values_damaged", f"{error}: {mend}", retryable=False)
        case Rejected():
            mend = "hand over references as they came from a map or an input"
            return TaskError("values_missing", f"{error}: {mend}", retryable=False)
        case _:
            return TaskError("values_unavailable", str(error))


def _give_up(asked: "Future[list[Value]]") -> None:
    asked.cancel()
