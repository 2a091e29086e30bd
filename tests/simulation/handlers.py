"""Twins of handlers that have effects outside.

    transfer    works in a transaction of the user's database, together with its completion
    parts       does its parts once each, one after the other
    signs       hands a token over, and ends

Each fails with `code` until `fails` failures are recorded, and returns what its inputs say.
"""

from collections.abc import Callable
from typing import Protocol

from dalsegno.testing.twins.process import Process
from events.codec import encode
from events.facts import Failure, Usage
from events.ids import Attempt
from events.messages import Execute
from events.values import Value
from node_agent.completions import (
    Found,
    Overtaken,
    abandon,
    abandoned,
    claim,
    complete,
    is_ours,
    look,
)
from node_agent.errors import TaskError
from node_agent.handling import Output
from node_agent.steps import Broke, Done, OnceKept, Postponed, Result
from tests.simulation.effects import World

PARTS = ("charge", "mail")
ANSWERED_S = 0.3
"""Between a commit and its answer."""


class Running(Protocol):
    """The executions that a handler belongs to."""

    process: Process

    def lives(self, attempt: Attempt) -> bool: ...
    def end_after(self, execute: Execute, seconds: float, result: Result) -> None: ...
    def say(self, kept: OnceKept) -> None: ...


class Handlers:
    def __init__(self, running: Running, world: World) -> None:
        self._running = running
        self._world = world
        self._known: dict[Attempt, dict[str, Value]] = {}
        self._goes_on: dict[tuple[Attempt, str], Callable[[], None]] = {}

    def go(self, execute: Execute, took_s: float, result: Done | Broke) -> None:
        """`result`: what comes of it in the end, if nothing is in the way."""
        match execute.task:
            case "transfer":
                self.transfer(execute, took_s, result)
            case "parts":
                self.parts(execute, took_s, result)
            case _:
                self.signs(execute, took_s, result)

    def transfer(self, execute: Execute, took_s: float, result: Done | Broke) -> None:
        attempt, database = execute.attempt, self._world.database
        try:
            if execute.settle:
                found = database.ask(abandon(attempt, execute.token))
                self._running.end_after(execute, 0.01, _settled(found))
                return
            found = database.ask(claim(attempt, execute.token))
            if not is_ours(found, execute.token):
                self._running.end_after(execute, 0.0, _known(found))
                return
        except TaskError as error:
            self._running.end_after(execute, 0.0, _broke(error))
            return
        if isinstance(result, Broke):  # rolled back
            self._running.end_after(execute, took_s, result)
            return
        self._soon(took_s, lambda: self._commit(execute, result))

    def _commit(self, execute: Execute, result: Done) -> None:
        attempt, database = execute.attempt, self._world.database
        if not self._running.lives(attempt):
            return
        output = Output(result.output, "", len(encode(result.output)))
        answer: Result = result
        try:
            database.commit(attempt, complete(attempt, execute.token, output))
        except Overtaken:
            found = database.ask(look(attempt))
            answer = Broke(Failure(code="fenced_transaction"))
            if found.state != "begun":
                answer = _settled(found)
        rng = self._running.process.scheduler.rng
        self._running.end_after(execute, rng.random() * ANSWERED_S, answer)

    def parts(self, execute: Execute, took_s: float, result: Result) -> None:
        known = self._known.setdefault(execute.attempt, dict(execute.once))
        name = next((one for one in PARTS if one not in known), None)
        if name is None:
            self._running.end_after(execute, took_s, result)
            return

        def call() -> None:
            if self._running.lives(execute.attempt):
                self._call(execute, name, lambda: self.parts(execute, took_s, result))

        self._soon(took_s, call)

    def _call(self, execute: Execute, name: str, go_on: Callable[[], None]) -> None:
        attempt = execute.attempt
        calls = self._world.calls.setdefault((attempt.task_key, name), [])
        value: Value = {"call": len(calls) + 1}
        calls.append((attempt, value))

        def settled() -> None:
            self._known[attempt][name] = value
            go_on()

        self._goes_on[attempt, name] = settled
        size = len(encode({**self._known[attempt], name: value}))
        self._running.say(OnceKept(attempt, name, value, size))

    def settled(self, attempt: Attempt, name: str) -> bool:
        """The part is recorded, and the handler goes on, unless it has ended."""
        go_on = self._goes_on.pop((attempt, name), None)
        if go_on is None or not self._running.lives(attempt):
            return False
        go_on()
        return True

    def signs(self, execute: Execute, took_s: float, result: Done | Broke) -> None:
        said = result.failure if isinstance(result, Broke) else result.output
        digest = self._world.thirds.hand(execute.attempt, said)
        self._running.end_after(execute, took_s, Postponed(digest, Usage(wall_s=took_s)))

    def _soon(self, seconds: float, action: Callable[[], None]) -> None:
        self._running.process.soon(int(seconds * 1_000_000), "", action)


def _settled(found: Found) -> Result:
    return _known(found) if found.state == "completed" else _broke(abandoned())


def _known(found: Found) -> Done:
    value = found.result
    return Done(value)  # type: ignore[arg-type]


def _broke(error: TaskError) -> Broke:
    failure = Failure(code=error.failure_code, message=error.message)
    return Broke(failure, retryable=error.retryable)
