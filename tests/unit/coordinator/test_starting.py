"""A client that starts a run and waits for its end in one request."""

from events.api import AnyAnswer, RunAnswer, StartRun
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.settings import Settings
from tests.unit.coordinator.driving import Drive

START_AND_WAIT = StartRun(run_id="r1", workflow="two", wait_s=2.0)


def told(drive: Drive) -> list[AnyAnswer]:
    return [out.answer for out in drive.take(s.Answer) if out.reply_to == "client"]


def statuses(drive: Drive) -> list[str]:
    return [answer.run.status for answer in told(drive) if isinstance(answer, RunAnswer)]


def finish(drive: Drive) -> None:
    for _ in range(2):
        (execute,) = drive.executes()
        drive.step(drive.report(execute.attempt)).commit()


def test_it_is_answered_once_when_the_run_has_ended() -> None:
    drive = Drive().ready().ask(START_AND_WAIT).commit()
    assert told(drive) == []
    finish(drive)
    assert statuses(drive) == ["completed"]


def test_it_is_answered_with_the_state_when_the_time_is_over() -> None:
    drive = Drive().ready().ask(START_AND_WAIT).commit()
    drive.wait(2.5)
    assert statuses(drive) == ["running"]
    finish(drive)
    assert told(drive) == []


def test_the_same_request_about_a_run_that_has_ended_is_answered_at_once() -> None:
    drive = Drive().ready().start().commit()
    finish(drive)
    told(drive)
    drive.ask(START_AND_WAIT).commit()
    assert statuses(drive) == ["completed"]


def test_when_too_many_wait_it_is_answered_as_if_it_did_not_ask_to() -> None:
    drive = Drive(Settings(waiters_max=1)).ready()
    drive.start("r0").commit().expect("r0")
    told(drive)
    drive.ask(START_AND_WAIT).commit()
    assert statuses(drive) == ["running"]


def test_another_content_is_refused_whether_it_waits_or_not() -> None:
    drive = Drive().ready().start().commit()
    told(drive)
    drive.ask(StartRun(run_id="r1", workflow="two", input=1, wait_s=2.0)).commit()
    (refused,) = told(drive)
    assert not isinstance(refused, RunAnswer)
