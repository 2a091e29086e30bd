"""A fold begins at the newest snapshot that is sound, and what is left aside is told."""

import logging

import anyio
import msgspec
import pytest

from events.catalogue import Catalogue
from events.cluster_facts import NodeLost
from events.envelope import Head, unseal
from events.ids import node_stream, run_stream
from orchestrator.adapters.memory.store import MemoryLog, MemoryStore
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.loading import Loader
from orchestrator.coordinator.nodelog import NodeLog, snapshot_of
from orchestrator.coordinator.ports import Batch, Snapshot
from orchestrator.kernel.snapshot import fingerprint, state_hash
from orchestrator.replay.rebuild import Rebuilder, Rebuilt
from tests.builders import NOW, RUN_ID, started, task, workflow
from tests.logs import extend

STREAM = run_stream(RUN_ID)


class World:
    """A finished run in a store, and snapshots of some of its versions."""

    def __init__(self, *versions: int) -> None:
        self.log = MemoryLog(lambda: NOW)
        self.store = MemoryStore(self.log)
        self.play = started(workflow(task("a"), task("b"))).finish()
        (lease,) = self.log.acquire([0], "c", 60.0)
        self.log.append(Batch(id="b", leases=(lease,), events=tuple(self.play.stored())))
        for version in versions:
            self.log.save_snapshot(self.snapshot(version))

    def snapshot(self, version: int, state: bytes | None = None) -> Snapshot:
        digest = unseal(self.play.stored()[version - 1], Catalogue()).digest
        found = self.play.states[version - 1] if state is None else state
        return Snapshot(
            stream=STREAM, version=version, digest=digest, fingerprint=fingerprint(), state=found
        )

    def rebuilt(self, at: int | None = None, *, snapshots: bool = True) -> Rebuilt:
        async def ask() -> Rebuilt | None:
            return await Rebuilder(self.store, Catalogue(), snapshots=snapshots).run(RUN_ID, at)

        found = anyio.run(ask)
        assert found is not None
        return found

    def load(self, output: s.Load) -> s.CoordinatorInput:
        return anyio.run(Loader(self.store, Catalogue(), "c").load, output)

    def check(self, begins_at: int, aside: list[int]) -> Rebuilt:
        """The fold begins there, is the same as that of all events, and has told what it left."""
        found = self.rebuilt()
        assert found.snapshot_version == begins_at
        assert [one.version for one in found.left_aside] == aside
        assert state_hash(found.state) == state_hash(self.rebuilt(snapshots=False).state)
        return found


def test_the_newest_sound_one_serves() -> None:
    World(2, 4, 6).check(6, [])


@pytest.mark.parametrize(
    ("damaged", "begins_at", "aside"),
    [((6,), 4, [6]), ((4, 6), 2, [6, 4]), ((2, 4, 6), 0, [6, 4, 2]), ((4,), 6, [])],
)
def test_a_damaged_one_falls_back_to_older_ones_and_to_all_events(
    damaged: tuple[int, ...], begins_at: int, aside: list[int]
) -> None:
    world = World(2, 4, 6)
    for version in damaged:
        world.log.snapshots.damage(STREAM, version)
    found = world.check(begins_at, aside)
    assert all("checksum" in one.reason for one in found.left_aside)


def test_a_version_before_a_damaged_one_is_none_of_its_business() -> None:
    world = World(2, 4, 6)
    world.log.snapshots.damage(STREAM, 6)
    found = world.rebuilt(5)
    assert (found.snapshot_version, found.left_aside) == (4, ())


def test_bytes_that_are_no_state_are_left_aside() -> None:
    world = World(4)
    world.log.save_snapshot(world.snapshot(6, b'{"steps": 1}'))
    found = world.check(4, [6])
    assert f"{RUN_ID}@6-automatic" in found.left_aside[0].reason


def test_one_after_an_event_that_the_log_does_not_have_is_left_aside() -> None:
    """As when the batch that it was taken for has never become durable."""
    world = World(4)
    last = len(world.play.states)
    other = msgspec.structs.replace(world.snapshot(6), digest="of another event")
    beyond = msgspec.structs.replace(world.snapshot(last), version=last + 1)
    for snapshot in (other, beyond):
        world.log.save_snapshot(snapshot)
    assert "not in the log" in world.check(4, [last + 1, 6]).left_aside[0].reason


def test_one_of_another_schema_is_no_damage_and_older_ones_serve() -> None:
    world = World(4)
    world.log.save_snapshot(msgspec.structs.replace(world.snapshot(6), fingerprint="other"))
    world.check(4, [])


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


def test_the_coordinator_loads_the_run_and_warns(caplog: pytest.LogCaptureFixture) -> None:
    world = World(2, 4)
    world.log.snapshots.damage(STREAM, 4)
    loaded = world.load(s.LoadRun(run_id=RUN_ID, era=0))
    assert isinstance(loaded, s.RunLoaded)
    assert not loaded.parked
    (said,) = warnings(caplog)
    assert f"version 4 of {STREAM}" in said
    assert "checksum does not fit" in said


def test_nodes_fall_back_as_well(caplog: pytest.LogCaptureFixture) -> None:
    world, stream = World(), node_stream("n1")
    (lease,) = world.log.acquire([1], "c", 60.0)
    head, fact = Head(stream), NodeLost(node="n1", incarnation="1", silent_s=9.0)
    for number in range(3):
        event = extend(head, 1, facts=[fact])
        world.log.append(Batch(id=f"n{number}", leases=(lease,), events=tuple(event)))
        if number < 2:
            world.log.save_snapshot(snapshot_of(head, NodeLog()))
    world.log.snapshots.damage(stream, 2)
    loaded = world.load(s.LoadNode(node="n1"))
    assert isinstance(loaded, s.NodeLoaded)
    assert (loaded.head.version, loaded.tail_events) == (3, 2)
    assert "version 2 of node:n1" in warnings(caplog)[0]
