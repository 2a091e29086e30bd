"""The link: one connection to NATS after another, each a session that ends with its connection.

Guarantee: whoever waits for `session()` gets a live one as soon as there is one; whatever was begun
in a session ends with it, at once and with `Unavailable`, and nothing is carried over to the next.

        ┌────────────── lost, refused: back off ──────────────┐
        ▼                                                     │
    connecting ──────► live (session) ────────────────────────┘
        └───────────────► closed ◄── close() ──┘

The client library can reconnect by itself; it is not used for that. It would keep what is published
while nobody listens and send it late, it gives up for good when credentials are refused, and
requests in flight would wait for their timeout. Here everybody notices at the same time and begins
anew, which is also the way back when streams have vanished meanwhile.

Node agent and orchestrator may not import each other, and `events` does no IO: this file lies in
both adapters, word for word, as do all of its kind that only move bytes; a test compares.
"""

import logging

import anyio

from events.connection import Connection
from events.errors import Misconfigured, Unavailable
from orchestrator.adapters.nats.connecting import connect
from orchestrator.adapters.nats.session import Session

BACKOFF_FIRST_S, BACKOFF_LAST_S = 0.05, 1.0

log = logging.getLogger("dalsegno.bus")


class Closed(Exception):
    """`close` was called: every loop over the link ends."""


class Link:
    """Opens sessions on demand and keeps the one that lives; any number of tasks may share it."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._session: Session | None = None
        self._opening = anyio.Lock()
        self._closing = anyio.Event()
        self._trouble = ""
        self._servers: list[str] = []

    @property
    def shown(self) -> str:
        return self._connection.shown

    @property
    def closed(self) -> bool:
        return self._closing.is_set()

    async def start(self) -> None:
        """Opens the first session. Raises `Unavailable`, or `Misconfigured` when it can never
        be."""
        async with self._opening:
            if self._living() is None:
                await self._open()

    async def session(self) -> Session:
        """Returns the live session, waiting for one. Raises `Closed`."""
        backoff_s = BACKOFF_FIRST_S
        while (session := self._living()) is None:
            async with self._opening:
                if self._living() is not None:
                    continue
                try:
                    await self._open()
                except (Unavailable, Misconfigured) as error:
                    self._tell(error)
                    await self.pause(backoff_s)
                    backoff_s = min(2 * backoff_s, BACKOFF_LAST_S)
        return session

    async def pause(self, seconds: float) -> None:
        """Waits, but not beyond `close`."""
        with anyio.move_on_after(seconds):
            await self._closing.wait()

    async def close(self) -> None:
        self._closing.set()
        if self._session is not None:
            await self._session.close()

    def live(self) -> Session | None:
        """The live session if there is one now."""
        return self._session if self._session is not None and self._session.lives else None

    def _living(self) -> Session | None:
        if self._closing.is_set():
            raise Closed
        return self.live()

    async def _open(self) -> None:
        session = await connect(self._connection, self._servers, self._name)
        if self._session is not None:
            self._session.end()
        self._session = session
        self._servers = session.servers
        self._trouble = ""
        log.info("connected to NATS at %s", self.shown)
        if self._closing.is_set():
            await session.close()

    def _tell(self, error: Unavailable | Misconfigured) -> None:
        """Once per trouble, not once per attempt."""
        if (text := str(error)) != self._trouble:
            self._trouble = text
            level = logging.ERROR if isinstance(error, Misconfigured) else logging.WARNING
            log.log(level, "%s; trying again until it is there", text)
