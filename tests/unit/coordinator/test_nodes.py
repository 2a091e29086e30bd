"""The watch over nodes: whose silence counts, and what is said about them."""

from orchestrator.coordinator import signals as s
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
    assert drive.silent_s("n1") == 0.9
