"""Declaring tasks: `@task`, `subprocess_task`, named outcomes, interceptors.

Nothing registers itself: a declaration is a value in its module, and the registry collects what it
finds in the modules that the agent was told to import.
"""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Generic, ParamSpec, TypeVar

import msgspec

from events.errors import Misconfigured
from events.limits import NAME_CHARS_MAX
from events.policies import Needs
from node_agent.context import TaskContext

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

Arguments = dict[str, object]
Handler = Callable[[TaskContext, Arguments], Awaitable[object]]
Interceptor = Callable[[TaskContext, Arguments, Handler], Awaitable[object]]
"""Stands around a handler: `await proceed(ctx, arguments)` runs it, or the next interceptor."""


class Outcome(msgspec.Struct, frozen=True):
    """Returned by a handler to end with a named outcome beside success."""

    name: str
    output: object = None


class Kind(Enum):
    """Where a task runs: the event loop, a thread, a process of its own."""

    ASYNC = "async"
    PLAIN = "plain"
    SUBPROCESS = "subprocess"


Connect = Callable[[], object]
"""Opens a connection of psycopg: an async function for an async task, a plain one for a plain."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """`timeout_s`: longest execution on this node, however long the definition allows.
    `transactional`: the task is one transaction in the database that this connects to."""

    name: str
    timeout_s: float | None = None
    needs: Needs = Needs()
    description: str = ""
    transactional: Connect | None = None


class TaskType(Generic[P, R_co]):
    """A declared task. Calling it calls the plain function, as one's own unit tests want it."""

    def __init__(self, function: Callable[P, R_co], terms: Terms, origin: str) -> None:
        self.function = function
        self.terms = terms
        self.origin = origin
        self.kind = Kind.ASYNC if inspect.iscoroutinefunction(function) else Kind.PLAIN
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    @property
    def name(self) -> str:
        return self.terms.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<task {self.name} of {self.origin}>"


class SubprocessTask(msgspec.Struct, frozen=True):
    """A program: inputs as JSON on stdin, output as JSON on stdout, lines on stderr are its log.

    An exit code other than 0 fails the attempt with the code `exit_<n>`.
    """

    terms: Terms
    command: tuple[str, ...]
    origin: str

    @property
    def name(self) -> str:
        return self.terms.name

    @property
    def kind(self) -> Kind:
        return Kind.SUBPROCESS


AnyTask = TaskType[..., object] | SubprocessTask


class InterceptorMark(msgspec.Struct, frozen=True):
    """What `@interceptor` makes of a function: found by the registry, in order of definition."""

    function: Interceptor


def task(
    name: str = "",
    *,
    timeout_s: float | None = None,
    needs: Needs | None = None,
    description: str = "",
    transactional: Connect | None = None,
) -> Callable[[Callable[P, R_co]], TaskType[P, R_co]]:
    """Declares a function, async or plain, as a task; plain ones run in a thread.

    With `transactional`, a function that opens a connection of psycopg, the task is one transaction
    in that database: what it does there (see `TaskContext.transaction`) is committed together with
    its completion, once for all attempts, or not at all.

    Its parameters are the step's inputs, checked by their annotations; one annotated `TaskContext`
    receives the context. Raises `Misconfigured` for a bad name, or parameters by position only.
    """

    def declare(function: Callable[P, R_co]) -> TaskType[P, R_co]:
        origin = f"{function.__module__}.{function.__qualname__}"
        terms = Terms(
            name=_name(name or function.__name__, origin),
            timeout_s=_timeout(timeout_s, origin),
            needs=needs or Needs(),
            description=description or inspect.getdoc(function) or "",
            transactional=_connect(transactional, origin),
        )
        return TaskType(function, terms, origin)

    _refuse_bare(name)
    return declare


def subprocess_task(
    name: str,
    command: Sequence[str],
    *,
    timeout_s: float | None = None,
    needs: Needs | None = None,
    description: str = "",
) -> SubprocessTask:
    """Declares a program as a task. Raises `Misconfigured` for a bad name or an empty command."""
    origin = f"subprocess task {name!r}"
    if isinstance(command, str) or not command or not all(isinstance(p, str) for p in command):
        raise Misconfigured(
            f"{origin} has the command {command!r}: expected a list of texts, the program first"
        )
    terms = Terms(
        name=_name(name, origin),
        timeout_s=_timeout(timeout_s, origin),
        needs=needs or Needs(),
        description=description,
    )
    return SubprocessTask(terms, tuple(command), f"{origin} ({command[0]})")


def interceptor(function: Interceptor) -> InterceptorMark:
    """Declares an async function that stands around every handler of this agent."""
    return InterceptorMark(function)


def _refuse_bare(name: object) -> None:
    if inspect.isfunction(name):
        raise Misconfigured(
            f"@task is used without parentheses on {name.__module__}.{name.__qualname__}: "
            'write @task() or @task(name="…")'
        )


def _connect(connect: Connect | None, origin: str) -> Connect | None:
    if connect is None or callable(connect):
        return connect
    raise Misconfigured(
        f"{origin} has transactional={connect!r}: expected a function without parameters that "
        "opens a connection of psycopg"
    )


def _name(name: str, origin: str) -> str:
    if name.strip() == name and 0 < len(name) <= NAME_CHARS_MAX and name.isprintable():
        return name
    raise Misconfigured(
        f"{origin} is called {name!r}: a task name has 1 to {NAME_CHARS_MAX} printable characters"
    )


def _timeout(timeout_s: float | None, origin: str) -> float | None:
    if timeout_s is None or timeout_s > 0:
        return timeout_s
    raise Misconfigured(f"{origin} has timeout_s={timeout_s}: expected seconds above 0")
