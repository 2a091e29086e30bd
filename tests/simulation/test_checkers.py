"""The checkers themselves: each sees what it is there for."""

import msgspec
import pytest

from dalsegno.testing.twins.scheduler import Scheduler
from events import operator_facts as o
from events.api import ForkRun, Refused, RestoreRun, RunAnswer, RunView, StartRun
from events.catalogue import Catalogue
from events.envelope import Event, Head, Stamp, seal, unseal
from events.facts import Fact
from events.ids import Attempt, child_run, run_stream
from events.limits import Limits
from events.messages import Commands, Completed, Execute, Granted, Heartbeat, Settle
from events.run_facts import RunStarted
from node_agent.settings import Settings as NodeSettings
from orchestrator.coordinator.ports import Batch, Lease
from orchestrator.coordinator.settings import Settings
from orchestrator.kernel.state import RunState, StepState
from tests.simulation.answers import Answers
from tests.simulation.bounds import Bounds
from tests.simulation.grants import Grants
from tests.simulation.mistakes import MISTAKEN, MISTAKES, came_of_it, complaint
from tests.simulation.operated import Operated, gone_back
from tests.simulation.world import World

VIEW = RunView(run_id="r1", workflow="w", workflow_version="v", version=1, status="running")


def _after_a_calm_run() -> tuple[World, Attempt]:
    world = World(1, calm=True)
    assert not world.run().violations
    keys = {key for book in world.auditor.books.values() for key in book.completed}
    return world, next(one for one in world.ledger.executions if one.task_key in keys)


def test_a_start_after_the_completion_is_seen() -> None:
    world, attempt = _after_a_calm_run()
    del world.ledger.executions[attempt]
    world.auditor.started("n1", Execute(attempt=attempt, shard=0, task="work"))
    assert world.auditor.violations


def test_a_second_start_is_seen() -> None:
    world, attempt = _after_a_calm_run()
    world.auditor.started("n1", Execute(attempt=attempt, shard=0, task="work"))
    assert any("started again" in text for text in world.auditor.violations)


def test_a_command_without_a_committed_dispatch_is_seen() -> None:
    world, attempt = _after_a_calm_run()
    next_one = Attempt(attempt.run_id, attempt.step, 0, 99)
    command = Execute(attempt=next_one, shard=0, task="work")
    world.auditor.published("n1", "i", Commands(coordinator="alpha", commands=(command,)))
    assert world.auditor.violations


def test_a_settlement_of_what_is_outstanding_is_seen() -> None:
    world, attempt = _after_a_calm_run()
    book = world.auditor.books[attempt.run_id]
    book.outstanding[attempt] = None
    settle = Settle(attempts=(attempt,))
    world.auditor.published("n1", "i", Commands(coordinator="alpha", commands=(settle,)))
    assert world.auditor.violations


def test_a_report_that_no_journal_has_is_seen() -> None:
    world, attempt = _after_a_calm_run()
    world.auditor.reported("n9", 10**9, [Completed(attempt=attempt)])
    assert world.auditor.violations


def test_a_state_that_is_not_the_fold_is_seen() -> None:
    world, attempt = _after_a_calm_run()
    world.auditor.hashed([(attempt.run_id, 1, "another")])
    assert world.auditor.violations


class TestOperators:
    """Version 4 of a run goes back to version 2, where `a` was completed."""

    FACT = o.RunRestored(
        id="op1", version=2, at=4, generation=1, by="user:ada", reason="why", backup=3
    )
    ASKED = RestoreRun(run_id="r1", id="op1", version=2, actor="user:ada", reason="why")

    def _event(self, fact: Fact, actor: str = "user:ada") -> Event:
        stamp = Stamp(recorded_at=1, actor=actor)
        return unseal(seal(Head("run:r1", 3), fact, "e", stamp), Catalogue())

    def test_what_was_asked_is_recorded(self) -> None:
        assert not list(Operated().take(self._event(self.FACT), {"c1": self.ASKED}, 5))

    def test_an_act_that_is_recorded_twice_is_seen(self) -> None:
        book = Operated()
        list(book.take(self._event(self.FACT), {"c1": self.ASKED}, 5))
        assert list(book.take(self._event(self.FACT), {"c1": self.ASKED}, 5))

    @pytest.mark.parametrize("changes", [{"by": "eve"}, {"reason": ""}, {"version": 1}])
    def test_an_act_that_is_not_what_was_asked_is_seen(self, changes: dict[str, object]) -> None:
        fact = msgspec.structs.replace(self.FACT, **changes)
        assert list(Operated().take(self._event(fact), {"c1": self.ASKED}, 5))

    def test_an_act_that_nobody_asked_for_is_seen(self) -> None:
        assert list(Operated().take(self._event(self.FACT), {}, 5))

    def test_a_restored_run_that_is_not_as_it_was_is_seen(self) -> None:
        earlier, state = RunState(), RunState()
        earlier.steps["a"] = StepState("completed", output=1)
        state.steps["a"] = StepState("completed", output=1)
        assert not list(gone_back(self.FACT, earlier, state))
        state.steps["a"].output = 2
        assert list(gone_back(self.FACT, earlier, state))
        state.steps["a"] = StepState("completed", output=1)
        state.steps["b"] = StepState("ready")
        assert list(gone_back(self.FACT, earlier, state))

    def test_a_rerun_that_keeps_what_was_to_be_done_again_is_seen(self) -> None:
        state = RunState()
        state.steps["a"] = StepState("completed", attempt=1)
        fact = msgspec.structs.replace(self.FACT, mode="rerun_steps", steps=("a",))
        assert list(gone_back(fact, state, state))

    def test_a_refusal_of_what_was_done_is_seen(self) -> None:
        operated = Operated()
        operated.done["op1"] = 5
        answers = Answers({}, {"r1": operated})
        refused = Refused(code="rejected", message="no")
        assert list(answers.given(self.ASKED, refused, asked_at=6))
        assert not list(answers.given(self.ASKED, refused, asked_at=4))
        assert not list(Answers({}, {}).given(self.ASKED, refused, asked_at=6))
        assert list(answers.given(self.ASKED, Refused(code="corrupt", message="no"), asked_at=6))


class TestGrants:
    """A node that was allowed shard 0 for a second."""

    EXECUTE = Execute(attempt=Attempt("r1", "a", 0, 1), shard=0, task="work", epoch=1)

    def _allowed(self) -> tuple[Grants, Scheduler]:
        scheduler = Scheduler(1)
        grants = Grants(scheduler, shards=1)
        grants.owned([Lease(shard=0, epoch=1, holder="alpha")], ttl_s=2.0)
        grants.begins("n1", "i1")
        grants.beats(Heartbeat(node="n1", incarnation="i1", sequence=1))
        answer = Granted(
            coordinator="alpha",
            sequence=1,
            incarnation="i1",
            shards=(0,),
            lease_ttl_s=1.0,
            epochs=(1,),
        )
        assert not list(grants.granted("n1", answer))
        return grants, scheduler

    @pytest.mark.parametrize(("after_us", "seen"), [(999_999, False), (1_010_001, True)])
    def test_a_start_after_the_lease_is_seen(self, after_us: int, seen: bool) -> None:
        grants, scheduler = self._allowed()
        scheduler.run(after_us)
        assert bool(list(grants.started("n1", self.EXECUTE))) == seen

    def test_a_start_of_what_an_earlier_incarnation_was_allowed_is_seen(self) -> None:
        grants, _ = self._allowed()
        grants.begins("n1", "i2")
        (text,) = grants.started("n1", self.EXECUTE)
        assert "nobody allows shard 0" in text


def _begun(run_id: str, actor: str) -> Event:
    fact = RunStarted(run_id=run_id, workflow="w", workflow_version="v")
    stored = seal(Head(run_stream(run_id)), fact, "e", Stamp(recorded_at=1, actor=actor))
    return unseal(stored, Catalogue())


class TestMistakes:
    @pytest.mark.parametrize("about", MISTAKES)
    def test_an_answer_as_if_nothing_were_wrong_is_seen(self, about: str) -> None:
        request = MISTAKES[about](MISTAKEN + about, "r1")
        assert complaint(request, RunAnswer(run=VIEW))
        assert complaint(request, Refused(code="rejected", message="no"))
        assert not complaint(request, Refused(code="rejected", message=f"{about}: use another"))
        assert not complaint(request, Refused(code="unavailable", message="try again"))

    def test_an_event_that_came_of_a_mistake_is_seen(self) -> None:
        assert came_of_it(_begun("r1", f"{MISTAKEN}input"))

    def test_every_run_that_only_a_mistake_has_named_is_seen_whoever_began_it(self) -> None:
        requests = [make(MISTAKEN, "r1") for make in MISTAKES.values()]
        named = {one.run_id for one in requests if isinstance(one, StartRun | ForkRun)}
        assert len(named) == 8
        assert all(came_of_it(_begun(run_id, "system")) for run_id in named)

    def test_a_child_run_is_none_whatever_its_digest_begins_with(self) -> None:
        run_id = child_run("d18211f596dd0414ionkjnomhhhh", "s2[2]", 0, 1)
        assert run_id.startswith("bad")
        assert not came_of_it(_begun(run_id, "parent"))


class TestBounds:
    BOUNDS = Bounds(
        Settings(commands_in_message_max=2, snapshots_kept=1),
        Limits(payload_bytes_max=10),
        {"n1": NodeSettings(node="n1", tasks=frozenset(), credits=1)},
    )
    ATTEMPTS = tuple(Attempt("r1", "a", 0, number) for number in range(5))

    def test_too_many_commands_in_a_message_are_seen(self) -> None:
        settle = Settle(attempts=self.ATTEMPTS[:1])
        for count, seen in ((2, False), (3, True)):
            commands = Commands(coordinator="c", commands=(settle,) * count)
            assert bool(list(self.BOUNDS.commanded("n1", commands))) == seen

    def test_an_event_that_is_too_large_is_seen(self) -> None:
        for size, seen in ((10, False), (70_000, True)):
            fact = RunStarted(run_id="r1", workflow="w", workflow_version="v", input="x" * size)
            stored = seal(Head("run:r1"), fact, "e", Stamp(recorded_at=1))
            batch = Batch(id="b", leases=(), events=(stored,))
            assert bool(list(self.BOUNDS.appended(batch))) == seen

    def test_a_node_that_holds_too_much_is_seen(self) -> None:
        for count, seen in ((4, False), (5, True)):
            beat = Heartbeat(node="n1", incarnation="i", sequence=1, held=self.ATTEMPTS[:count])
            assert bool(list(self.BOUNDS.beaten(beat))) == seen

    def test_what_is_held_when_all_is_over_is_seen(self) -> None:
        for unsettled, seen in (((), False), (self.ATTEMPTS[:1], True)):
            beat = Heartbeat(node="n1", incarnation="i", sequence=1, unsettled=unsettled)
            list(self.BOUNDS.beaten(beat))
            assert bool(list(self.BOUNDS.left_over())) == seen
