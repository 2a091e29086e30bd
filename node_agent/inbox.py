"""What has happened since the core was last asked, gathered from everywhere."""

import asyncio
import threading

import anyio
import anyio.lowlevel

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
        self._event = anyio.Event()
        self._home = threading.get_ident()
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Names the running event loop as the one to wake."""
        self._home = threading.get_ident()
        self._loop = asyncio.get_running_loop()

    def put(self, one: Input) -> None:
        self._inputs.append(one)
        self._event.set()

    def signal(self, sign: ExecutionProgressed) -> None:
        with self._lock:
            waiting = self._signs.get(sign.attempt)
            self._signs[sign.attempt] = sign if waiting is None else _merged(waiting, sign)
        if waiting is not None:
            return  # whoever put that one has woken the loop
        if threading.get_ident() == self._home:
            self._event.set()
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
        """Returns when there is something to take, or after `timeout_s`."""
        if not (self._inputs or self._signs):
            with anyio.move_on_after(timeout_s):
                await self._event.wait()
        else:
            await anyio.lowlevel.checkpoint()
        self._event = anyio.Event()

    def _wake(self) -> None:
        self._event.set()


def _merged(older: ExecutionProgressed, newer: ExecutionProgressed) -> ExecutionProgressed:
    told = newer if newer.has_details else older
    return ExecutionProgressed(
        newer.attempt,
        told.details,
        told.has_details,
        told.details_bytes,
        older.fraction if newer.fraction is None else newer.fraction,
    )
