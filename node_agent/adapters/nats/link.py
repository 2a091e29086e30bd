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
both adapters, word for word, as do `declare.py`, `pull.py`, `publish.py` and `listen.py`; a test
compares.
"""

import itertools
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from events.connection import Connection
from events.errors import Misconfigured, Unavailable
from events.jetstream import Call

NO_RESPONDERS = "503"
BACKOFF_FIRST_S, BACKOFF_LAST_S = 0.05, 1.0
FLUSH_TIMEOUT_S = 1.0
PING_INTERVAL_S = 5
"""Three pings without an answer end a session whose server has vanished without a word."""

Handler = Callable[[Msg], Awaitable[None]]

log = logging.getLogger("dalsegno.bus")


class Closed(Exception):
    """`close` was called: every loop over the link ends."""


class NobodyAnswers(Unavailable):
    """There is a server, but nobody on it subscribes to the subject."""


class TooSlow(Unavailable):
    """No answer in time; it may still have taken effect."""


class Session:
    """One connection, from its start to its loss."""

    def __init__(self, client: Client, shown: str) -> None:
        self.lost = anyio.Event()
        self.bytes_max = client.max_payload
        self._client = client
        self._shown = shown
        self._numbers = itertools.count()
        self._inbox = client.new_inbox()
        self._answers: dict[str, _Answer] = {}
        self._waiting: set[anyio.Event] = set()

    async def start(self) -> None:
        await self._client.subscribe(f"{self._inbox}.*", cb=self._on_answer)

    async def send(self, subject: str, body: bytes, reply: str = "") -> None:
        """Hands a message to the connection; returns before the server has it."""
        if self.lost.is_set():
            raise Unavailable(f"the connection to NATS at {self._shown} is lost")
        try:
            await self._client.publish(subject, body, reply=reply)
        except (nats.errors.Error, OSError) as error:
            raise Unavailable(f"NATS at {self._shown} takes no message: {error}") from error

    async def ask(self, call: Call, timeout_s: float) -> bytes:
        """Returns the answer. Raises `NobodyAnswers`, `TooSlow`, `Unavailable` when the session
        ends."""
        token = str(next(self._numbers))
        self._answers[token] = answer = _Answer()
        try:
            await self.send(call.subject, call.body, f"{self._inbox}.{token}")
            with anyio.fail_after(timeout_s):
                await self.wait_for(answer.came)
        except TimeoutError:
            what = f"no answer to {call.subject} from NATS at {self._shown} within {timeout_s:g} s"
            raise TooSlow(what, unknown=True) from None
        finally:
            del self._answers[token]
        return self._read(answer.message, call.subject)

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

    async def wait_for(self, event: anyio.Event) -> None:
        """Waits until `event` is set or the session ends."""
        self._waiting.add(event)
        try:
            if not self.lost.is_set():
                await event.wait()
        finally:
            self._waiting.discard(event)

    def new_inbox(self) -> str:
        return self._client.new_inbox()

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

    async def _on_answer(self, message: Msg) -> None:
        if answer := self._answers.get(message.subject.rpartition(".")[2]):
            answer.message = message
            answer.came.set()

    def _read(self, message: Msg | None, subject: str) -> bytes:
        if message is None:
            raise Unavailable(f"the connection to NATS at {self._shown} was lost", unknown=True)
        if message.headers and message.headers.get("Status") == NO_RESPONDERS:
            raise NobodyAnswers(f"nobody answers on {subject} of NATS at {self._shown}")
        return message.data


class _Answer:
    __slots__ = ("came", "message")

    def __init__(self) -> None:
        self.came = anyio.Event()
        self.message: Msg | None = None


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
        return None if self._session is None or self._session.lost.is_set() else self._session

    def _living(self) -> Session | None:
        if self._closing.is_set():
            raise Closed
        return self.live()

    async def _open(self) -> None:
        session = await _connect(self._connection, self._servers, self._name)
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


class _Plain(nats.errors.Error):
    """The server offers no TLS, and secrets are for TLS only."""


class _Client(Client):
    """The library's client; with `tls_only` it says nothing to a server that does not speak TLS."""

    tls_only = False

    async def _process_info(
        self, info: dict[str, object], initial_connection: bool = False
    ) -> None:
        if initial_connection and self.tls_only and not info.get("tls_required"):
            raise _Plain("the server does not ask for TLS")
        await super()._process_info(info, initial_connection)


async def _connect(connection: Connection, servers: list[str], name: str) -> Session:
    tls = _tls(connection)
    client, sessions, problems = _Client(), list[Session](), list[Exception]()
    client.tls_only = connection.tls

    async def on_error(error: Exception) -> None:
        problems[:] = [error]
        log.debug("NATS at %s: %r", connection.shown, error)

    async def on_closed() -> None:
        for session in sessions:
            if not session.lost.is_set():
                log.warning("lost the connection to NATS at %s", connection.shown)
            session.end()

    try:
        with anyio.fail_after(connection.connect_timeout_s):
            await client.connect(
                servers=[*dict.fromkeys([*connection.urls, *servers])],
                name=name,
                error_cb=on_error,
                closed_cb=on_closed,
                tls=tls,
                user=connection.user or None,
                password=connection.password or None,
                token=connection.token or None,
                user_credentials=connection.credentials_file or None,
                inbox_prefix=connection.inbox_prefix,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                ping_interval=PING_INTERVAL_S,
                max_outstanding_pings=2,
            )
            session = Session(client, connection.shown)
            sessions.append(session)
            await session.start()
    except BaseException as error:
        await _abandon(client)
        if isinstance(error, (nats.errors.Error, OSError, ImportError)):
            raise _translated(error, problems, connection) from error
        raise
    return session


async def _abandon(client: Client) -> None:
    """Closes what a failed attempt has opened; the client asserts that it has begun to connect."""
    with anyio.move_on_after(FLUSH_TIMEOUT_S, shield=True):
        with suppress(AssertionError, nats.errors.Error, OSError):
            await client.close()


def _translated(
    error: Exception, problems: list[Exception], connection: Connection
) -> Unavailable | Misconfigured:
    """What a person can do about it: nothing but wait, or mend the configuration."""
    cause = problems[-1] if isinstance(error, nats.errors.NoServersError) and problems else error
    if isinstance(cause, ImportError):
        return Misconfigured("a credentials file of NATS needs the package 'nkeys': install it")
    if isinstance(cause, _Plain):
        return Misconfigured(f"NATS at {connection.shown} does not offer TLS: turn it on there")
    if "invalid" in str(cause):
        return Misconfigured(f"{connection.shown!r} is no address of NATS: write nats://host:port")
    if "authorization" in str(cause).lower():
        return Misconfigured(
            f"NATS at {connection.shown} refuses us: check user, password, token, credentials"
        )
    if isinstance(cause, ssl.SSLError):
        return Misconfigured(f"TLS with NATS at {connection.shown} fails: {cause}")
    detail = str(cause) or type(cause).__name__
    return Unavailable(f"NATS cannot be reached at {connection.shown} ({detail}): is it running?")


def _tls(connection: Connection) -> ssl.SSLContext | None:
    """Raises `Misconfigured` naming the file that is missing or is none of its kind."""
    authority, certificate = connection.tls_ca_file, connection.tls_certificate_file
    key, credentials = connection.tls_key_file, connection.credentials_file
    for file in filter(None, (authority, certificate, key, credentials)):
        if not Path(file).is_file():
            raise Misconfigured(f"the file {file!r} for the connection to NATS does not exist")
    if not connection.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=authority or None)
        if certificate:
            context.load_cert_chain(certificate, key or None)
    except ssl.SSLError as error:
        raise Misconfigured(f"the TLS files of NATS cannot be used: {error}") from error
    return context
