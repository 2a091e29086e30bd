"""Followers of all kinds beside a cluster that is broken under load; then compared with the log.

    python -m tests.e2e.follower_story --events 100000 --writers 20

Writers start runs on two coordinators until the log has so many events. Meanwhile, at equal steps
of its growth, the next of these happens: a writer, an agent, a coordinator, the API, a follower of
each kind is killed (-9) and started again, and once Postgres and NATS are. In the end each follower
has every event of the log exactly once and in its order: `events tail` in its output file, a
consumer in its own database, the feed in its stream, a client of the API in a file; and the one
that keeps a named position, at least once.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio
import msgspec
import psycopg
from nats.aio.client import Client

from events.streams import Topology
from orchestrator.adapters.embedded.ports import free_port
from orchestrator.adapters.nats.client import connect
from orchestrator.adapters.postgres.schema import make_database
from tests.e2e.cluster import ROOT, Cluster, servers_only
from tests.e2e.follower_writer import story

TAIL, ONCE, NAMED, FEED, HTTP = "tail", "once", "named", "feed", "http"
FOLLOWERS = (TAIL, ONCE, NAMED, FEED, HTTP)
API = "api"
COORDINATORS = ("c1", "c2")
LOOK_S = 0.1
CATCH_UP_S, GROW_S = 120.0, 600.0
COMMAND = [sys.executable, "-m", "orchestrator.cli.main"]

Place = tuple[int, str, int]
"""Position, stream, version."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How large it is. `breaks`: how often something is killed, besides the servers."""

    events: int
    writers: int
    agents: int
    breaks: int
    seed: int = 1


class Figures(msgspec.Struct, kw_only=True):
    """What came of it."""

    events: int = 0
    seconds: float = 0.0
    caught_up_s: float = 0.0
    killed: Counter[str] = Counter()
    repeated: int = 0
    """Events that came again to the one that keeps a named position."""

    def __str__(self) -> str:
        kills = ", ".join(f"{name} {times}" for name, times in sorted(self.killed.items()))
        return (
            f"{self.events} events in {self.seconds:.1f} s ({self.events / self.seconds:.0f}/s); "
            f"followers at the end {self.caught_up_s:.1f} s later; killed: {kills}; "
            f"{self.repeated} came again to the named one"
        )


class Story:
    def __init__(self, it: Cluster, plan: Plan) -> None:
        self.it = it
        self.plan = plan
        self.own = f"{it.dsn.rpartition('/')[0]}/own"
        self.output = it.folder / "events.jsonl"
        self.lines = it.folder / "named.txt"
        self.told = it.folder / "http.txt"
        self.port = free_port()
        self.figures = Figures(killed=Counter())
        self._dice = random.Random(plan.seed)
        self._writers: list[str] = []
        self._made = 0

    # -- processes --------------------------------------------------------------------------------

    async def begin(self) -> None:
        for name in COORDINATORS:
            self.it.start_coordinator(name)
        for number in range(1, self.plan.agents + 1):
            self.it.start_agent(f"n{number}")
        make_database(self.it.dsn, "own")
        async with connect(self.it.connection, timeout_s=60) as client:
            await self.it.register(client, story())
        for name in (API, *FOLLOWERS):
            self.start(name)
        for _ in range(self.plan.writers):
            self.start_writer()

    def start(self, what: str) -> None:
        """A follower, or what serves one."""
        consumer = [sys.executable, "-m", "tests.e2e.follower_consumer"]
        cursor = str(self.it.folder / "cursor.json")
        kept = ["--follow", "--cursor", cursor, "--output", str(self.output)]
        commands = {
            TAIL: [*COMMAND, "events", "tail", *kept],
            FEED: [*COMMAND, "events", "feed", "--begin", "beginning"],
            ONCE: [*consumer, ONCE, self.it.dsn, self.own],
            NAMED: [*consumer, NAMED, self.it.dsn, str(self.lines)],
            HTTP: [*consumer, HTTP, f"http://127.0.0.1:{self.port}", str(self.told)],
            API: [*COMMAND, "api", "--port", str(self.port)],
        }
        self.it.spawn(what, commands[what], ROOT, self.it.environment())

    def start_writer(self) -> None:
        self._made += 1
        name = f"w{self._made}"
        module = [sys.executable, "-m", "tests.e2e.follower_writer", name, self.it.nats_url]
        self.it.spawn(name, module, ROOT, {})
        self._writers.append(name)

    def kill(self, what: str) -> None:
        """Kills one of a kind, and starts another."""
        self.figures.killed[what] += 1
        if what == "writer":
            name = self._writers.pop(self._dice.randrange(len(self._writers)))
            self.it.kill(name)
            self.start_writer()
        elif what == "coordinator":
            name = self._dice.choice(COORDINATORS)
            self.it.kill(name)
            self.it.start_coordinator(name)
        elif what == "agent":
            name = f"n{self._dice.randint(1, self.plan.agents)}"
            self.it.kill(name)
            self.it.start_agent(name)
        else:
            self.it.kill(what)
            self.start(what)

    async def kill_servers(self) -> None:
        """Both at once, as a host that dies takes them along."""
        self.figures.killed["servers"] += 1
        servers = (self.it.servers.postgres, self.it.servers.nats)
        for server in servers:
            await anyio.to_thread.run_sync(server.kill9)
        for server in servers:
            await anyio.to_thread.run_sync(server.start)
        for server in servers:
            await anyio.to_thread.run_sync(server.wait_ready)

    def supervise(self, *services: str) -> None:
        """What a host's supervisor does: a service that began as its database was away ends."""
        for name in filter(self.it.has_died, services):
            if name in COORDINATORS:
                self.it.start_coordinator(name)
            else:
                self.start(name)

    # -- the course -------------------------------------------------------------------------------

    async def play(self) -> None:
        await self.begin()
        began = time.monotonic()
        kinds = ["writer", TAIL, "coordinator", ONCE, API, NAMED, "agent", FEED, HTTP, TAIL, API]
        breaks = [kinds[number % len(kinds)] for number in range(self.plan.breaks)]
        breaks.insert(len(breaks) // 2, "servers")
        for number, what in enumerate(breaks, 1):
            await self.until_grown(self.plan.events * number // (len(breaks) + 1))
            print(f"{time.monotonic() - began:6.1f} s, {await self.last()} events: kills {what}")
            if what == "servers":
                await self.kill_servers()
            else:
                self.kill(what)
        await self.until_grown(self.plan.events)
        for name in (*self._writers, *COORDINATORS):
            self.it.kill(name)
        self.figures.seconds = time.monotonic() - began
        await self.until_caught_up()
        for name in (*FOLLOWERS, API):
            self.it.kill(name)
        await self.compare()

    async def until_grown(self, events: int) -> None:
        """Positions have gaps, where an append was killed: they only say when to count."""

        async def has_grown() -> bool:
            self.supervise(*COORDINATORS, API, FEED, TAIL)
            return await self.last() >= events and await self.count() >= events

        await until(has_grown, f"the log has {events} events", GROW_S)

    async def count(self) -> int:
        ((found,),) = await rows(self.it.dsn, "SELECT count(*) FROM dalsegno.events")
        assert isinstance(found, int)
        return found

    async def last(self) -> int:
        ((found,),) = await rows(
            self.it.dsn, "SELECT coalesce(max(notification_id), 0) FROM dalsegno.events"
        )
        assert isinstance(found, int)
        return found

    async def until_caught_up(self) -> None:
        """Until each follower says that it is at the end of the log, which grows no more."""
        began, end = time.monotonic(), await self.last()

        async def have_caught_up() -> bool:
            self.supervise(API, FEED, TAIL)
            return min((await self.places()).values()) >= end

        await until(have_caught_up, f"every follower is at {end}", CATCH_UP_S)
        self.figures.caught_up_s = time.monotonic() - began

    async def places(self) -> dict[str, int]:
        cursor = self.it.folder / "cursor.json"
        kept = json.loads(cursor.read_bytes()) if cursor.exists() else {"places": {}}
        statement = "SELECT name, position FROM dalsegno.subscription"
        named = {str(one): int(str(at)) for one, at in await rows(self.it.dsn, statement)}
        return {
            TAIL: kept["places"].get("main", {}).get("position", 0),
            NAMED: named.get("story", 0),
            FEED: named.get("nats:dalsegno", 0),
            ONCE: await self.own_position(),
            HTTP: max((position for position, _, _ in self.heard()), default=0),
        }

    async def own_position(self) -> int:
        try:
            ((found,),) = await rows(self.own, "SELECT max(position) FROM dalsegno_position")
        except psycopg.Error:
            return 0
        return int(str(found or 0))

    # -- what came of it --------------------------------------------------------------------------

    async def compare(self) -> None:
        log = [
            (int(str(at)), str(stream), int(str(version)))
            for at, stream, version in await rows(
                self.it.dsn,
                "SELECT notification_id, originator_id, originator_version FROM dalsegno.events"
                " ORDER BY notification_id",
            )
        ]
        self.figures.events = len(log)
        in_order_of_their_streams(log)
        same(TAIL, log, self.tailed())
        same(ONCE, log, await self.consumed())
        same(FEED, log, await self.fed())
        same(HTTP, log, self.heard())
        named = self.named()
        first = list(dict.fromkeys(named))
        self.figures.repeated = len(named) - len(first)
        same(NAMED, log, first)

    def tailed(self) -> list[Place]:
        found = map(json.loads, self.output.read_bytes().splitlines())
        return [(one["position"], one["stream"], one["version"]) for one in found]

    async def consumed(self) -> list[Place]:
        statement = "SELECT position, stream, version FROM seen ORDER BY place"
        return [(int(str(a)), str(b), int(str(c))) for a, b, c in await rows(self.own, statement)]

    def named(self) -> list[Place]:
        found = map(str.split, self.lines.read_text("utf-8").splitlines())
        return [(int(position), stream, int(version)) for position, stream, version in found]

    def heard(self) -> list[Place]:
        """Over the API: each line begins with the message's id."""
        found = self.told.read_text("utf-8") if self.told.exists() else ""
        parts = [line.split() for line in found[: found.rfind("\n") + 1].splitlines()]
        return [(int(position), stream, int(version)) for _, position, stream, version in parts]

    async def fed(self) -> list[Place]:
        """What its stream holds, in order."""
        client, subjects = Client(), Topology().subjects
        await client.connect(self.it.nats_url)
        try:
            stream = client.jetstream()
            total = (await stream.stream_info(subjects.feed_stream("main"))).state.messages
            reader = await stream.subscribe(subjects.feed("main", ">"), ordered_consumer=True)
            return [_place((await reader.next_msg(10)).data) for _ in range(total)]
        finally:
            await client.close()


def _place(data: bytes) -> Place:
    told = json.loads(data)
    return int(told["sequence"]), told["subject"], told["streamversion"]


def in_order_of_their_streams(log: Sequence[Place]) -> None:
    heads: dict[str, int] = {}
    for _, stream, version in log:
        assert version == heads.get(stream, 0) + 1, f"the log itself: {stream} {version}"
        heads[stream] = version


def same(who: str, log: Sequence[Place], found: Sequence[Place]) -> None:
    if list(found) == list(log):
        return
    missed, twice = Counter(log) - Counter(found), Counter(found) - Counter(log)
    at = next((n for n, pair in enumerate(zip(log, found, strict=False)) if pair[0] != pair[1]), -1)
    raise AssertionError(
        f"{who} has {len(found)} of {len(log)} events, differs at {at}; missed "
        f"{sorted(missed)[:5]} ({missed.total()}), too many {sorted(twice)[:5]} ({twice.total()})"
    )


async def until(look: Callable[[], Awaitable[bool]], what: str, within_s: float) -> None:
    with anyio.move_on_after(within_s):
        while True:
            if await look():
                return
            await anyio.sleep(LOOK_S)
    raise AssertionError(f"waited {within_s} s in vain until {what}")


async def rows(dsn: str, statement: str) -> list[tuple[object, ...]]:
    """Patiently: the server may be starting."""
    with anyio.fail_after(60):
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(dsn) as connection:
                    return await (await connection.execute(statement.encode())).fetchall()
            except psycopg.OperationalError:
                await anyio.sleep(LOOK_S)


def told(plan: Plan, folder: Path) -> Figures:
    """Plays it; raises `AssertionError` for a follower that is not as the log."""
    with servers_only(folder) as it:
        made = Story(it, plan)
        try:
            anyio.run(made.play)
        except BaseException:
            print(it.logs())
            raise
    return made.figures


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dalsegno-followers-") as name:
        yield Path(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--writers", type=int, default=20)
    parser.add_argument("--agents", type=int, default=2)
    parser.add_argument("--breaks", type=int, default=27)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    plan = Plan(
        events=given.events,
        writers=given.writers,
        agents=given.agents,
        breaks=given.breaks,
        seed=given.seed,
    )
    with _folder() as folder:
        print(told(plan, folder))


if __name__ == "__main__":
    main()
