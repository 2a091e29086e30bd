"""The library's client, without its detours.

It hands each message to a task of its own for the subscription, and what is published to a task
that writes: two changes of task a message, where our handlers never wait and a write hardly ever
does. Here a handler is called as soon as its message is read, and what is published in one round of
the event loop is written at the end of it. While the socket takes no more, the library's own way
holds everything back.

The same file lies in the other process's adapter; see `link.py`.
"""

import asyncio
import logging
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.protocol.command import pub_cmd

LATER_S = 0.01
"""How long a message that is in no hurry waits for another that takes it along."""

log = logging.getLogger("dalsegno.bus")


class Plain(nats.errors.Error):
    """The server offers no TLS, and secrets are for TLS only."""


class DirectClient(Client):
    """With `tls_only` it says nothing to a server that does not speak TLS."""

    tls_only = False
    _is_due = False
    _later: asyncio.TimerHandle | None = None

    def send_later(self, subject: str, body: bytes) -> None:
        """Publishes with whatever is published next, or after `LATER_S`."""
        if self.is_closed:
            raise nats.errors.ConnectionClosedError
        self._pending.append(pub_cmd(subject, "", body))
        self._pending_data_size += len(self._pending[-1])
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(LATER_S, self._write)

    async def _process_info(
        self, info: dict[str, object], initial_connection: bool = False
    ) -> None:
        if initial_connection and self.tls_only and not info.get("tls_required"):
            raise Plain("the server does not ask for TLS")
        await super()._process_info(info, initial_connection)

    async def _process_pong(self) -> None:
        """The library fails on the answer to a ping that nobody waits for any more."""
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.Future()
        await super()._process_pong()

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        """What was not sent is dropped: over a connection that is broken the library would fail to
        send it, and leave its tasks running and everybody untold that it is closed."""
        self._pending, self._pending_data_size = [], 0
        await super()._close(status, do_cbs)

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None:
        subscription = self._subs.get(sid)
        handler = None if subscription is None else subscription._cb
        if handler is None:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        found = await self._process_headers(headers) if headers else None
        message = self._build_message(sid, subject, reply, data, found)
        try:
            await handler(message)
        except Exception:  # as the library: one message costs no other
            log.exception("a message on %s was not handled", message.subject)

    async def _flush_pending(self, force_flush: bool = False) -> Any:
        if force_flush or self._writer() is None:
            return await super()._flush_pending(force_flush)
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._write)
        return None

    def _writer(self) -> asyncio.StreamWriter | None:
        """None while the socket has not taken all that was written, when it is closed and the
        library has not noticed yet, or there is no plain one."""
        writer: asyncio.StreamWriter | None = getattr(self._transport, "_io_writer", None)
        if writer is None or not self.is_connected or writer.transport.is_closing():
            return None
        return None if writer.transport.get_write_buffer_size() else writer

    def _write(self) -> None:
        self._is_due = False
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if not self._pending:
            return
        writer = self._writer()
        if writer is not None:
            pending, self._pending, self._pending_data_size = self._pending, [], 0
            writer.writelines(pending)
        elif self._flush_queue is not None and self._flush_queue.empty():
            self._flush_queue.put_nowait(asyncio.Future())  # wakes the library's own writer
