"""What has happened since the core was last asked, gathered from everywhere."""

import asyncio
import threading

from events.ids import Attempt
from node_agent.steps import ExecutionProgressed, Input


class Inbox:
    """`put` belongs to the event loop's thread; `signal` may be called from any.

    Bounded by its sources: one result for each execution, one sign of life for each attempt (the
    newest stands for all), one message for each delivery that the bus lets be unacknowledged.
    """

    def __init__(self) -> None:
        self._inputs: list[Input] = []
        self._signs: dict[Attempt, ExecutionProgressed] = {}
        self._lock = threading.Lock()
        self._home = threading.get_ident()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiter: asyncio.Future[None] | None = None

    def open(self) -> None:
        """Names the running event loop as the one to wake."""
        self._home = threading.get_ident()
        self._loop = asyncio.get_running_loop()

    def put(self, one: Input) -> None:
        self._inputs.append(one)
        self._wake()

    def signal(self, sign: ExecutionProgressed) -> None:
        with self._lock:
            waiting = self._signs.get(sign.attempt)
            self._signs[sign.attempt] = sign if waiting is None else _merged(waiting, sign)
        if waiting is not None:
            return  # whoever put that one has woken the loop
        if threading.get_ident() == self._home:
            self._wake()
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake)

    def take(self) -> list[Input]:
        """Returns everything, signs of life first: they came before the ends of their attempts."""
        inputs, self._inputs = self._inputs, []
        if self._signs:
            with self._lock:
                signs, self._signs = self._signs, {}
            inputs = [*signs.values(), *inputs]
        return inputs

    async def wait(self, timeout_s: float | None) -> None:
        """Returns when there is something to take, or after `timeout_s`.

        A plain future and timer: this is waited for between any two inputs, and a cancel scope and
        an event would cost more than most turns.
        """
        if self._inputs or self._signs:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = None if timeout_s is None else loop.call_later(timeout_s, self._wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _merged(older: ExecutionProgressed, newer: ExecutionProgressed) -> ExecutionProgressed:
    told = newer if newer.has_details else older
    return ExecutionProgressed(
        newer.attempt,
        told.details,
        told.has_details,
        told.details_bytes,
        older.fraction if newer.fraction is None else newer.fraction,
    )
