"""Executions: from a start that the core decided to the result that it is told, exactly one each.

The lease is looked at once more right before the handler is called: between the core's decision and
that call the event loop may have stood still for long (a handler that blocks it), and a start after
the lease is what must not happen.

Every execution is a plain task of one asyncio task group: this path runs thousands of times a
second, and a cancel scope for each would cost more than most handlers do. Cancellation is
asyncio's: once, at the handler's next await.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Protocol

import msgspec

from events.codec import encode
from events.errors import InvariantViolation
from events.facts import Usage
from events.ids import Attempt
from events.task_facts import Said
from node_agent.clock import Clock
from node_agent.context import Signal, TaskContext
from node_agent.credentials import SecretSource
from node_agent.deferring import Deferral
from node_agent.errors import TaskCancelled
from node_agent.executors.handlers import Handlers
from node_agent.handling import admit_output, broke, done, invalid_inputs, not_transactional
from node_agent.lists import ListReader
from node_agent.once import Keeper
from node_agent.registry import Registered, TaskRegistry
from node_agent.signatures import InvalidInputs
from node_agent.steps import (
    Broke,
    Ceased,
    ExecutionEnded,
    NotBegun,
    Postponed,
    Result,
    StartExecution,
    Why,
)
from node_agent.tasks import Arguments, Handler, Kind, TaskType

NAMES_SHOWN = 5


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What every execution of an agent shares. `ended` and `signal` reach the core; `signal` may be
    called from any thread.
    """

    registry: TaskRegistry
    handlers: Handlers
    clock: Clock
    secrets: SecretSource
    lists: ListReader
    keeper: Keeper
    signal: Signal
    ended: Callable[[ExecutionEnded], None]
    output_bytes_max: int


class Group(Protocol):
    """As much of a task group as is needed here."""

    def create_task(self, coro: Coroutine[object, object, None], /) -> asyncio.Task[None]: ...


class _Execution:
    __slots__ = ("context", "has_begun", "input_bytes", "is_cancelled", "start", "task")

    def __init__(self, start: StartExecution) -> None:
        self.start = start
        self.task: asyncio.Task[None] | None = None
        self.context: TaskContext | None = None
        self.has_begun = False
        self.is_cancelled = False
        self.input_bytes = 0


class _Prepared(msgspec.Struct, frozen=True):
    """A task as the hot path wants it: `direct` is a function that needs nothing but its inputs."""

    one: Registered
    handler: Handler
    direct: TaskType[..., object] | None


class Executions:
    """Those under way, by attempt."""

    def __init__(self, around: Surroundings, group: Group) -> None:
        self._around = around
        self._group = group
        self._running: dict[Attempt, _Execution] = {}
        self._prepared: dict[str, _Prepared] = {}
        self._ended_last: deque[str] = deque(maxlen=NAMES_SHOWN)

    def start(self, start: StartExecution) -> None:
        execution = _Execution(start)
        self._running[start.execute.attempt] = execution
        execution.task = self._group.create_task(self._run(execution))

    def cancel(self, attempt: Attempt, why: Why = "recalled") -> None:
        """Asks it to end, whatever its kind; a handler in the event loop is interrupted."""
        execution = self._running.get(attempt)
        if execution is None or execution.is_cancelled:
            return
        execution.is_cancelled = True
        if execution.context is not None:
            execution.context.cancel(why)
        task = self._prepared.get(execution.start.execute.task)
        in_loop = task is not None and task.one.declared.kind is Kind.ASYNC
        if execution.has_begun and in_loop and execution.task is not None:
            execution.task.cancel()

    def cancel_all(self) -> None:
        for attempt in list(self._running):
            self.cancel(attempt, "drained")

    @property
    def count(self) -> int:
        return len(self._running)

    def some_names(self) -> list[str]:
        """Tasks of a few executions that ended last or are under way, for a message."""
        running = islice((one.start.execute.task for one in self._running.values()), NAMES_SHOWN)
        return list(dict.fromkeys([*self._ended_last, *running]))

    async def _run(self, execution: _Execution) -> None:
        attempt = execution.start.execute.attempt
        try:
            result = await self._result(execution)
        finally:
            del self._running[attempt]
            self._ended_last.append(execution.start.execute.task)
        self._around.ended(ExecutionEnded(attempt, result))

    async def _result(self, execution: _Execution) -> Result:
        began_us = self._around.clock.now().monotonic_us
        if execution.is_cancelled or began_us >= execution.start.lease_until_us:
            return NotBegun()
        execution.has_begun = True
        execute = execution.start.execute
        execution.input_bytes = len(encode(execute.inputs))
        prepared = self._prepared.get(execute.task) or self._prepare(execute.task)
        try:
            arguments = {} if execute.settle else _bound(prepared.one, execution)
        except InvalidInputs as error:
            return invalid_inputs(execute.task, str(error), self._used(execution, began_us))
        if execute.settle and not _is_transactional(prepared.one):
            return not_transactional(execute.task, self._used(execution, began_us))
        try:
            returned = await self._call(execution, prepared, arguments)
            if isinstance(returned, Deferral):
                used = self._used(execution, began_us)
                return Postponed(returned.digest, used, _said(execution))
            output = admit_output(returned, self._around.output_bytes_max)
        except asyncio.CancelledError as error:
            return self._ceased(execution, error, began_us)
        except TaskCancelled as error:
            return self._ceased(execution, error, began_us)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- handlers may raise anything
            return self._broke(execution, error, began_us)
        return done(output, self._used(execution, began_us, output.size), _said(execution))

    async def _call(
        self, execution: _Execution, prepared: _Prepared, arguments: Arguments
    ) -> object:
        direct = prepared.direct
        if direct is not None:
            returned = direct.function(**arguments)
            return await returned if hasattr(returned, "__await__") else returned
        around = self._around
        start = execution.start
        context = TaskContext(
            start.execute,
            start.started_at,
            around.signal,
            around.secrets,
            lists=around.lists,
            keeper=around.keeper,
        )
        execution.context = context
        return await prepared.handler(context, arguments)

    def _ceased(self, execution: _Execution, error: BaseException, began_us: int) -> Result:
        """A handler that stops without having been asked to has failed."""
        if execution.is_cancelled:
            return Ceased(self._used(execution, began_us), _said(execution))
        return self._broke(execution, error, began_us)

    def _broke(self, execution: _Execution, error: BaseException, began_us: int) -> Broke:
        used = self._used(execution, began_us)
        if execution.context is None:
            return broke(error, used, None)
        speech = execution.context.speech
        return broke(error, used, speech.said(), speech.shown)

    def _prepare(self, name: str) -> _Prepared:
        registry = self._around.registry
        one = registry.find(name)
        if one is None:
            raise InvariantViolation(f"task {name!r} was started and is not registered")
        handler = self._around.handlers.make(one, registry.interceptors)
        wants_context = one.signature is None or one.signature.context_name is not None
        declared = one.declared
        direct = None
        if isinstance(declared, TaskType) and declared.kind is Kind.ASYNC:
            needs_more = wants_context or registry.interceptors or declared.terms.transactional
            direct = None if needs_more else declared
        prepared = self._prepared[name] = _Prepared(one, handler, direct)
        return prepared

    def _used(self, execution: _Execution, began_us: int, output_bytes: int = 0) -> Usage:
        context = execution.context
        return Usage(
            wall_s=(self._around.clock.now().monotonic_us - began_us) / 1_000_000,
            cpu_s=context.cpu_s if context else None,
            memory_peak_bytes=context.memory_peak_bytes if context else None,
            input_bytes=execution.input_bytes,
            output_bytes=output_bytes,
        )


def _bound(one: Registered, execution: _Execution) -> Arguments:
    inputs = execution.start.execute.inputs
    return one.signature.bind(inputs) if one.signature else dict(inputs)


def _is_transactional(one: Registered) -> bool:
    declared = one.declared
    return isinstance(declared, TaskType) and declared.terms.transactional is not None


def _said(execution: _Execution) -> Said | None:
    return execution.context.speech.said() if execution.context else None
