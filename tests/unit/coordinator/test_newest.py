"""Which version of a workflow is the newest, for a coordinator that does not register them."""

from events.api import AnyAnswer, ForkRun, Refused, RunAnswer, ShowRun, StartRun
from events.definition import Definition, TaskStep
from events.envelope import Head
from events.ids import run_stream, shard_of
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import Lease
from orchestrator.kernel.state import RunState
from orchestrator.replay.rebuild import Rebuilt
from tests.unit.coordinator.driving import SHARDS, Drive

NAME = "two"
THEIRS = shard_of(NAME, SHARDS)
OURS = next(shard for shard in range(SHARDS) if shard != THEIRS)
RUNS = [run for run in (f"r{n}" for n in range(99)) if shard_of(run, SHARDS) == OURS]


def plan(*steps: str) -> Definition:
    return Definition(name=NAME, steps=tuple(TaskStep(id=step, task="t") for step in steps))


def answers(drive: Drive) -> list[AnyAnswer]:
    drive.commit()
    return [answer.answer for answer in drive.take(s.Answer)]


def version(drive: Drive) -> str:
    (answer,) = answers(drive)
    assert isinstance(answer, RunAnswer), answer
    return answer.run.workflow_version


def rebuilt(run_id: str, workflow_version: str) -> Rebuilt:
    """A run as the store has it after one event."""
    state = RunState(
        run_id=run_id,
        version=1,
        status="running",
        workflow=NAME,
        workflow_version=workflow_version,
    )
    return Rebuilt(state=state, head=Head(run_stream(run_id), 1))


def another() -> Drive:
    """A coordinator that owns runs of the workflow, and not the workflow."""
    drive = Drive().own(OURS).node().commit()
    drive.outputs = []
    return drive


def test_a_version_registered_elsewhere_is_started_from_then_on() -> None:
    drive = another()
    first = drive.elsewhere(plan("a"))
    assert version(drive.start(RUNS[0])) == first
    second = drive.elsewhere(plan("a", "b"))
    assert version(drive.start(RUNS[1])) == second


def test_a_version_that_is_named_is_looked_for_before_it_is_refused() -> None:
    drive = another()
    drive.elsewhere(plan("a"))
    version(drive.start(RUNS[0]))
    named = drive.elsewhere(plan("a", "b"))
    ask = StartRun(run_id=RUNS[1], workflow=NAME, workflow_version=named)
    assert version(drive.ask(ask)) == named
    (answer,) = answers(drive.ask(StartRun(run_id=RUNS[2], workflow=NAME, workflow_version="x")))
    assert isinstance(answer, Refused)


def test_only_what_is_new_is_read_and_a_known_version_asks_nobody() -> None:
    drive = another()
    named = drive.elsewhere(plan("a"))
    version(drive.start(RUNS[0]))
    drive.step(s.RequestArrived(request=StartRun(run_id=RUNS[1], workflow=NAME), reply_to="c"))
    (ask,) = drive.take(s.LoadDefinition)
    assert ask.after == Head(f"definition:{NAME}", 1)
    drive.step(drive.definition(ask))
    assert version(drive) == named
    known = StartRun(run_id=RUNS[2], workflow=NAME, workflow_version=named)
    drive.step(s.RequestArrived(request=known, reply_to="c"))
    assert drive.take(s.LoadDefinition) == []
    assert version(drive) == named


def test_an_answer_from_before_a_request_came_does_not_tell_it_the_newest() -> None:
    """The later one may be from somebody who has just registered."""
    drive = another()
    first = drive.elsewhere(plan("a"))
    drive.step(s.RequestArrived(request=StartRun(run_id=RUNS[0], workflow=NAME), reply_to="early"))
    (ask,) = drive.take(s.LoadDefinition)
    early = drive.definition(ask)
    second = drive.elsewhere(plan("a", "b"))
    drive.step(s.RequestArrived(request=StartRun(run_id=RUNS[1], workflow=NAME), reply_to="late"))
    drive.step(early).answer_loads().commit()
    started = {
        answer.reply_to: answer.answer.run.workflow_version
        for answer in drive.take(s.Answer)
        if isinstance(answer.answer, RunAnswer)
    }
    assert started == {"early": first, "late": second}


def test_the_owner_asks_once_and_then_never() -> None:
    drive = Drive().own()
    named = drive.elsewhere(plan("a"))
    assert version(drive.start("r1")) == named
    drive.step(s.RequestArrived(request=StartRun(run_id="r2", workflow=NAME), reply_to="c"))
    assert drive.take(s.LoadDefinition) == []
    assert version(drive) == named


def test_a_new_owner_reads_what_was_registered_before_it_became_one() -> None:
    drive = another()
    drive.elsewhere(plan("a"))
    version(drive.start(RUNS[0]))
    second = drive.elsewhere(plan("a", "b"))
    drive.own(THEIRS).commit()
    assert version(drive.start(RUNS[1])) == second


def test_an_answer_about_a_part_does_not_stand_for_what_was_forgotten() -> None:
    """What was known is forgotten with a shard; an answer that goes on from it is not enough."""
    drive = another()
    first = drive.elsewhere(plan("a"))
    version(drive.start(RUNS[0]))
    drive.step(s.RequestArrived(request=StartRun(run_id=RUNS[1], workflow=NAME), reply_to="c"))
    (ask,) = drive.take(s.LoadDefinition)
    second = drive.elsewhere(plan("a", "b"))
    held = (Lease(shard=OURS, epoch=1, holder="c1"),)
    drive.step(s.LeasesRenewed(asked=held, leases=(), asked_at=drive.at))
    drive.own(OURS, epoch=2).step(drive.definition(ask)).answer_loads()
    assert version(drive) == second
    named = StartRun(run_id=RUNS[2], workflow=NAME, workflow_version=first)
    assert version(drive.ask(named)) == first


def test_a_run_is_not_parked_for_a_version_that_was_registered_after_the_question() -> None:
    drive = another()
    drive.elsewhere(plan("a"))
    drive.step(s.RequestArrived(request=StartRun(run_id=RUNS[0], workflow=NAME), reply_to="c"))
    (ask,) = drive.take(s.LoadDefinition)
    early = drive.definition(ask)
    second = drive.elsewhere(plan("a", "b"))
    drive.step(s.RequestArrived(request=ShowRun(run_id=RUNS[1]), reply_to="c"))
    (load,) = drive.take(s.LoadRun)
    drive.step(s.RunLoaded(run_id=RUNS[1], era=load.era, rebuilt=rebuilt(RUNS[1], second)))
    drive.step(early).answer_loads().commit()
    shown = [a.answer.run for a in drive.take(s.Answer) if isinstance(a.answer, RunAnswer)]
    assert second in [run.workflow_version for run in shown]


def test_a_fork_looks_for_the_version_of_its_source() -> None:
    drive = another()
    drive.elsewhere(plan("a"))
    version(drive.start(RUNS[0]))
    second = drive.elsewhere(plan("a", "b"))
    drive.ask(ForkRun(run_id=RUNS[1], source_run_id="source", source_version=1))
    (ask,) = drive.take(s.LoadRun)
    source = rebuilt("source", second)
    drive.step(s.RunLoaded(run_id="source", at=ask.at, fork=ask.fork, era=ask.era, rebuilt=source))
    assert version(drive.answer_loads()) == second
