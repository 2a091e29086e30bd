"""Logs in which much happens: runs side by side with retries, maps, forks and labels, nodes that
come and go, and events that nobody can read. Made from a seed, so that a failure comes again."""

import random
from collections.abc import Iterator, Sequence
from typing import Literal

from events.cluster_facts import (
    DefinitionRegistered,
    LeaseAcquired,
    NodeCordoned,
    NodeDraining,
    NodeLeft,
    NodeLost,
    NodeRecovered,
    NodeRegistered,
    NodeSampled,
    NodeSuspected,
    NodeUncordoned,
)
from events.definition import Definition
from events.envelope import Head, Stamp, Stored, seal
from events.facts import Enabled, Fact, Failure, Flow, HostSample
from events.ids import definition_stream, node_stream, run_stream, shard_stream
from events.net import Map, Net, NetStep, Task
from events.policies import Attribute, RunOptions
from events.run_facts import (
    Renewed,
    RunCancelled,
    RunClosing,
    RunCompleted,
    RunFailed,
    RunForked,
    RunPaused,
    RunStarted,
    RunTimedOut,
    SignalReceived,
)
from events.task_facts import (
    AttemptFailed,
    TaskCancelled,
    TaskCompleted,
    TaskDispatched,
    TaskFailed,
    TaskRetryDue,
)

AT = 1_700_000_000_000_000
WORKFLOWS = ("census", "orders")
NODES = ("a", "b", "c")
NET = Net(
    steps=(
        NetStep(id="count", action=Task(task="count.all")),
        NetStep(id="scale", action=Map(items=[], body=Task(task="scale.one"), concurrency=9)),
    ),
    arcs=(),
)
FAILURE = Failure(code="boom")
KINDS: tuple[Literal["failed", "timed_out", "lost"], ...] = ("failed", "timed_out", "lost")


def story(dice: random.Random, run_id: str, workflow: str) -> Iterator[Fact]:
    """The facts of one run, up to its end or to where it is now."""
    steps = ["count", *(f"scale[{n}]" for n in range(dice.randint(0, 3)))]
    yield _beginning(dice, run_id, workflow, steps)
    if dice.random() < 0.2:
        yield RunPaused(reason="a look at it")
    for step in steps:
        yield from _task(dice, step)
        if dice.random() < 0.05:
            return
    if dice.random() < 0.2:
        yield RunClosing(status="failed", failure=FAILURE)
    yield dice.choice(
        [
            RunCompleted(output={"n": [1, 2]}),
            RunCompleted(),
            RunFailed(failure=FAILURE),
            RunCancelled(reason="enough"),
            RunTimedOut(failure=FAILURE),
        ]
    )


def _beginning(dice: random.Random, run_id: str, workflow: str, steps: Sequence[str]) -> Fact:
    amounts: list[Attribute] = [1, 2.5, 3.0, True, "7"]
    labels = RunOptions(
        tags={"team": dice.choice(["x", "y\0"])} if dice.random() < 0.5 else {},
        attributes={"amount": dice.choice(amounts)} if dice.random() < 0.5 else {},
    )
    if dice.random() < 0.2:
        return RunForked(
            run_id=run_id,
            source_run_id="elsewhere",
            source_version=3,
            workflow=workflow,
            workflow_version="v1",
            options=labels,
            renewed=tuple(Renewed(step=step) for step in steps),
        )
    enabled = tuple(Enabled(step=step, inputs={"big": "x" * dice.randint(0, 50)}) for step in steps)
    return RunStarted(
        run_id=run_id,
        workflow=workflow,
        workflow_version="v1",
        options=labels,
        flow=Flow(enabled=enabled),
    )


def _task(dice: random.Random, step: str) -> Iterator[Fact]:
    attempt = 1
    while True:
        if dice.random() < 0.95:
            node = dice.choice(NODES)
            yield TaskDispatched(step=step, attempt=attempt, node=node, incarnation="i")
        if dice.random() < 0.2:
            yield SignalReceived(id="s", name="go")
        if dice.random() > 0.3:
            break
        kind = dice.choice(KINDS)
        yield AttemptFailed(
            step=step, attempt=attempt, failure=FAILURE, kind=kind, next_attempt_at=AT + 9
        )
        yield TaskRetryDue(step=step)
        attempt += 1
    began = AT + dice.randint(-1000, 90_000_000)
    yield dice.choice(
        [
            TaskCompleted(
                step=step,
                attempt=attempt,
                started_at=began,
                ended_at=began + dice.randint(-5, 10**7),
            ),
            TaskCompleted(step=step, attempt=attempt, output="o", started_at=1, ended_at=2),
            TaskFailed(step=step, attempt=attempt, failure=FAILURE, started_at=began),
            TaskCancelled(step=step, attempt=attempt),
        ]
    )


def node_story(dice: random.Random, node: str) -> Iterator[Fact]:
    yield NodeRegistered(
        node=node, incarnation="i", tasks=("count.all",), labels={"zone": "z\0"}, slots=4
    )
    for _ in range(dice.randint(0, 6)):
        yield dice.choice(
            [
                NodeSampled(node=node, incarnation="i", sample=HostSample(cpu_share=dice.random())),
                NodeSuspected(node=node, incarnation="i", silent_s=1.0),
                NodeRecovered(node=node, incarnation="i"),
                NodeLost(node=node, incarnation="i", silent_s=2.0),
                NodeDraining(node=node, incarnation="i", due_at=dice.choice([None, AT])),
                NodeCordoned(node=node),
                NodeUncordoned(node=node),
                NodeLeft(node=node, incarnation="i"),
            ]
        )


def random_log(seed: int, runs: int = 12) -> list[Stored]:
    """Events in the order of a log: definitions first, all else side by side."""
    dice = random.Random(seed)
    tellers = [
        (Head(run_stream(f"r{n}")), story(dice, f"r{n}", dice.choice(WORKFLOWS)))
        for n in range(runs)
    ]
    tellers += [(Head(node_stream(node)), node_story(dice, node)) for node in NODES]
    lease = iter([LeaseAcquired(shard=0, epoch=1, holder="c")])
    tellers.append((Head(shard_stream(0)), lease))
    found = [definition(workflow) for workflow in WORKFLOWS]
    at = AT
    while tellers:
        head, facts = dice.choice(tellers)
        at += dice.randint(-500, 20_000_000)
        fact = next(facts, None)
        if fact is None:
            tellers.remove((head, facts))
            continue
        event = seal(head, fact, f"{head.stream}-{head.version}", Stamp(recorded_at=at))
        found.append(_spoilt(event) if dice.random() < 0.03 else event)
    return found


def definition(workflow: str) -> Stored:
    fact = DefinitionRegistered(
        workflow=workflow,
        workflow_version="v1",
        definition=Definition(name=workflow, steps=()),
        net=NET,
    )
    return seal(Head(definition_stream(workflow)), fact, workflow, Stamp(recorded_at=AT))


def _spoilt(event: Stored) -> Stored:
    """The same place, and bytes that cannot be read."""
    return Stored(event.stream, event.version, event.type, event.state[:-2])
