"""Fakes: what stands in for a task's handler, and the record of all that was called."""

from collections.abc import Callable

import msgspec

from events.errors import Misconfigured
from events.values import Value
from node_agent import TaskContext, TaskError, task
from node_agent.signatures import InvalidInputs, Signature

Function = Callable[..., object]
Raises = BaseException | type[BaseException] | str


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of a task, by its handler or a fake. `at`: microseconds, UTC, virtual."""

    task: str
    inputs: dict[str, Value]
    run_id: str
    step: str
    attempt: int
    idempotency_key: str
    node: str
    at: int


class Fake(msgspec.Struct, kw_only=True):
    """What is done instead of calling the handler. `left`: how often it still may be; None: always.
    `calls` takes a context and returns what the task returns, or something to await."""

    returns: object = None
    raises: Raises | None = None
    calls: Callable[[TaskContext], object] | None = None
    takes_us: int = 0
    left: int | None = None

    def outcome(self, ctx: TaskContext) -> object:
        """Returns what the fake returns, or raises what it raises."""
        if self.raises is not None:
            raise TaskError(self.raises) if isinstance(self.raises, str) else self.raises
        return self.returns if self.calls is None else self.calls(ctx)


class Fakes:
    """By task, the newest first. One that is used up uncovers the one before."""

    def __init__(self) -> None:
        self._fakes: dict[str, list[Fake]] = {}

    def add(self, name: str, fake: Fake) -> None:
        """A fake that is never used up replaces those before it."""
        if fake.left is None:
            self._fakes[name] = [fake]
        else:
            self._fakes.setdefault(name, []).append(fake)

    def take(self, name: str) -> Fake | None:
        """The one whose turn it is; None when all are used up."""
        for fake in reversed(self._fakes.get(name, ())):
            if fake.left is None:
                return fake
            if fake.left > 0:
                fake.left -= 1
                return fake
        return None


def calling(name: str, function: object) -> Callable[[TaskContext], object]:
    """Returns a call of `function` with the inputs of a context, by the rules of handlers.

    Raises `Misconfigured` for what is no function or takes parameters that inputs cannot be given
    to.
    """
    if not callable(function):
        raise Misconfigured(
            f"the fake of {name} calls {function!r}, which is no function: give a fixed value as "
            "returns="
        )
    declared = task(name=name)(function)
    signature = Signature(declared.function, name, f"the fake of {name}")

    def call(ctx: TaskContext) -> object:
        try:
            arguments = signature.bind(ctx.inputs)
        except InvalidInputs as error:
            raise TaskError("invalid_inputs", f"fake of {name}: {error}", retryable=False) from None
        if signature.context_name is not None:
            arguments = {**arguments, signature.context_name: ctx}
        return declared.function(**arguments)

    return call
