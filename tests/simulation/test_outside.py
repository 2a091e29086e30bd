"""Checkers that know nothing of the kernel: each sees what it is there for, and nothing else."""

import msgspec
import pytest

from dalsegno.testing.twins.scheduler import SECOND, Scheduler
from events.definition import Definition, Handler, SetStep, TaskStep
from events.envelope import Event, Header
from events.facts import Called, Enabled, Fact, Failure, Flow
from events.ids import Attempt
from events.messages import Execute, Granted, Heartbeat
from events.policies import RunOptions, Timeouts
from events.run_facts import ChildCalled
from events.task_facts import (
    AttemptFailed,
    TaskDispatched,
    TaskFailed,
    TaskRecalled,
    TaskStarted,
)
from orchestrator.coordinator.ports import Lease
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.state import RunState
from tests.simulation.authored import Authored
from tests.simulation.books import RunBook
from tests.simulation.grants import Grants
from tests.simulation.timeouts import TaskTimeouts
from tests.simulation.world import World, engine


def test_a_renewal_of_a_lease_that_is_not_the_last_one_is_seen() -> None:
    world = World(1, calm=True)
    world.auditor.acquired([Lease(shard=0, epoch=90, holder="alpha")])
    assert world.auditor.renewed([Lease(shard=0, epoch=90, holder="alpha")])
    assert not world.auditor.violations
    world.auditor.renewed([Lease(shard=0, epoch=89, holder="alpha")])
    assert world.auditor.violations


# -- what the author wrote ------------------------------------------------------------------------

WRITTEN = Definition(
    name="w",
    steps=(
        TaskStep(
            id="a",
            task="work",
            timeouts=Timeouts(start_to_close_s=2.0),
            on_error=(
                Handler(codes=("E1",), steps=(SetStep(id="one", variables={"x": 1}),)),
                Handler(codes=("E2",), steps=(TaskStep(id="two", task="work"),)),
            ),
        ),
    ),
    options=RunOptions(concurrency_max=1),
)


def _book() -> RunBook:
    book = RunBook("r", lambda *_: _net(), lambda _: None)
    book.state.options = WRITTEN.options
    return book


def _net() -> NetIndex:
    return NetIndex(engine().compile(WRITTEN)[1])


def _seen(fact: Fact, book: RunBook | None = None) -> list[str]:
    return list(Authored(lambda _: WRITTEN).take(fact, book or _book()))


def _failed(code: str, handled: bool, begins: str = "") -> TaskFailed:
    flow = Flow(enabled=(Enabled(step=begins),) if begins else ())
    return TaskFailed(step="a", attempt=1, failure=Failure(code=code), handled=handled, flow=flow)


def test_what_is_as_written_is_let_pass() -> None:
    assert not _seen(_failed("E2", handled=True, begins="two"))
    assert not _seen(_failed("E3", handled=False))


@pytest.mark.parametrize(
    "fact", [_failed("E2", False), _failed("E3", True), _failed("E1", True, begins="two")]
)
def test_a_failure_that_goes_elsewhere_than_its_author_wrote_is_seen(fact: TaskFailed) -> None:
    assert _seen(fact)


def test_a_child_that_was_another_attempts_is_seen() -> None:
    authored = Authored(lambda _: WRITTEN)
    again = ChildCalled(call=Called(step="c", run_id="r/c", workflow="w"))
    assert not list(authored.take(again, _book()))
    assert list(authored.take(again, _book()))


def test_more_tasks_at_a_time_than_allowed_are_seen() -> None:
    book = _book()
    fact = TaskDispatched(step="a", attempt=1, node="n1", incarnation="i")
    book.outstanding[Attempt("r", "a", 0, 1)] = None
    assert not _seen(fact, book)
    book.outstanding[Attempt("r", "b", 0, 1)] = None
    assert _seen(fact, book)


# -- timeouts -------------------------------------------------------------------------------------


def _verdict(*facts: tuple[int, Fact]) -> list[str]:
    """What is said of the last of these facts, recorded at so many seconds."""
    timeouts, found = TaskTimeouts(lambda *_: _net()), list[str]()
    for number, (at_s, fact) in enumerate(facts):
        header = Header(
            id=str(number),
            stream="run:r",
            version=number + 1,
            type=fact.TYPE,
            recorded_at=at_s * 1_000_000,
        )
        found = list(timeouts.take(Event(header, fact, ""), RunState()))
    return found


BEGAN = TaskStarted(step="a", attempt=1, started_at=0)
RECALLED = TaskRecalled(step="a", attempt=1, code="start_to_close_timeout")


def test_an_attempt_that_is_asked_back_in_time_is_let_pass() -> None:
    assert not _verdict((0, BEGAN), (2, RECALLED))


def test_an_attempt_that_is_asked_back_early_is_seen() -> None:
    assert _verdict((0, BEGAN), (1, RECALLED))


def test_an_attempt_that_is_asked_back_for_a_time_that_never_began_is_seen() -> None:
    assert _verdict((9, RECALLED))
    again = TaskDispatched(step="a", attempt=2, node="n1", incarnation="i")
    failed = TaskFailed(
        step="a", attempt=1, failure=Failure(code="start_to_close_timeout"), kind="timed_out"
    )
    assert _verdict((9, failed))
    assert not _verdict((1, again), (9, failed))  # the agent says so, by its own clock


# -- who may begin what ---------------------------------------------------------------------------

ATTEMPT = Attempt("r", "a", 0, 1)
EXECUTE = Execute(attempt=ATTEMPT, shard=0, task="work")


ANSWER = Granted(
    coordinator="alpha",
    sequence=1,
    incarnation="i",
    shards=(0,),
    epochs=(4,),
    lease_ttl_s=3.0,
)


def _granted() -> tuple[Scheduler, Grants]:
    """`n1` may begin what is of shard 0 for three seconds, less its margin."""
    scheduler = Scheduler(1)
    grants = Grants(scheduler, shards=1)
    grants.margins_s["n1"] = 0.5
    grants.begins("n1", "i")
    grants.beats(Heartbeat(node="n1", incarnation="i", sequence=1, slots=1, credits=1))
    grants.owned([Lease(shard=0, epoch=4)], 3.0)
    assert not list(grants.granted("n1", ANSWER))
    grants.heard("n1", ANSWER)
    return scheduler, grants


def _given_up_at(at_s: float, is_dead: bool = False) -> tuple[Grants, list[str]]:
    scheduler, grants = _granted()
    if is_dead:
        grants.ends("n1")
    scheduler.now = int(at_s * SECOND)
    book = _book()
    book.dispatched[ATTEMPT] = ("n1", "i")
    lost = AttemptFailed(
        step="a",
        attempt=1,
        failure=Failure(code="node_lost"),
        kind="lost",
        loss="node_lost",
        next_attempt_at=0,
    )
    return grants, list(grants.recorded(lost, book))


def test_an_attempt_that_is_given_up_while_its_node_may_begin_it_is_seen() -> None:
    assert _given_up_at(2.4)[1]
    assert not _given_up_at(2.5)[1]
    assert not _given_up_at(1.0, is_dead=True)[1]


def test_a_start_after_the_lease_is_seen() -> None:
    scheduler, grants = _granted()
    scheduler.now = 3 * SECOND
    assert not list(grants.started("n1", EXECUTE))
    scheduler.now += SECOND
    assert list(grants.started("n1", EXECUTE))


def test_a_start_of_what_was_given_up_is_seen() -> None:
    grants, _ = _given_up_at(2.5)
    assert list(grants.started("n1", EXECUTE))


def test_what_is_allowed_for_longer_than_it_is_owned_is_seen() -> None:
    scheduler, grants = _granted()
    scheduler.now = SECOND
    assert list(grants.granted("n1", ANSWER))


def test_a_beginning_of_what_its_owner_neither_sent_nor_saw_is_seen() -> None:
    _, grants = _granted()
    sent_before = msgspec.structs.replace(EXECUTE, epoch=3)
    assert not list(grants.begun("n1", msgspec.structs.replace(EXECUTE, epoch=4)))
    assert list(grants.begun("n1", sent_before))
    beat = Heartbeat(node="n1", incarnation="i", sequence=2, slots=1, credits=1, held=(ATTEMPT,))
    grants.beats(beat)
    grants.heard("n1", msgspec.structs.replace(ANSWER, sequence=2))
    assert not list(grants.begun("n1", sent_before))
