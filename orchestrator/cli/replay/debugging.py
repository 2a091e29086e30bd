"""The edge of the debug adapter: bytes in and out, files, logs and time; all else is in `dap`.

One session for each client. Messages are taken one after the other; while one waits for a history
to be read the next ones wait in the connection. A client that connects to a port may be anybody on
this host: it reads only files below the folder that the process was started in, and executes none.
"""

import os
import select
import sys
from contextlib import AsyncExitStack, suppress
from typing import Protocol

import anyio
import anyio.abc
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from events.catalogue import Catalogue
from events.errors import DalsegnoError, Misconfigured, Rejected, Unavailable
from events.limits import DAP_CONNECTIONS_MAX, DAP_MESSAGES_AHEAD_MAX
from orchestrator.adapters.archives.opening import open_file
from orchestrator.adapters.cel import CelExpressions
from orchestrator.cli.common import Common
from orchestrator.cli.events.files import chosen
from orchestrator.cli.replay.dap_files import Reach, config_in, same_file, texts_of
from orchestrator.cli.stores import open_logs
from orchestrator.cli.times import now
from orchestrator.config import Config
from orchestrator.dap.arguments import Attach
from orchestrator.dap.foreseeing import command_of, preview_of, wish_of
from orchestrator.dap.framing import Framer, NoFrame, TooLong, framed
from orchestrator.dap.messages import Outbox
from orchestrator.dap.opening import Opener
from orchestrator.dap.requests import take
from orchestrator.dap.session import Phase, Session
from orchestrator.dap.wants import Change, Foresee, Fork, OpenCalled, OpenRun
from orchestrator.kernel.env import Env
from orchestrator.replay.ports import History
from orchestrator.replay.recording import extend
from orchestrator.replay.what_if.forks import foresee

POLL_S = 0.3
"""Between two looks whether a run has gone on, while a client waits for that."""
CHUNK = 65_536
HOST = "127.0.0.1"
Came = bytes | TooLong | NoFrame


class Wire(Protocol):
    """Bytes of one client."""

    async def receive(self) -> bytes:
        """Some; none when there will be no more."""

    async def send(self, data: bytes) -> None: ...


# -- clients ---------------------------------------------------------------------------------------


async def serve_standard(common: Common, files: tuple[str, ...]) -> None:
    """Serves the process that has started this one, until it has gone."""
    with _Standard() as wire:
        await Serving(wire, Reach(common, files, is_trusted=True)).run()


async def serve_port(
    common: Common,
    files: tuple[str, ...],
    port: int,
    *,
    task_status: TaskStatus[int] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serves clients that connect, until it is ended; has begun with the port that it listens at.
    Raises `Misconfigured`."""
    try:
        listener = await anyio.create_tcp_listener(local_host=HOST, local_port=port)
    except (OSError, OverflowError) as error:
        raise Misconfigured(f"--port {port}: {error}") from error
    reach = Reach(common, files, is_trusted=False)
    limiter = anyio.CapacityLimiter(DAP_CONNECTIONS_MAX)
    bound = listener.extra_attributes[anyio.abc.SocketAttribute.local_port]()
    print(f"listening at {HOST}:{bound}", flush=True)
    task_status.started(bound)

    async def connected(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            wire = _Connection(stream)
            try:
                limiter.acquire_on_behalf_of_nowait(stream)
            except anyio.WouldBlock:
                await _turn_away(wire)
                return
            try:
                await Serving(wire, reach).run()
            finally:
                limiter.release_on_behalf_of(stream)

    async with listener:
        await listener.serve(connected)


async def _turn_away(wire: Wire) -> None:
    told: list[bytes] = []
    out = Outbox(told.append)
    out.tell(
        f"{DAP_CONNECTIONS_MAX} debug clients are connected already: end one of them, or start "
        "another `dalsegno dap`",
        "important",
    )
    out.event("terminated")
    for one in told:
        await wire.send(framed(one))


class _Connection:
    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream

    async def receive(self) -> bytes:
        try:
            return await self._stream.receive(CHUNK)
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return b""

    async def send(self, data: bytes) -> None:
        with suppress(anyio.BrokenResourceError):
            await self._stream.send(data)


class _Standard:
    """Standard input and output. Whatever else prints goes to standard error meanwhile: a workflow
    in Python may.

    A thread waits for input, and the process ends only after it. So it waits for the end of the
    session too, which is a pipe whose other end is closed: an editor may keep ours open after it
    has disconnected, until we are gone.
    """

    def __init__(self) -> None:
        self._in = self._out = self._over = self._going = -1

    def __enter__(self) -> "_Standard":
        sys.stdout.flush()
        self._in, self._out = os.dup(0), os.dup(1)
        self._over, self._going = os.pipe()
        os.dup2(2, 1)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._going)
        sys.stdout.flush()
        os.dup2(self._out, 1)
        os.close(self._out)

    async def receive(self) -> bytes:
        return await anyio.to_thread.run_sync(self._read, abandon_on_cancel=True)

    def _read(self) -> bytes:
        there, _, _ = select.select([self._in, self._over], [], [])
        return b"" if self._over in there else os.read(self._in, CHUNK)

    async def send(self, data: bytes) -> None:
        with suppress(BrokenPipeError):
            await anyio.to_thread.run_sync(_write_all, self._out, data)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


# -- one session -----------------------------------------------------------------------------------


class Serving:
    """Drives a session with what comes over a wire."""

    def __init__(self, wire: Wire, reach: Reach) -> None:
        self._wire = wire
        self._reach = reach
        self._going: list[bytes] = []
        self.session = Session(CelExpressions(), same_file, self._going.append)
        self._opener: Opener | None = None
        self._config: Config | None = None
        """Of the cluster, where a run of its log is looked at."""
        self._stack = AsyncExitStack()
        self._references = 0
        self._trouble = ""

    async def run(self) -> None:
        """Until the client has disconnected, or has gone."""
        send, receive = anyio.create_memory_object_stream[Came](DAP_MESSAGES_AHEAD_MAX)
        async with self._stack, anyio.create_task_group() as group:
            group.start_soon(self._read, send)
            async with receive:
                await self._serve(receive)
            group.cancel_scope.cancel()

    async def _read(self, send: MemoryObjectSendStream[Came]) -> None:
        framer = Framer()
        async with send:
            while data := await self._wire.receive():
                try:
                    for body in framer.feed(data):
                        await send.send(body)
                except NoFrame as error:
                    await send.send(error)
                    return

    async def _serve(self, receive: MemoryObjectReceiveStream[Came]) -> None:
        session = self.session
        while session.phase is not Phase.DONE:
            await self._flush()
            if session.want is not None:
                await self._do()
                continue
            if session.is_busy:
                session.work()
            try:
                body = await self._next(receive)
            except anyio.EndOfStream:
                return
            if isinstance(body, NoFrame):
                session.out.refuse(0, "", body)
                break
            if body is not None:
                take(session, body)
        await self._flush()

    async def _next(self, receive: MemoryObjectReceiveStream[Came]) -> Came | None:
        """The next message; None where there is something else to do first."""
        session = self.session
        await anyio.lowlevel.checkpoint()
        if session.is_busy or session.want is not None or self._going:
            with suppress(anyio.WouldBlock):
                return receive.receive_nowait()
            return None
        if session.phase is not Phase.MOVING:
            return await receive.receive()
        with anyio.move_on_after(POLL_S):
            return await receive.receive()
        await self._look()
        return None

    async def _flush(self) -> None:
        going, self._going[:] = list(self._going), []
        for one in going:
            await self._wire.send(framed(one))

    # -- what a session wants ---------------------------------------------------------------------

    async def _do(self) -> None:
        session = self.session
        try:
            match session.want:
                case OpenRun(request=request, attach=attach):
                    opener, run_id = await self._open(attach)
                    session.opened(request, await opener.open(run_id))
                case OpenCalled(run_id=run_id) if self._opener is not None:
                    session.opened(None, await self._opener.open(run_id))
                case Foresee(change=change) as wanted:
                    session.foreseen(wanted, await self._foresee(change))
                case Fork(change=change) as wanted:
                    session.forked(wanted, await self._fork(change))
                case _:
                    pass
        except DalsegnoError as error:
            session.refused(error)

    async def _open(self, attach: Attach) -> tuple[Opener, str]:
        """The history that a client attaches to, and the run in it that is meant."""
        folder = self._reach.folder(attach.folder)
        texts = await anyio.to_thread.run_sync(texts_of, self._reach, attach, folder)
        run_id = attach.run
        history: History
        if attach.file:
            path = self._reach.file(attach.file, folder)
            file = self._stack.enter_context(await open_file(path))
            history, run_id = file, chosen(file.info, attach.run)
        else:
            self._config = config_in(self._reach.common, folder)
            store = await open_logs(self._config)
            history = await self._stack.enter_async_context(store)
        self._opener = Opener(history, Catalogue(), texts, self._number)
        return self._opener, run_id

    async def _foresee(self, change: Change) -> str:
        """What a fork would do. Raises `Rejected`: it cannot be, or not there."""
        if self._opener is None or self._config is None:
            raise Rejected(
                f"run {change.run_id} is in a file, and forks are made in a cluster: `dalsegno "
                "events import` brings it into one"
            )
        env = Env(now=now(), expressions=CelExpressions(), limits=self._config.limits)
        found = await foresee(self._opener.history, wish_of(change), env)
        return preview_of(found, change)

    async def _fork(self, change: Change) -> str:
        """Begins a fork, and gives its id. Raises `Rejected`, `Unavailable`."""
        if not self._reach.is_trusted or self._config is None:
            raise Rejected(f"who connects to a port only looks: use `{command_of(change)}`")
        from orchestrator.cli.run.forking import begun  # much, and hardly ever wanted

        return await begun(self._config, change.run_id, change.version, change.variables)

    def _number(self) -> int:
        self._references += 1
        return self._references

    async def _look(self) -> None:
        """Whether runs have gone on."""
        if self._opener is None:
            return
        try:
            for replica in self.session.follows:
                if await extend(replica.recording, self._opener.history):
                    self.session.grown()
            self._trouble = ""
        except Unavailable as error:
            if self._trouble != str(error):
                self._trouble = str(error)
                self.session.out.tell(f"{error}; trying again until it is there", "important")
