"""`ctx.once`: a part of a handler that is done at most once per task, as far as it is recorded.

    async handler    charge = await ctx.once("charge", lambda: pay(order))
    plain handler    charge = ctx.once("charge", lambda: pay(order))

    fn() ──► journal, durable ──► report ──► once.recorded.v1 in the run ──► settled ──► value

The handler is given the value only after the run's owner has said that it is recorded: so whatever
it goes on to do rests on a value that every later attempt, on any node, is given instead of a call.
A process that dies between the effect of `fn` and the journal leaves nothing behind: then `fn` is
called again. What must not happen twice even so needs `ctx.idempotency_key`, or a transaction.

An attempt that is fenced is given no value: its owner has it cancelled.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import CancelledError
from typing import Protocol

from events.codec import encode
from events.errors import InvalidValue
from events.ids import Attempt
from events.limits import NAME_CHARS_MAX, ONCE_BYTES_MAX, ONCE_VALUES_MAX
from events.values import Value, admit
from node_agent.errors import TaskCancelled, TaskError
from node_agent.steps import OnceKept

Function = Callable[[], object]


class Keeper:
    """Takes values to the core, and wakes who waits for their settlement. One for all handlers of
    an agent, made in its event loop, in whose thread `take` is called."""

    def __init__(
        self, take: Callable[[OnceKept], None], secret: Callable[[], str] = lambda: ""
    ) -> None:
        """`secret`: makes those of tokens, of 128 bits of entropy at the least; "" where there are
        none."""
        self._take = take
        self.secret = secret
        self._waiting: dict[tuple[Attempt, str], asyncio.Future[None]] = {}
        self.loop = asyncio.get_running_loop()
        self.home = threading.get_ident()

    async def keep(self, kept: OnceKept) -> None:
        """Returns once it is recorded; never for an attempt that is fenced."""
        key = kept.attempt, kept.name
        settled = self._waiting[key] = self.loop.create_future()
        try:
            self._take(kept)
            await settled
        finally:
            del self._waiting[key]

    def settled(self, attempt: Attempt, name: str) -> None:
        """Its owner has recorded it."""
        waiting = self._waiting.get((attempt, name))
        if waiting is not None and not waiting.done():
            waiting.set_result(None)


class Attending(Protocol):
    """As much of a context as waiting in a thread needs."""

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]: ...


class Once:
    """The values of one attempt's task: those of earlier attempts, then its own."""

    def __init__(self, attempt: Attempt, known: Mapping[str, Value], keeper: Keeper) -> None:
        self._attempt = attempt
        self._known = dict(known)
        self._keeper = keeper
        self._busy: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._busy_threads: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    @property
    def is_in_loop(self) -> bool:
        """Whether this is called by an async handler."""
        return threading.get_ident() == self._keeper.home

    async def value(self, name: str, function: Function) -> Value:
        """The recorded value; else that of the function, once it is recorded. Raises `TaskError`,
        and whatever the function raises."""
        _check_name(name)
        async with self._busy[name]:
            if name not in self._known:
                kept = self._kept(name, await _awaitable(name, function()))
                await self._keeper.keep(kept)
                self._known[name] = kept.value
        return self._known[name]

    def value_in_thread(self, name: str, function: Function, attending: Attending) -> Value:
        """The same for a plain handler. Raises `TaskCancelled`, too."""
        _check_name(name)
        with self._busy_threads[name]:
            if name not in self._known:
                kept = self._kept(name, function())
                self._await(kept, attending)
                self._known[name] = kept.value
        return self._known[name]

    def _await(self, kept: OnceKept, attending: Attending) -> None:
        asked = asyncio.run_coroutine_threadsafe(self._keeper.keep(kept), self._keeper.loop)
        forget = attending.on_cancel(lambda: _give_up(asked.cancel))
        try:
            asked.result()
        except CancelledError:
            raise TaskCancelled from None
        finally:
            forget()

    def _kept(self, name: str, returned: object) -> OnceKept:
        """Raises `TaskError`: `invalid_once`, `too_much_once`. The function was called by then."""
        try:
            value = admit(returned, f"the value of once {name!r}")
        except InvalidValue as error:
            raise TaskError("invalid_once", str(error), retryable=False) from error
        size = len(encode({**self._known, name: value}))
        if len(self._known) >= ONCE_VALUES_MAX or size > ONCE_BYTES_MAX:
            raise TaskError(
                "too_much_once",
                f"the values of once have {size} bytes with {name!r}, in {len(self._known) + 1}: "
                f"{ONCE_BYTES_MAX} bytes in {ONCE_VALUES_MAX} are allowed; keep references",
                retryable=False,
            )
        return OnceKept(self._attempt, name, value, size)


def _awaitable(name: str, returned: object) -> Awaitable[object]:
    if isinstance(returned, Awaitable):
        return returned
    raise TaskError(
        "invalid_once",
        f"once {name!r} is called in an async handler with a plain function: give it an async one",
        retryable=False,
    )


def _check_name(name: str) -> None:
    if not (0 < len(name) <= NAME_CHARS_MAX and name.isprintable()):
        raise TaskError(
            "invalid_once",
            f"once is called with the name {name[:NAME_CHARS_MAX]!r}: expected 1 to "
            f"{NAME_CHARS_MAX} printable characters, the same in every attempt",
            retryable=False,
        )


def _give_up(cancel: Callable[[], bool]) -> None:
    cancel()
