"""An API over a service that tests make up, served or asked in this process."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Self

import anyio
import msgspec
from litestar.types import ASGIApp

from events.views import RunView
from orchestrator.api.operations.all import Operations
from orchestrator.api.operations.operation import Begun, Operation
from orchestrator.api.server.app import About, Access, guarded, make_routes
from orchestrator.api.server.running import listen, serve, url_of
from orchestrator.api.shapes import Page, RunRow, RunStarted

DEADLINE_S = 20.0


def run_view(run_id: str = "r1", status: str = "running") -> RunView:
    return RunView(run_id=run_id, workflow="greet", workflow_version="v1", version=1, status=status)


def run_row(run_id: str, started_at: int = 1, status: str = "running") -> RunRow:
    return RunRow(
        run_id=run_id,
        workflow="greet",
        workflow_version="v1",
        status=status,
        version=1,
        shard=0,
        outstanding=0,
        ready=0,
        calls=0,
        parent="",
        started_at=started_at,
        updated_at=started_at,
    )


class FakeService(Operations):
    """Knows nothing but what a test gives it; keeps what it is asked."""

    def __init__(self) -> None:
        self.actors: list[str] = []
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.failure: Exception | None = None
        self.answers: dict[str, object] = {
            "start_run": RunStarted(run=run_view(), created=True),
            "show_run": run_view(),
            "list_runs": Page(items=(), next=None),
        }
        self.news: list[msgspec.Struct] = []
        self.more = anyio.Event()
        """Set, feeds end; until then they wait for more."""
        self.breaks: Exception | None = None
        """What feeds fail with behind their news."""
        self.begins = ""
        """The place that feeds begin behind."""
        self.open = 0
        self.closed = anyio.Event()
        """Set as soon as a feed is."""

    def acting(self, actor: str) -> Self:
        self.actors.append(actor)
        return self

    async def carry_out(self, operation: Operation, arguments: object) -> object:
        given = dict(arguments) if isinstance(arguments, dict) else {}
        self.asked.append((operation.id, given))
        if self.failure is not None:
            raise self.failure
        return self.answers[operation.id]

    @asynccontextmanager
    async def open_feed(
        self, operation: Operation, arguments: object
    ) -> AsyncIterator[AsyncIterator[msgspec.Struct]]:
        given = dict(arguments) if isinstance(arguments, dict) else {}
        self.asked.append((operation.id, given))
        if self.failure is not None:
            raise self.failure
        self.open += 1
        try:
            messages = self._news(str(given.get("last_event_id", "")))
            yield Begun(self.begins, messages) if self.begins else messages
        finally:
            self.open -= 1
            self.closed.set()

    async def _news(self, after: str) -> AsyncGenerator[msgspec.Struct]:
        for one in self.news:
            if not after or int(getattr(one, "id", "0")) > int(after):
                yield one
        if self.breaks is not None:
            raise self.breaks
        await self.more.wait()


class Relay:
    """Stands for the service of the test that runs: to make an application takes a while."""

    def __init__(self) -> None:
        self.service = FakeService()

    def acting(self, actor: str) -> Operations:
        return self.service.acting(actor)


@cache
def relayed() -> tuple[Relay, ASGIApp]:
    relay = Relay()
    return relay, make_routes(relay, About(release="9.9", clock=lambda: 0.0))


def make(service: FakeService, access: Access = Access()) -> ASGIApp:
    """One application for all tests; what it remembers of keys and counts it keeps."""
    relay, app = relayed()
    relay.service = service
    return guarded(app, access)


@asynccontextmanager
async def served(app: ASGIApp, port: int = 0) -> AsyncIterator[str]:
    """The address of a real server in this event loop, at a free port or at this one."""
    listener, stopping = listen("127.0.0.1", port), anyio.Event()
    url = url_of(listener)
    async with anyio.create_task_group() as group:
        group.start_soon(serve, app, listener, stopping)
        try:
            yield url
        finally:
            stopping.set()
