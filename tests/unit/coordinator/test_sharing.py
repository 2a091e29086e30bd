"""Several coordinators share the shards: each its part, handed over in good order."""

import pytest

from events.api import PauseRun
from events.catalogue import Catalogue
from events.envelope import Head, unseal
from events.ids import Attempt, shard_of
from events.messages import Execute, Granted
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ownership import Ownership
from orchestrator.coordinator.ports import IndexRow, Lease
from orchestrator.coordinator.settings import Settings
from tests.unit.coordinator.driving import SHARDS, START, Drive, two_tasks

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
        ownership = Ownership(range(8), Settings())
        ownership.told(list(names), name)
        found.append(ownership.time_to_take(0))
    assert found == shares


def test_who_must_own_nothing_any_more_hands_everything_over() -> None:
    """A newer release has changed the log, and shares it."""
    ownership = Ownership(range(2), Settings())
    ownership.told(["ours"], "ours")
    ownership.begin([Lease(shard=shard, epoch=1) for shard in range(2)], 0, 0)
    ownership.told(["newer"], "ours")
    assert ownership.surplus == (0, 1)
    assert ownership.time_to_take(0) == 0


def test_who_must_own_nothing_any_more_keeps_it_while_nobody_else_is_there() -> None:
    ownership = Ownership(range(2), Settings())
    ownership.told(["ours"], "ours")
    ownership.begin([Lease(shard=0, epoch=1)], 0, 0)
    ownership.told([], "ours")
    assert (ownership.surplus, ownership.time_to_take(0)) == ((), 0)


def test_nothing_is_taken_before_it_is_known_who_is_there() -> None:
    drive = Drive().step()
    assert len(drive.take(s.Attend)) == 1
    assert drive.take(s.AcquireLeases) == []
    (ask,) = told(drive, "c1", "c2").take(s.AcquireLeases)
    assert (ask.shards, ask.most) == ((FIRST, LAST), 1)


def test_free_shards_are_looked_for_again_and_again_until_the_share_is_full() -> None:
    drive = told(Drive().step(), "c1", "c2")
    assert len(drive.take(s.AcquireLeases)) == 1
    for _ in range(3):
        drive.step(s.LeasesAcquired(leases=(), asked_at=drive.at))
        drive.wait(drive.settings.lease_ttl_s / 3)
        assert len(drive.take(s.AcquireLeases)) == 1
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


# -- the word of an earlier owner -----------------------------------------------------------------


def after_takeover(granted_s: float, incarnation: str = "i1") -> Drive:
    """Another has given a task to this process of n1, the log says that i1 is lost, and the shard
    is ours now."""
    before, drive = Drive(), Drive()
    for one in (before, drive):
        one.elsewhere(two_tasks())
    here = 1 - shard_of("n1", SHARDS)
    run_id = next(name for name in "abcdef" if shard_of(name, SHARDS) == here)
    before.own(here).node(incarnation=incarnation).commit().start(run_id).commit()
    assert list(before.rebuilt(run_id).state.outstanding) == ["a"]
    drive.log = before.log
    drive.streams["n1"] = s.NodeLoaded(
        node="n1", head=Head("node:n1", 2), incarnation="i1", gone=True, step=0
    )
    lease = Lease(shard=here, epoch=2, holder="c1", granted_s=granted_s)
    drive.step().step(s.LeasesAcquired(leases=(lease,), asked_at=drive.at))
    (find,) = drive.take(s.FindActive)
    row = IndexRow(
        run_id=run_id, shard=here, workflow="two", workflow_version="v", status="running", version=2
    )
    drive.step(s.ActiveFound(shards=find.shards, rows=(row,), more=False, era=find.era))
    assert drive.read_runs() == [run_id]
    return drive


def gives_up_after_s(drive: Drive) -> float:
    began = drive.at
    while not any(one.type == "attempt.failed.v1" for one in drive.log):
        assert drive.at - began < 10_000_000, "it was never given up"
        drive.wait(0.25).answer_loads().commit()
    return (drive.at - began) / 1_000_000


def test_what_a_lost_node_had_goes_to_others_once_nobodys_word_holds_any_more() -> None:
    assert gives_up_after_s(after_takeover(granted_s=0.0)) <= 0.5
    assert 4.0 <= gives_up_after_s(after_takeover(granted_s=4.0)) <= 4.5


def test_what_we_have_allowed_a_node_ourselves_is_waited_for_when_others_have_lost_it() -> None:
    """The owner of its stream did not hear it, and we did; now its stream is ours."""
    mine, other = 1 - shard_of("n1", SHARDS), shard_of("n1", SHARDS)
    run_id = next(name for name in "abcdef" if shard_of(name, SHARDS) == mine)
    drive = Drive()
    drive.elsewhere(two_tasks())
    drive.own(mine).node().commit().start(run_id).commit().node().commit()
    drive.streams["n1"] = s.NodeLoaded(
        node="n1", head=Head("node:n1", 2), incarnation="i1", gone=True, step=0
    )
    lease = Lease(shard=other, epoch=2, holder="c1")
    drive.step(s.LeasesAcquired(leases=(lease,), asked_at=drive.at)).answer_loads().commit()
    ttl_s = drive.settings.attempt_lease_ttl_s
    assert ttl_s <= gives_up_after_s(drive) <= ttl_s + 0.5


def test_a_process_that_nobody_has_lost_is_waited_for() -> None:
    assert 5.0 <= gives_up_after_s(after_takeover(granted_s=0.0, incarnation="i2")) <= 6.5
    drive = after_takeover(granted_s=0.0, incarnation="i2")
    run_id = next(one.stream for one in drive.log if one.type == "run.started.v1")[len("run:") :]
    held = (Attempt(run_id, "a", 0, 1),)
    drive.wait(4.0).answer_loads().commit()
    for _ in range(40):
        drive.node(incarnation="i2", held=held).wait(0.25).answer_loads().commit()
    assert not any(one.type == "attempt.failed.v1" for one in drive.log)


def test_nothing_is_allowed_for_longer_than_our_own_leases_last() -> None:
    settings = Settings(lease_ttl_s=6.0, lease_margin_s=1.0, attempt_lease_ttl_s=4.5)
    drive = Drive(settings).own().node()
    granted: list[float] = []
    for _ in range(8):
        drive.at += 500_000
        drive.node()
        granted += [
            one.answer.lease_ttl_s
            for one in drive.take(s.AnswerHeartbeat)
            if isinstance(one.answer, Granted)
        ]
    assert granted == [4.5, 4.0, 3.5, 3.0, 2.5, 2.0, 1.5, 1.0]


def test_the_time_of_a_run_does_not_go_back_under_another_owner() -> None:
    drive = Drive().ready().start(KEPT).commit()
    ahead = START + drive.at + 60_000_000
    rebuilt = drive.rebuilt(KEPT)
    rebuilt.state.updated_at = ahead
    drive.lose(FIRST)
    lease = Lease(shard=FIRST, epoch=2, holder="c1")
    drive.step(s.LeasesAcquired(leases=(lease,), asked_at=drive.at)).answer_loads().commit()
    drive.ask(PauseRun(run_id=KEPT))
    (load,) = drive.take(s.LoadRun)
    drive.elsewhere(two_tasks())
    drive.step(s.RunLoaded(run_id=KEPT, era=load.era, rebuilt=rebuilt)).answer_loads()
    (batch,) = drive.batches()
    paused = [unseal(one, Catalogue()) for one in batch.events if one.type == "run.paused.v1"]
    assert [one.header.recorded_at for one in paused] == [ahead]


def test_who_else_is_there_is_looked_at_often_so_that_no_shard_stays_free_for_long() -> None:
    drive = told(Drive().step(), "c1", "c2")
    drive.take(s.Attend)
    drive.wait(drive.settings.lease_ttl_s)
    assert len(drive.take(s.Attend)) == pytest.approx(12, abs=1)


def test_who_stops_while_the_store_is_away_waits_no_longer_than_its_leases_last() -> None:
    drive = Drive().ready().start(KEPT)
    (append,) = drive.take(s.Append)
    drive.step(s.AppendFailed(batch_id=append.batch.id, unknown=False), s.StopRequested())
    assert drive.take(s.Stopped) == []
    drive.wait(drive.settings.lease_ttl_s)
    assert len(drive.take(s.Stopped)) == 1
    drive.wait(drive.settings.lease_ttl_s)
    assert drive.take(s.Stopped) == [], "once"
