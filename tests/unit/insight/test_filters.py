"""Filters of events: what passes, what is left to the store, what is refused at the door."""

import pytest

from events.cluster_facts import DefinitionRegistered, NodeCordoned
from events.envelope import Stamp, Stored
from events.errors import Rejected
from events.facts import Failure
from events.limits import FILTER_NAMES_MAX, NAME_CHARS_MAX, ORIGINS_KEPT_MAX
from events.policies import RunOptions
from events.run_facts import RunCompleted, RunForked, RunStarted
from events.task_facts import TaskCompleted, TaskDispatched, TaskFailed
from orchestrator.adapters.cel import CelExpressions
from orchestrator.insight.following.bells import Bells
from orchestrator.insight.following.filters import Filter, Wanted
from orchestrator.insight.following.origins import Origins
from orchestrator.insight.following.sieve import compiled
from tests.feeds import FakeLog, sieve
from tests.logs import AT

pytestmark = pytest.mark.anyio
S = 1_000_000


@pytest.fixture
def log() -> FakeLog:
    """Two runs, a fork, a node, and an event that cannot be read."""
    log = FakeLog("main", Bells())
    started = RunStarted(
        run_id="a",
        workflow="orders",
        workflow_version="1",
        options=RunOptions(tags={"team": "sales", "city": "Oslo"}),
    )
    log.add("run:a", started)
    log.add("run:b", RunStarted(run_id="b", workflow="census", workflow_version="1"))
    given = TaskDispatched(step="parse[3]", attempt=1, node="n1", incarnation="i")
    log.add("run:a", given, Stamp(recorded_at=AT + S))
    done = TaskCompleted(step="parse[3]", attempt=1, output={"rows": 7})
    log.add("run:a", done, Stamp(recorded_at=AT + 2 * S, actor="node:n1"))
    failed = TaskFailed(step="load", attempt=2, failure=Failure(code="no_disk"))
    log.add("run:b", failed, Stamp(recorded_at=AT + 3 * S, correlation="order-7"))
    log.add("node:n2", NodeCordoned(node="n2", reason="disk"), Stamp(recorded_at=AT + 4 * S))
    forked = RunForked(
        run_id="c", source_run_id="a", source_version=2, workflow="orders", workflow_version="2"
    )
    log.add("run:c", forked, Stamp(recorded_at=AT + 5 * S))
    log.add("run:c", RunCompleted(), Stamp(recorded_at=AT + 6 * S))
    return log


STARTED_A, STARTED_B, GIVEN, DONE, FAILED, CORDONED, FORKED, ENDED = range(8)


async def passed(log: FakeLog, filter_: Filter) -> list[int]:
    """Places of the events that pass; the store leaves none of them out."""
    judge = sieve(filter_)
    seen = await judge.sifted("main", log.events, Origins(log))
    positions = [one.position for one in log.events]
    found = [positions.index(one.position) for one in seen]
    left = [n for n, e in enumerate(log.events) if judge.wanted.has(e.stream, e.type)]
    assert set(found) <= set(left)
    return found


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        (Filter(), list(range(8))),
        (Filter(types=("task.*",)), [GIVEN, DONE, FAILED]),
        (Filter(types=("task.completed", "run.completed.v1")), [DONE, ENDED]),
        (Filter(types=("task.?ailed",)), [FAILED]),
        (Filter(streams=("node:",)), [CORDONED]),
        (Filter(streams=("node:", "run:b")), [STARTED_B, FAILED, CORDONED]),
        (Filter(runs=("a",)), [STARTED_A, GIVEN, DONE]),
        (Filter(runs=("b", "c")), [STARTED_B, FAILED, FORKED, ENDED]),
        (Filter(workflows=("orders",)), [STARTED_A, GIVEN, DONE, FORKED, ENDED]),
        (Filter(workflows=("c*",)), [STARTED_B, FAILED]),
        (Filter(steps=("parse",)), [GIVEN, DONE]),
        (Filter(steps=("parse[3]", "load")), [GIVEN, DONE, FAILED]),
        (Filter(steps=("parse[2]",)), []),
        (Filter(nodes=("n1",)), [GIVEN, DONE]),
        (Filter(nodes=("n*",)), [GIVEN, DONE, CORDONED]),
        (Filter(tags={"team": "sales"}), [STARTED_A, GIVEN, DONE]),
        (Filter(tags={"team": "sales", "city": "Bergen"}), []),
        (Filter(correlations=("order-7",)), [FAILED]),
        (Filter(correlations=("a",)), [STARTED_A, GIVEN, DONE]),
        (Filter(correlations=("b",)), [STARTED_B]),
        (Filter(since=AT + 5 * S), [FORKED, ENDED]),
        (Filter(since=AT + S, until=AT + 3 * S), [GIVEN, DONE]),
        (Filter(where="data.attempt > 1"), [FAILED]),
        (Filter(where="data.output.rows == 7"), [DONE]),
        (Filter(where="event.workflow == 'orders' && event.type.startsWith('run.')"),
         [STARTED_A, FORKED, ENDED]),
        (Filter(where="event.tags.city == 'Oslo'"), [STARTED_A, GIVEN, DONE]),
        (Filter(where="data.outcome == ''"), [DONE]),
        (Filter(where="event.node == 'n1' && event.step == 'parse[3]'"), [GIVEN, DONE]),
        (Filter(types=("task.*",), workflows=("census",)), [FAILED]),
    ],
)  # fmt: skip
async def test_what_passes(log: FakeLog, filter_: Filter, expected: list[int]) -> None:
    assert await passed(log, filter_) == expected


async def test_where_without_a_value_is_not_true_and_says_why_once_it_is_no_missing_field(
    log: FakeLog,
) -> None:
    judge = sieve(Filter(where="data.attempt + 'x' == 'x'"))
    assert await judge.sifted("main", log.events, Origins(log)) == []
    assert judge.failed
    judge = sieve(Filter(where="data.nothing == 1"))
    assert await judge.sifted("main", log.events, Origins(log)) == []
    assert not judge.failed


async def test_a_registered_definition_belongs_to_its_workflow() -> None:
    log = FakeLog("main", Bells())
    stored = Stored("definition:orders", 1, DefinitionRegistered.TYPE, b"{", 1)
    log.events.append(stored)
    (seen,) = await sieve(Filter(workflows=("orders",))).sifted("main", [stored], Origins(log))
    assert seen.workflow == "orders"
    assert seen.trouble
    assert not await sieve(Filter(workflows=("census",))).sifted("main", [stored], Origins(log))


@pytest.mark.parametrize(
    "filter_",
    [
        Filter(),
        Filter(steps=("load",)),
        Filter(since=AT + 99 * S),
        Filter(where="data.attempt > 1"),
        Filter(nodes=("n1",)),
        Filter(tags={"team": "sales"}),
        Filter(types=("task.completed",), runs=("a",)),
    ],
)
async def test_what_cannot_be_read_is_never_hidden_by_what_it_would_have_said(
    log: FakeLog, filter_: Filter
) -> None:
    damaged = Stored("run:a", 4, TaskCompleted.TYPE, b"{damaged", log.position + 1)
    (seen,) = await sieve(filter_).sifted("main", [damaged], Origins(log))
    assert seen.event is None
    assert "event 4 of run:a" in seen.trouble


@pytest.mark.parametrize(
    "filter_", [Filter(runs=("b",)), Filter(types=("run.*",)), Filter(workflows=("census",))]
)
async def test_it_is_left_out_where_its_place_says_that_it_is_not_meant(
    log: FakeLog, filter_: Filter
) -> None:
    damaged = Stored("run:a", 4, TaskCompleted.TYPE, b"{damaged", log.position + 1)
    assert not await sieve(filter_).sifted("main", [damaged], Origins(log))


@pytest.mark.parametrize(
    ("filter_", "said"),
    [
        (Filter(types=("task.complete",)), "no event has the type task.complete: did you mean"),
        (Filter(types=("nothing.*",)), "no event has the type nothing.*: docs/reference/events.md"),
        (Filter(runs=("",)), "empty name among its runs"),
        (Filter(nodes=("n\n",)), "the filter's nodes have"),
        (Filter(since=5, until=5), "`since` is not before its `until`"),
        (Filter(where="vars.n == 1"), "where reads `vars.n`: expected `event.…`"),
        (Filter(where="data.n =="), "at line 1, column"),
        (Filter(where="data.n.frobnicate()"), "unknown function `frobnicate`"),
    ],
)
def test_what_is_refused_at_the_door(filter_: Filter, said: str) -> None:
    with pytest.raises(Rejected) as refused:
        compiled(filter_, CelExpressions())
    assert said in str(refused.value)


@pytest.mark.edge("FILTER_NAMES_MAX")
def test_a_filter_has_so_many_names() -> None:
    sieve(Filter(runs=("x",) * FILTER_NAMES_MAX))
    with pytest.raises(Rejected, match=f"{FILTER_NAMES_MAX + 1} names, over {FILTER_NAMES_MAX}"):
        sieve(Filter(runs=("x",) * FILTER_NAMES_MAX, tags={"a": "b"}))


def test_a_name_has_so_many_characters() -> None:
    sieve(Filter(steps=("x" * NAME_CHARS_MAX,)))
    with pytest.raises(Rejected, match=f"at most {NAME_CHARS_MAX} printable"):
        sieve(Filter(steps=("x" * (NAME_CHARS_MAX + 1),)))


def test_the_store_is_told_names_as_patterns() -> None:
    wanted = sieve(Filter(types=("task.*",), runs=("100%_a?",))).wanted
    assert wanted == Wanted(("task.%", "task.%.v%"), ("run:100\\%\\_a_",))
    assert wanted.has("run:100%_ab", "task.completed.v1")
    assert not wanted.has("run:100xxab", "task.completed.v1")
    assert sieve(Filter(streams=("run:a_",))).wanted.streams == ("run:a\\_%",)


@pytest.mark.edge("ORIGINS_KEPT_MAX")
async def test_origins_of_the_runs_seen_last_are_kept() -> None:
    log = FakeLog("main", Bells())
    for name in ("a", "b", "c"):
        log.add(f"run:{name}", RunStarted(run_id=name, workflow=f"w{name}", workflow_version="1"))
    assert ORIGINS_KEPT_MAX > 1000
    origins = Origins(log, kept=2)
    assert (await origins.of(["a", "b", "a"]))["a"].workflow == "wa"
    assert (await origins.of(["a", "c", "nobody"])).keys() == {"a", "c"}
    assert log.asked == ["run:a", "run:b", "run:c", "run:nobody"]
    await origins.of(["a", "c"])
    assert log.asked[4:] == []
    await origins.of(["b"])
    assert log.asked[4:] == ["run:b"]
