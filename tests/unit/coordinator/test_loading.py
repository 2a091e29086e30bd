"""What cannot be read of workflows and nodes is left out, so that only runs that need it suffer."""

import anyio
import msgspec
import pytest

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered, NodeLost, NodeRegistered
from events.envelope import Head, Stamp, Stored, seal
from events.facts import Fact
from events.ids import definition_stream, node_stream
from events.run_facts import RunForked, RunStarted
from orchestrator.adapters.memory.store import MemoryLog, MemoryStore
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.loading import Loader
from orchestrator.coordinator.ports import Batch
from orchestrator.replay.retrying import Wanted
from tests.golden import samples
from tests.logs import AT


def stored(stream: str, *facts: Fact, damaged: int) -> list[Stored]:
    """Facts of a stream, of which the one at version `damaged` says another type than its own."""
    head, stamp = Head(stream), Stamp(recorded_at=AT)
    found = [seal(head, fact, f"e{n}", stamp) for n, fact in enumerate(facts)]
    bad = found[damaged - 1]
    found[damaged - 1] = msgspec.structs.replace(bad, state=bad.state.replace(b".v1", b".v9"))
    return found


def answer(events: list[Stored], output: s.Load) -> s.CoordinatorInput:
    return anyio.run(Loader(MemoryStore(log_with(*events)), Catalogue(), "c").load, output)


def log_with(*events: Stored) -> MemoryLog:
    log = MemoryLog(lambda: AT)
    (lease,) = log.acquire([0], "c", 60.0)
    log.append(Batch(id="b", leases=(lease,), events=events))
    return log


def test_a_fork_goes_back_although_its_source_is_in_another_log() -> None:
    begun = RunStarted(run_id="r1", workflow="w", workflow_version="v")
    forked = RunForked(
        run_id="r2", source_run_id="r1", source_version=1, workflow="w", workflow_version="v"
    )
    source = seal(Head("run:r1"), begun, "e1", Stamp(recorded_at=AT))
    fork = seal(Head("run:r2"), forked, "e2", Stamp(recorded_at=AT))
    own, all_logs = MemoryStore(log_with(fork)), MemoryStore(log_with(source, fork))
    loader = Loader(own, Catalogue(), "c", cluster=all_logs)

    found = anyio.run(loader.load, s.FindPast(run_id="r2", id="op", wanted=Wanted(version=1)))
    assert isinstance(found, s.PastFound)
    assert found.past is not None, found.refused or found.parked
    assert found.past.earlier.run_id == "r2"


def test_other_versions_of_a_workflow_are_known(caplog: pytest.LogCaptureFixture) -> None:
    facts = [
        DefinitionRegistered(
            workflow="w", workflow_version=version, definition=samples.DEFINITION, net=samples.NET
        )
        for version in ("v1", "v2", "v3")
    ]
    events = stored(definition_stream("w"), *facts, damaged=2)
    found = answer(events, s.LoadDefinition(workflow="w", step=1))
    assert isinstance(found, s.DefinitionLoaded)
    assert [one.workflow_version for one in found.versions] == ["v1", "v3"]
    assert found.head.version == 3
    assert "event 2 of" in caplog.text


def test_what_else_is_known_of_a_node_counts() -> None:
    facts = (
        NodeRegistered(node="n1", incarnation="i1"),
        NodeLost(node="n1", incarnation="i1", silent_s=1.0),
        NodeRegistered(node="n1", incarnation="i2"),
    )
    found = answer(stored(node_stream("n1"), *facts, damaged=2), s.LoadNode(node="n1", step=1))
    assert isinstance(found, s.NodeLoaded)
    assert (found.incarnation, found.past, found.head.version) == ("i2", ("i1",), 3)
