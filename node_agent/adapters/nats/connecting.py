"""Connecting to NATS once, and telling what waiting can mend from what a person has to.

The same file lies in the other process's adapter; see `link.py`.
"""

import logging
import ssl
from contextlib import suppress
from pathlib import Path

import anyio
import nats.errors

from events.connection import Connection
from events.errors import Misconfigured, Unavailable
from node_agent.adapters.nats.direct import DirectClient, Plain
from node_agent.adapters.nats.session import FLUSH_TIMEOUT_S, Session

PING_INTERVAL_S = 5
"""Three pings without an answer end a session whose server has vanished without a word."""

log = logging.getLogger("dalsegno.bus")


async def connect(connection: Connection, servers: list[str], name: str) -> Session:
    """Returns a session with one of the connection's servers, or of `servers`, which it told of
    earlier. Raises `Unavailable`, or `Misconfigured` when it can never be."""
    tls = _tls(connection)
    client, sessions, problems = DirectClient(), list[Session](), list[Exception]()
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


async def _abandon(client: DirectClient) -> None:
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
    if isinstance(cause, Plain):
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
