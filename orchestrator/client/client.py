"""The client: every operation as a method, whatever way it goes.

    async with Client.http("http://127.0.0.1:8080") as client:
        started = await client.start_run("greet", input={"name": "you"})
        async with client.follow_run(started.run.run_id) as news:
            async for one in news:
                print(one.event.type)

    async with Client.nats("nats://127.0.0.1:4222", dsn="postgresql://…") as client: …

Over HTTP it needs an address and maybe a token; over NATS it is the service itself, which asks
coordinators and reads the log in Postgres. What an operation refuses is raised as the same error
either way.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import msgspec

from events.connection import Connection
from events.errors import DalsegnoError
from events.values import Value
from events.views import RunView
from orchestrator.adapters.http.connection import HttpConnection
from orchestrator.api.operations.all import Operations
from orchestrator.api.operations.operation import Feed, Operation
from orchestrator.api.shapes import Page
from orchestrator.client.direct import ANSWER_S, direct, fresh_id
from orchestrator.client.http import HttpTransport
from orchestrator.client.transport import InProcess, Transport
from orchestrator.config import Config, PostgresConfig

T = TypeVar("T")

URL = "http://127.0.0.1:8080"
TIMEOUT_S = 30.0
AT_ONCE = 10
WAIT_S = 30.0


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is to be started. `run_id`: the same again is the same run."""

    workflow: str
    input: Value = None
    run_id: str = ""


class Client(Operations):
    """Every operation of the API; made by `http`, `nats` or `over`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @classmethod
    @asynccontextmanager
    async def http(
        cls,
        url: str = URL,
        *,
        token: str = "",
        timeout_s: float = TIMEOUT_S,
        patience_s: float = TIMEOUT_S,
        app: object | None = None,
    ) -> AsyncIterator["Client"]:
        """Over HTTP. A request may take `timeout_s`, and is sent again for `patience_s` while
        nobody answers. `app`: an ASGI application in this process, for tests. Raises
        `Misconfigured` for what is no address."""
        async with HttpConnection(url, token, timeout_s, app) as connection:
            yield cls(HttpTransport(connection, fresh_id, timeout_s, patience_s))

    @classmethod
    @asynccontextmanager
    async def nats(
        cls, *urls: str, dsn: str = "", prefix: str = "dalsegno", actor: str = "user"
    ) -> AsyncIterator["Client"]:
        """Over NATS, and with `dsn` over Postgres: without it what has to be read from the log is
        refused as unavailable. Raises `Unavailable`, `Misconfigured`."""
        config = Config(
            postgres=PostgresConfig(dsn=dsn),
            nats=Connection(urls=urls or Connection().urls),
            prefix=prefix,
        )
        async with cls.over(config, actor=actor) as client:
            yield client

    @classmethod
    @asynccontextmanager
    async def over(
        cls, config: Config, *, answer_s: float = ANSWER_S, actor: str = "user"
    ) -> AsyncIterator["Client"]:
        """The same, for a configuration. Raises `Unavailable`, `Misconfigured`."""
        async with direct(config, answer_s, actor) as service:
            yield cls(InProcess(service))

    async def carry_out(self, operation: Operation, arguments: Mapping[str, object]) -> object:
        return await self._transport.carry_out(operation, arguments)

    def open_feed(
        self, operation: Operation, arguments: Mapping[str, object]
    ) -> Feed[msgspec.Struct]:
        return self._transport.open_feed(operation, arguments)

    # -- what takes several operations ------------------------------------------------------------

    async def run_to_end(self, start: Start, timeout_s: float | None = None) -> RunView:
        """Starts a run and returns it when it has ended, or as it is after `timeout_s`."""
        begun = await self.start_run(start.workflow, input=start.input, run_id=start.run_id)
        run_id = begun.run.run_id
        run = begun.run
        with anyio.move_on_after(timeout_s):
            while run.ended_at is None:
                run = await self.await_run(run_id, wait_s=WAIT_S)
            return run
        return await self.show_run(run_id)

    async def start_many(
        self, starts: Iterable[Start], at_once: int = AT_ONCE
    ) -> list[RunView | DalsegnoError]:
        """Starts runs, so many at a time; one result or error for each, in their order."""
        wanted = list(starts)
        found: dict[int, RunView | DalsegnoError] = {}
        limiter = anyio.CapacityLimiter(at_once)

        async def begin(place: int, start: Start) -> None:
            async with limiter:
                try:
                    begun = await self.start_run(
                        start.workflow, input=start.input, run_id=start.run_id
                    )
                    found[place] = begun.run
                except DalsegnoError as error:
                    found[place] = error

        async with anyio.create_task_group() as group:
            for place, start in enumerate(wanted):
                group.start_soon(begin, place, start)
        return [found[place] for place in range(len(wanted))]


async def every(page: Callable[[str], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """All items of a list, page after page:

    async for run in every(lambda cursor: client.list_runs(cursor=cursor)): …
    """
    cursor: str | None = ""
    while cursor is not None:
        found = await page(cursor)
        for item in found.items:
            yield item
        cursor = found.next
