"""The network between the processes: TCP proxies of which each can be cut, held or slowed down.

A wire joins one process to one server. It runs in a thread of its own, so that nothing that a fault
waits for holds up the bytes of the others.

    open     bytes pass
    held     bytes of a direction wait here and nobody is told: a partition, as TCP sees one
    slowed   bytes pass later
    severed  connections end now, and new ones at once
"""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

HOST = "127.0.0.1"
CHUNK = 65_536
CALL_S = 10.0
BACKLOG = 100

Way = Literal["there", "back"]
"""`there`: to the server; `back`: its answers."""


class Wire:
    """One proxy. To be used by `Wires` only, in its loop's thread."""

    def __init__(self, listener: socket.socket, target_port: int) -> None:
        self.listener = listener
        self.port = int(listener.getsockname()[1])
        self.target_port = target_port
        self.delay_s = 0.0
        self.severed = False
        self.gates: dict[Way, asyncio.Event] = {"there": asyncio.Event(), "back": asyncio.Event()}
        self.pairs: set[tuple[socket.socket, socket.socket]] = set()
        self.open_all()

    def open_all(self) -> None:
        self.severed = False
        self.delay_s = 0.0
        for gate in self.gates.values():
            gate.set()

    def hang_up(self) -> None:
        for pair in self.pairs:
            for one in pair:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


class Wires:
    """All wires by name, such as `c1>nats2`."""

    def __init__(self) -> None:
        self._wires: dict[str, Wire] = {}
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_S)
        self._loop.close()
        for wire in self._wires.values():
            wire.listener.close()

    # -- from any thread --------------------------------------------------------------------------

    def add(self, name: str, target_port: int) -> int:
        """Makes a wire to a port of this machine; returns the port of its near end."""
        listener = socket.socket()
        listener.bind((HOST, 0))
        listener.listen(BACKLOG)
        listener.setblocking(False)
        self._call(self._add(name, listener, target_port))
        return self._wires[name].port

    def port(self, name: str) -> int:
        return self._wires[name].port

    def names(self) -> list[str]:
        return sorted(self._wires)

    def lead(self, name: str, target_port: int) -> None:
        """From now on new connections go to another port."""
        self._wires[name].target_port = target_port

    def hold(self, name: str, *ways: Way) -> None:
        gates = self._wires[name].gates
        for way in ways or ("there", "back"):
            self._loop.call_soon_threadsafe(gates[way].clear)

    def slow(self, name: str, delay_s: float) -> None:
        self._wires[name].delay_s = delay_s

    def sever(self, name: str) -> None:
        wire = self._wires[name]
        wire.severed = True
        self._loop.call_soon_threadsafe(wire.hang_up)

    def mend(self, name: str) -> None:
        self._loop.call_soon_threadsafe(self._wires[name].open_all)

    def mend_all(self) -> None:
        for name in self._wires:
            self.mend(name)

    # -- in the loop ------------------------------------------------------------------------------

    def _call(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_S)

    async def _add(self, name: str, listener: socket.socket, target_port: int) -> None:
        self._wires[name] = wire = Wire(listener, target_port)
        self._start(self._accept(wire))

    async def _stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, wire: Wire) -> None:
        while True:
            client, _ = await self._loop.sock_accept(wire.listener)
            client.setblocking(False)
            self._start(self._join(wire, client))

    async def _join(self, wire: Wire, client: socket.socket) -> None:
        with client, socket.socket() as server:
            server.setblocking(False)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = (client, server)
            wire.pairs.add(pair)
            try:
                with suppress(OSError):
                    await wire.gates["there"].wait()
                    if wire.severed:
                        return
                    await self._loop.sock_connect(server, (HOST, wire.target_port))
                    await self._pump_both(wire, pair)
            finally:
                wire.pairs.discard(pair)

    async def _pump_both(self, wire: Wire, pair: tuple[socket.socket, socket.socket]) -> None:
        client, server = pair
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(wire, "there", client, server))
            group.create_task(self._pump(wire, "back", server, client))

    async def _pump(self, wire: Wire, way: Way, source: socket.socket, sink: socket.socket) -> None:
        """The end of a connection travels as its bytes do: held as long as the wire is."""
        gate = wire.gates[way]
        with suppress(OSError):
            while data := await self._loop.sock_recv(source, CHUNK):
                if wire.delay_s:
                    await asyncio.sleep(wire.delay_s)
                await gate.wait()
                await self._loop.sock_sendall(sink, data)
        await gate.wait()
        for one, how in ((sink, socket.SHUT_RDWR), (source, socket.SHUT_RD)):
            with suppress(OSError):
                one.shutdown(how)
