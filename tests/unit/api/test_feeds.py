"""Feeds over a real server: resumed without a gap, closed when nobody listens, bounded."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing

import anyio
import httpx
import pytest
import websockets
from websockets.asyncio.client import connect

from events.errors import NotFound, Unavailable
from events.limits import API_FEEDS_MAX
from orchestrator.adapters.embedded.ports import free_port
from orchestrator.api.server import feeding, routes, running
from orchestrator.api.shapes import RunNews
from orchestrator.client import Client
from tests.api import DEADLINE_S, FakeService, make, run_row, served

pytestmark = pytest.mark.anyio
PATH = "/api/v1/feeds/runs"


def news(number: int) -> RunNews:
    return RunNews(id=str(number), run=run_row(f"r{number}"))


@pytest.fixture
async def service() -> FakeService:
    made = FakeService()
    made.news = [news(number) for number in (1, 2, 3)]
    return made


@pytest.fixture
async def url(service: FakeService) -> AsyncIterator[str]:
    with anyio.fail_after(DEADLINE_S):
        async with served(make(service)) as address:
            yield address
            service.more.set()


async def events(url: str, **headers: str) -> AsyncGenerator[dict[str, str], None]:
    """Server-sent events as they come, comments left out."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        httpx.AsyncClient(base_url=url, timeout=DEADLINE_S, trust_env=False) as client,
        client.stream("GET", PATH, headers=given) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if line and name:
                fields[name] = value
            elif "data" in fields:
                yield fields
                fields = {}


async def test_events_have_ids_a_name_and_json(service: FakeService, url: str) -> None:
    async with aclosing(events(url)) as found:
        first = await anext(found)

    assert (first["id"], first["event"]) == ("1", "run")
    assert json.loads(first["data"])["run"]["run_id"] == "r1"


async def test_a_feed_goes_on_behind_the_last_event_that_came(
    service: FakeService, url: str
) -> None:
    async with aclosing(events(url)) as found:
        seen = [await anext(found), await anext(found)]
    service.more.set()
    seen += [one async for one in events(url, Last_Event_ID=seen[-1]["id"])]

    assert [one.get("id", "end") for one in seen] == ["1", "2", "3", "end"]


async def test_a_feed_that_nobody_takes_is_closed(service: FakeService, url: str) -> None:
    async with aclosing(events(url)) as found:
        await anext(found)
        assert service.open == 1
    await service.closed.wait()


async def test_what_is_refused_is_refused_before_it_begins(service: FakeService, url: str) -> None:
    service.failure = NotFound("no such run")
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        response = await client.get(PATH)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_while_nothing_happens_something_is_sent_all_the_same(
    service: FakeService, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "KEEPALIVE_S", 0.05)
    service.news = []
    async with (
        httpx.AsyncClient(base_url=url, timeout=DEADLINE_S, trust_env=False) as client,
        client.stream("GET", PATH) as response,
    ):
        lines = response.aiter_lines()
        async for line in lines:
            if line == ": alive":
                break


@pytest.mark.edge("API_FEEDS_MAX")
async def test_so_many_feeds_are_open_at_a_time(
    service: FakeService, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One, in place of as many as `API_FEEDS_MAX` says, which the server is held to."""
    assert vars(routes)["API_FEEDS_MAX"] == API_FEEDS_MAX
    monkeypatch.setattr(routes, "API_FEEDS_MAX", 1)
    async with aclosing(events(url)) as found:
        await anext(found)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            response = await client.get(PATH)

    assert (response.status_code, response.json()["code"]) == (503, "unavailable")


# -- WebSocket ------------------------------------------------------------------------------------


async def test_a_socket_tells_the_same(service: FakeService, url: str) -> None:
    async with connect(f"{url.replace('http', 'ws')}{PATH[1:]}?after=1") as socket:
        told = [json.loads(await socket.recv()) for _ in service.news]
        service.more.set()
        with pytest.raises(websockets.ConnectionClosedOK) as closed:
            await socket.recv()

    assert [one["id"] for one in told] == ["1", "2", "3"]
    assert service.asked[0][1]["after"] == "1"
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.reason == "end"


async def test_a_socket_is_refused_with_the_status_in_its_code(
    service: FakeService, url: str
) -> None:
    service.failure = NotFound("no such run")
    async with connect(f"{url.replace('http', 'ws')}{PATH[1:]}") as socket:
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await socket.recv()

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4404, "no such run")


async def test_a_page_of_another_site_gets_no_socket(service: FakeService, url: str) -> None:
    with pytest.raises(websockets.InvalidStatus):
        await connect(
            f"{url.replace('http', 'ws')}{PATH[1:]}",
            additional_headers={"Origin": "https://evil.example"},
        )


async def test_a_socket_whose_client_goes_is_closed(service: FakeService, url: str) -> None:
    async with connect(f"{url.replace('http', 'ws')}{PATH[1:]}") as socket:
        await socket.recv()
        assert service.open == 1
    await service.closed.wait()


# -- the client -----------------------------------------------------------------------------------


async def test_the_client_follows_through_a_server_that_is_started_again(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second server is another one at the same port; what came is not told again."""
    monkeypatch.setattr(running, "STOP_S", 0)
    later = FakeService()
    later.news = [*service.news, news(4)]
    later.more.set()
    seen: list[str] = []
    port = free_port()
    with anyio.fail_after(DEADLINE_S):
        async with AsyncExitStack() as stack:
            async with served(make(service), port) as url:
                client = await stack.enter_async_context(Client.http(url))
                told = await stack.enter_async_context(client.follow_runs())
                seen += [(await anext(told)).id for _ in service.news]
            async with served(make(later), port):
                seen += [one.id async for one in told]

    assert seen == ["1", "2", "3", "4"]


async def test_the_client_comes_back_when_a_feed_breaks_off(service: FakeService, url: str) -> None:
    """What goes wrong in the middle is no end."""
    service.breaks = Unavailable("the log is away")
    async with Client.http(url) as client, client.follow_runs() as told:
        seen = [(await anext(told)).id for _ in service.news]
        await service.closed.wait()
        service.breaks = None
        service.news.append(news(4))
        service.more.set()
        seen += [one.id async for one in told]

    assert seen == ["1", "2", "3", "4"]
    assert service.asked[-1][1]["last_event_id"] == "3"


async def test_what_happens_before_the_first_message_is_not_missed(
    service: FakeService, url: str
) -> None:
    """A feed of what follows begins at the end; broken off at once, it goes on from there."""
    later, service.news = service.news, []
    service.begins, service.breaks = "1", Unavailable("the log is away")
    async with Client.http(url) as client, client.follow_runs() as told:
        await service.closed.wait()
        service.breaks, service.news = None, later
        service.more.set()
        seen = [one.id async for one in told]

    assert seen == ["2", "3"]


async def test_a_client_whose_patience_is_over_says_so(service: FakeService, url: str) -> None:
    service.breaks = Unavailable("the log is away")
    service.news = []
    async with Client.http(url, patience_s=0.2) as client, client.follow_runs() as told:
        with pytest.raises(Unavailable, match="broke off"):
            await anext(told)
