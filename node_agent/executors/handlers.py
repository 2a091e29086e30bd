"""From a registered task to something that can be awaited, for each kind of task.

    async       in the event loop, nothing between
    plain       in a thread; cannot be interrupted, has to look at `ctx.cancelled`
    subprocess  in a process group of its own, watched from a thread

Interceptors stand around each, the first of them outermost.
"""

from collections.abc import Callable
from functools import partial

import anyio
import anyio.to_thread
import msgspec

from events.codec import encode
from events.errors import InvariantViolation
from node_agent.clock import Clock
from node_agent.context import TaskContext
from node_agent.errors import TaskError
from node_agent.executors.processes import Finished, Job, ProcessRunner
from node_agent.executors.transactions import Transactional
from node_agent.registry import Registered
from node_agent.tasks import Arguments, Handler, Interceptor, Kind, SubprocessTask, TaskType


class Handlers:
    """Makes handlers, one for each task."""

    def __init__(
        self,
        threads: anyio.CapacityLimiter,
        clock: Clock,
        processes: ProcessRunner,
        output_bytes_max: int,
    ) -> None:
        self._threads = threads
        self._clock = clock
        self._processes = processes
        self._output_bytes_max = output_bytes_max

    def make(self, one: Registered, interceptors: tuple[Interceptor, ...]) -> Handler:
        handler = self._innermost(one)
        for outer in reversed(interceptors):
            handler = _around(outer, handler)
        return handler

    def _innermost(self, one: Registered) -> Handler:
        declared = one.declared
        if isinstance(declared, SubprocessTask):
            return partial(self._run_program, declared)
        context_name = one.signature.context_name if one.signature else None
        if (connect := declared.terms.transactional) is not None:
            work = Transactional(declared, connect, self._output_bytes_max)
            if declared.kind is Kind.ASYNC:
                return _in_transaction(work, context_name)
            return partial(self._run_in_thread, work.run_in_thread, context_name)
        if declared.kind is Kind.ASYNC:
            return _async_handler(declared, context_name)
        return partial(self._run_in_thread, _plainly(declared), context_name)

    async def _run_in_thread(
        self,
        function: Callable[[TaskContext, Arguments], object],
        context_name: str | None,
        ctx: TaskContext,
        arguments: Arguments,
    ) -> object:
        given = _given(arguments, context_name, ctx)

        def work() -> object:
            before_us = self._clock.thread_cpu_us()
            try:
                return function(ctx, given)
            finally:
                ctx.cpu_s = (self._clock.thread_cpu_us() - before_us) / 1_000_000

        return await anyio.to_thread.run_sync(work, limiter=self._threads)

    async def _run_program(
        self, declared: SubprocessTask, ctx: TaskContext, arguments: Arguments
    ) -> object:
        job = Job(
            command=declared.command,
            stdin=encode(arguments),
            environment=_environment(ctx),
            line=ctx.speech.line,
            is_cancelled=lambda: ctx.cancelled,
            output_bytes_max=self._output_bytes_max,
        )
        try:
            finished = await anyio.to_thread.run_sync(
                self._processes.run, job, limiter=self._threads
            )
        except OSError as error:
            message = f"{declared.command[0]} cannot be started: {error.strerror or error}"
            raise TaskError("command_not_started", message) from error
        ctx.cpu_s = finished.cpu_s
        ctx.memory_peak_bytes = finished.memory_peak_bytes
        return _read(declared, finished, ctx)


def _async_handler(declared: TaskType[..., object], context_name: str | None) -> Handler:
    async def call(ctx: TaskContext, arguments: Arguments) -> object:
        returned = declared.function(**_given(arguments, context_name, ctx))
        if not hasattr(returned, "__await__"):
            raise InvariantViolation(f"{declared.origin} is not an async function")
        return await returned

    return call


def _plainly(declared: TaskType[..., object]) -> Callable[[TaskContext, Arguments], object]:
    return lambda _, given: declared.function(**given)


def _in_transaction(work: Transactional, context_name: str | None) -> Handler:
    async def call(ctx: TaskContext, arguments: Arguments) -> object:
        return await work.run(ctx, _given(arguments, context_name, ctx))

    return call


def _around(outer: Interceptor, inner: Handler) -> Handler:
    async def call(ctx: TaskContext, arguments: Arguments) -> object:
        return await outer(ctx, arguments, inner)

    return call


def _given(arguments: Arguments, context_name: str | None, ctx: TaskContext) -> Arguments:
    return arguments if context_name is None else {**arguments, context_name: ctx}


def _environment(ctx: TaskContext) -> dict[str, str]:
    """What a program may know of its attempt."""
    return {
        "DALSEGNO_RUN_ID": ctx.run_id,
        "DALSEGNO_STEP": ctx.step,
        "DALSEGNO_TASK": ctx.task,
        "DALSEGNO_ATTEMPT": str(ctx.attempt),
        "DALSEGNO_IDEMPOTENCY_KEY": ctx.idempotency_key,
        "DALSEGNO_TOKEN": str(ctx.token),
    } | ({"TRACEPARENT": ctx.traceparent} if ctx.traceparent else {})


def _read(declared: SubprocessTask, finished: Finished, ctx: TaskContext) -> object:
    """Returns what the program wrote. Raises `TaskError` for an exit code or output that is no
    JSON.
    """
    program = declared.command[0]
    if finished.exit_code != 0:
        ctx.raise_if_cancelled()
        code = finished.exit_code
        name = f"exit_{code}" if code > 0 else f"signal_{-code}"
        last = ctx.speech.last_line
        raise TaskError(name, f"{program} ended with {name}" + (f": {last}" if last else ""))
    if finished.is_too_large:
        raise TaskError(
            "payload_too_large",
            f"{program} wrote more than {len(finished.output)} bytes to stdout",
            retryable=False,
        )
    if not finished.output.strip():
        return None
    try:
        return msgspec.json.decode(finished.output)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"{program} wrote to stdout what is not JSON: {error}"
        raise TaskError("invalid_output", message, retryable=False) from error
