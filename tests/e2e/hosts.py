"""Hosts of a cluster on one machine, each of which can be cut off from the others and come back.

`NamespaceHosts` are network namespaces, each with a cable to a switch in a namespace of its own:
the machine's own network is not touched. It takes root. `LoopbackHosts` have an address each in
127/8 and no privilege; being cut off is played by what forwards for them.

Both servers listen on loopback only, so a forwarder hands on what comes for them from outside:

    namespaces   agent ── veth ── switch ── veth ── 10.203.0.1:port, forwarder ── 127.0.0.1:port
    loopback     agent ── 127.0.203.N:port, forwarder of host N ── 127.0.0.1:port
"""

import asyncio
import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

LOCAL = "127.0.0.1"
SERVERS = "servers"
CLONE_NEWNET = 0x40000000
CHUNK = 65_536
PREFIX = "dalsegno-hosts"

Work = Coroutine[object, object, None]


class Hosts(Protocol):
    """What a test does with hosts. `SERVERS` is the one of Postgres and NATS."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    @contextmanager
    def on(self, host: str) -> Iterator[None]:
        """What this thread opens and starts inside the block belongs to the host."""

    def forward(self, ports: Sequence[int]) -> None:
        """Makes ports of the servers reachable from all hosts."""

    def seen_from(self, host: str, address: str) -> str:
        """The address of a server, a URL with the loopback address in it, for a host."""

    def cut(self, host: str) -> None:
        """Nothing gets to the host or away from it; nobody is told."""

    def mend(self, host: str) -> None: ...


class Forwarder:
    """Hands on bytes from one address to the same ports on loopback, in a thread of its own."""

    def __init__(self, address: str, ports: Sequence[int]) -> None:
        self._sockets = [_listening(address, port) for port in ports]
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"to {address}")
        self._thread.start()
        self._call(self._serve())

    def hold(self) -> None:
        """Passes nothing on from now on; connections stay, and what was sent arrives later."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self._open.set)

    def close(self) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        for one in self._sockets:
            one.close()

    def _call(self, work: Work) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _serve(self) -> None:
        for one in self._sockets:
            self._start(self._accept(one))

    async def _stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Work) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket) -> None:
        port = listener.getsockname()[1]
        while True:
            client, _ = await self._loop.sock_accept(listener)
            client.setblocking(False)
            self._start(self._connect(client, port))

    async def _connect(self, client: socket.socket, port: int) -> None:
        with client, socket.socket() as server:
            server.setblocking(False)
            with suppress(OSError):
                await self._open.wait()
                await self._loop.sock_connect(server, (LOCAL, port))
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(client, server))
                    group.create_task(self._pump(server, client))

    async def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := await self._loop.sock_recv(source, CHUNK):
                await self._open.wait()
                await self._loop.sock_sendall(sink, data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def _listening(address: str, port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, port))
    made.listen(100)
    made.setblocking(False)
    return made


class LoopbackHosts:
    """Addresses of this machine's loopback, from which everybody goes through a forwarder."""

    def __init__(self, names: Sequence[str]) -> None:
        self._addresses = {
            name: f"127.0.203.{number}" for number, name in enumerate((SERVERS, *names), start=1)
        }
        self._forwarders: dict[str, Forwarder] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for forwarder in self._forwarders.values():
            forwarder.close()

    @contextmanager
    def on(self, host: str) -> Iterator[None]:
        assert host in self._addresses
        yield

    def forward(self, ports: Sequence[int]) -> None:
        for name, address in self._addresses.items():
            self._forwarders[name] = Forwarder(address, ports)

    def seen_from(self, host: str, address: str) -> str:
        return address.replace(LOCAL, self._addresses[host])

    def cut(self, host: str) -> None:
        self._forwarders[host].hold()

    def mend(self, host: str) -> None:
        self._forwarders[host].release()


class NamespaceHosts:
    """Network namespaces, made and removed by iproute2."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = (SERVERS, *names)
        self._prefix = f"{PREFIX}-{os.getpid()}"
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        remove_strays()
        with self._undo as undo:
            self._add("switch")
            self._ip("switch", "link", "add", "br0", "type", "bridge")
            self._ip("switch", "link", "set", "br0", "up")
            for number, name in enumerate(self._names, start=1):
                self._plug_in(name, number)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _add(self, name: str) -> None:
        ip("netns", "add", self._full(name))
        self._undo.callback(ip, "netns", "delete", self._full(name))

    def _plug_in(self, name: str, number: int) -> None:
        self._add(name)
        cable = ("eth0", "type", "veth", "peer", "name", name, "netns", self._full("switch"))
        self._ip(name, "link", "add", *cable)
        self._ip(name, "address", "add", f"10.203.0.{number}/24", "dev", "eth0")
        self._ip(name, "link", "set", "lo", "up")
        self._ip(name, "link", "set", "eth0", "up")
        self._ip("switch", "link", "set", name, "master", "br0", "up")

    @contextmanager
    def on(self, host: str) -> Iterator[None]:
        """Threads and processes inherit the namespace of the thread that starts them."""
        with (
            Path("/proc/thread-self/ns/net").open("rb") as before,
            Path("/run/netns", self._full(host)).open("rb") as there,
        ):
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def forward(self, ports: Sequence[int]) -> None:
        with self.on(SERVERS):
            forwarder = Forwarder("10.203.0.1", ports)
        self._undo.callback(forwarder.close)

    def seen_from(self, host: str, address: str) -> str:
        return address if host == SERVERS else address.replace(LOCAL, "10.203.0.1")

    def cut(self, host: str) -> None:
        """Pulls the cable at the switch."""
        self._ip("switch", "link", "set", host, "down")

    def mend(self, host: str) -> None:
        self._ip("switch", "link", "set", host, "up")

    def _full(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def _ip(self, namespace: str, *arguments: str) -> None:
        ip("-netns", self._full(namespace), *arguments)


def ip(*arguments: str) -> str:
    done = subprocess.run(
        ["ip", *arguments], capture_output=True, text=True, timeout=10, check=False
    )
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def remove_strays() -> None:
    """Removes the namespaces of tests that were killed before they could."""
    for line in ip("netns", "list").splitlines():
        name = line.split()[0]
        owner = name.removeprefix(f"{PREFIX}-").partition("-")[0]
        if name != owner and owner.isdecimal() and not Path("/proc", owner).exists():
            with suppress(OSError):
                ip("netns", "delete", name)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns failed")


def namespaces_are_likely() -> bool:
    """Whether hosts of the better kind are worth a try: the same whenever it is asked, as what
    tests there are has to be for all that run a part of them."""
    return os.geteuid() == 0 and shutil.which("ip") is not None


@cache
def namespaces_are_allowed() -> bool:
    """Whether this user, on this machine, may make hosts of the better kind."""
    if not namespaces_are_likely():
        return False
    try:
        with NamespaceHosts(["try"]) as hosts, hosts.on("try"):
            return True
    except (OSError, subprocess.SubprocessError):
        return False
