"""Forks of one id: whoever asks for one has the answer about the source that was asked for."""

from events.api import ForkRun, Refused, RunAnswer, StartRun
from events.catalogue import Catalogue
from events.envelope import unseal
from events.run_facts import RunForked
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import Conflicted
from orchestrator.coordinator.settings import Settings
from tests.unit.coordinator.driving import Drive

FORK = "f"


def asked(drive: Drive, source: str, version: int, reply_to: str) -> Drive:
    request = ForkRun(run_id=FORK, source_run_id=source, source_version=version)
    return drive.ask(request, reply_to)


def load(drive: Drive, ask: s.LoadRun) -> Drive:
    """The answer of a store that has what was made durable."""
    found = drive.rebuilt(ask.run_id)
    known = found if found.state.version else None
    answer = s.RunLoaded(run_id=ask.run_id, at=ask.at, fork=ask.fork, era=ask.era, rebuilt=known)
    return drive.step(answer).answer_loads()


def answers(drive: Drive) -> dict[str, object]:
    return {out.reply_to: out.answer for out in drive.take(s.Answer)}


def begun(drive: Drive) -> list[tuple[str, int]]:
    """From what the log says that the fork has begun."""
    facts = [unseal(one, Catalogue()).fact for one in drive.log if one.stream == f"run:{FORK}"]
    return [(o.source_run_id, o.source_version) for o in facts if isinstance(o, RunForked)]


def two_runs(settings: Settings | None = None) -> Drive:
    drive = Drive(settings).ready()
    for run_id in ("long", "short"):
        drive.start(run_id).commit()
    drive.executes()
    drive.outputs = []
    return drive


def test_who_waits_for_another_source_is_not_told_that_the_first_one_is_missing() -> None:
    drive = two_runs()
    version = drive.rebuilt("short").head.version
    asked(asked(drive, "nothing", 7, "mistaken"), "short", version, "right")
    missing, there = drive.take(s.LoadRun)
    load(drive, missing)
    (refused,) = answers(drive).items()
    assert refused[0] == "mistaken"
    assert isinstance(refused[1], Refused)
    assert "nothing" in refused[1].message
    load(drive, there).commit()
    (forked,) = answers(drive).items()
    assert forked[0] == "right"
    assert isinstance(forked[1], RunAnswer)


def test_a_fork_begins_from_the_source_that_was_asked_for() -> None:
    """Whoever else wants another one under that id, and whichever is read first."""
    drive = two_runs()
    version = drive.rebuilt("short").head.version
    asked(asked(drive, "long", 99, "mistaken"), "short", version, "right")
    first, second = drive.take(s.LoadRun)
    load(load(drive, second), first).commit()
    told = answers(drive)
    assert isinstance(told["right"], RunAnswer)
    assert begun(drive) == [("short", version)]


def test_two_versions_of_one_source_are_two_questions() -> None:
    drive = two_runs()
    version = drive.rebuilt("short").head.version
    asked(asked(drive, "short", 99, "mistaken"), "short", version, "right")
    for ask in drive.take(s.LoadRun):
        load(drive, ask)
    drive.commit()
    told = answers(drive)
    assert isinstance(told["mistaken"], Refused)
    assert "no version 99" in told["mistaken"].message
    assert isinstance(told["right"], RunAnswer)


def test_who_asks_twice_has_one_fork_also_when_it_must_be_begun_again() -> None:
    """What was decided for the first request is not where the second one begins."""
    drive = two_runs(Settings(turn_works_max=1))
    version = drive.rebuilt("short").head.version
    asked(asked(drive, "short", version, "once"), "short", version, "twice")
    (ask,) = drive.take(s.LoadRun)
    load(drive, ask)
    (batch,) = drive.batches()
    conflict = Conflicted(streams=(f"run:{FORK}",))
    drive.step(s.AppendDone(batch_id=batch.id, outcome=conflict))
    while asks := drive.take(s.LoadRun):
        for ask in asks:
            load(drive, ask)
    drive.commit()
    told = answers(drive)
    assert isinstance(told["once"], RunAnswer)
    assert isinstance(told["twice"], RunAnswer)
    assert begun(drive) == [("short", version)]


def test_the_same_fork_again_is_the_same_run_and_any_other_of_its_id_is_refused() -> None:
    drive = two_runs()
    version = drive.rebuilt("short").head.version
    asked(drive, "short", version, "first")
    load(drive, *drive.take(s.LoadRun)).commit()
    drive.outputs = []
    asked(drive, "short", version, "again").commit()
    asked(drive, "long", version, "other").commit()
    again, other = answers(drive).values()
    assert isinstance(again, RunAnswer)
    assert not again.created
    assert isinstance(other, Refused)
    assert "did not begin as a fork of run long" in other.message
    assert begun(drive) == [("short", version)]


def test_a_run_that_is_no_fork_is_not_taken_for_one() -> None:
    drive = two_runs()
    request = ForkRun(run_id="long", source_run_id="short", source_version=1)
    (answer,) = answers(drive.ask(request, "client").commit()).values()
    assert isinstance(answer, Refused)
    assert "choose another id" in answer.message


def test_who_begins_a_run_for_somebody_else_is_not_given_the_key_of_the_first() -> None:
    drive = two_runs()
    for subject in ("ada", "bob"):
        drive.ask(StartRun(run_id="p", workflow="two", subject=subject), subject)
    ada, bob = drive.take(s.LoadKey)
    assert (ada.subject, bob.subject) == ("ada", "bob")
    drive.step(s.KeyLoaded(run_id="p", subject="ada", trouble="the key of ada is erased"))
    ((told, answer),) = answers(drive).items()
    assert told == "ada"
    assert isinstance(answer, Refused)


def test_a_damaged_source_parks_no_run_that_has_the_id_of_the_fork() -> None:
    drive = two_runs()
    asked(drive, "short", 1, "client")
    (ask,) = drive.take(s.LoadRun)
    drive.step(s.RunLoaded(run_id="short", at=1, fork=FORK, era=ask.era, parked="it is damaged"))
    ((_, answer),) = answers(drive).items()
    assert isinstance(answer, Refused)
    assert (answer.code, answer.message) == ("corrupt", "it is damaged")
    asked(drive, "long", 1, "other")
    assert drive.take(s.LoadRun)
