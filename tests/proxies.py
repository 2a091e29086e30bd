"""A TCP proxy that loses what it is told to lose: answers, requests, connections.

async with proxy_to(port) as proxy:
    proxy.swallow_answers()      # the next answer is thrown away and its connection cut
    proxy.hold_requests()        # what clients send stays here, until `deliver_held`
    proxy.drop_answers()         # answers vanish, connections stay open
    await proxy.cut()            # all connections end now
"""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import SocketAttribute, SocketStream

HOST = "127.0.0.1"
CHUNK = 65_536
GONE = (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream, OSError)


class Pair:
    """One client's connection and its other half to the server."""

    def __init__(self, client: SocketStream, server: SocketStream) -> None:
        self.client = client
        self.server = server
        self.held: list[bytes] = []
        self.leads_nowhere = False

    async def close_client(self) -> None:
        await anyio.aclose_forcefully(self.client)

    async def close(self) -> None:
        await anyio.aclose_forcefully(self.client)
        await anyio.aclose_forcefully(self.server)


class Proxy:
    """See the module's text. `swallowed` is set when an answer has been thrown away."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.swallowed = anyio.Event()
        self._target_port = target_port
        self._pairs: list[Pair] = []
        self._swallow = self._drop = self._hold = False

    def swallow_answers(self) -> None:
        self._swallow = True

    def drop_answers(self) -> None:
        self._drop = True

    def hold_requests(self) -> None:
        """What is sent on connections made meanwhile (to cancel, say) is lost."""
        self._hold = True

    def dsn(self, dsn: str) -> str:
        """The address of the same database through the proxy."""
        return dsn.replace(f":{self._target_port}/", f":{self.port}/")

    def pass_all(self) -> None:
        """From now on everything goes through; what is held stays held."""
        self._swallow = self._drop = self._hold = False

    async def cut(self) -> None:
        """Ends all connections on both sides."""
        for pair in self._pairs:
            await pair.close()

    async def cut_clients(self) -> None:
        """Ends the clients' connections; the server does not hear of it."""
        for pair in self._pairs:
            await pair.close_client()

    async def deliver_held(self) -> None:
        """Hands to the server what was held, as a slow network would; it may be gone by now."""
        for pair in self._pairs:
            for data in pair.held:
                with contextlib.suppress(*GONE):
                    await pair.server.send(data)
            pair.held.clear()

    async def serve_client(self, client: SocketStream) -> None:
        try:
            server = await anyio.connect_tcp(HOST, self._target_port)
        except OSError:
            await anyio.aclose_forcefully(client)
            return
        pair = Pair(client, server)
        pair.leads_nowhere = self._hold
        self._pairs.append(pair)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._requests, pair)
            tasks.start_soon(self._answers, pair)

    async def _requests(self, pair: Pair) -> None:
        with contextlib.suppress(*GONE):
            while True:
                data = await pair.client.receive(CHUNK)
                if pair.leads_nowhere:
                    continue
                if self._hold or pair.held:  # order is kept: what comes later waits too
                    pair.held.append(data)
                else:
                    await pair.server.send(data)
        if not pair.held:
            await pair.close()

    async def _answers(self, pair: Pair) -> None:
        with contextlib.suppress(*GONE):
            while True:
                data = await pair.server.receive(CHUNK)
                if self._swallow:
                    self.swallowed.set()
                    break
                if not self._drop:
                    await pair.client.send(data)
        if not pair.held:
            await pair.close()


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    """A proxy on a free port, in front of a port of this machine."""
    proxy = Proxy(port)
    async with (
        await anyio.create_tcp_listener(local_host=HOST) as listener,
        anyio.create_task_group() as tasks,
    ):
        proxy.port = listener.extra_attributes[SocketAttribute.local_port]()
        tasks.start_soon(listener.serve, proxy.serve_client)
        try:
            yield proxy
        finally:
            await proxy.cut()
            tasks.cancel_scope.cancel()
