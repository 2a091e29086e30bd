"""The workflows of the load: how often each is started, and the ends that a run of it may reach."""

from collections.abc import Callable

import msgspec

from events.definition import Definition
from events.values import Value
from orchestrator.authoring import Workflow

FLAKY_ATTEMPTS = 40
LONG_S = 6.0
DOOMED_ATTEMPTS = 3
SIGNAL = "go"
PAID_STEP = "pay"


class Ended(msgspec.Struct, frozen=True):
    """An end that a run could reach undisturbed; a completed one with its output."""

    status: str
    output: Value = None


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    definition: Definition
    weight: int
    tasks: int
    """Of one run, its children's with them: what it adds to the load."""
    ends: Callable[[int], tuple[Ended, ...]]
    signalled: bool = False
    cancelled: bool = False
    internal: bool = False
    """Started by other runs only."""

    @property
    def name(self) -> str:
        return self.definition.name


def completed(output: Value) -> tuple[Ended, ...]:
    return (Ended("completed", output),)


def _chain(name: str, length: int) -> Definition:
    flow = Workflow(name)
    value: object = flow.input.n
    for number in range(length):
        value = flow.task(f"s{number}", "chaos.add", left=value).retry(20, initial="200ms").output
    flow.output(value)
    return flow.definition()


def _fan() -> Definition:
    flow = Workflow("fan")
    found = []
    fan = flow.parallel("fan")
    for number in range(5):
        with fan.branch(f"b{number}"):
            step = flow.task(f"f{number}", "chaos.flaky", left=flow.input.n)
            found.append(step.retry(FLAKY_ATTEMPTS, initial="100ms", cap="1s").output)
    with fan.branch("thread"):
        plain = flow.task("plain", "chaos.thread", left=flow.input.n).retry(20, initial="200ms")
        found.append(plain.output)
    total = found[0]
    for one in found[1:]:
        total = total + one
    flow.set("sum", total=total)
    flow.output(flow.vars.total)
    return flow.definition()


def _map() -> Definition:
    flow = Workflow("list")
    each = flow.map("each", "chaos.add", flow.input.items, concurrency=6, left=flow.item)
    flow.output(each.retry(20, initial="200ms").output)
    return flow.definition()


def _waits() -> Definition:
    flow = Workflow("waits")
    first = flow.task("first", "chaos.add", left=flow.input.n).retry(20, initial="200ms")
    flow.sleep("nap", "1500ms")
    last = flow.task("last", "chaos.add", left=first.output).retry(20, initial="200ms")
    flow.output(last.output)
    return flow.definition()


def _signalled() -> Definition:
    flow = Workflow("signalled")
    flow.task("first", "chaos.add", left=flow.input.n).retry(20, initial="200ms")
    told = flow.wait_for("told", SIGNAL)
    last = flow.task("last", "chaos.add", left=told.output).retry(20, initial="200ms")
    flow.output(last.output)
    return flow.definition()


def _parent() -> Definition:
    flow = Workflow("parent")
    one = flow.call("one", "child", {"n": flow.input.n})
    two = flow.call("two", "child", {"n": one.output})
    flow.output(two.output)
    return flow.definition()


def _long(name: str) -> Definition:
    flow = Workflow(name)
    step = flow.task("long", "chaos.long", left=flow.input.n, takes_s=LONG_S)
    step.retry(100, initial="200ms", factor=1.0).timeouts(heartbeat="5s")
    flow.output(step.output)
    return flow.definition()


def _parts() -> Definition:
    flow = Workflow("parts")
    step = flow.task("parts", "chaos.parts", left=flow.input.n)
    flow.output(step.retry(100, initial="200ms", factor=1.0).output)
    return flow.definition()


def _paid(name: str, takes_s: float) -> Definition:
    flow = Workflow(name)
    step = flow.task(PAID_STEP, "chaos.pay", left=flow.input.n, takes_s=takes_s)
    flow.output(step.retry(FLAKY_ATTEMPTS, initial="100ms", cap="1s").output)
    return flow.definition()


def _doomed() -> Definition:
    flow = Workflow("doomed")
    flow.task("never", "chaos.doomed").retry(DOOMED_ATTEMPTS, initial="200ms")
    return flow.definition()


def input_of(n: int) -> dict[str, Value]:
    """What every run is given; each workflow takes what it needs of it."""
    return {"n": n, "items": [n + index for index in range(10)]}


def all_flows() -> tuple[Flow, ...]:
    return (
        Flow(definition=_chain("chain", 5), weight=6, tasks=5, ends=lambda n: completed(n + 5)),
        Flow(definition=_fan(), weight=4, tasks=8, ends=lambda n: completed(6 * n + 6)),
        Flow(
            definition=_map(),
            weight=3,
            tasks=10,
            ends=lambda n: completed([n + index + 1 for index in range(10)]),
        ),
        Flow(definition=_waits(), weight=4, tasks=2, ends=lambda n: completed(n + 2)),
        Flow(
            definition=_signalled(),
            weight=3,
            tasks=2,
            ends=lambda n: completed(n * 7 + 1),
            signalled=True,
        ),
        Flow(definition=_parent(), weight=2, tasks=4, ends=lambda n: completed(n + 4)),
        Flow(
            definition=_chain("child", 2),
            weight=0,
            tasks=2,
            ends=lambda n: completed(n + 2),
            internal=True,
        ),
        Flow(definition=_long("long"), weight=2, tasks=1, ends=lambda n: completed(n + 1)),
        Flow(
            definition=_long("called-off"),
            weight=2,
            tasks=1,
            ends=lambda n: (*completed(n + 1), Ended("cancelled")),
            cancelled=True,
        ),
        Flow(definition=_parts(), weight=3, tasks=1, ends=lambda n: completed(n + 1)),
        Flow(definition=_paid("paid", 0.05), weight=4, tasks=1, ends=lambda n: completed(n + 1)),
        Flow(
            definition=_paid("paid-off", 1.0),
            weight=2,
            tasks=1,
            ends=lambda n: (*completed(n + 1), Ended("cancelled")),
            cancelled=True,
        ),
        Flow(definition=_doomed(), weight=1, tasks=3, ends=lambda _: (Ended("failed"),)),
    )


def signal_data(n: int) -> int:
    return n * 7
