"""Feeds: what happens, told as soon as it is committed.

Guarantee. A feed that is begun again with the id of the last message it was told goes on after it:
nothing is missed. Events come once; rows of runs come at least once for each change, as they are
when they are told.

    read ── a full page ──► read
      └──── the end ──────► wait ── a bell, or a poll ──► read

The id of a message is the place up to which everything has been told: of one log its position, of
several the position of each, `east:1200,west:80`.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase

import anyio
import msgspec

from events.catalogue import Catalogue
from events.envelope import Stored
from events.ids import run_stream
from orchestrator.api.errors import InvalidRequest
from orchestrator.api.service.answers import no_run
from orchestrator.api.service.events import shown
from orchestrator.api.service.ports import Log, Ports, Tail
from orchestrator.api.service.runs import row_shown
from orchestrator.api.shapes import EventNews, RunNews
from orchestrator.insight.follow import PAGE, Bell
from orchestrator.kernel.state import TERMINAL
from orchestrator.replay.ports import IndexRow

POLL_S = 1.0
RUN_STREAMS = run_stream("")

WORKFLOWS_KNOWN_MAX = 10_000

Places = dict[str, int]


class Following:
    """Follows all logs from a place on, each in its order. They take turns."""

    def __init__(self, tails: Mapping[str, Tail], bells: Mapping[str, Bell], places: Places):
        self._tails = tails
        self._bells = bells
        self.places = places

    async def pages(self) -> AsyncIterator[tuple[str, list[Stored]]]:
        """Pages that are not empty, each with the name of its log, without end. `places` are those
        up to which everything is in the pages before."""
        while True:
            grown = False
            for name, tail in self._tails.items():
                page = await (await tail.part()).read_log(self.places[name], PAGE)
                if page:
                    grown = True
                    yield name, page
                    self.places[name] = page[-1].position or self.places[name]
            if not grown:
                await _any_rings(self._bells, self.places)


@asynccontextmanager
async def following(ports: Ports, after: str) -> AsyncIterator[Following]:
    """Raises `InvalidRequest` for a place that is none, `Unavailable`."""
    tails = ports.tails
    bells = {name: tail.join() for name, tail in tails.items()}
    try:
        yield Following(tails, bells, await _places(tails, after))
    finally:
        for name, tail in tails.items():
            tail.leave(bells[name])


async def _any_rings(bells: Mapping[str, Bell], places: Places) -> None:
    """Waits until one of them rings, or for the time of a poll."""
    async with anyio.create_task_group() as group:

        async def wait(name: str) -> None:
            await bells[name].wait(places[name], POLL_S)
            group.cancel_scope.cancel()

        for name in bells:
            group.start_soon(wait, name)


async def _places(tails: Mapping[str, Tail], after: str) -> Places:
    """Raises `InvalidRequest` for a place that is none."""
    if not after:
        return {name: await (await tail.part()).last_position() for name, tail in tails.items()}
    if len(tails) == 1 and after.isdecimal():
        return dict.fromkeys(tails, int(after))
    found = dict.fromkeys(tails, 0)
    for part in after.split(","):
        name, _, position = part.rpartition(":")
        if name not in found or not position.isdecimal():
            known = ",".join(f"{one}:POSITION" for one in tails)
            expected = known if len(tails) > 1 else "a position such as 1200"
            raise InvalidRequest(f"after is {after!r}: expected {expected}")
        found[name] = int(position)
    return found


def place_text(places: Places) -> str:
    if len(places) == 1:
        return str(next(iter(places.values())))
    return ",".join(f"{name}:{position}" for name, position in places.items())


class RunsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs are told of; empty: all."""

    status: str = ""
    workflow: str = ""

    def has(self, row: IndexRow) -> bool:
        return self.status in ("", row.status) and self.workflow in ("", row.workflow)


@asynccontextmanager
async def follow_runs(
    ports: Ports, wanted: RunsWanted, after: str
) -> AsyncIterator[AsyncIterator[RunNews]]:
    async with following(ports, after) as log:
        yield _run_news(ports, wanted, log)


async def _run_news(ports: Ports, wanted: RunsWanted, log: Following) -> AsyncIterator[RunNews]:
    """Of a run that several events of a page are about, the row once. The id of all but the last
    message of a page is the place before it."""
    async for name, page in log.pages():
        before = place_text(log.places)
        last = place_text(log.places | {name: page[-1].position or 0})
        ids = dict.fromkeys(_run_id(one) for one in page if _is_run(one))
        rows = [row for run_id in ids if (row := await ports.log.index_row(run_id)) is not None]
        told = [row for row in rows if wanted.has(row)]
        for number, row in enumerate(told, 1):
            yield RunNews(id=last if number == len(told) else before, run=row_shown(row))


def _is_run(stored: Stored) -> bool:
    return stored.stream.startswith(RUN_STREAMS)


def _run_id(stored: Stored) -> str:
    return stored.stream.removeprefix(RUN_STREAMS)


class EventsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which events are told of; empty: all. `type`: with `*` for anything."""

    type: str = ""
    workflow: str = ""


@asynccontextmanager
async def follow_events(
    ports: Ports, wanted: EventsWanted, after: str
) -> AsyncIterator[AsyncIterator[EventNews]]:
    async with following(ports, after) as log:
        yield _event_news(ports, wanted, log)


async def _event_news(
    ports: Ports, wanted: EventsWanted, log: Following
) -> AsyncIterator[EventNews]:
    catalogue, several = Catalogue(), len(ports.tails) > 1
    workflows = Workflows(ports.log)
    async for name, page in log.pages():
        for stored in page:
            if wanted.type and not fnmatchcase(stored.type, wanted.type):
                continue
            if wanted.workflow and await workflows.of(stored) != wanted.workflow:
                continue
            event = shown(stored, catalogue, name if several else "")
            yield EventNews(id=place_text(log.places | {name: stored.position or 0}), event=event)


class Workflows:
    """Of which workflow the runs are that events are about."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._known: dict[str, str] = {}

    async def of(self, stored: Stored) -> str:
        """Empty for what is about no run."""
        if not _is_run(stored):
            return ""
        run_id = _run_id(stored)
        if run_id not in self._known:
            row = await self._log.index_row(run_id)
            if len(self._known) >= WORKFLOWS_KNOWN_MAX:
                del self._known[next(iter(self._known))]
            self._known[run_id] = "" if row is None else row.workflow
        return self._known[run_id]


@asynccontextmanager
async def follow_run(
    ports: Ports, run_id: str, after: int
) -> AsyncIterator[AsyncIterator[EventNews]]:
    """Raises `NotFound`."""
    tail = ports.tails[ports.log_of(run_id)]
    bell = tail.join()
    try:
        if await ports.log.index_row(run_id) is None:
            raise no_run(run_id)
        yield _history(ports.log, run_id, after, bell)
    finally:
        tail.leave(bell)


async def _history(log: Log, run_id: str, version: int, bell: Bell) -> AsyncIterator[EventNews]:
    """Ends when the run has ended and all is told."""
    catalogue = Catalogue()
    while True:
        row = await log.index_row(run_id)
        while page := await log.read(run_stream(run_id), version, PAGE):
            version = page[-1].version
            for stored in page:
                yield EventNews(id=str(stored.version), event=shown(stored, catalogue))
        if row is None or (row.status in TERMINAL and version >= row.version):
            return
        await bell.wait(0, POLL_S)
