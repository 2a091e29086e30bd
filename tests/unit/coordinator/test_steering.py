"""Cordon, drain, uncordon: what is recorded, what is placed, and what the agent is told."""

import msgspec
import pytest

from events.api import (
    AnyAnswer,
    AnyRequest,
    CordonNode,
    DrainNode,
    ListNodes,
    NodeAnswer,
    Nodes,
    NodeView,
    Refused,
    ShowNode,
    StartRun,
    UncordonNode,
)
from events.catalogue import Catalogue
from events.cluster_facts import NodeCordoned, NodeDraining, NodeUncordoned
from events.envelope import Head, unseal
from events.facts import Fact
from events.ids import Attempt, shard_of
from events.messages import Granted, Heartbeat, Order
from events.task_facts import AttemptFailed
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.nodelog import Cordon, Drain
from orchestrator.coordinator.ports import Conflicted
from tests.unit.coordinator.driving import SHARDS, START, Drive

CORDON = CordonNode(actor="ada", node="n1", reason="new disk")
DRAIN = DrainNode(actor="ada", node="n1", deadline_s=30, reason="new disk")
UNCORDON = UncordonNode(actor="ada", node="n1", reason="done")


def asked(drive: Drive, request: AnyRequest) -> AnyAnswer:
    drive.ask(request, "op").commit()
    (answer,) = [out.answer for out in drive.take(s.Answer) if out.reply_to == "op"]
    return answer


def viewed(drive: Drive, request: AnyRequest) -> NodeView:
    answer = asked(drive, request)
    assert isinstance(answer, NodeAnswer), answer
    return answer.node


def recorded(drive: Drive) -> list[tuple[str, Fact]]:
    """Actors and facts of the node's stream, its registration left out."""
    events = [unseal(one, Catalogue()) for one in drive.log if one.stream == "node:n1"]
    return [(event.header.actor, event.fact) for event in events[1:]]


def order(drive: Drive, **said: object) -> Order | None:
    """What the agent is told with the answer to its next heartbeat."""
    drive.outputs = []
    beat = Heartbeat(node="n1", incarnation="i1", sequence=0, credits=10, tasks=("t",))
    drive.beat(msgspec.structs.replace(beat, **said))
    (given,) = drive.take(s.AnswerHeartbeat)
    assert isinstance(given.answer, Granted)
    return given.answer.order


def dispatched(drive: Drive, run_id: str) -> bool:
    drive.outputs = []
    drive.start(run_id).commit()
    return bool(drive.executes())


def test_a_cordon_is_a_fact_with_who_and_why() -> None:
    drive = Drive().ready()
    view = viewed(drive, CORDON)
    assert recorded(drive) == [("ada", NodeCordoned(node="n1", reason="new disk"))]
    assert view.cordon
    assert (view.cordon.actor, view.cordon.reason) == ("ada", "new disk")
    assert (view.status, view.refusal) == ("healthy", "cordoned by ada: new disk")


def test_nothing_is_placed_on_a_cordoned_node_until_it_is_uncordoned() -> None:
    drive = Drive().ready()
    asked(drive, CORDON)
    assert not dispatched(drive, "r1")
    state = drive.rebuilt("r1").state
    assert state.steps["a"].obstacle_detail == (
        "no suitable node for t: n1: cordoned by ada: new disk"
    )
    asked(drive, UNCORDON)
    assert [execute.attempt.run_id for execute in drive.executes()] == ["r1"]
    assert recorded(drive)[-1] == ("ada", NodeUncordoned(node="n1", reason="done"))


def test_nothing_is_placed_in_the_very_turn_that_cordons() -> None:
    drive = Drive().ready()
    drive.step(
        s.RequestArrived(request=CORDON, reply_to="op"),
        s.RequestArrived(request=ShowNode(node="n1"), reply_to="op"),
    )
    drive.start("r1").commit()
    assert drive.executes() == []


def test_in_the_log_a_node_is_uncordoned_before_it_is_given_anything() -> None:
    """Whatever was decided first in the turn that does both."""
    drive = Drive().ready()
    asked(drive, CORDON)
    drive.step(
        s.RequestArrived(request=StartRun(run_id="r1", workflow="two"), reply_to="client"),
        s.RequestArrived(request=UNCORDON, reply_to="op"),
    )
    (batch,) = drive.batches()
    types = [one.type for one in batch.events]
    assert types == ["node.uncordoned.v1", "run.started.v1", "task.dispatched.v1"]


def test_the_answer_waits_for_the_commit() -> None:
    drive = Drive().ready()
    drive.ask(CORDON, "op")
    assert not drive.take(s.Answer)
    drive.commit()
    assert drive.take(s.Answer)


def test_what_holds_already_is_not_recorded_again() -> None:
    drive = Drive().ready()
    for request in (CORDON, CORDON, UNCORDON, UNCORDON, ShowNode(node="n1")):
        assert isinstance(asked(drive, request), NodeAnswer)
    assert len(recorded(drive)) == 2


def test_the_agent_is_told_with_every_grant() -> None:
    drive = Drive().ready()
    assert order(drive) == Order(version=1)
    asked(drive, CORDON)
    assert order(drive) == Order(cordoned=True, reason="new disk", version=2)
    asked(drive, DRAIN)
    assert order(drive) == Order(cordoned=True, reason="new disk", drain_in_s=30.0, version=3)
    drive.wait(2.0)
    assert order(drive) == Order(cordoned=True, reason="new disk", drain_in_s=28.0, version=3)
    asked(drive, UNCORDON)
    assert order(drive) == Order(version=4)


def test_the_agent_is_told_nothing_that_is_not_durable() -> None:
    """It would tell the other coordinators, and they would act on what may never be recorded."""
    drive = Drive().ready()
    asked(drive, CORDON)
    cordoned = Order(cordoned=True, reason="new disk", version=2)
    drive.ask(UNCORDON, "op")
    assert order(drive) == cordoned
    drive.lose(shard_of("n1", SHARDS))
    order(drive, ordered_at_version=1, cordoned=False)
    assert drive.view("n1").refusal == "cordoned by ada: new disk"


def test_the_agent_is_told_nothing_before_its_node_is_recorded() -> None:
    """An order at version 0 would pass for one of no version, which is always believed."""
    drive = Drive().own().node()
    (append,) = drive.take(s.Append)
    assert order(drive) is None
    drive.step(s.AppendDone(batch_id=append.batch.id, outcome=drive.durable()))
    assert order(drive) == Order(version=1)


def test_a_new_incarnation_drains_nothing_while_it_is_being_recorded() -> None:
    drive = Drive().ready()
    asked(drive, DRAIN)
    assert order(drive, incarnation="i2") == Order(cordoned=True, reason="new disk", version=3)


def test_a_drain_cordons_and_the_sooner_deadline_holds() -> None:
    drive = Drive().ready()
    view = viewed(drive, DRAIN)
    due_at = START + 30_000_000
    draining = NodeDraining(node="n1", incarnation="i1", reason="new disk", due_at=due_at)
    assert [fact for _, fact in recorded(drive)] == [
        NodeCordoned(node="n1", reason="new disk"),
        draining,
    ]
    assert view.cordon
    assert view.cordon.drain_due_at == due_at
    asked(drive, msgspec.structs.replace(DRAIN, deadline_s=60.0))
    assert len(recorded(drive)) == 2
    asked(drive, msgspec.structs.replace(DRAIN, deadline_s=5.0))
    assert len(recorded(drive)) == 3


def test_what_the_agent_says_of_a_drain_is_no_second_fact() -> None:
    drive = Drive().ready()
    asked(drive, DRAIN)
    order(drive, draining=True, cordoned=True, refusal="the node is drained: new disk")
    drive.commit()
    assert len(recorded(drive)) == 2
    assert drive.view("n1").status == "draining"
    asked(drive, UNCORDON)
    order(drive, draining=False, cordoned=False)
    assert drive.view("n1").status == "healthy"
    assert dispatched(drive, "r1")


def test_an_agent_that_is_told_to_stop_is_draining_for_its_own_reason() -> None:
    drive = Drive().ready()
    order(drive, draining=True, refusal="the agent was told to stop (SIGTERM)")
    drive.commit()
    reason = "the agent was told to stop (SIGTERM)"
    assert recorded(drive) == [("system", NodeDraining(node="n1", incarnation="i1", reason=reason))]
    asked(drive, UNCORDON)
    assert not dispatched(drive, "r1")
    detail = drive.rebuilt("r1").state.steps["a"].obstacle_detail
    assert detail.endswith(f"n1: draining: {reason}")


def test_a_late_heartbeat_does_not_end_a_drain() -> None:
    drive = Drive().ready()
    order(drive, draining=True)
    late = Heartbeat(node="n1", incarnation="i1", sequence=1, credits=10, tasks=("t",))
    drive.step(s.HeartbeatArrived(beat=late, reply_to="beat"))
    assert drive.view("n1").status == "draining"


def test_a_new_incarnation_is_cordoned_and_has_nothing_to_drain() -> None:
    drive = Drive().ready()
    asked(drive, DRAIN)
    drive.node("n1", "i2").commit()
    assert not dispatched(drive, "r1")
    view = drive.view("n1")
    assert view.cordon
    assert view.cordon.drain_due_at is None
    assert order(drive, incarnation="i2") == Order(cordoned=True, reason="new disk", version=4)


def loaded(drive: Drive, **said: object) -> Drive:
    """The log knows n1 before anybody is heard of."""
    found = s.NodeLoaded(node="n1", head=Head("node:n1", 3), incarnation="i1")
    drive.streams["n1"] = msgspec.structs.replace(found, **said)
    return drive


def test_a_later_coordinator_reads_it_in_the_log() -> None:
    cordon, drain = Cordon("ada", "new disk", START), Drain("new disk", START + 9_000_000)
    drive = loaded(Drive(), cordon=cordon, drain=drain).ready()
    assert not dispatched(drive, "r1")
    assert order(drive) == Order(cordoned=True, reason="new disk", drain_in_s=9.0, version=3)


def test_a_node_that_is_not_there_can_be_cordoned_if_it_ever_was() -> None:
    drive = loaded(Drive(), gone=True).own().register()
    view = viewed(drive, DRAIN)
    assert (view.status, view.refusal) == ("lost", "lost")
    assert view.cordon
    assert drive.log[-1].type == "node.cordoned.v1"


def test_a_name_that_no_agent_ever_had_is_refused_and_forgotten() -> None:
    drive = Drive().own().register().wait(3.1)
    answer = asked(drive, msgspec.structs.replace(CORDON, node="n7"))
    assert isinstance(answer, Refused)
    assert answer.code == "not_found"
    assert "there is no node 'n7'" in answer.message
    assert not [one for one in drive.log if one.stream == "node:n7"]
    drive.node().commit()
    drive.view("n1")
    with pytest.raises(StopIteration):
        drive.view("n7")


def test_an_owner_that_had_no_time_to_hear_of_a_node_lets_the_client_try_again() -> None:
    drive = Drive().own().register().wait(2)
    answer = asked(drive, CORDON)
    assert isinstance(answer, Refused)
    assert answer.code == "unavailable"
    assert "owns n1 only now, and has not heard of it yet" in answer.message
    drive.node().commit()
    assert viewed(drive, CORDON).cordon


def test_a_list_lacks_no_node_that_is_to_be_heard_again() -> None:
    """Of a shard that is taken anew others may have written: its nodes are forgotten with it."""
    drive = Drive().ready().wait(0.5).lose(shard_of("n1", SHARDS))
    drive.own(shard_of("n1", SHARDS), epoch=2).wait(0.5)
    answer = asked(drive, ListNodes())
    assert isinstance(answer, Refused)
    assert answer.code == "unavailable"
    assert "has just taken up shards and is to hear n1 again" in answer.message
    drive.node().commit()
    assert drive.view("n1").status == "healthy"


def test_a_coordinator_that_has_just_begun_does_not_say_that_there_are_no_nodes() -> None:
    drive = Drive().own()
    answer = asked(drive.wait(2), ListNodes())
    assert isinstance(answer, Refused)
    assert (answer.code, "is to hear the nodes" in answer.message) == ("unavailable", True)
    assert asked(drive.wait(1.25), ListNodes()) == Nodes(nodes=())


def test_a_node_that_does_not_come_back_holds_up_no_list() -> None:
    drive = Drive().ready().lose(shard_of("n1", SHARDS)).own(shard_of("n1", SHARDS), epoch=2)
    answer = asked(drive.wait(3.25), ListNodes())
    assert answer == Nodes(nodes=())


@pytest.mark.parametrize(
    ("request_", "offender"),
    [
        (CordonNode(node=""), "node is ''"),
        (CordonNode(node="a b"), "node is 'a b'"),
        (CordonNode(node="n1", reason="x" * 10_001), "reason has 10001 characters"),
        (CordonNode(node="n1", actor="x" * 201), "actor is"),
        (DrainNode(node="n1", deadline_s=-1), "deadline_s is -1"),
        (DrainNode(node="n1", deadline_s=float("nan")), "deadline_s is nan"),
        (DrainNode(node="n1", deadline_s=1e12), "deadline_s is 1e+12"),
    ],
)
def test_bad_input_is_refused_at_the_door(request_: AnyRequest, offender: str) -> None:
    drive = Drive().ready()
    answer = asked(drive, request_)
    assert isinstance(answer, Refused)
    assert offender in answer.message
    assert recorded(drive) == []


def test_a_conflict_is_decided_anew_from_what_the_log_says() -> None:
    """Somebody else has uncordoned meanwhile: the request is carried out on that."""
    drive = Drive().ready()
    drive.ask(CORDON, "op")
    (append,) = drive.take(s.Append)
    loaded(drive)
    conflict = Conflicted(streams=("node:n1",))
    drive.step(s.AppendDone(batch_id=append.batch.id, outcome=conflict)).answer_loads()
    (again,) = drive.take(s.Append)
    assert [one.version for one in again.batch.events] == [4]
    drive.step(s.AppendDone(batch_id=again.batch.id, outcome=drive.durable()))
    assert not dispatched(drive, "r1")


def test_nothing_is_placed_while_it_is_read_what_is_recorded() -> None:
    """That the node was uncordoned was decided, and then not written."""
    drive = Drive().ready()
    asked(drive, CORDON)
    drive.step(s.RequestArrived(request=UNCORDON, reply_to="op"))
    (append,) = drive.take(s.Append)
    conflict = Conflicted(streams=("node:n1",))
    drive.step(s.AppendDone(batch_id=append.batch.id, outcome=conflict))
    drive.step(s.RequestArrived(request=StartRun(run_id="r1", workflow="two"), reply_to="client"))
    for batch in drive.batches():
        assert "task.dispatched.v1" not in {one.type for one in batch.events}
    assert drive.view("n1").refusal


def test_coordinators_that_do_not_own_the_node_hear_it_from_the_agent() -> None:
    drive = Drive().ready()
    drive.lose(shard_of("n1", SHARDS))
    assert order(drive, cordoned=True, refusal="new disk") is None
    view = drive.view("n1")
    assert view.cordon
    assert view.refusal == "cordoned: new disk"
    order(drive, cordoned=False)
    assert not drive.view("n1").refusal


def test_whoever_handed_a_node_over_believes_no_word_older_than_its_own() -> None:
    """The agent has not heard yet what was recorded, and the next owner is not there."""
    drive = Drive().ready()
    node_shard = shard_of("n1", SHARDS)
    run_id = next(one for one in ("r1", "r2", "r3") if shard_of(one, SHARDS) != node_shard)
    asked(drive, CORDON)
    assert not dispatched(drive, run_id)
    drive.lose(node_shard)
    order(drive, cordoned=False, ordered_at_version=1)
    assert drive.commit().executes() == []
    assert drive.view("n1").refusal == "cordoned by ada: new disk"
    order(drive, cordoned=True, ordered_at_version=2, refusal="new disk")
    drive.commit()
    assert drive.view("n1").refusal == "cordoned: new disk"
    order(drive, cordoned=False, ordered_at_version=3)
    assert [execute.attempt.run_id for execute in drive.commit().executes()] == [run_id]


def test_a_cordon_that_becomes_durable_after_the_hand_over_counts_from_then_on() -> None:
    """The agent's older word was rightly believed until then."""
    drive = Drive().ready()
    node_shard = shard_of("n1", SHARDS)
    run_id = next(one for one in ("r1", "r2", "r3") if shard_of(one, SHARDS) != node_shard)
    (first,) = drive.start(run_id).commit().executes()
    drive.outputs = []
    drive.ask(CORDON, "op")
    (append,) = drive.take(s.Append)
    drive.lose(node_shard)
    order(drive, cordoned=False, ordered_at_version=1, held=(first.attempt,))
    drive.step(s.AppendDone(batch_id=append.batch.id, outcome=drive.durable()))
    drive.outputs = []
    drive.step(drive.report(first.attempt)).commit()
    assert drive.executes() == []
    assert drive.view("n1").refusal == "cordoned by ada: new disk"


def test_an_older_word_does_not_cordon_again() -> None:
    drive = Drive().ready()
    for request in (CORDON, UNCORDON):
        asked(drive, request)
    drive.lose(shard_of("n1", SHARDS))
    order(drive, cordoned=True, ordered_at_version=2, refusal="new disk")
    assert not drive.view("n1").refusal


def test_what_never_reached_a_node_that_left_is_as_good_as_refused() -> None:
    """It was on its way while the agent ended: nobody has begun it."""
    drive = Drive().ready().start("r1").commit()
    drive.start("r2").commit()
    held = (Attempt("r1", "a", 0, 1),)
    order(drive, leaving=True, draining=True, held=held)
    drive.commit()
    losses = {
        event.header.stream: event.fact.loss
        for event in (unseal(one, Catalogue()) for one in drive.log)
        if isinstance(event.fact, AttemptFailed)
    }
    assert losses == {"run:r1": "node_restarted", "run:r2": "refused"}
