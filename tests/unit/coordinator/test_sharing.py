"""Several coordinators share the shards: each its part, handed over in good order."""

import pytest

from events.ids import shard_of
from events.messages import Execute
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ownership import Ownership
from orchestrator.coordinator.ports import Lease
from orchestrator.coordinator.settings import Settings
from tests.unit.coordinator.driving import SHARDS, Drive, two_tasks

FIRST, LAST = range(SHARDS)
KEPT = next(name for name in (f"r{n}" for n in range(20)) if shard_of(name, SHARDS) == FIRST)
GIVEN = next(name for name in (f"r{n}" for n in range(20)) if shard_of(name, SHARDS) == LAST)


def told(drive: Drive, *names: str) -> Drive:
    return drive.step(s.AttendanceTold(names=names))


@pytest.mark.parametrize(
    ("names", "shares"),
    [("a", [8]), ("ab", [4, 4]), ("abc", [3, 3, 2]), ("abcdefghi", [1, 1, 1, 1, 1, 1, 1, 1, 0])],
)
def test_everybody_has_a_share_and_all_shards_are_somebodys(names: str, shares: list[int]) -> None:
    found = []
    for name in names:
        ownership = Ownership(8, Settings())
        ownership.told(list(names), name)
        found.append(ownership.time_to_take(0))
    assert found == shares


def test_nothing_is_taken_before_it_is_known_who_is_there() -> None:
    drive = Drive().step()
    assert len(drive.take(s.Attend)) == 1
    assert drive.take(s.AcquireLeases) == []
    (ask,) = told(drive, "c1", "c2").take(s.AcquireLeases)
    assert (ask.shards, ask.most) == ((FIRST, LAST), 1)


def test_free_shards_are_looked_for_again_and_again_until_the_share_is_full() -> None:
    drive = told(Drive().step(), "c1", "c2")
    assert len(drive.take(s.AcquireLeases)) == 1
    drive.wait(drive.settings.lease_ttl_s / 3)
    assert len(drive.take(s.AcquireLeases)) > 1
    lease = Lease(shard=FIRST, epoch=1, holder="c1")
    drive.step(s.LeasesAcquired(leases=(lease,), asked_at=drive.at))
    drive.take(s.AcquireLeases)
    drive.wait(drive.settings.lease_ttl_s)
    assert drive.take(s.AcquireLeases) == []


def test_who_has_more_than_its_share_hands_the_rest_over() -> None:
    drive = told(Drive().ready().start(KEPT).start(GIVEN).commit(), "c1", "c2")
    (release,) = drive.take(s.ReleaseLeases)
    assert [lease.shard for lease in release.leases] == [LAST]
    assert not release.leaving
    assert [lease.shard for lease in drive.take(s.Serve)[-1].leases] == [FIRST]
    told(drive, "c1", "c2")
    assert drive.take(s.ReleaseLeases) == []


def test_a_commit_in_flight_lands_before_its_shard_is_handed_over() -> None:
    drive = Drive().ready().start(GIVEN)
    told(drive, "c1", "c2")
    assert drive.take(s.ReleaseLeases) == []
    drive.commit()
    commands = [one for out in drive.take(s.Publish) for one in out.commands.commands]
    assert [type(one) for one in commands] == [Execute], "what was committed leaves"
    assert len(drive.take(s.ReleaseLeases)) == 1
    drive.start(GIVEN)
    assert drive.batches() == [], "the next owner decides"


def test_who_stops_says_that_it_is_gone() -> None:
    (release,) = Drive().ready().step(s.StopRequested()).take(s.ReleaseLeases)
    assert release.leaving
    assert [lease.shard for lease in release.leases] == [FIRST, LAST]


def test_coordinators_share_what_a_node_is_willing_to_hold() -> None:
    drive = Drive().own().node(room=4).commit()
    drive.elsewhere(two_tasks())
    told(drive, "c1", "c2")
    for name in [name for name in (f"x{n}" for n in range(40)) if shard_of(name, SHARDS) == FIRST]:
        drive.start(name)
    drive.commit()
    assert drive.view("n1").outstanding == 2
