"""A recording has all that happened to a run, and refuses what does not fit together."""

import pytest
from msgspec.structs import replace

from events.catalogue import Catalogue
from events.errors import Corrupt, MissingKey, Rejected
from events.ids import run_stream
from events.limits import RECORDING_BYTES_MAX
from events.run_facts import RunStarted
from orchestrator.replay.exchange.export import Exported
from orchestrator.replay.recording import Recording, extend, record
from tests.builders import NOW, Play, started, task, workflow
from tests.recordings import forked, history, recorded


def finished(*steps: str) -> Play:
    return started(workflow(*(task(step) for step in steps or ("a", "b")))).finish()


@pytest.mark.anyio
async def test_it_has_every_event_and_the_net() -> None:
    play = finished()
    found = await record(history(play), Catalogue(), "run-1")

    assert found.last == len(play.facts)
    assert [event.fact for event in found.events()] == play.facts
    assert [event.header.version for event in found.events(2, 3)] == [2, 3]
    assert found.net == play.net.net
    assert found.source is None
    assert (found.run_id, found.workflow) == ("run-1", "workflow")
    assert found.type(1) == RunStarted.TYPE


@pytest.mark.anyio
async def test_a_net_that_is_not_in_the_log_is_none() -> None:
    play = finished()
    found = await record(Exported("run-1", {"run:run-1": play.stored()}), Catalogue(), "run-1")
    assert found.net is None


@pytest.mark.anyio
async def test_a_fork_stands_on_its_source_up_to_the_fork() -> None:
    source = finished()
    fork = forked(source, 3)
    found = await record(history(source, fork), Catalogue(), "fork")

    assert found.last == len(fork.facts)
    assert found.source is not None
    assert (found.source.run_id, found.source.last) == ("run-1", 3)


@pytest.mark.anyio
async def test_what_was_appended_since_is_read_on_demand() -> None:
    play = started(workflow(task("a"), task("b")))
    grown = history(play)
    found = await record(grown, Catalogue(), "run-1")
    before = found.last
    play.finish()

    assert await extend(found, history(play)) == len(play.facts) - before
    assert found.last == len(play.facts)
    assert await extend(found, history(play)) == 0


@pytest.mark.anyio
async def test_what_is_not_there_is_refused_by_name() -> None:
    play = finished()
    with pytest.raises(Rejected, match="there is no run nowhere"):
        await record(history(play), Catalogue(), "nowhere")
    with pytest.raises(Rejected, match="run run-1 has no event 99"):
        recorded(play).event(99)
    fork = forked(play, 3)
    with pytest.raises(Corrupt, match="fork of run run-1, which is not in the log"):
        await record(history(fork), Catalogue(), "fork")


@pytest.mark.anyio
async def test_a_history_that_was_changed_is_refused() -> None:
    play = finished()
    events = play.stored()
    missing = Exported("run-1", {run_stream("run-1"): [*events[:2], *events[3:]]})
    with pytest.raises(Corrupt, match="event 3 of run:run-1 is missing"):
        await record(missing, Catalogue(), "run-1")
    events[1] = replace(events[1], state=events[1].state.replace(b'"e1"', b'"e9"'))
    changed = Exported("run-1", {run_stream("run-1"): events})
    with pytest.raises(Corrupt, match="event 3 of run:run-1 does not follow"):
        await record(changed, Catalogue(), "run-1")


@pytest.mark.anyio
@pytest.mark.edge("RECORDING_BYTES_MAX")
async def test_a_history_that_is_too_large_to_hold_is_refused() -> None:
    play = finished()
    size = sum(len(stored.state) for stored in play.stored())
    assert size < RECORDING_BYTES_MAX
    assert (await record(history(play), Catalogue(), "run-1", size)).bytes == size
    with pytest.raises(Rejected, match="more than are held"):
        await record(history(play), Catalogue(), "run-1", size - 1)


def test_an_instant_is_the_version_before_what_came_later() -> None:
    play = started(workflow(task("a"), task("b")))
    first = len(play.facts)
    play.wait(5.0).place("a")
    found = recorded(play)

    assert found.version_at(NOW - 1) == 0
    assert found.version_at(NOW) == first
    assert found.version_at(NOW + 4_999_999) == first
    assert found.version_at(NOW + 5_000_000) == found.last
    assert found.at(found.last) == NOW + 5_000_000


def test_values_that_cannot_be_opened_are_missed_by_name() -> None:
    play = finished()
    found = Recording("run-1", Catalogue())
    stored = play.stored()[0]
    plain = stored.state.replace(b'"data"', b'"codec":1,"key_id":"k","data"')
    found.take(replace(stored, state=plain, trouble="key k is not configured"))
    with pytest.raises(MissingKey, match="key k is not configured"):
        found.event(1)
