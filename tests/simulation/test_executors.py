"""Twins of executors hold what the agent's own do: a last look before an execution begins (compare
`tests/unit/node_agent/test_execution.py`)."""

from collections.abc import Callable

import pytest

from dalsegno.simulation.handlers import Begun, ModelledTasks
from dalsegno.testing.twins.agent import Executor
from dalsegno.testing.twins.process import Clocks, Process
from dalsegno.testing.twins.scheduler import SECOND, Scheduler
from events.ids import Attempt
from events.messages import Execute
from events.simulation import Model
from node_agent.steps import Done, ExecutionEnded, NotBegun, StartExecution
from tests.simulation.effects import World
from tests.simulation.executor import ExecutorTwin, Ledger

ATTEMPT = Attempt("r1", "a", 0, 1)
LEASE_US = 5 * SECOND


class Stage:
    """An executor, what it has begun, and how that ended."""

    def __init__(self, make: Callable[["Stage"], Executor]) -> None:
        self.scheduler = Scheduler(1)
        self.process = Process(self.scheduler, "n1", Clocks(self.scheduler))
        self.process.begin_life()
        self.begun: list[Attempt] = []
        self.results: list[object] = []
        self.executor = make(self)

    def start(self, lease_us: int = LEASE_US) -> None:
        execute = Execute(attempt=ATTEMPT, shard=0, task="work", inputs={"ms": 10})
        until_us = self.process.monotonic + lease_us
        self.executor.start(StartExecution(execute, self.process.wall, until_us))

    def hear(self, given: object) -> None:
        if isinstance(given, ExecutionEnded):
            self.results.append(type(given.result))


def searched(stage: Stage) -> Executor:
    def began(_node: str, execute: Execute, _running: int) -> None:
        stage.begun.append(execute.attempt)

    outside = World(stage.scheduler, lambda *_: None)
    executor = ExecutorTwin(stage.process, Ledger(), began, lambda _: 0, outside)
    executor.hear = stage.hear
    return executor


def modelled(stage: Stage) -> Executor:
    def began(execute: Execute) -> Begun:
        stage.begun.append(execute.attempt)
        return Begun("n1", stage.scheduler.now)

    executor = ModelledTasks(stage.process, Model(), 1, began)
    executor.hear = stage.hear
    return executor


@pytest.fixture(params=[searched, modelled])
def stage(request: pytest.FixtureRequest) -> Stage:
    return Stage(request.param)


def test_what_is_cancelled_before_it_has_begun_never_begins(stage: Stage) -> None:
    stage.start()
    stage.executor.cancel(ATTEMPT, "reset")
    stage.scheduler.run(LEASE_US)
    assert (stage.begun, stage.results) == ([], [NotBegun])


def test_what_has_no_lease_any_more_never_begins(stage: Stage) -> None:
    stage.start(lease_us=0)
    stage.scheduler.run(LEASE_US)
    assert (stage.begun, stage.results) == ([], [NotBegun])


def test_a_cancellation_is_of_one_execution_only(stage: Stage) -> None:
    stage.executor.cancel(ATTEMPT, "recalled")
    stage.start()
    stage.scheduler.run(60 * SECOND)
    assert (stage.begun, stage.results) == ([ATTEMPT], [Done])
