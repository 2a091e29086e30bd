"""The watch over nodes: whose silence counts, and what is said about them."""

from events.catalogue import Catalogue
from events.cluster_facts import NodeSampled
from events.envelope import unseal
from events.facts import HostSample
from events.messages import Heartbeat
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.settings import Settings
from tests.unit.coordinator.driving import Drive


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
