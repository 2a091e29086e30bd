"""The executors' twin: handlers that take virtual time, and the ledger that they write.

What a handler does is written in its inputs; what it returns depends on its inputs alone, so a run
has one output however often its tasks are executed. A handler that fails some times first asks the
log how many failures of its task are recorded, so a lost report changes nothing about how the run
must end.

    work        returns after `ms`
    flaky       fails with `code` until `fails` failures are recorded
    chance      fails half of the time
    stuck       does not return until it is cancelled, until `fails` failures are recorded
    stubborn    the same, and ignores the cancellation for a long while
    bulky       returns more than a value may have, until `fails` failures are recorded
    transfer, parts, signs    have effects outside: see `handlers`
    beats       says every 200 ms that it lives; the first time, falls silent until cancelled
"""

from collections.abc import Callable
from zlib import crc32

import msgspec

from dalsegno.testing.twins.process import Process
from events.codec import encode
from events.facts import Failure, Usage
from events.ids import Attempt
from events.messages import Execute
from events.values import Value
from node_agent.steps import (
    Broke,
    Ceased,
    Done,
    ExecutionEnded,
    ExecutionProgressed,
    NotBegun,
    OnceKept,
    Result,
    StartExecution,
    Why,
)
from tests.simulation.effects import World
from tests.simulation.handlers import Handlers

EFFECTFUL = ("transfer", "parts", "signs")
FAILING = ("flaky", *EFFECTFUL)
"""Those that fail until so many failures are recorded, and then return what their inputs say."""
TASKS = ("work", "flaky", "chance", "stuck", "stubborn", "beats", "bulky", *EFFECTFUL)
STUBBORN_S = 15.0
BULK = "x" * 30_000
SILENT_BEAT_MS = 200

Hear = Callable[[ExecutionEnded | ExecutionProgressed | OnceKept], None]


class Begun(msgspec.Struct):
    """One execution in the ledger, in true time."""

    attempt: Attempt
    node: str
    at: int
    result: Result | None = None


class Ledger:
    """Independent of all logs and journals: what was really executed, by whom and when."""

    def __init__(self) -> None:
        self.executions: dict[Attempt, Begun] = {}
        self.starts = 0


def output_of(task: str, inputs: dict[str, Value]) -> Value:
    """What a task returns: decided by its inputs alone."""
    return {"v": crc32(encode([task, inputs])) % 1000}


def number_of(inputs: dict[str, Value], name: str) -> int:
    value = inputs.get(name)
    return value if isinstance(value, int) else 0


class ExecutorTwin:
    """The executions of one life of an agent."""

    def __init__(
        self,
        process: Process,
        ledger: Ledger,
        began: Callable[[str, Execute, int], None],
        failures: Callable[[Attempt], int],
        outside: World,
    ) -> None:
        self.process = process
        self._handlers = Handlers(self, outside)
        self._ledger = ledger
        self._began = began
        self._failures = failures
        self._running: dict[Attempt, Execute] = {}
        self._awaited: set[Attempt] = set()
        """Started and neither begun nor cancelled: what is cancelled before never begins."""
        self.hear: Hear = lambda _: None

    def start(self, output: StartExecution) -> None:
        self._awaited.add(output.execute.attempt)
        delay_us = self.process.scheduler.rng.randrange(0, 400)
        self.process.soon(delay_us, "", lambda: self._begin(output))

    def settled(self, attempt: Attempt, name: str) -> None:
        self._handlers.settled(attempt, name)

    def lives(self, attempt: Attempt) -> bool:
        return attempt in self._running

    def say(self, kept: OnceKept) -> None:
        self.hear(kept)

    def cancel(self, attempt: Attempt, _why: Why = "recalled") -> None:
        self._awaited.discard(attempt)
        execute = self._running.get(attempt)
        if execute is None:
            return
        rng = self.process.scheduler.rng
        if execute.task == "stubborn":
            self.end_after(execute, STUBBORN_S, Ceased())
        elif execute.task in {"stuck", "beats", "parts"} or rng.random() < 0.7:
            self.end_after(execute, 0.01, Ceased())

    # -- one execution ----------------------------------------------------------------------------

    def _begin(self, output: StartExecution) -> None:
        execute = output.execute
        attempt = execute.attempt
        is_cancelled = attempt not in self._awaited
        self._awaited.discard(attempt)
        if is_cancelled or self.process.monotonic >= output.lease_until_us:
            self.hear(ExecutionEnded(attempt, NotBegun()))
            return
        self.process.scheduler.note(f"{self.process.name} starts {attempt}")
        self._ledger.starts += 1
        self._began(self.process.name, execute, len(self._running) + 1)
        began_at = self.process.scheduler.now
        self._ledger.executions[attempt] = Begun(attempt, self.process.name, began_at)
        self._running[attempt] = execute
        self._go(execute)

    def _go(self, execute: Execute) -> None:
        inputs, task = execute.inputs, execute.task
        took_s = number_of(inputs, "ms") / 1000
        recorded = self._failures(execute.attempt)
        fails = number_of(inputs, "fails")
        done = Done(output_of(task, inputs), usage=Usage(wall_s=took_s))
        failed = Broke(Failure(code=str(inputs.get("code", "E1")), message=f"failure {recorded}"))
        match task:
            case _ if task in EFFECTFUL:
                self._handlers.go(execute, took_s, failed if recorded < fails else done)
            case "flaky":
                self.end_after(execute, took_s, failed if recorded < fails else done)
            case "bulky":
                bulk = Done(BULK, usage=Usage(wall_s=took_s))
                self.end_after(execute, took_s, bulk if recorded < fails else done)
            case "chance":
                fails_now = self.process.scheduler.chance(0.5)
                self.end_after(execute, took_s, failed if fails_now else done)
            case "stuck" | "stubborn":
                if recorded >= fails:
                    self.end_after(execute, took_s, done)
            case "beats":
                self._beat(execute, 0, recorded >= fails)
                if recorded >= fails:
                    self.end_after(execute, took_s, done)
            case _:
                self.end_after(execute, took_s, done)

    def _beat(self, execute: Execute, number: int, healthy: bool) -> None:
        if execute.attempt not in self._running or (number > 2 and not healthy):
            return
        details: Value = {"beat": number}
        self.hear(ExecutionProgressed(execute.attempt, details, True, 20, None))
        self.process.soon(
            SILENT_BEAT_MS * 1000, "", lambda: self._beat(execute, number + 1, healthy)
        )

    def end_after(self, execute: Execute, seconds: float, result: Result) -> None:
        wobble_us = self.process.scheduler.rng.randrange(0, 5000)
        self.process.soon(
            int(seconds * 1_000_000) + wobble_us, "", lambda: self._end(execute.attempt, result)
        )

    def _end(self, attempt: Attempt, result: Result) -> None:
        if self._running.pop(attempt, None) is None:
            return
        self.process.scheduler.note(f"{self.process.name} ends {attempt}")
        self._ledger.executions[attempt].result = result
        self.hear(ExecutionEnded(attempt, result))
