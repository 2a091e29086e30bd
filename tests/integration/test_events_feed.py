"""The feed over NATS: events in order and once, through kills, wipes and a restored log."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import pytest
from cloudevents.http import from_json
from nats.aio.client import Client
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from events.connection import Connection
from events.envelope import Head, Stamp, Stored, seal
from events.errors import Conflict, Fenced
from events.ids import run_stream
from events.limits import FEED_IN_FLIGHT_MAX, FEED_MESSAGE_BYTES_MAX
from events.run_facts import RunCompleted
from events.streams import StreamLimits, Topology
from events.subjects import Subjects
from orchestrator.adapters.embedded import EmbeddedNats
from orchestrator.adapters.nats.feed import NatsFeed
from orchestrator.adapters.nats.link import Link
from orchestrator.adapters.postgres.holding import Holding
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import Lease
from orchestrator.insight.following import feeding as module
from orchestrator.insight.following.bells import Bells
from orchestrator.insight.following.feeding import Publisher
from orchestrator.insight.following.filters import Filter
from orchestrator.insight.following.publishing import Message
from tests.feeds import sieve
from tests.logs import AT, batch
from tests.postgres import Observer, until

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]
DAY_S = 86_400.0
DEADLINE_S = 20.0
LIMITS = StreamLimits(age_max_s=DAY_S, bytes_max=2**28)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_S", 0.05)
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    monkeypatch.setattr(module, "POLL_S", 0.05)


class Rig:
    """A log, a stream for it, and eyes of its own on the stream."""

    def __init__(
        self, store: PostgresStore, lease: Lease, server: EmbeddedNats, prefix: str
    ) -> None:
        self.store = store
        self.lease = lease
        self.connection = Connection(urls=(server.url,))
        self.topology = Topology(subjects=Subjects(prefix))
        self.stream = self.topology.feed("main", LIMITS)
        self.client = Client()
        self.written = 0

    async def write(self, count: int = 1, size: int = 1) -> None:
        for _ in range(count):
            self.written += 1
            await self.store.append(batch([self.lease], [history(self.written, size)]))

    def outlet(self, link: Link) -> NatsFeed:
        return NatsFeed(link, self.stream, self.topology.subjects.feed("main"))

    @asynccontextmanager
    async def publishing(
        self, filter_: Filter = Filter(), begin: int = 0
    ) -> AsyncIterator[Holding]:
        """A publisher at work; at the end it is as dead as by a kill."""
        async with AsyncExitStack() as stack:
            link = Link(self.connection, "feed")
            stack.push_async_callback(link.close)
            holding = Holding("nats:test", {"main": self.store}, 1.0, 0.05)
            await holding.make(filter_, lambda _: begin)
            await holding.wait(0.05)
            publisher = Publisher("main", self.store, self.outlet(link), DAY_S, lambda: AT)
            group = await stack.enter_async_context(anyio.create_task_group())
            group.start_soon(publisher.run, holding, sieve(holding.filter), Bells())
            stack.callback(group.cancel_scope.cancel)
            yield holding

    async def messages(self) -> list[RawStreamMsg]:
        """All that the stream holds, in order."""
        js = self.client.jetstream()
        try:
            info = await js.stream_info(self.stream.name)
        except NotFoundError:
            return []
        found = range(info.state.first_seq or 1, info.state.last_seq + 1)
        return [await js.get_msg(self.stream.name, seq) for seq in found if info.state.messages]

    async def ids(self) -> list[str]:
        return [json.loads(one.data or b"{}")["id"] for one in await self.messages()]

    async def has_saved_all(self) -> bool:
        (found,) = await self.store.subscriptions().all()
        return found.position == await self.store.last_position()

    async def until_has(self, ids: list[str]) -> None:
        async def has() -> bool:
            return await self.ids() == ids

        await until(has, f"the stream has {ids}")


def history(number: int, size: int = 1) -> Stored:
    head = Head(run_stream(f"r{number}"))
    return seal(head, RunCompleted(output="x" * size), f"e{number}", Stamp(recorded_at=AT))


@pytest.fixture
async def rig(
    store: PostgresStore, nats_server_private: EmbeddedNats, nats_prefix: str
) -> AsyncIterator[Rig]:
    (lease,) = await store.acquire([0], "a", 600.0)
    rig = Rig(store, lease, nats_server_private, nats_prefix)
    await rig.client.connect(nats_server_private.url)
    yield rig
    await rig.client.close()


async def test_events_stand_there_in_order_as_cloudevents(rig: Rig) -> None:
    await rig.write(3)
    async with rig.publishing():
        await rig.until_has(["e1", "e2", "e3"])
        await rig.write(2)
        await rig.until_has(["e1", "e2", "e3", "e4", "e5"])
    first = (await rig.messages())[0]
    assert first.subject == f"{rig.topology.subjects.prefix}.feed.main.run.completed.v1"
    assert first.headers is not None
    assert first.headers["content-type"] == "application/cloudevents+json"
    assert first.headers["Nats-Msg-Id"].startswith("main/")
    event = from_json(first.data or b"")
    assert (event["type"], event["subject"]) == ("dalsegno.run.completed.v1", "run:r1")


async def test_one_that_was_killed_goes_on_where_the_stream_ends(rig: Rig) -> None:
    """Whatever it had saved, and whatever had been stored unheard."""
    await rig.write(3)
    async with rig.publishing():
        await rig.until_has(["e1", "e2", "e3"])
    await rig.store.subscriptions().reset("nats:test", 0, Filter())
    await rig.write(2)
    async with rig.publishing():
        await rig.until_has(["e1", "e2", "e3", "e4", "e5"])


async def test_only_what_is_wanted_is_published_and_the_position_moves_on(rig: Rig) -> None:
    await rig.write(3)

    async with rig.publishing(Filter(runs=("r2", "r5"))):
        await rig.until_has(["e2"])
        await rig.write(3)
        await rig.until_has(["e2", "e5"])
        await until(rig.has_saved_all, "the position is at the end")


async def test_a_stream_that_is_wiped_at_work_is_filled_again(rig: Rig) -> None:
    await rig.write(3)
    async with rig.publishing():
        await rig.until_has(["e1", "e2", "e3"])
        await rig.client.jetstream().delete_stream(rig.stream.name)
        await rig.until_has(["e1", "e2", "e3"])
        await rig.client.jetstream().delete_stream(rig.stream.name)
        await rig.write(1)
        await rig.until_has(["e1", "e2", "e3", "e4"])


async def test_a_server_that_loses_all_its_disk_is_filled_again(
    rig: Rig, nats_server_private: EmbeddedNats
) -> None:
    await rig.write(3)
    async with rig.publishing():
        await rig.until_has(["e1", "e2", "e3"])
        await anyio.to_thread.run_sync(nats_server_private.kill9)
        await rig.write(2)
        await anyio.to_thread.run_sync(nats_server_private.wipe)
        await anyio.to_thread.run_sync(nats_server_private.start)
        await anyio.to_thread.run_sync(nats_server_private.wait_ready)
        await rig.until_has(["e1", "e2", "e3", "e4", "e5"])


async def test_what_has_left_it_is_not_published_again(rig: Rig) -> None:
    """By age, or because somebody has purged it: the stream is no new one."""
    await rig.write(2)
    async with rig.publishing():
        await rig.until_has(["e1", "e2"])
        await rig.client.jetstream().purge_stream(rig.stream.name)
        await rig.write(1)
        await rig.until_has(["e3"])
        await until(rig.has_saved_all, "the position is saved")
        await rig.client.jetstream().purge_stream(rig.stream.name)
    await rig.write(1)
    async with rig.publishing():
        await rig.until_has(["e4"])


async def test_it_is_not_filled_with_what_was_before_it_began(rig: Rig) -> None:
    await rig.write(3)
    async with rig.publishing(begin=2):
        await rig.until_has(["e3"])
        await rig.client.jetstream().delete_stream(rig.stream.name)
        await rig.until_has(["e3"])


async def test_of_two_at_once_one_is_refused_by_the_stream(rig: Rig) -> None:
    link = Link(rig.connection, "feed")
    outlet = rig.outlet(link)
    last = await outlet.last()
    one, other = (Message(id=name, kind="x.y.v1", body=b"{}") for name in ("a", "b"))
    assert await outlet.publish([one], last.sequence) == last.sequence + 1
    with pytest.raises(Conflict, match="wrong last sequence"):
        await outlet.publish([other], last.sequence)
    assert await outlet.publish([other], last.sequence + 1) == last.sequence + 2
    assert (await outlet.last()).sequence == last.sequence + 2
    await link.close()


async def test_one_that_was_replaced_stops_and_the_other_goes_on(rig: Rig) -> None:
    await rig.write(1)

    async def replaced() -> None:
        async with rig.publishing():
            await rig.until_has(["e1"])
            await rig.store.subscriptions().reset("nats:test", 0, Filter())
            await anyio.sleep(DEADLINE_S)

    with pytest.raises(ExceptionGroup) as stopped:
        await replaced()
    assert stopped.value.subgroup(Fenced) is not None
    await rig.write(1)
    async with rig.publishing():
        await rig.until_has(["e1", "e2"])


async def test_after_the_log_was_restored_from_a_backup_it_goes_on_from_there(
    rig: Rig, eyes: Observer
) -> None:
    """What the stream has beyond the backup stays in it; positions come again with other events."""
    await rig.write(4)
    async with rig.publishing():
        await rig.until_has(["e1", "e2", "e3", "e4"])
    await rig.store.subscriptions().reset("nats:test", 2, Filter())  # as the backup has it
    await eyes.do("DELETE FROM dalsegno.log_batch WHERE number > 2")
    await eyes.do("DELETE FROM dalsegno.events WHERE notification_id > 2")
    await eyes.do("SELECT setval('dalsegno.events_notification_id_seq', 2)")
    rig.written = 10
    await rig.write(3)
    async with rig.publishing():
        await rig.until_has(["e1", "e2", "e3", "e4", "e11", "e12", "e13"])


@pytest.mark.edge("FEED_MESSAGE_BYTES_MAX")
async def test_what_no_message_can_carry_says_where_it_is(rig: Rig) -> None:
    await rig.write(1, size=FEED_MESSAGE_BYTES_MAX)
    await rig.write(1)
    async with rig.publishing():
        await rig.until_has(["e1", "e2"])
    large = json.loads((await rig.messages())[0].data or b"{}")
    assert large["dataref"] == "urn:dalsegno:default:main:run:r1/1"
    assert "data" not in large


@pytest.mark.edge("FEED_IN_FLIGHT_MAX")
async def test_more_than_may_be_under_way_arrive_in_order(rig: Rig) -> None:
    link = Link(rig.connection, "feed")
    outlet = rig.outlet(link)
    last = await outlet.last()
    count = 2 * FEED_IN_FLIGHT_MAX + 1
    sent = [Message(id=f"m{n}", kind="x", body=f'{{"id":"m{n}"}}'.encode()) for n in range(count)]
    assert await outlet.publish(sent, last.sequence) == last.sequence + count
    assert await rig.ids() == [f"m{n}" for n in range(count)]
    assert (await outlet.last()).position == 0
    await link.close()
