"""Recordings at hand: read once, followed, and let go of when there are too many."""

import anyio
import pytest
from msgspec.structs import replace

from events.envelope import Stored
from events.errors import NotFound
from events.ids import run_stream
from events.limits import API_RECORDINGS_BYTES_MAX, API_RECORDINGS_MAX
from orchestrator.api.service.recordings import Recordings
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.exchange.export import Exported
from tests.builders import Play, Setting, index, task, workflow
from tests.recordings import history

pytestmark = pytest.mark.anyio
NET = index(workflow(task("a"), task("b")))


def play(run_id: str) -> Play:
    made = Play(NET, Setting(run_id=run_id))
    made.start()
    return made.finish()


class Counting(Exported):
    """A history that knows how often it was read, and goes only so far."""

    reads = 0
    upto = 1_000

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        self.reads += 1
        return [one for one in await super().read(stream, after, limit) if one.version <= self.upto]


def counting(*plays: Play) -> Counting:
    return Counting(plays[0].setting.run_id, history(*plays)._streams)


def last(cursor: Cursor) -> int:
    return cursor.last


async def test_a_run_is_read_once_and_then_only_what_came_since() -> None:
    log = counting(play("r1"))
    log.upto = 3
    look = Recordings(log)
    first = await look.look("r1", last)
    reads = log.reads
    log.upto = 4

    assert (first, await look.look("r1", last)) == (3, 4)
    assert log.reads - reads <= 2


async def test_each_looks_at_the_version_that_it_asked_for() -> None:
    """However many ask at the same time: the cursor is one."""
    look, seen = Recordings(counting(play("r1"))), dict[int, int]()

    async def ask(version: int) -> None:
        seen[version] = await look.look("r1", lambda cursor: cursor.to(version).state.version)

    async with anyio.create_task_group() as group:
        for version in (4, 1, 3, 2, 0):
            group.start_soon(ask, version)

    assert seen == {version: version for version in range(5)}


async def test_what_there_is_not_is_not_kept() -> None:
    look = Recordings(counting(play("r1")))
    with pytest.raises(NotFound, match="there is no run other"):
        await look.look("other", last)

    assert look.run_ids == []


@pytest.mark.edge("API_RECORDINGS_MAX")
async def test_so_many_runs_are_at_hand_the_one_asked_for_longest_ago_leaves() -> None:
    ids = [f"r{number}" for number in range(API_RECORDINGS_MAX + 1)]
    first = play("r0")
    streams = {run_stream("r0"): first.stored()}
    log = counting(*[first, *map(play, ids[1:])])
    assert streams.keys() <= log._streams.keys()
    look = Recordings(log)
    for run_id in ids[:-1]:
        await look.look(run_id, last)
    await look.look(ids[0], last)
    await look.look(ids[-1], last)

    assert look.run_ids == [*ids[2:-1], ids[0], ids[-1]]


@pytest.mark.edge("API_RECORDINGS_BYTES_MAX")
async def test_so_many_bytes_are_at_hand_but_one_run_always() -> None:
    log = counting(play("r1"), play("r2"))
    size = await Recordings(log).look("r1", lambda cursor: cursor.recording.bytes)
    look, tight = Recordings(log, bytes_max=2 * size), Recordings(log, bytes_max=size - 1)
    for run_id in ("r1", "r2"):
        await look.look(run_id, last)
        await tight.look(run_id, last)

    assert look.run_ids == ["r1", "r2"]
    assert tight.run_ids == ["r2"]
    assert Recordings(log)._bytes_max == API_RECORDINGS_BYTES_MAX


async def test_values_of_persons_are_not_kept() -> None:
    shown = play("r1")
    first, *others = shown.stored()
    log = counting(shown)
    log._streams[run_stream("r1")] = [replace(first, opened=b""), *others]
    look = Recordings(log)

    assert await look.look("r1", last) == len(others) + 1
    assert look.run_ids == []
