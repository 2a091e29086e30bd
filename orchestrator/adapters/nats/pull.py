"""A pull consumer that never runs dry: messages in batches, for as long as the link is open.

One request is always open at the server, so a message travels at once when it is published; while
many come, the next request goes out when half of the last is used up. What has come and was not
taken counts as asked for, so a slow reader slows the server and memory is bounded.

The request ends by its expiry, by a status, or by silence (the server promises a word every few
seconds). A consumer that is gone is declared again together with its stream, with growing pauses,
for ever. A new session begins the same way.

The same file lies in the other process's adapter; see `link.py`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import msgspec
from nats.aio.msg import Msg

from events.errors import Corrupt, Misconfigured, Unavailable
from events.jetstream import Demand, PullLimits, pull, status_of
from events.streams import Consumer
from orchestrator.adapters.nats.link import BACKOFF_FIRST_S, BACKOFF_LAST_S, Closed, Link
from orchestrator.adapters.nats.session import Session

PAUSE_S = 0.05
"""Between two requests of which the first brought nothing and ended before its time."""

EXPIRED = "408"

Declare = Callable[[Session], Awaitable[None]]

log = logging.getLogger("dalsegno.bus")


class _Gone(Exception):
    """The consumer has to be declared again; the text says how that was noticed."""


class Pull:
    """Messages of one consumer; `declare` makes sure that it and its stream exist."""

    def __init__(
        self, link: Link, consumer: Consumer, declare: Declare, limits: PullLimits
    ) -> None:
        self._link = link
        self._consumer = consumer
        self._declare = declare
        self._limits = limits

    async def batches(self) -> AsyncIterator[list[Msg]]:
        """Everything that has come since the last batch; ends when the link is closed."""
        backoff_s = BACKOFF_FIRST_S
        while not self._link.closed:
            try:
                session = await self._link.session()
                await self._declare(session)
                intake = _Intake(session, self._consumer, self._limits)
                async with session.subscription(f"{intake.inbox}.*", intake.on_message):
                    async for batch in intake.batches():
                        backoff_s = BACKOFF_FIRST_S
                        yield batch
            except Closed:
                return
            except _Gone as error:
                log.info("declaring %s of NATS again: %s", self._consumer.name, error)
            except (Unavailable, Misconfigured, Corrupt) as error:
                log.warning("%s; trying again", error)
            await self._link.pause(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_LAST_S)


class _Intake:
    """What comes of a consumer within one session."""

    def __init__(self, session: Session, consumer: Consumer, limits: PullLimits) -> None:
        self.inbox = session.new_inbox()
        self._session = session
        self._consumer = consumer
        # A request that cannot hold the largest message would never bring it.
        bytes_max = max(limits.bytes_max, 2 * session.bytes_max)
        self._limits = msgspec.structs.replace(limits, bytes_max=bytes_max)
        self._demand = Demand(limits.messages)
        self._came: list[Msg] = []
        self._event = asyncio.Event()
        self._heard = False
        self._gone = ""
        self._fruitless = False
        """The last request has brought nothing yet."""
        self._requests = 0

    async def on_message(self, message: Msg) -> None:
        if message.headers and (code := message.headers.get("Status")):
            self._on_status(code, message.headers)
        else:
            self._demand.arrived()
            self._fruitless = False
            self._came.append(message)
        self._heard = True
        self._event.set()

    async def batches(self) -> AsyncIterator[list[Msg]]:
        """Ends when the session is lost. Raises `_Gone`, `Unavailable`."""
        silences = 0
        while not self._session.lost.is_set():
            await self._ask()
            silences = 0 if await self._listen() else silences + 1
            if self._came:
                batch, self._came = self._came, []
                yield batch
            if self._gone or silences > 1:
                raise _Gone(self._gone or "the server has forgotten our requests")
            if silences:
                self._demand.ended(None)

    async def _ask(self) -> None:
        if not (messages := self._demand.ask(len(self._came))):
            return
        if self._fruitless:
            await anyio.sleep(PAUSE_S)
        self._fruitless = True
        self._requests += 1
        call = pull(self._consumer, messages, self._limits)
        await self._session.send(call.subject, call.body, f"{self.inbox}.{self._requests}")

    async def _listen(self) -> bool:
        """Waits for a message, a status or the end of the session; False when all was silent."""
        await self._session.wait_for(self._event, self._limits.silence_s)
        heard, self._heard = self._heard or self._session.lost.is_set(), False
        self._event.clear()
        return heard

    def _on_status(self, code: str, headers: dict[str, str]) -> None:
        status = status_of(
            code, headers.get("Description", ""), headers.get("Nats-Pending-Messages")
        )
        if status.kind == "gone":
            self._gone = status.text
        elif status.kind == "ended":
            self._demand.ended(status.pending)
            self._fruitless = self._fruitless and code != EXPIRED
