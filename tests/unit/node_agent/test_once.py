"""What a handler does once per task: recorded before it goes on, given to later attempts."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from events.limits import ONCE_BYTES_MAX, ONCE_VALUES_MAX
from events.messages import Completed, Drop, Failed, Once, Returned, Settle
from events.values import Value
from node_agent import TaskContext, task
from node_agent.journal import Ledger, Live
from node_agent.steps import CancelExecution, Journal, JournalSynced, OnceKept, OnceSettled
from tests.unit.node_agent.fakes import attempt, execute
from tests.unit.node_agent.rig import Rig, of, with_settings
from tests.unit.node_agent.test_agent import World

A = attempt()
KEPT = OnceKept(A, "charge", 7, 20)
ONCE = Once(attempt=A, name="charge", value=7)
SETTLED = Settle(attempts=(), once=((A, "charge"),))


def running(rig: Rig | None = None) -> Rig:
    rig = rig or Rig()
    rig.grant()
    rig.command(execute())
    return rig


def told(rig: Rig) -> list[Once]:
    return [report for report in rig.reports if isinstance(report, Once)]


# -- the core -------------------------------------------------------------------------------------


def test_a_value_is_durable_before_it_is_reported() -> None:
    rig = running()
    rig.answers = False
    outputs = rig.feed(KEPT)
    (journal,) = of(outputs, Journal)
    assert journal.sync
    assert not told(rig)
    rig.feed(JournalSynced(journal.batch))
    assert told(rig) == [ONCE]


def test_a_handler_goes_on_when_its_owner_has_recorded_the_value() -> None:
    rig = running()
    rig.feed(KEPT)
    outputs = rig.command(SETTLED)
    assert of(outputs, OnceSettled) == [OnceSettled(A, "charge")]
    assert not of(rig.command(SETTLED), OnceSettled)


def test_a_value_is_sent_again_until_it_is_settled() -> None:
    rig = running(Rig(with_settings(resend_first_s=5.0, resend_max_s=30.0)))
    rig.feed(KEPT)
    rig.sleep(5.1)
    assert told(rig) == [ONCE] * 2
    rig.sleep(30.1)
    assert told(rig) == [ONCE] * 3
    rig.command(SETTLED)
    rig.sleep(120)
    assert told(rig) == [ONCE] * 3


def test_an_owner_of_an_earlier_release_is_told_when_a_later_one_has_the_shard() -> None:
    rig = running(Rig(with_settings(resend_first_s=5.0)))
    rig.grant(protocol=0)
    rig.feed(KEPT)
    assert not told(rig)
    rig.grant()
    rig.sleep(5.1)
    assert told(rig) == [ONCE]


def test_a_fenced_handler_is_given_no_value() -> None:
    rig = running()
    rig.feed(KEPT)
    outputs = rig.command(Drop(attempts=(A,)))
    assert of(outputs, CancelExecution) == [CancelExecution(A, "dropped")]
    assert not of(rig.command(SETTLED), OnceSettled)


def test_a_handler_that_waits_for_the_cluster_is_not_silent() -> None:
    rig = running_with_heartbeat()
    rig.feed(KEPT)
    assert not of(rig.sleep(10), CancelExecution)
    rig.command(SETTLED)
    assert not of(rig.sleep(0.9), CancelExecution)
    assert of(rig.sleep(0.2), CancelExecution) == [CancelExecution(A, "heartbeat_timeout")]


def running_with_heartbeat() -> Rig:
    rig = Rig()
    rig.grant()
    rig.command(msgspec.structs.replace(execute(), heartbeat_s=1.0))
    return rig


def test_what_a_killed_process_leaves_is_reported_before_its_end() -> None:
    ledger = Ledger()
    rig = running()
    rig.feed(KEPT)
    ledger.extend(rig.records)
    (live,) = ledger.live.values()
    assert live.once == (ONCE,)
    again = Ledger()
    again.extend(ledger.compacted())
    assert again.live == ledger.live
    after = Rig(live=[live])
    assert [type(report) for report in after.reports] == [Once, Returned]


def test_what_ended_with_values_on_the_way_keeps_them_through_a_restart() -> None:
    report = Completed(attempt=A, output=1)
    after = Rig(live=[Live(A, 0, 1, report, (ONCE,))])
    assert after.reports == [ONCE, report]


# -- handlers -------------------------------------------------------------------------------------


class Counted:
    """A function that counts its calls, in the order of their names."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def later(self, name: str, value: Value = None) -> Value:
        self.calls.append(name)
        await asyncio.sleep(0)
        return value or name

    def now(self, name: str, value: Value = None) -> Value:
        self.calls.append(name)
        return value or name


counted = Counted()


@task(name="async")
async def in_loop(ctx: TaskContext) -> list[Value]:
    both = await asyncio.gather(*(ctx.once("a", lambda: counted.later("a")) for _ in range(2)))
    return [*both, await ctx.once("b", lambda: counted.later("b"))]


@task(name="plain")
def in_thread(ctx: TaskContext) -> list[Value]:
    a = ctx.once("a", lambda: counted.now("a"))
    return [a, ctx.once("a", lambda: counted.now("a")), ctx.once("b", lambda: counted.now("b"))]


BOTH = [(in_loop, "async"), (in_thread, "plain")]


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    counted.calls.clear()


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["async", "plain"])
async def test_each_name_is_done_once(name: str) -> None:
    world = World((in_loop, in_thread))
    report = await world.outcome(execute(task=name))
    assert isinstance(report, Completed)
    assert report.output == ["a", "a", "b"]
    assert counted.calls == ["a", "b"]
    sent = [one for one in world.bus.reports if isinstance(one, Once)]
    assert [(one.name, one.value) for one in sent] == [("a", "a"), ("b", "b")]


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["async", "plain"])
async def test_a_later_attempt_is_given_what_is_recorded(name: str) -> None:
    command = msgspec.structs.replace(execute(task=name, number=2), once={"a": "before"})
    report = await World((in_loop, in_thread)).outcome(command)
    assert isinstance(report, Completed)
    assert report.output == ["before", "before", "b"]
    assert counted.calls == ["b"]


@task(name="too_many")
async def too_many(ctx: TaskContext, count: int) -> None:
    for number in range(count):
        await ctx.once(f"n{number}", lambda: counted.later("n"))


@task(name="too_large")
async def too_large(ctx: TaskContext, count: int) -> None:
    await ctx.once("n", lambda: counted.later("n", "x" * (count - len('{"n":""}'))))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "most"), [("too_many", ONCE_VALUES_MAX), ("too_large", ONCE_BYTES_MAX)]
)
async def test_what_is_kept_is_bounded(name: str, most: int) -> None:
    tasks = (too_many, too_large)
    assert isinstance(await World(tasks).outcome(execute(task=name, count=most)), Completed)
    report = await World(tasks).outcome(execute(task=name, count=most + 1))
    assert isinstance(report, Failed)
    assert (report.failure.code, report.retryable) == ("too_much_once", False)


@task(name="wrong")
async def wrong(ctx: TaskContext, how: str) -> None:
    ways: dict[str, Callable[[], object]] = {
        "plain": lambda: ctx.once("n", lambda: counted.now("n")),
        "unnamed": lambda: ctx.once("", lambda: counted.later("n")),
        "no_json": lambda: ctx.once("n", lambda: counted.later("n", {1, 2})),  # type: ignore[arg-type]
    }
    found = ways[how]()
    assert asyncio.iscoroutine(found)
    await found


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["plain", "unnamed", "no_json"])
async def test_misuse_fails_the_attempt_and_says_how(how: str) -> None:
    report = await World((wrong,)).outcome(execute(task="wrong", how=how))
    assert isinstance(report, Failed)
    assert report.failure.code == "invalid_once"


@task(name="waits")
def waits(ctx: TaskContext) -> None:
    ctx.once("a", lambda: counted.now("a"))


@pytest.mark.anyio
async def test_a_thread_that_waits_ends_when_its_attempt_is_fenced() -> None:
    world = World((waits, in_loop), slots=1)
    world.bus.settles = False
    async with world.running() as bus:
        bus.send(execute(task="waits"))
        await bus.until(lambda: any(isinstance(one, Once) for one in bus.reports))
        bus.settles = True
        bus.send(Drop(attempts=(attempt(),)), execute("next", task="async"))
        (report,) = await bus.until_final(attempt("next"))
    assert isinstance(report, Completed)
    assert attempt() not in bus.finals
