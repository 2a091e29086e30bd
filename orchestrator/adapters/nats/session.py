"""One connection to NATS, from its start to its loss; whatever was begun in it ends with it.

The same file lies in the other process's adapter; see `link.py`.
"""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import nats.errors
from nats.aio.msg import Msg

from events.errors import Unavailable
from events.jetstream import Call
from orchestrator.adapters.nats.direct import DirectClient

NO_RESPONDERS = "503"
FLUSH_TIMEOUT_S = 1.0

Handler = Callable[[Msg], Awaitable[None]]


class NobodyAnswers(Unavailable):
    """There is a server, but nobody on it subscribes to the subject."""


class TooSlow(Unavailable):
    """No answer in time; it may still have taken effect."""


class Session:
    """One connection, from its start to its loss."""

    def __init__(self, client: DirectClient, shown: str) -> None:
        self.lost = asyncio.Event()
        self.bytes_max = client.max_payload
        self._client = client
        self._shown = shown
        self._numbers = itertools.count()
        self._inbox = client.new_inbox()
        self._answers: dict[str, asyncio.Future[Msg | None]] = {}
        self._waiting: set[asyncio.Event] = set()

    async def start(self) -> None:
        await self._client.subscribe(f"{self._inbox}.*", cb=self._on_answer)

    async def send(
        self, subject: str, body: bytes, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Hands a message to the connection; returns before the server has it."""
        if self.lost.is_set():
            raise Unavailable(f"the connection to NATS at {self._shown} is lost")
        try:
            await self._client.publish(subject, body, reply=reply, headers=headers)
        except (nats.errors.Error, OSError) as error:
            raise Unavailable(f"NATS at {self._shown} takes no message: {error}") from error

    def send_later(self, subject: str, body: bytes) -> None:
        """As `send`, for what is in no hurry: goes along with the next message, or soon alone."""
        if self.lost.is_set():
            raise Unavailable(f"the connection to NATS at {self._shown} is lost")
        try:
            self._client.send_later(subject, body)
        except nats.errors.Error as error:
            raise Unavailable(f"NATS at {self._shown} takes no message: {error}") from error

    async def ask(self, call: Call, timeout_s: float) -> bytes:
        """Returns the answer. Raises `NobodyAnswers`, `TooSlow`, `Unavailable` when the session
        ends."""
        token = str(next(self._numbers))
        loop = asyncio.get_running_loop()
        self._answers[token] = answer = loop.create_future()
        timer = loop.call_later(timeout_s, _settle, answer, None)
        try:
            await self.send(call.subject, call.body, f"{self._inbox}.{token}", call.headers)
            message = await answer
        finally:
            timer.cancel()
            del self._answers[token]
        if message is None and not self.lost.is_set():
            what = f"no answer to {call.subject} from NATS at {self._shown} within {timeout_s:g} s"
            raise TooSlow(what, unknown=True)
        return self._read(message, call.subject)

    @asynccontextmanager
    async def subscription(
        self, subject: str, handler: Handler, queue: str = ""
    ) -> AsyncIterator[None]:
        """Hands what comes on `subject` to `handler`, which must not wait."""
        try:
            sub = await self._client.subscribe(subject, queue=queue, cb=handler)
        except (nats.errors.Error, OSError) as error:
            raise Unavailable(f"NATS at {self._shown} refuses {subject}: {error}") from error
        try:
            yield
        finally:
            with suppress(nats.errors.Error, OSError), anyio.CancelScope(shield=True):
                await sub.unsubscribe()

    async def wait_for(self, event: asyncio.Event, timeout_s: float = math.inf) -> None:
        """Waits until `event` is set; also sets it when the session ends, or after the timeout.

        A plain timer: there is one for each message, and a cancel scope costs more than the rest.
        """
        if self.lost.is_set():
            return
        timer = None
        if timeout_s < math.inf:
            timer = asyncio.get_running_loop().call_later(timeout_s, event.set)
        self._waiting.add(event)
        try:
            await event.wait()
        finally:
            self._waiting.discard(event)
            if timer is not None:
                timer.cancel()

    @property
    def lives(self) -> bool:
        return not self.lost.is_set() and not self._client.is_closed

    async def answers(self, timeout_s: int) -> bool:
        """Whether the server answers a ping in time: one that hangs keeps its connections."""
        try:
            await self._client.flush(timeout_s)
        except (nats.errors.Error, OSError):
            return False
        return self.lives

    def new_inbox(self) -> str:
        return self._client.new_inbox()

    @property
    def version(self) -> str:
        """Of the server."""
        found = self._client.connected_server_version
        return f"{found.major}.{found.minor}.{found.patch}"

    @property
    def servers(self) -> list[str]:
        """Servers of the cluster that the connection told us of."""
        return [url.geturl() for url in self._client.discovered_servers]

    async def close(self) -> None:
        """Sends what was handed over and ends the session."""
        with anyio.move_on_after(FLUSH_TIMEOUT_S, shield=True), suppress(nats.errors.Error):
            if not self.lost.is_set():
                await self._client.flush()
        self.end()
        with anyio.move_on_after(FLUSH_TIMEOUT_S, shield=True):
            await self._client.close()

    def end(self) -> None:
        """Wakes everybody who waits in this session; they find that it is lost."""
        self.lost.set()
        for event in self._waiting:
            event.set()
        for answer in self._answers.values():
            _settle(answer, None)

    async def _on_answer(self, message: Msg) -> None:
        if answer := self._answers.get(message.subject.rpartition(".")[2]):
            _settle(answer, message)

    def _read(self, message: Msg | None, subject: str) -> bytes:
        if message is None:
            raise Unavailable(f"the connection to NATS at {self._shown} was lost", unknown=True)
        if message.headers and message.headers.get("Status") == NO_RESPONDERS:
            raise NobodyAnswers(f"nobody answers on {subject} of NATS at {self._shown}")
        return message.data


def _settle(answer: asyncio.Future[Msg | None], message: Msg | None) -> None:
    if not answer.done():
        answer.set_result(message)
