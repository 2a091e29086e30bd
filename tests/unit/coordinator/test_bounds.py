"""What a coordinator keeps in memory for clients that it cannot serve is bounded."""

import pytest

from events.api import AnyAnswer, AwaitRun, Refused, RunAnswer, ShowRun, StartRun
from events.ids import Attempt
from events.messages import Drop, Settle
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.settings import Settings
from tests.unit.coordinator.driving import SHARDS, Drive


def answers(drive: Drive) -> dict[str, AnyAnswer]:
    return {output.reply_to: output.answer for output in drive.take(s.Answer)}


def refusal(drive: Drive) -> tuple[str, str]:
    """Code and message of the one answer there is."""
    (answer,) = answers(drive).values()
    assert isinstance(answer, Refused), answer
    return answer.code, answer.message


def loads(drive: Drive) -> list[str]:
    return [load.run_id for load in drive.take(s.LoadRun)]


def show(drive: Drive, run_id: str) -> Drive:
    return drive.step(s.RequestArrived(request=ShowRun(run_id=run_id), reply_to=run_id))


@pytest.mark.edge("EngineLimits.waiters_max")
def test_only_so_many_clients_wait_for_runs() -> None:
    drive = Drive(Settings(waiters_max=2)).ready().start().commit()
    drive.outputs = []
    for client in ("first", "second", "third"):
        drive.ask(AwaitRun(run_id="r1", wait_s=30), client)
    found = answers(drive)
    assert set(found) == {"third"}
    assert isinstance(found["third"], Refused)
    assert found["third"].code == "unavailable"
    drive.step(drive.report(Attempt("r1", "a", 0, 1))).commit()
    drive.step(drive.report(Attempt("r1", "b", 0, 1), sequence=2)).commit()
    assert set(answers(drive)) == {"first", "second"}
    drive.start("r2").commit().take(s.Answer)
    drive.ask(AwaitRun(run_id="r2", wait_s=30), "third")
    assert answers(drive) == {}


def test_a_client_that_has_waited_long_enough_makes_room() -> None:
    drive = Drive(Settings(waiters_max=1)).ready().start().commit()
    drive.outputs = []
    drive.ask(AwaitRun(run_id="r1", wait_s=1), "first").wait(1.5, beat=0.5).commit()
    assert isinstance(answers(drive)["first"], RunAnswer)
    drive.ask(AwaitRun(run_id="r1", wait_s=1), "second")
    assert answers(drive) == {}


@pytest.mark.edge("EngineLimits.unknown_workflows_max")
def test_names_that_no_workflow_has_are_forgotten_the_oldest_first() -> None:
    drive = Drive(Settings(unknown_workflows_max=2)).ready()
    for name in ("one", "other", "third"):
        drive.ask(StartRun(run_id="r1", workflow=name))
        assert refusal(drive)[0] == "not_found"
    asked = []
    for name in ("other", "third", "one"):
        drive.step(s.RequestArrived(request=StartRun(run_id="r1", workflow=name), reply_to="c"))
        asked += [load.workflow for load in drive.outputs if isinstance(load, s.LoadDefinition)]
        drive.answer_loads()
    assert asked == ["one"]
    assert drive.start("r2").batches(), "what is registered stays known"


@pytest.mark.edge("EngineLimits.intake_max")
def test_works_that_wait_for_the_store_count_as_waiting() -> None:
    drive = Drive(Settings(intake_max=3)).ready()
    for run_id in ("x1", "x2", "x3"):
        show(drive, run_id)
    assert answers(drive) == {}
    code, message = refusal(show(drive, "x4"))
    assert code == "unavailable"
    assert "full" in message
    drive.step(s.RunLoaded(run_id="x2"))
    assert "there is no run x2" in refusal(drive)[1]
    assert loads(show(drive, "x5")) == ["x1", "x2", "x3", "x5"]


@pytest.mark.edge("EngineLimits.parked_reasons_max")
def test_of_runs_that_cannot_be_read_only_so_many_reasons_are_kept() -> None:
    """The runs themselves stay known: what a node holds of them is neither dropped nor settled."""
    drive = Drive(Settings(parked_reasons_max=1)).ready()
    for run_id in ("bad1", "bad2"):
        show(drive, run_id)
        drive.step(s.RunLoaded(run_id=run_id, parked=f"event 3 of {run_id} is not readable"))
        assert "event 3" in refusal(drive)[1]
    code, message = refusal(show(drive, "bad1"))
    assert code == "corrupt"
    assert "dalsegno verify bad1" in message
    assert refusal(show(drive, "bad2"))[1] == "event 3 of bad2 is not readable"
    held, unsettled = Attempt("bad1", "a", 0, 1), Attempt("bad1", "b", 0, 1)
    drive.node(held=(held,), unsettled=(unsettled,)).commit()
    sent = list(drive.commands())
    assert not any(isinstance(command, Drop | Settle) for command in sent), sent


def test_a_run_that_could_not_be_read_is_read_again_by_the_next_owner() -> None:
    drive = Drive().ready()
    show(drive, "bad").step(s.RunLoaded(run_id="bad", parked="event 3 is not readable"))
    assert "event 3" in refusal(drive)[1]
    assert loads(show(drive, "bad")) == ["bad"]
    drive.outputs = []
    drive.own(*range(SHARDS), epoch=2)
    assert loads(show(drive, "bad")) == ["bad"]
