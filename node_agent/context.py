"""What a handler is given besides its inputs."""

import logging
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

from events.api import AnyAnswer, AnyRequest
from events.codec import encode
from events.completion_tokens import digest_of, token_of
from events.errors import InvalidValue
from events.ids import Attempt
from events.limits import DETAILS_BYTES_MAX
from events.messages import Execute
from events.values import Value, admit
from node_agent.credentials import SecretSource
from node_agent.deferring import Deferral
from node_agent.errors import TaskCancelled, TaskError
from node_agent.lists import ListReader, Values
from node_agent.once import Keeper, Once
from node_agent.speech import Speech
from node_agent.steps import FENCING, ExecutionProgressed, Why

Signal = Callable[[ExecutionProgressed], None]
"""Takes a sign of life to the core; callable from any thread."""

FENCE_BITS = 10
"""Of a fence that are the attempt's number; the others are microseconds, until the year 2255."""

T = TypeVar("T")

logger = logging.getLogger("dalsegno.task")


class TaskLog:
    """A logger whose lines carry the attempt's ids and travel in its report, within bounds."""

    def __init__(self, speech: Speech, ids: dict[str, str]) -> None:
        self._speech = speech
        self._ids = ids

    def debug(self, message: str, *parts: object) -> None:
        self.log(logging.DEBUG, message, *parts)

    def info(self, message: str, *parts: object) -> None:
        self.log(logging.INFO, message, *parts)

    def warning(self, message: str, *parts: object) -> None:
        self.log(logging.WARNING, message, *parts)

    def error(self, message: str, *parts: object) -> None:
        self.log(logging.ERROR, message, *parts)

    def log(self, level: int, message: str, *parts: object) -> None:
        """Formats like the standard library's `logging`; below its level nothing happens."""
        if not logger.isEnabledFor(level):
            return
        text = self._speech.shown(message % parts if parts else message)
        self._speech.line(f"{logging.getLevelName(level)} {text}")
        logger.log(level, "%s", text, extra=self._ids)


class Secrets:
    """Looks secrets up by name, and keeps what it has handed out away from log lines and notes."""

    def __init__(self, source: SecretSource, speech: Speech) -> None:
        self._source = source
        self._speech = speech

    def get(self, name: str) -> str:
        """Returns the secret. Raises `TaskError` (`unknown_secret`) when this node has none so
        called.
        """
        value = self._source.resolve(name)
        if value is None:
            raise TaskError(
                "unknown_secret",
                f"this node has no secret {name!r}: give the agent a file of that name in "
                "agent.secrets_dir, or a variable DALSEGNO_SECRET_<NAME>",
                retryable=True,
            )
        self._speech.hide(value)
        return value


class TaskContext:
    """One attempt, as its handler sees it. All of it may be used from the handler's thread.

    `idempotency_key` is the same for every attempt of the task: hand it to whatever deduplicates.
    `token` grows with every attempt: hand it to whatever can fence. `details` are the last
    heartbeat details of the attempt before, `inputs` what the step was given.
    """

    def __init__(
        self,
        execute: Execute,
        started_at: int,
        signal: Signal,
        source: SecretSource,
        *,
        lists: ListReader,
        keeper: Keeper,
    ) -> None:
        self._execute = execute
        self._lists = lists
        self._once = Once(execute.attempt, execute.once, keeper)
        self._signal = signal
        self._cancelled = threading.Event()
        self._why: Why | None = None
        self._on_cancel: list[Callable[[], None]] = []
        self._connection: object = None
        self._keeper = keeper
        self._secret = ""
        self.started_at = started_at
        self.speech = Speech()
        self.secrets = Secrets(source, self.speech)
        self.cpu_s: float | None = None
        self.memory_peak_bytes: int | None = None

    async def ask(self, request: AnyRequest, about: str) -> AnyAnswer:
        """What the owner of the run called `about` answers: for built-in tasks, which act on other
        runs. Raises `Unavailable`, and what it refuses the request with."""
        return await self._lists.source.ask(request, about)

    @property
    def run_id(self) -> str:
        return self._execute.attempt.run_id

    @property
    def step(self) -> str:
        return self._execute.attempt.step

    @property
    def attempt(self) -> int:
        """The attempt's number, from 1."""
        return self._execute.attempt.number

    @property
    def idempotency_key(self) -> str:
        return self._execute.attempt.task_key

    @property
    def token(self) -> int:
        return self._execute.token

    @property
    def attempt_id(self) -> Attempt:
        """Run, step, generation and number together."""
        return self._execute.attempt

    @property
    def fence(self) -> int:
        """Grows with every attempt of the task, also when the log was restored from a backup and
        counts `token` from an earlier place: the instant of dispatch goes before the number."""
        number = self._execute.attempt.number
        return (self._execute.dispatched_at << FENCE_BITS) + number % (1 << FENCE_BITS)

    @property
    def settles(self) -> bool:
        """Whether this attempt only says what became of the task's transaction."""
        return self._execute.settle

    @property
    def task(self) -> str:
        return self._execute.task

    @property
    def workflow(self) -> str:
        return self._execute.workflow

    @property
    def inputs(self) -> dict[str, Value]:
        return self._execute.inputs

    @property
    def details(self) -> Value:
        return self._execute.details

    @property
    def traceparent(self) -> str:
        return self._execute.traceparent

    @property
    def log(self) -> TaskLog:
        attempt = self._execute.attempt
        ids = {"run_id": attempt.run_id, "task": self.task, "attempt": str(attempt)}
        return TaskLog(self.speech, ids)

    def note(self, text: str) -> None:
        """Keeps a remark with the result, for people."""
        self.speech.note(text)

    def emit(self, name: str, data: object = None) -> None:
        """Records an event of this name with the attempt's end.

        Raises `TaskError` when there are too many or `data` is not JSON data.
        """
        self.speech.emit(name, data)

    def heartbeat(self, details: object = None) -> None:
        """Says that the handler lives; `details` reach the next attempt, should this one fail.

        Cheap: call it as often as it suits. Raises `TaskError` for details that are not JSON data
        or too large.
        """
        if details is None:
            self._signal(ExecutionProgressed(self._execute.attempt))
            return
        try:
            admitted = admit(details, "heartbeat details")
        except InvalidValue as error:
            raise TaskError("invalid_details", str(error), retryable=False) from error
        size = len(encode(admitted))
        if size > DETAILS_BYTES_MAX:
            message = f"heartbeat details have {size} bytes, {DETAILS_BYTES_MAX} are allowed"
            raise TaskError("payload_too_large", message, retryable=False)
        self._signal(ExecutionProgressed(self._execute.attempt, admitted, True, size))

    def progress(self, fraction: float, note: str = "") -> None:
        """Shows how far the task is, 0 to 1; counts as a heartbeat."""
        if note:
            self.note(note)
        share = min(1.0, max(0.0, float(fraction)))
        self._signal(ExecutionProgressed(self._execute.attempt, fraction=share))

    def values(self, given: object) -> Values:
        """The values of a list, which may be one that is stored and named by a reference, as the
        output of a large map is: `async for value in ctx.values(given)`, in a plain handler `for`.
        They are read as they are used, and a part of them is in memory at a time.

        Raises `TaskError` (`no_list`) for what is neither.
        """
        return Values(given, self._lists, self)

    def completion_token(self) -> str:
        """A token with which somebody else completes this attempt, after the handler has returned
        `ctx.defer()`: `dalsegno task complete TOKEN`, or a client's `complete_task`. The same each
        time; whoever has it may complete this attempt, so hand it over like a password.

        Raises `TaskError` (`no_token`) where none can be made.
        """
        self._secret = self._secret or self._keeper.secret()
        if not self._secret:
            raise TaskError("no_token", "there is no source of secrets here", retryable=False)
        return token_of(self._execute.attempt, self._secret)

    def defer(self) -> Deferral:
        """To be returned: the handler ends, its slot is free, and the attempt stays open until the
        token is used, or its time is over. What becomes of this agent does not matter any more.

        Raises `TaskError` (`no_token`) when nobody was given the token.
        """
        if not self._secret:
            message = "nobody could complete it: hand ctx.completion_token() over before"
            raise TaskError("no_token", message, retryable=False)
        return Deferral(digest_of(self._secret))

    def transaction(self, kind: type[T]) -> T:
        """The connection of a transactional task, of this class, inside its transaction: what is
        done with it is committed when the handler returns, and rolled back when it raises.

        Raises `TaskError` (`invalid_connection`) where there is none, or one of another class.
        """
        if isinstance(self._connection, kind):
            return self._connection
        found = type(self._connection).__name__ if self._connection is not None else "none"
        message = f"{self.task} has no connection of class {kind.__name__}, but {found}: is it "
        raise TaskError(
            "invalid_connection",
            f"{message}declared with transactional=, and opens that one?",
            retryable=False,
        )

    @overload
    def once(self, name: str, fn: Callable[[], Awaitable[T]]) -> Awaitable[T]: ...

    @overload
    def once(self, name: str, fn: Callable[[], T]) -> T: ...

    def once(self, name: str, fn: Callable[[], object]) -> object:
        """Calls `fn` at most once per task and name, as far as that is recorded, and gives its
        value in every attempt: `await ctx.once("charge", lambda: pay(order))` with an async
        function, in a plain handler `ctx.once(…)` with a plain one. It returns when the value is
        recorded in the run; what `fn` raises is raised, and nothing is recorded.

        The value must be JSON data and small (all of a task 64 KiB, 100 names). Raises `TaskError`:
        `invalid_once`, `too_much_once`.
        """
        if self._once.is_in_loop:
            return self._once.value(name, fn)
        return self._once.value_in_thread(name, fn, self)

    @property
    def cancelled(self) -> bool:
        """Whether the attempt was asked to end. An async handler is also interrupted; a plain one
        has to look.
        """
        return self._cancelled.is_set()

    @property
    def cancel_reason(self) -> str:
        """Why the attempt was asked to end, "" while it was not: `recalled`, `drained`, a timeout;
        or, when it is fenced, `dropped`, `superseded` or `reset`.
        """
        return self._why or ""

    @property
    def fenced(self) -> bool:
        """Whether the attempt is the run's current one no more: nobody waits for its result, and
        another one may be at work elsewhere. Undo nothing that the other relies on.
        """
        return self._why in FENCING

    def wait_cancelled(self, timeout_s: float) -> bool:
        """Blocks a plain handler for up to `timeout_s`; returns whether it is cancelled: a sleep
        that ends at once when asked to.
        """
        return self._cancelled.wait(timeout_s)

    def raise_if_cancelled(self) -> None:
        """Ends a plain handler that was asked to end."""
        if self._cancelled.is_set():
            raise TaskCancelled

    # -- for the agent ----------------------------------------------------------------------------

    def enter(self, connection: object) -> None:
        """The handler is called in a transaction of this connection."""
        self._connection = connection

    def cancel(self, why: Why = "recalled") -> None:
        self._why = self._why or why
        self._cancelled.set()
        for callback in tuple(self._on_cancel):
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls back once cancelled, from the event loop's thread; at once if that has happened.
        Returns what ends it."""
        self._on_cancel.append(callback)
        if self._cancelled.is_set():
            callback()
        return lambda: self._on_cancel.remove(callback)
