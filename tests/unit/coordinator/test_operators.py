"""What operators do to a run, carried out: what is kept before, who is told after the commit."""

import anyio
import pytest

from events.api import (
    AnyRequest,
    CompleteStep,
    FailStep,
    MoveStep,
    Refused,
    RegisterWorkflow,
    RerunRun,
    RestoreRun,
    RunAnswer,
    RunView,
    ShowRun,
    SignalRun,
    SkipStep,
    StartRun,
    TerminateRun,
)
from events.catalogue import Catalogue
from events.definition import CallStep, Definition, TaskStep, WaitStep
from events.envelope import Stored
from events.errors import Rejected
from events.ids import child_run, run_stream, shard_of
from events.limits import STEPS_NAMED_MAX, Limits
from events.messages import Cancel, Drop, Execute
from events.policies import RunOptions
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.door import RunRequest, admit_request
from orchestrator.coordinator.ports import Batch, Lease
from orchestrator.coordinator.runs import Slot
from orchestrator.replay.exchange.export import Exported
from orchestrator.replay.rebuild import Rebuilder
from orchestrator.replay.retrying import find
from tests.builders import parallel
from tests.unit.coordinator.driving import SHARDS, Drive

CHILD = Definition(name="child", steps=(WaitStep(id="go", signal="go"),))
PARENT = Definition(
    name="parent", steps=(CallStep(id="call", workflow="child"), TaskStep(id="after", task="t"))
)
PATIENT = Definition(
    name="patient", steps=(WaitStep(id="go", signal="go"), TaskStep(id="a", task="t"))
)
CHILD_ID = child_run("r1", "call", 0, 1)


def begun() -> tuple[Drive, Execute]:
    """A run whose first task a node has."""
    drive = Drive().ready()
    drive.start().commit()
    (execute,) = drive.executes()
    drive.outputs = []
    return drive, execute


def begun_parent() -> Drive:
    drive = Drive().ready()
    for definition in (CHILD, PARENT):
        drive.ask(RegisterWorkflow(definition=definition)).commit()
    drive.ask(StartRun(run_id="r1", workflow="parent")).commit()
    drive.read_runs()
    drive.outputs = []
    return drive


def answer_of(drive: Drive) -> RunView | Refused:
    (answer,) = [o.answer for o in drive.take(s.Answer) if o.reply_to == "client"]
    return answer.run if isinstance(answer, RunAnswer) else refused(answer)


def refused(answer: object) -> Refused:
    assert isinstance(answer, Refused)
    return answer


def past_of(run_id: str, stored: list[Stored]) -> Rebuilder:
    return Rebuilder(Exported(run_id, {run_stream(run_id): stored}), Catalogue())


def find_pasts(drive: Drive) -> int:
    """Answers from the log where runs are to go on from; returns how often that was asked."""
    asked = drive.take(s.FindPast)
    for ask in asked:
        stored = [one for one in drive.log if one.stream == run_stream(ask.run_id)]
        try:
            past = anyio.run(find, past_of(ask.run_id, stored), ask.run_id, ask.wanted)
            drive.step(s.PastFound(run_id=ask.run_id, id=ask.id, past=past))
        except Rejected as error:
            drive.step(s.PastFound(run_id=ask.run_id, id=ask.id, refused=str(error)))
    return len(asked)


def appended(drive: Drive) -> Batch:
    (output,) = drive.take(s.Append)
    drive.outputs.append(output)
    return output.batch


def kinds(drive: Drive) -> list[str]:
    return [event.type for event in appended(drive).events]


class TestResults:
    @pytest.mark.parametrize(
        "request_",
        [
            SkipStep(run_id="r1", step="a", id="x", output=7),
            CompleteStep(run_id="r1", step="a", id="x", output=7),
        ],
    )
    def test_the_node_is_told_and_the_next_task_goes_out_after_the_commit(
        self, request_: AnyRequest
    ) -> None:
        drive, execute = begun()
        drive.ask(request_)
        assert list(drive.commands()) == []
        assert not drive.take(s.Answer)
        drive.commit()
        drop, again = list(drive.commands())
        assert drop == Drop(attempts=(execute.attempt,))
        assert isinstance(again, Execute)
        assert again.attempt.step == "b"
        view = answer_of(drive)
        assert isinstance(view, RunView)
        assert view.steps[0].status in {"skipped", "completed"}
        assert drive.view("n1").outstanding == 1, "the slot of the first one is free"

    def test_a_failure_ends_the_run_and_the_node_is_told(self) -> None:
        drive, execute = begun()
        drive.ask(FailStep(run_id="r1", step="a", id="x", code="gone", message="no")).commit()
        assert list(drive.commands()) == [Drop(attempts=(execute.attempt,))]
        view = answer_of(drive)
        assert isinstance(view, RunView)
        assert view.status == "failed"
        assert view.error is not None
        assert (view.error.code, view.error.step) == ("gone", "a")

    def test_a_late_report_is_settled_and_changes_nothing(self) -> None:
        drive, execute = begun()
        drive.ask(SkipStep(run_id="r1", step="a", id="x", output=7)).commit()
        drive.outputs = []
        drive.step(drive.report(execute.attempt))
        assert not [b for b in drive.batches() if b.events]

    def test_a_request_that_comes_again_is_answered_again(self) -> None:
        drive, _ = begun()
        drive.ask(SkipStep(run_id="r1", step="a", id="x")).commit()
        drive.outputs = []
        drive.ask(SkipStep(run_id="r1", step="a", id="x")).commit()
        assert isinstance(answer_of(drive), RunView)

    def test_what_is_refused_says_why_and_adds_nothing(self) -> None:
        drive, _ = begun()
        before = len(drive.log)
        drive.ask(SkipStep(run_id="r1", step="b", id="x")).commit()
        answer = answer_of(drive)
        assert isinstance(answer, Refused)
        assert "not been reached" in answer.message
        assert len(drive.log) == before


class TestChildren:
    def test_a_child_that_its_step_has_no_more_is_cancelled(self) -> None:
        drive = begun_parent()
        drive.ask(CompleteStep(run_id="r1", step="call", id="x", output=1)).commit()
        drive.read_runs()
        assert drive.rebuilt(CHILD_ID).state.status == "cancelled"
        assert drive.rebuilt().state.steps["call"].status == "completed"

    def test_a_run_that_is_terminated_takes_its_children_along(self) -> None:
        drive = begun_parent()
        drive.ask(TerminateRun(run_id="r1", reason="it loops", actor="user:ada")).commit()
        drive.read_runs()
        parent, child = drive.rebuilt().state, drive.rebuilt(CHILD_ID).state
        assert parent.failure is not None
        assert child.failure is not None
        assert parent.failure.code == child.failure.code == "terminated"
        assert "user:ada has terminated the run: it loops" in parent.failure.message
        assert "the end of its parent r1" in child.failure.message

    def test_a_run_that_failed_with_its_child_takes_no_other_along_at_once(self) -> None:
        drive = Drive().ready()
        both = parallel(
            l=CallStep(id="one", workflow="child"), r=CallStep(id="two", workflow="child")
        )
        for definition in (CHILD, Definition(name="both", steps=(both,))):
            drive.ask(RegisterWorkflow(definition=definition)).commit()
        options = RunOptions(error_policy="finish_others")
        drive.ask(StartRun(run_id="r1", workflow="both", options=options)).commit()
        drive.read_runs()
        one, two = (child_run("r1", name, 0, 1) for name in ("one", "two"))
        drive.ask(TerminateRun(run_id=one)).commit()
        drive.read_runs()
        drive.ask(SkipStep(run_id="r1", step="two", id="x")).commit()
        drive.read_runs()
        parent, failed = drive.rebuilt().state, drive.rebuilt(one).state
        assert (parent.status, parent.failure) == ("failed", failed.failure)
        assert drive.rebuilt(two).state.status == "cancelled"

    def test_a_restore_cancels_the_child_and_calls_another(self) -> None:
        drive = begun_parent()
        drive.ask(RestoreRun(run_id="r1", id="x", version=1))
        assert find_pasts(drive) == 1
        drive.commit()
        drive.read_runs()
        second = drive.rebuilt().state.calls["call"]
        assert second != CHILD_ID
        assert drive.rebuilt(CHILD_ID).state.status == "cancelled"
        assert drive.rebuilt(second).state.status == "waiting"

    def test_whoever_takes_over_ends_a_child_that_was_left_behind(self) -> None:
        """The parent is terminated, and its owner killed before it could end the child."""
        drive = begun_parent()
        drive.ask(TerminateRun(run_id="r1"))
        (batch,) = drive.batches()
        drive.log += batch.events
        child, parent = drive.rebuilt(CHILD_ID), drive.rebuilt("r1")
        assert (child.state.terminal, parent.state.terminal) == (False, True)
        row = Slot(CHILD_ID, shard_of(CHILD_ID, SHARDS), child.state, child.head).row()
        heir = Drive()
        heir.log = drive.log
        for definition in (CHILD, PARENT):
            heir.elsewhere(definition)
        heir.step()
        leases = tuple(Lease(shard=n, epoch=2, holder="c1") for n in range(SHARDS))
        heir.step(s.LeasesAcquired(leases=leases, asked_at=heir.at))
        (ask,) = heir.take(s.FindActive)
        heir.step(s.ActiveFound(shards=ask.shards, rows=(), strays=(row,), more=False, era=ask.era))
        heir.answer_loads().commit()
        heir.read_runs()
        assert heir.rebuilt(CHILD_ID).state.status == "failed"


class TestMoves:
    def test_the_state_before_is_kept_and_the_node_is_asked_for_the_attempt(self) -> None:
        drive, execute = begun()
        drive.ask(MoveStep(run_id="r1", step="a", id="x", to="n2", reason="slow", actor="user:a"))
        batch = appended(drive)
        (snapshot,) = batch.snapshots
        version = drive.rebuilt().head.version
        assert (snapshot.kind, snapshot.version, snapshot.actor) == ("recovery", version, "user:a")
        assert snapshot.reason == "before move: slow"
        drive.commit()
        (cancel,) = list(drive.commands())
        assert isinstance(cancel, Cancel)
        assert (cancel.attempt, cancel.code) == (execute.attempt, "moved")

    def test_a_task_that_nothing_could_take_is_looked_at_again(self) -> None:
        drive = Drive().ready()
        drive.node("n2").commit()
        drive.start("r2").start("r1").commit()
        where = {c.attempt.run_id: c for c in drive.executes()}
        step = drive.rebuilt("r1").state.steps["a"]
        drive.ask(MoveStep(run_id="r1", step="a", id="x", off=("n1", "n2"))).commit()
        assert step.node in {"n1", "n2"}
        assert where


class TestRestores:
    def test_a_task_that_nothing_could_take_is_looked_at_again(self) -> None:
        drive = Drive().own().register()
        drive.node(room=0).commit()
        # Alone for its limit already, so that it stays in its lane when it is moved and goes back.
        options = RunOptions(concurrency_max=5)
        drive.ask(StartRun(run_id="r1", workflow="two", options=options)).commit()
        drive.ask(MoveStep(run_id="r1", step="a", id="x", off=("n1",))).commit()
        drive.node().commit()
        assert drive.rebuilt().state.steps["a"].obstacle == "no_node"
        assert not drive.executes()

        drive.ask(RestoreRun(run_id="r1", id="y", version=1))
        find_pasts(drive)
        drive.commit()
        assert [one.attempt.step for one in drive.executes()] == ["a"]

    def test_the_state_before_is_durable_with_the_event_and_nodes_are_told(self) -> None:
        drive, execute = begun()
        drive.step(drive.report(execute.attempt)).commit()
        (second,) = drive.executes()
        drive.ask(RestoreRun(run_id="r1", id="x", version=1, reason="again", actor="user:ada"))
        assert find_pasts(drive) == 1
        batch = appended(drive)
        version = drive.rebuilt().head.version
        (snapshot,) = batch.snapshots
        assert (snapshot.kind, snapshot.version) == ("recovery", version)
        assert [event.type for event in batch.events][:1] == ["run.restored.v1"]
        drive.commit()
        drop, again = list(drive.commands())
        assert drop == Drop(attempts=(second.attempt,))
        assert isinstance(again, Execute)
        assert (again.attempt.step, again.attempt.generation) == ("a", 1)
        view = answer_of(drive)
        assert isinstance(view, RunView)
        assert isinstance(view.actions, tuple)
        (did,) = view.actions
        assert (did.what, did.by, did.reason, did.backup) == (
            "restore",
            "user:ada",
            "again",
            version,
        )
        assert drive.rebuilt().state.steps["a"].status == "dispatched"

    def test_a_report_of_before_is_settled_and_changes_nothing(self) -> None:
        drive, execute = begun()
        drive.ask(RerunRun(run_id="r1", id="x", all=True))
        find_pasts(drive)
        drive.commit()
        drive.outputs = []
        drive.step(drive.report(execute.attempt)).commit()
        assert drive.rebuilt().state.steps["a"].status == "dispatched"

    def test_a_signal_that_comes_while_it_is_looked_for_is_not_lost(self) -> None:
        drive = Drive().ready()
        drive.ask(RegisterWorkflow(definition=PATIENT)).commit()
        drive.ask(StartRun(run_id="r1", workflow="patient")).commit()
        drive.ask(RestoreRun(run_id="r1", id="x", version=1))
        (ask,) = drive.take(s.FindPast)
        stored = [one for one in drive.log if one.stream == "run:r1"]
        past = anyio.run(find, past_of("r1", stored), "r1", ask.wanted)
        drive.ask(SignalRun(run_id="r1", name="go", id="s1", data=7), "signal").commit()
        drive.step(s.PastFound(run_id="r1", id="x", past=past))
        assert find_pasts(drive) == 1, "it is looked for once more"
        drive.commit()
        state = drive.rebuilt().state
        assert state.generation == 1
        assert state.steps["go"].output == 7
        drive.read_runs()

    def test_what_cannot_be_found_is_refused(self) -> None:
        drive, _ = begun()
        drive.ask(RestoreRun(run_id="r1", id="x", version=99))
        find_pasts(drive)
        drive.commit()
        answer = answer_of(drive)
        assert isinstance(answer, Refused)
        assert "has no version 99: its last one is" in answer.message

    def test_a_stream_that_cannot_be_read_is_said_to_be(self) -> None:
        drive, _ = begun()
        drive.ask(RestoreRun(run_id="r1", id="x", version=1))
        drive.take(s.FindPast)
        drive.step(s.PastFound(run_id="r1", id="x", parked="event 1 is damaged")).commit()
        answer = answer_of(drive)
        assert isinstance(answer, Refused)
        assert (answer.code, answer.message) == ("corrupt", "event 1 is damaged")

    def test_a_run_that_has_ended_is_refused_before_anything_is_read(self) -> None:
        drive, _ = begun()
        drive.ask(TerminateRun(run_id="r1")).commit()
        drive.outputs = []
        drive.ask(RerunRun(run_id="r1", id="x", all=True)).commit()
        answer = answer_of(drive)
        assert isinstance(answer, Refused)
        assert "a closed run is never reopened" in answer.message
        assert not drive.take(s.FindPast)

    def test_the_same_request_again_changes_nothing(self) -> None:
        drive, _ = begun()
        for _ in range(2):
            drive.ask(RestoreRun(run_id="r1", id="x", version=1))
            find_pasts(drive)
            drive.commit()
        assert [event.type for event in drive.log].count("run.restored.v1") == 1

    def test_a_run_that_is_not_there_is_said_not_to_be(self) -> None:
        drive, _ = begun()
        drive.ask(RestoreRun(run_id="nope", id="x", version=1))
        drive.read_runs()
        answer = answer_of(drive)
        assert isinstance(answer, Refused)
        assert "there is no run nope" in answer.message

    def test_others_see_the_run_as_it_is(self) -> None:
        drive, _ = begun()
        drive.ask(RestoreRun(run_id="r1", id="x", version=1))
        find_pasts(drive)
        drive.commit()
        drive.outputs = []
        drive.ask(ShowRun(run_id="r1"))
        view = answer_of(drive)
        assert isinstance(view, RunView)
        assert view.version == drive.rebuilt().head.version


class TestTheDoor:
    @pytest.mark.edge("STEPS_NAMED_MAX")
    @pytest.mark.parametrize(
        ("request_", "said"),
        [
            (SkipStep(run_id="r1", step="", id="x"), "step is empty"),
            (SkipStep(run_id="r1", step="a", id=""), "id is empty"),
            (FailStep(run_id="r1", step="a", id="x", code="no code"), "code"),
            (MoveStep(run_id="r1", step="a", id="x", to="a b"), "to is 'a b'"),
            (MoveStep(run_id="r1", step="a", id="x", off=("a b",)), "off is 'a b'"),
            (MoveStep(run_id="r1", step="a", id="x", to="n", off=("n",)), "off names as well"),
            (RestoreRun(run_id="r1", id="x", version=0), "version is 0: expected 1 or more"),
            (RerunRun(run_id="r1", id="x", steps=("a",), all=True), "expected one of the two"),
            (RerunRun(run_id="r1", id="x", steps=("a", "")), "steps is empty"),
            (
                RerunRun(run_id="r1", id="x", steps=("a",) * (STEPS_NAMED_MAX + 1)),
                f"expected at most {STEPS_NAMED_MAX}",
            ),
            (
                MoveStep(run_id="r1", step="a", id="x", off=("n",) * (STEPS_NAMED_MAX + 1)),
                f"expected at most {STEPS_NAMED_MAX}",
            ),
            (TerminateRun(run_id="r1", reason="x" * 10_001), "reason has 10001 characters"),
            (SkipStep(run_id="r1", step="a", id="x", output=float("nan")), "output is nan"),
        ],
    )
    def test_bad_requests_name_what_is_wrong(self, request_: RunRequest, said: str) -> None:
        with pytest.raises(Rejected, match=said):
            admit_request(request_, Limits())

    def test_as_many_steps_as_may_be_named_are_admitted(self) -> None:
        admit_request(RerunRun(run_id="r1", id="x", steps=("a",) * STEPS_NAMED_MAX), Limits())
