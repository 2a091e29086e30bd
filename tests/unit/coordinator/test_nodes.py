"""The watch over nodes: whose silence counts, and what is said about them."""

import msgspec
import pytest

from events.api import RegisterWorkflow, ShowRun
from events.catalogue import Catalogue
from events.cluster_facts import NodeSampled
from events.definition import Definition, ParallelStep, Step, TaskStep
from events.envelope import Head, unseal
from events.facts import HostSample
from events.ids import Attempt, shard_of
from events.messages import Execute, Granted, Heartbeat
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import Conflicted, Lease
from orchestrator.coordinator.settings import Settings
from tests.unit.coordinator.driving import SHARDS, Drive, two_tasks


def facts(drive: Drive) -> list[str]:
    """Types of what was appended about nodes since the last look; all of it becomes durable."""
    found: list[str] = []
    while batches := drive.batches():
        for batch in batches:
            found += [one.type for one in batch.events if one.stream.startswith("node:")]
            drive.step(s.AppendDone(batch_id=batch.id, outcome=drive.durable()))
        drive.answer_loads()
    return found


def watched(drive: Drive, seconds: float) -> list[str]:
    """Facts about nodes while time passes and nobody is heard of."""
    found: list[str] = []
    for _ in range(round(seconds / 0.5)):
        drive.wait(0.5)
        found += facts(drive)
    return found


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_a_node_that_gives_itself_no_weight_has_the_usual_one(weight: float) -> None:
    drive = Drive().own()
    beat = Heartbeat(node="n1", incarnation="i1", sequence=0, credits=9, tasks=("t",))
    drive.beat(msgspec.structs.replace(beat, weight=weight)).commit()
    drive.register().start().commit()
    assert len(drive.executes()) == 1


def test_a_silent_node_is_suspected_then_lost() -> None:
    assert watched(Drive().ready(), 8) == ["node.suspected.v1", "node.lost.v1"]


def test_time_without_the_bus_is_nobodys_silence() -> None:
    drive = Drive().ready()
    drive.step(s.BusChanged(connected=False))
    assert watched(drive, 60) == []
    drive.step(s.BusChanged(connected=True)).node()
    assert watched(drive, 2) == []


def test_nobody_is_lost_before_the_bus_has_been_back_for_a_lease() -> None:
    """That it was gone is noticed late, and nodes must find their way back too."""
    drive = Drive().ready()
    assert watched(drive, 4.5) == ["node.suspected.v1"]
    drive.step(s.BusChanged(connected=False))
    assert watched(drive, 20) == []
    drive.step(s.BusChanged(connected=True))
    assert watched(drive, 4.5) == []
    assert watched(drive, 1) == ["node.lost.v1"]


def test_the_last_moments_before_the_bus_was_gone_count() -> None:
    """However long ago the nodes were looked at."""
    drive = Drive().ready()
    drive.at += 900_000
    drive.step(s.BusChanged(connected=False))
    drive.at += 900_000
    drive.step(s.BusChanged(connected=True))
    assert drive.view("n1").silent_s == 0.9


def sampled(drive: Drive, load: float, name: str = "n1", incarnation: str = "i1") -> Drive:
    host = HostSample(load=load)
    return drive.beat(
        Heartbeat(node=name, incarnation=incarnation, sequence=0, tasks=("t",), host=host)
    )


def test_host_samples_are_recorded_once_an_interval() -> None:
    drive = Drive(Settings(node_sample_interval_s=4.0)).ready()
    recorded: list[str] = []
    for number in range(1, 21):
        sampled(drive, number / 10)
        recorded += facts(drive)
        drive.wait(0.5)
    assert recorded == ["node.sampled.v1"] * 3


def test_a_sample_says_which_incarnation_saw_what() -> None:
    drive = sampled(Drive().ready(), 1.5)
    (event,) = [event for batch in drive.batches() for event in batch.events]
    assert unseal(event, Catalogue()).fact == NodeSampled(
        node="n1", incarnation="i1", sample=HostSample(load=1.5)
    )


def test_each_node_is_sampled_for_itself() -> None:
    drive = Drive().own().node("n1").node("n2").commit()
    sampled(sampled(drive, 0.1, "n1"), 0.2, "n2")
    assert facts(drive) == ["node.sampled.v1"] * 2


def test_an_agent_that_does_not_look_at_its_host_is_not_sampled() -> None:
    assert facts(Drive().own().node()) == ["node.registered.v1"]


def test_people_are_shown_the_last_sample() -> None:
    drive = Drive().ready()
    for load in (0.5, 2.5):
        sampled(drive, load)
    assert drive.view("n1").host.load == 2.5


# -- what follows from a loss ---------------------------------------------------------------------


def about_to_lose() -> tuple[Drive, s.Append]:
    """n1 holds an attempt and falls silent; its loss is decided and not yet durable."""
    drive = Drive().ready().start().commit()
    drive.outputs = []
    for _ in range(40):
        drive.wait(0.25).node("n2", "j1")
        for append in drive.take(s.Append):
            if any(one.type == "node.lost.v1" for one in append.batch.events):
                drive.outputs = []
                return drive, append
            drive.step(s.AppendDone(batch_id=append.batch.id, outcome=drive.durable()))
    raise AssertionError("n1 was never lost")


def given_to_others(drive: Drive) -> list[Attempt]:
    for _ in range(3):
        drive.wait(0.25).node("n2", "j1").commit()
    return [execute.attempt for execute in drive.executes()]


def known(drive: Drive) -> Drive:
    """The log's answer about n1: it is there, and nothing else was ever said of it."""
    for ask in drive.take(s.LoadNode):
        head = Head("node:n1", 1)
        loaded = s.NodeLoaded(node=ask.node, head=head, incarnation="i1", step=ask.step)
        drive.step(loaded)
    return drive


def test_attempts_go_to_others_once_it_is_durable_that_their_node_is_lost() -> None:
    """A later owner would believe it again, and let it start what others have done by then."""
    drive, append = about_to_lose()
    drive.step(s.AppendDone(batch_id=append.batch.id, outcome=Conflicted(streams=("node:n1",))))
    asked = drive.take(s.LoadNode)
    assert given_to_others(drive) == []
    drive.outputs += asked
    assert given_to_others(known(drive).commit()) == [Attempt("r1", "a", 0, 2)]


def test_a_verdict_of_an_earlier_ownership_is_void() -> None:
    """It waits behind a commit while the shard of the node is lost and won again."""
    drive = Drive().ready().start().commit()
    drive.outputs = []
    drive.start("r2")
    (slow,) = drive.take(s.Append)
    for _ in range(24):
        drive.wait(0.25).node("n2", "j1")
    assert drive.view("n1").status == "lost"
    drive.lose(shard_of("n1", SHARDS))
    again = Lease(shard=shard_of("n1", SHARDS), epoch=2, holder="c1")
    drive.step(s.LeasesAcquired(leases=(again,), asked_at=drive.at))
    beat = Heartbeat(node="n1", incarnation="i1", sequence=99, credits=10, tasks=("t",))
    drive.step(s.HeartbeatArrived(beat=beat, reply_to="beat"))
    known(drive).step(s.AppendDone(batch_id=slow.batch.id, outcome=drive.durable()))
    assert "node.lost.v1" not in facts(drive)
    drive.wait(0.25).node("n2", "j1").commit()
    assert Attempt("r1", "a", 0, 2) not in [execute.attempt for execute in drive.executes()]


def test_a_node_may_learn_tasks_while_it_lives() -> None:
    """What waited for somebody who can do it is dispatched as soon as that is known."""
    drive = Drive().ready()
    drive.beat(Heartbeat(node="n1", incarnation="i1", sequence=0, credits=10, tasks=("u",)))
    drive.start().commit()
    assert not executed(drive)
    drive.beat(Heartbeat(node="n1", incarnation="i1", sequence=0, credits=10, tasks=("t", "u")))
    drive.commit()
    assert executed(drive) == ["n1"]


def executed(drive: Drive) -> list[str]:
    """Nodes that were told to execute something."""
    return [
        output.node
        for output in drive.take(s.Publish)
        for command in output.commands.commands
        if isinstance(command, Execute)
    ]


def test_what_a_lost_node_has_is_given_up_however_much_arrives() -> None:
    """By whoever has the runs, also where another coordinator records that the node is lost."""
    elsewhere = shard_of("n1", SHARDS)
    here = 1 - elsewhere
    run_id = next(name for name in "abcdef" if shard_of(name, SHARDS) == here)
    drive = Drive()
    drive.elsewhere(two_tasks())
    drive.own(here).node().commit().start(run_id).commit()
    assert len(drive.executes()) == 1
    for _ in range(70):
        drive.at += 100_000
        asked = [s.RequestArrived(request=ShowRun(run_id=run_id), reply_to="show")]
        renewed = [
            s.LeasesRenewed(asked=one.leases, leases=one.leases, asked_at=drive.at)
            for one in drive.take(s.RenewLeases)
        ]
        drive.step(*asked, *renewed).commit()
    assert drive.rebuilt(run_id).state.outstanding == {}


def test_what_a_lost_node_has_is_given_up_once_while_the_log_is_away() -> None:
    drive = Drive(Settings(turn_works_max=1, intake_max=10)).own().node().commit()
    branches: dict[str, tuple[Step, ...]] = {name: (TaskStep(id=name, task="t"),) for name in "ab"}
    pair = Definition(name="two", steps=(ParallelStep(id="p", branches=branches),))
    drive.ask(RegisterWorkflow(definition=pair)).commit().start().commit()
    assert len(drive.executes()) == 2
    assert any(lost_in_flight(drive.wait(0.25)) for _ in range(100))
    drive.wait(10.0)
    drive.outputs = []
    drive.ask(ShowRun(run_id="r9"))
    assert drive.take(s.Answer) == [], "it waits, and is not refused"


def lost_in_flight(drive: Drive) -> bool:
    """Everything becomes durable but the first attempt that is given up."""
    for append in drive.take(s.Append):
        if any(one.type == "attempt.failed.v1" for one in append.batch.events):
            return True
        drive.step(s.AppendDone(batch_id=append.batch.id, outcome=drive.durable()))
    return False


def _granted(drive: Drive) -> Granted:
    answers = [one.answer for one in drive.take(s.AnswerHeartbeat)]
    (granted,) = (one for one in answers if isinstance(one, Granted))
    return granted


def test_commands_and_grants_say_under_which_epoch() -> None:
    drive = Drive().ready().start().commit()
    assert {one.epoch for one in drive.executes()} == {1}
    drive.outputs = []
    assert set(_granted(drive.node()).epochs) == {1}


def test_a_node_is_told_what_it_holds_and_nobody_waits_for() -> None:
    drive = Drive().ready().start().commit()
    (first, *_) = drive.executes()
    strange = Attempt("r1", "gone", 0, 1)
    drive.outputs = []
    assert _granted(drive.node(held=(first.attempt, strange))).fenced == (strange,)
