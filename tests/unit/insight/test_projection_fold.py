"""What runs, tasks and nodes add to the statistics."""

import random

import pytest

from events.catalogue import FACTS
from events.cluster_facts import (
    NodeCordoned,
    NodeDraining,
    NodeLost,
    NodeRegistered,
    NodeUncordoned,
)
from events.envelope import Head, Stamp, Stored, seal
from events.facts import Enabled, Fact, Failure, Flow
from events.ids import node_stream, run_stream
from events.operator_facts import GivenStatus, ResultGiven, RunRestored
from events.policies import RunOptions
from events.run_facts import Renewed, RunCompleted, RunForked, RunStarted
from events.task_facts import AttemptFailed, TaskCompleted, TaskDispatched, TaskRetryDue
from orchestrator.insight.counting.auditing import Kept, fresh
from orchestrator.insight.counting.bins import bin_of
from orchestrator.insight.counting.fold import PASSED, Fold
from orchestrator.insight.counting.folding import Bounds, Folding
from orchestrator.insight.counting.tallies import ALL, HOUR_S, MINUTE_S, Key, Label
from orchestrator.insight.nodes import after
from tests.happenings import definition, random_log
from tests.projections import MemoryProjections, Shared

pytestmark = pytest.mark.anyio

MINUTE_US = 60_000_000
AT = 1_700_000_000_000_000 // MINUTE_US * MINUTE_US
"""The beginning of a minute."""
SECOND = 1_000_000


class Log:
    """A log that grows by facts at instants in seconds after `AT`."""

    def __init__(self) -> None:
        self.events = [definition("census")]
        self._heads: dict[str, Head] = {}

    def run(self, at_s: float, *facts: Fact, run_id: str = "r1") -> "Log":
        return self._add(run_stream(run_id), at_s, facts)

    def node(self, at_s: float, *facts: Fact) -> "Log":
        return self._add(node_stream("a"), at_s, facts)

    def _add(self, stream: str, at_s: float, facts: tuple[Fact, ...]) -> "Log":
        head = self._heads.setdefault(stream, Head(stream))
        stamp = Stamp(recorded_at=AT + round(at_s * SECOND))
        self.events += [seal(head, fact, f"{stream}-{head.version}", stamp) for fact in facts]
        return self

    async def folded(self) -> Kept:
        return await fresh(MemoryProjections(Shared(self.events)), len(self.events))


def started(*steps: str, options: RunOptions = RunOptions()) -> RunStarted:
    return RunStarted(
        run_id="r1",
        workflow="census",
        workflow_version="v1",
        options=options,
        flow=Flow(enabled=tuple(Enabled(step=step) for step in steps)),
    )


def dispatched(step: str, node: str = "a", attempt: int = 1) -> TaskDispatched:
    return TaskDispatched(step=step, attempt=attempt, node=node, incarnation="i")


def completed(step: str, from_s: float, to_s: float) -> TaskCompleted:
    return TaskCompleted(
        step=step,
        attempt=1,
        started_at=AT + round(from_s * SECOND),
        ended_at=AT + round(to_s * SECOND),
    )


def task_key(node: str = "a", task: str = "count.all", width_s: int = ALL, at: int = 0) -> Key:
    return Key("task", width_s, at, "census", task, node)


async def test_a_task_waits_queues_and_takes_its_time() -> None:
    log = Log().run(1, started("count")).run(4, dispatched("count"))
    log.run(20, completed("count", 4.5, 14.5)).run(21, RunCompleted())
    found = await log.folded()
    tally = found.tallies[task_key()]
    assert tally.counts == {"dispatched": 1, "completed": 1}
    assert {name: (t.sum_us, t.bins) for name, t in tally.times.items()} == {
        "wait": (3 * SECOND, {bin_of(3 * SECOND): 1}),
        "queue": (SECOND // 2, {bin_of(SECOND // 2): 1}),
        "duration": (10 * SECOND, {bin_of(10 * SECOND): 1}),
    }
    run = found.tallies[Key("run", ALL, 0, "census")]
    assert run.counts == {"started": 1, "completed": 1}
    assert (run.times["wait"].sum_us, run.times["duration"].sum_us) == (3 * SECOND, 20 * SECOND)


async def test_events_count_in_their_minute_their_hour_and_all_time() -> None:
    log = Log().run(59.999999, started("count")).run(60, dispatched("count"))
    tallies = (await log.folded()).tallies
    hour = AT // (60 * MINUTE_US) * 60 * MINUTE_US
    assert {key: tally.counts for key, tally in tallies.items()} == {
        Key("run", MINUTE_S, AT, "census"): {"started": 1},
        Key("run", MINUTE_S, AT + MINUTE_US, "census"): {},
        Key("run", HOUR_S, hour, "census"): {"started": 1},
        Key("run", ALL, 0, "census"): {"started": 1},
        task_key(width_s=MINUTE_S, at=AT + MINUTE_US): {"dispatched": 1},
        task_key(width_s=HOUR_S, at=hour): {"dispatched": 1},
        task_key(): {"dispatched": 1},
    }


async def test_an_attempt_that_is_followed_counts_for_the_node_that_had_it() -> None:
    log = Log().run(0, started("count")).run(0, dispatched("count", "a"))
    failed = AttemptFailed(
        step="count",
        attempt=1,
        failure=Failure(code="boom"),
        kind="lost",
        next_attempt_at=AT + 5 * SECOND,
    )
    log.run(2, failed).run(6, TaskRetryDue(step="count")).run(7, dispatched("count", "b", 2))
    found = (await log.folded()).tallies
    assert found[task_key("a")].counts == {"dispatched": 1, "retried_lost": 1}
    assert found[task_key("b")].counts == {"dispatched": 1}
    assert found[task_key("b")].times["wait"].sum_us == SECOND, "since the retry was due"


async def test_items_of_a_map_are_tasks_of_its_body() -> None:
    log = Log().run(0, started("scale[0]", "scale[1]"))
    log.run(1, dispatched("scale[0]"), dispatched("scale[1]"))
    assert (await log.folded()).tallies[task_key(task="scale.one")].counts == {"dispatched": 2}


async def test_tasks_of_a_fork_are_ready_from_its_beginning() -> None:
    forked = RunForked(
        run_id="r1",
        source_run_id="r0",
        source_version=3,
        workflow="census",
        workflow_version="v1",
        renewed=(Renewed(step="count"),),
    )
    log = Log().run(0, forked).run(2, dispatched("count"))
    assert (await log.folded()).tallies[task_key()].times["wait"].sum_us == 2 * SECOND


async def test_after_a_restore_what_was_open_then_is_ready_anew() -> None:
    back = RunRestored(id="x", version=1, at=3, generation=1, renewed=(Renewed(step="count"),))
    log = Log().run(0, started("count")).run(1, dispatched("count")).run(2, back)
    log.run(5, dispatched("count"))
    tally = (await log.folded()).tallies[task_key()]
    assert tally.counts == {"dispatched": 2, "cancelled": 1}
    assert tally.times["wait"].sum_us == (1 + 3) * SECOND


@pytest.mark.parametrize("status", ["completed", "skipped", "failed"])
async def test_a_result_from_an_operator_is_a_tasks_end_and_took_no_time(
    status: GivenStatus,
) -> None:
    log = Log().run(0, started("count")).run(1, dispatched("count"))
    log.run(2, ResultGiven(id="x", step="count", status=status))
    log.run(3, ResultGiven(id="y", step="other", status=status))
    found = (await log.folded()).tallies
    assert found[task_key()].counts == {"dispatched": 1, status: 1}
    assert "duration" not in found[task_key()].times
    assert {key.task for key in found if key.kind == "task"} == {"count.all"}


async def test_tags_and_search_attributes_become_labels() -> None:
    options = RunOptions(
        tags={"team": "x\0"}, attributes={"n": 3.0, "vip": True, "city": "Oslo", "size": 2.5}
    )
    log = Log().run(0, started("count", options=options))
    assert (await log.folded()).labels == {
        Label("r1", "tag", "team", "x\ufffd", None, AT),
        Label("r1", "attribute", "n", "3", 3.0, AT),
        Label("r1", "attribute", "vip", "true", None, AT),
        Label("r1", "attribute", "city", "Oslo", None, AT),
        Label("r1", "attribute", "size", "2.5", 2.5, AT),
    }


async def test_a_fork_is_found_by_the_run_that_it_was_forked_from() -> None:
    forked = RunForked(
        run_id="r1",
        source_run_id="r0",
        source_version=3,
        workflow="census",
        workflow_version="v1",
        options=RunOptions(tags={"team": "x"}),
    )
    assert (await Log().run(0, forked).folded()).labels == {
        Label("r1", "tag", "team", "x", None, AT),
        Label("r1", "fork", "r0", "3", None, AT),
    }


async def test_nodes_are_as_their_last_events_say() -> None:
    who = NodeRegistered(node="a", incarnation="i", slots=4, labels={"zone": "z"})
    log = Log().node(0, who).node(3, NodeLost(node="a", incarnation="i", silent_s=1.0))
    lost = (await log.folded()).nodes["a"]
    assert (lost.status, lost.since, lost.losses, lost.slots) == ("lost", AT + 3 * SECOND, 1, 4)
    log.node(4, NodeRegistered(node="a", incarnation="j"))
    back = (await log.folded()).nodes["a"]
    assert (back.status, back.incarnation, back.losses) == ("healthy", "j", 1)


async def test_an_operators_drain_ends_with_the_cordon_an_agents_own_does_not() -> None:
    for due_at, status in ((AT, "healthy"), (None, "draining")):
        log = Log().node(0, NodeRegistered(node="a", incarnation="i"), NodeCordoned(node="a"))
        log.node(1, NodeDraining(node="a", incarnation="i", due_at=due_at))
        assert (await log.folded()).nodes["a"].cordoned
        node = (await log.node(2, NodeUncordoned(node="a")).folded()).nodes["a"]
        assert (node.status, node.cordoned) == (status, False)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda state: state[:-3], "it cannot be decoded"),
        (lambda state: state.replace(b".v1", b".v9"), "does not know the type"),
        (lambda state: state.replace(b'{"id"', b'{"codec":7,"id"'), "does not know codec 7"),
        (lambda state: state, ""),
    ],
)
async def test_what_cannot_be_read_counts_nowhere_and_is_named(spoil: object, why: str) -> None:
    log = Log().run(0, started("count")).run(1, dispatched("count")).run(2, RunCompleted())
    assert callable(spoil)
    event = log.events[2]
    log.events[2] = Stored(event.stream, event.version, event.type, spoil(event.state))
    found = await log.folded()
    assert [(one.position, why in one.why) for one in found.unread] == ([(3, True)] if why else [])
    assert (task_key() in found.tallies) == (not why)
    assert found.tallies[Key("run", ALL, 0, "census")].counts == {"started": 1, "completed": 1}


def test_every_fact_is_counted_or_passed_on_purpose() -> None:
    """A new fact has to be looked at: it counts, or it is named among those that do not."""
    of_nodes = {fact.TYPE for fact in FACTS if fact.TYPE.startswith("node.")}
    handled = Fold().handled
    assert {fact.TYPE for fact in FACTS} == handled | PASSED | of_nodes
    assert not handled & PASSED
    assert {fact.TYPE for fact in after.registry if fact is not object and fact is not Fact} == (
        of_nodes
    )


async def test_memory_is_bounded_by_what_is_asked_for() -> None:
    log = random_log(random.Random("bounds").randrange(99), 200)
    fold = Fold(entries_max=10)
    folding = Folding(MemoryProjections(Shared(log)), fold, 0, Bounds(page=5))
    most = 0
    while await folding.next() is not None:
        most = max(most, fold.remembered)
    assert 0 < most <= 2 * (10 + 5 * 4)
