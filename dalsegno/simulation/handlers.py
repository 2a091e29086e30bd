"""Models in place of handlers: how long an attempt takes, and what comes of it.

Chance depends on the seed, the task key and the number of the attempt, and on nothing else: the
same attempt does the same in every world of the seed.
"""

from collections.abc import Callable
from math import exp, log
from random import Random

import msgspec

from dalsegno.testing.twins.process import Process
from events.facts import Failure, Usage
from events.ids import Attempt
from events.messages import Execute
from events.simulation import Model, SimulatedTask, TaskModel
from events.values import Value
from node_agent.steps import (
    Broke,
    Ceased,
    Done,
    ExecutionEnded,
    ExecutionProgressed,
    NotBegun,
    Result,
    StartExecution,
    Why,
)

US = 1_000_000
Z_99 = 2.326
"""99 of 100 of a normal distribution are below so many standard deviations."""
TRACE_TASK = "trace.task"
"""A task of recorded traces: it takes as long as it says in its inputs."""

Hear = Callable[[ExecutionEnded | ExecutionProgressed], None]


class Begun(msgspec.Struct):
    """One execution, in true time."""

    node: str
    at: int
    ended_at: int | None = None
    result: Result | None = None


class Ledger:
    """What was really executed, by whom and when: independent of all logs and journals."""

    def __init__(self) -> None:
        self.executions: dict[Attempt, Begun] = {}
        self.tasks: dict[str, SimulatedTask] = {}


class ModelledTasks:
    """The executions of one life of an agent."""

    def __init__(
        self, process: Process, model: Model, seed: int, began: Callable[[Execute], Begun]
    ) -> None:
        self._process = process
        self._model = model
        self._seed = seed
        self._began = began
        self._running: dict[Attempt, Begun] = {}
        self._awaited: set[Attempt] = set()
        """Started and neither begun nor cancelled: what is cancelled before never begins."""
        self.hear: Hear = lambda _: None

    def start(self, output: StartExecution) -> None:
        self._awaited.add(output.execute.attempt)
        self._process.soon(100, "", lambda: self._begin(output))

    def cancel(self, attempt: Attempt, _why: Why, /) -> None:
        self._awaited.discard(attempt)
        if attempt in self._running:
            self._process.soon(1000, "", lambda: self._end(attempt, Ceased()))

    def settled(self, attempt: Attempt, name: str, /) -> None:
        """Models take no steps of their own that could be settled."""

    def die(self) -> None:
        """With its node: nobody hears of what was under way."""
        for begun in self._running.values():
            begun.ended_at = self._process.scheduler.now
        self._running.clear()

    def _begin(self, output: StartExecution) -> None:
        execute, attempt = output.execute, output.execute.attempt
        is_cancelled = attempt not in self._awaited
        self._awaited.discard(attempt)
        if is_cancelled or self._process.monotonic >= output.lease_until_us:
            self.hear(ExecutionEnded(attempt, NotBegun()))
            return
        self._running[attempt] = self._began(execute)
        takes_s, result = outcome(self._model, self._seed, execute)
        self._process.soon(round(takes_s * US), "", lambda: self._end(attempt, result))
        if execute.heartbeat_s is not None:
            self._beat(attempt, execute.heartbeat_s)

    def _beat(self, attempt: Attempt, heartbeat_s: float) -> None:
        """As a handler does that says often enough that it lives."""
        if attempt in self._running:
            self.hear(ExecutionProgressed(attempt, None, False, 0, None))
            wait_us = round(heartbeat_s * US / 3)
            self._process.soon(wait_us, "", lambda: self._beat(attempt, heartbeat_s))

    def _end(self, attempt: Attempt, result: Result) -> None:
        begun = self._running.pop(attempt, None)
        if begun is not None:
            begun.ended_at, begun.result = self._process.scheduler.now, result
            self.hear(ExecutionEnded(attempt, result))


def outcome(model: Model, seed: int, execute: Execute) -> tuple[float, Result]:
    """How long an attempt takes, in seconds, and what it returns or fails with."""
    task = model.tasks.get(execute.task, model.default)
    rng = Random(f"{seed} {execute.attempt}")
    takes_s = _takes_s(task, rng)
    if execute.task == TRACE_TASK and execute.task not in model.tasks:
        takes_s = _number(execute, "runtime_s", 0.0) * _number(execute, "time_scale", 1.0)
    if rng.random() < task.fails:
        failure = Failure(code=task.code, message="the model says that this attempt fails")
        return takes_s, Broke(failure, retryable=not task.permanent)
    return takes_s, Done(_copy(task.returns), usage=Usage(wall_s=takes_s, cpu_s=takes_s))


def _number(execute: Execute, name: str, default: float) -> float:
    value = execute.inputs.get(name)
    return float(value) if isinstance(value, int | float) else default


def _copy(value: Value) -> Value:
    copied: Value = msgspec.json.decode(msgspec.json.encode(value))
    return copied


def _takes_s(task: TaskModel, rng: Random) -> float:
    low, high = task.takes_s
    if task.spread == "even" or low <= 0:
        return low + (high - low) * rng.random()
    return exp(log(low) + rng.gauss(0, 1) * log(max(high, low) / low) / Z_99)
