"""Recordings that an API server keeps: read once, bounded, and never longer than an erasure."""

import pytest
from msgspec.structs import replace

from events.envelope import Stored
from events.errors import NotFound
from events.ids import definition_stream, run_stream
from events.limits import API_RECORDINGS_MAX
from orchestrator.api.service.recordings import Recordings
from orchestrator.replay.export import Exported
from tests.builders import Play, Setting, started, task, workflow
from tests.recordings import definition_of


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Counted(Exported):
    """Counts how often the events of a run are read."""

    def __init__(self, *plays: Play) -> None:
        self.streams = {run_stream(play.setting.run_id): play.stored() for play in plays}
        self.streams[definition_stream("workflow")] = definition_of(plays[0])
        super().__init__("run-1", self.streams)
        self.reads: list[tuple[str, int]] = []

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        self.reads.append((stream, after))
        return await super().read(stream, after, limit)


def finished() -> Play:
    return started(workflow(task("a"), task("b"))).finish()


@pytest.mark.anyio
async def test_a_run_is_read_once_for_all_its_versions() -> None:
    log = Counted(finished())
    recordings = Recordings(log)
    last = (await recordings.moment("run-1", 1)).last
    reads = len(log.reads)

    for version in (last, 0, 2, 1):
        found = await recordings.moment("run-1", version)
        assert (found.version, found.last) == (version, last)
    assert len(log.reads) == reads


@pytest.mark.anyio
async def test_what_was_appended_since_is_read_when_it_is_asked_for() -> None:
    play = started(workflow(task("a"), task("b")))
    log = Counted(play)
    recordings = Recordings(log)
    before = (await recordings.moment("run-1", 1)).last
    play.finish()
    log.streams[run_stream("run-1")] = play.stored()

    assert (await recordings.moment("run-1", before + 1)).last == len(play.facts)


@pytest.mark.anyio
async def test_what_is_not_there_is_said_and_not_kept() -> None:
    recordings = Recordings(Counted(finished()))
    with pytest.raises(NotFound, match="there is no run nobody"):
        await recordings.moment("nobody", 1)
    assert recordings.run_ids == []
    with pytest.raises(NotFound, match="run run-1 has no version 99: its last one is"):
        await recordings.moment("run-1", 99)


@pytest.mark.anyio
@pytest.mark.edge("API_RECORDINGS_MAX")
async def test_the_one_that_was_not_asked_for_longest_goes_first() -> None:
    assert API_RECORDINGS_MAX > 1
    plays = [
        started(workflow(task("a")), Setting(run_id=f"run-{number}")).finish()
        for number in (1, 2, 3)
    ]
    recordings = Recordings(Counted(*plays), recordings_max=2)
    for run_id in ("run-1", "run-2", "run-1", "run-3"):
        await recordings.moment(run_id, 1)
    assert recordings.run_ids == ["run-1", "run-3"]

    small = Recordings(Counted(*plays), bytes_max=1)
    for run_id in ("run-1", "run-2"):
        await small.moment(run_id, 1)
    assert small.run_ids == ["run-2"]


@pytest.mark.anyio
async def test_values_of_persons_are_not_kept() -> None:
    play = finished()
    log = Counted(play)
    first, *others = play.stored()
    log.streams[run_stream("run-1")] = [replace(first, opened=b""), *others]
    recordings = Recordings(log)

    assert (await recordings.moment("run-1", 2)).version == 2
    assert recordings.run_ids == []
