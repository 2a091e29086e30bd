"""Publishing to a stream: durable there when `publish` returns.

No message ids: the server would drop a message that is sent again within its window, and everything
here may be sent again. A stream that has vanished is declared and the message sent once more; one
that takes nothing although it is there is renewed (`declare.renew_stream`). All else is
`Unavailable`, and the caller publishes again when its own state says so.

The same file lies in the other process's adapter; see `link.py`.
"""

import time

import anyio

from events.errors import Misconfigured, Unavailable
from events.jetstream import Call, answer_of
from events.streams import BusLimits, Stream
from orchestrator.adapters.nats.declare import declare_stream, renew_stream
from orchestrator.adapters.nats.link import Closed, Link
from orchestrator.adapters.nats.session import NobodyAnswers, Session, TooSlow

STUCK_FAILURES = 3
"""A stream is stuck when at least so many messages in a row, over `stuck_s`, were not taken."""


class Publisher:
    """Publishes to one stream; any number of messages may be under way."""

    def __init__(self, link: Link, stream: Stream, limits: BusLimits) -> None:
        self._link = link
        self._stream = stream
        self._timeout_s = limits.publish_timeout_s
        self._stuck_s = limits.stuck_s
        self._failures = 0
        self._failing_since: float | None = None
        self._mending = anyio.Lock()

    async def publish(self, subject: str, body: bytes) -> None:
        """Returns when the stream has the message. Raises `Unavailable`."""
        session = await self._session()
        call = Call(subject, body)
        try:
            try:
                await self._store(session, call)
            except NobodyAnswers:
                await self._declare(session)
                await self._store(session, call)
        except TooSlow:
            await self._on_failure(session)
            raise
        self._failures, self._failing_since = 0, None

    async def bytes_max(self) -> int:
        """What the server takes in one message."""
        return (await self._session()).bytes_max

    async def _session(self) -> Session:
        live = self._link.live()
        if live is not None and not self._link.closed:
            return live  # a deadline costs more than what it would guard
        try:
            with anyio.fail_after(self._timeout_s):
                return await self._link.session()
        except TimeoutError:
            raise Unavailable(f"there is no connection to NATS at {self._link.shown}") from None
        except Closed:
            raise Unavailable("the bus is closed") from None

    async def _store(self, session: Session, call: Call) -> None:
        answer = answer_of(await session.ask(call, self._timeout_s))
        if answer.error is not None:
            raise Unavailable(
                f"stream {self._stream.name} of NATS takes no message: {answer.error.description}"
            )

    async def _declare(self, session: Session) -> None:
        try:
            await declare_stream(session, self._stream, update=False)
        except Misconfigured as error:
            raise Unavailable(str(error)) from error

    async def _on_failure(self, session: Session) -> None:
        now = time.monotonic()
        self._failures += 1
        self._failing_since = self._failing_since or now
        failing_s = now - self._failing_since
        if self._failures < STUCK_FAILURES or failing_s < self._stuck_s or session.lost.is_set():
            return
        if self._mending.statistics().locked:
            return
        async with self._mending:
            self._failures, self._failing_since = 0, None
            await renew_stream(session, self._stream, failing_s)
