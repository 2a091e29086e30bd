"""One of several logs: definitions and nodes that another one knows."""

import pytest

from events.api import Refused, RunAnswer, StartRun
from events.cluster_facts import DefinitionRegistered
from events.envelope import Head
from events.ids import shard_of
from events.run_facts import RunStarted
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.nodelog import Cordon
from orchestrator.coordinator.ports import Conflicted
from tests.unit.coordinator.driving import SHARDS, Drive, two_tasks

NAME = "two"
THEIRS = shard_of(NAME, SHARDS)
OURS = 1 - THEIRS
RUNS = [run for run in (f"r{n}" for n in range(99)) if shard_of(run, SHARDS) == OURS]
NODE = next(name for name in (f"n{n}" for n in range(9)) if shard_of(name, SHARDS) == THEIRS)


@pytest.fixture
def drive() -> Drive:
    """Owns all shards of its log, which are half of the cluster's; the workflow is in the other."""
    made = Drive(own=frozenset({OURS}), logs=2).own(OURS).node().commit()
    made.outputs = []
    return made


def topics(drive: Drive) -> list[str]:
    """What the batches that are sent now would add, in order."""
    return [event.type for batch in drive.batches() for event in batch.events]


def start(run_id: str, version: str = "") -> StartRun:
    return StartRun(run_id=run_id, workflow=NAME, workflow_version=version)


def answer(drive: Drive) -> object:
    (found,) = drive.take(s.Answer)
    return found.answer


def test_only_our_own_shards_are_asked_for() -> None:
    drive = Drive(own=frozenset({OURS}), logs=2).step()
    drive.step(s.AttendanceTold(names=("c1",)))
    (ask,) = drive.take(s.AcquireLeases)
    assert (ask.shards, ask.most) == ((OURS,), 1)


def test_a_definition_is_in_our_log_before_the_first_run_of_it(drive: Drive) -> None:
    version = drive.elsewhere(two_tasks())
    drive.ask(start(RUNS[0]))
    (batch,) = drive.batches()
    assert [event.type for event in batch.events] == [DefinitionRegistered.TYPE]
    assert [lease.shard for lease in batch.leases] == [OURS]
    drive.log += batch.events
    drive.step(s.AppendDone(batch_id=batch.id, outcome=drive.durable()))
    assert RunStarted.TYPE in topics(drive)
    drive.commit()
    drive.ask(start(RUNS[1], version))
    assert not any(ask.home for ask in drive.take(s.LoadDefinition))
    assert DefinitionRegistered.TYPE not in topics(drive)


def test_the_newest_version_is_asked_of_the_log_it_is_registered_in(drive: Drive) -> None:
    drive.elsewhere(two_tasks())
    drive.ask(start(RUNS[0])).commit()
    drive.take(s.Answer)
    version = drive.elsewhere(two_tasks().__class__(name=NAME, steps=two_tasks().steps[:1]))
    drive.ask(start(RUNS[1])).commit()
    found = answer(drive)
    assert isinstance(found, RunAnswer)
    assert found.run.workflow_version == version


def test_a_workflow_that_nobody_has_is_refused(drive: Drive) -> None:
    drive.ask(start(RUNS[0])).commit()
    found = answer(drive)
    assert isinstance(found, Refused)
    assert "is not registered" in found.message


def test_a_copy_that_another_has_made_is_taken(drive: Drive) -> None:
    drive.elsewhere(two_tasks())
    drive.ask(start(RUNS[0]))
    (batch,) = drive.batches()
    drive.log += batch.events  # another coordinator's, which was sooner
    stream = f"definition:{NAME}"
    drive.step(s.AppendDone(batch_id=batch.id, outcome=Conflicted(streams=(stream,))))
    drive.answer_loads()
    added = topics(drive)
    assert RunStarted.TYPE in added
    assert DefinitionRegistered.TYPE not in added


def away(drive: Drive) -> None:
    """The other log cannot be read."""
    asked = [ask for ask in drive.take(s.LoadDefinition) if ask.home]
    assert asked
    for ask in asked:
        drive.step(s.LoadFailed(output=ask))


def test_while_the_other_log_is_away_a_known_version_starts_and_the_newest_is_refused(
    drive: Drive,
) -> None:
    version = drive.elsewhere(two_tasks())
    drive.ask(start(RUNS[0])).commit()
    drive.take(s.Answer)
    drive.step(s.RequestArrived(request=start(RUNS[1]), reply_to="client"))
    away(drive)
    found = answer(drive)
    assert isinstance(found, Refused)
    assert (found.code, "is registered in another log" in found.message) == ("unavailable", True)
    assert not drive.take(s.LoadDefinition)  # it is asked again when somebody wants it
    drive.ask(start(RUNS[1], version)).commit()
    assert isinstance(answer(drive), RunAnswer)


def unread_node() -> Drive:
    """A node of the other log has said that it is there; its stream cannot be read."""
    drive = Drive(own=frozenset({OURS}), logs=2).own(OURS)
    drive.elsewhere(two_tasks())
    drive.streams_are_away = True
    drive.node(NODE)
    asked = drive.take(s.LoadNode)
    assert {ask.node for ask in asked} == {NODE}
    drive.step(*(s.LoadFailed(output=ask) for ask in asked))
    return drive.node(NODE).commit()


def test_a_node_is_believed_while_its_log_is_away() -> None:
    drive = unread_node()
    drive.ask(start(RUNS[0])).commit()
    (execute,) = drive.executes()
    assert execute.attempt.run_id == RUNS[0]


def test_what_its_log_says_of_a_node_holds_as_soon_as_it_can_be_read() -> None:
    drive = unread_node()
    (ask,) = drive.take(s.LoadNode)
    head, cordon = Head(f"node:{NODE}", 2), Cordon("op", "its disk", 1)
    loaded = s.NodeLoaded(node=NODE, head=head, incarnation="i1", cordon=cordon, step=ask.step)
    drive.step(loaded)
    drive.ask(start(RUNS[0])).commit()
    assert drive.executes() == []
    assert "cordoned by op: its disk" in str(drive.view(NODE).refusal)


def test_a_node_is_given_its_share_of_each_log(drive: Drive) -> None:
    drive.elsewhere(two_tasks())
    drive.node("n1", room=2).commit()
    drive.step(s.AttendanceTold(names=("c1",)))
    for run_id in RUNS[:3]:
        drive.ask(start(run_id)).commit()
    assert len(drive.executes()) == 1
