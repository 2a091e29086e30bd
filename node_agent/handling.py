"""Around a handler: inputs in, result or failure out. No IO; the executors call the handler
between.

A failing handler is a value here, whatever it raises.
"""

import os
import re
import traceback
from collections.abc import Callable
from itertools import dropwhile
from pathlib import Path

import anyio
import msgspec

from events.codec import encode
from events.errors import InvalidValue
from events.facts import Failure, Usage
from events.limits import DETAILS_BYTES_MAX, TRACEBACK_FRAMES_MAX
from events.task_facts import Said
from events.values import Value, admit
from node_agent.errors import TaskError
from node_agent.speech import shortened
from node_agent.steps import Broke, Done
from node_agent.tasks import Outcome

Shown = Callable[[str], str]
SCALARS = (type(None), bool, str, int, float)
CALLERS = (
    str(Path(__file__).parent / "executors") + os.sep,
    str(Path(anyio.__file__).parent) + os.sep,
)
"""Where the frames around every handler are."""


class Output(msgspec.Struct, frozen=True):
    """A handler's return value after the door; `size` in bytes."""

    value: Value
    outcome: str
    size: int


def admit_output(returned: object, bytes_max: int) -> Output:
    """Returns what a handler returned as JSON data.

    Raises `TaskError`: `invalid_output` with the path of what is not JSON data,
    `payload_too_large`.
    """
    outcome = ""
    if isinstance(returned, Outcome):
        outcome, returned = returned.name, returned.output
    try:
        value = admit(_plain(returned), "output")
    except InvalidValue as error:
        raise TaskError("invalid_output", str(error), retryable=False) from error
    size = len(encode(value))
    if size > bytes_max:
        raise TaskError(
            "payload_too_large",
            f"the output has {size} bytes, {bytes_max} are allowed: return a reference instead",
            retryable=False,
        )
    return Output(value, outcome, size)


def done(output: Output, usage: Usage, said: Said | None) -> Done:
    return Done(output.value, output.outcome, usage, said)


def broke(error: BaseException, usage: Usage, said: Said | None, shown: Shown = shortened) -> Broke:
    """Returns the failure that an exception stands for: a `TaskError` brings its own code, any
    other has its class's name as code, and a short traceback in the details. `shown` covers what
    messages must not tell.
    """
    if isinstance(error, TaskError):
        details = _details(error.details)
        failure = Failure(code=error.failure_code, message=shown(error.message), details=details)
        return Broke(failure, error.retryable, usage, said, error.retry_after_s)
    message = shown(str(error)) or type(error).__name__
    failure = Failure(code=code_of(error), message=message, details={"traceback": _trace(error)})
    return Broke(failure, True, usage, said)


def invalid_inputs(task: str, message: str, usage: Usage) -> Broke:
    text = shortened(f"task {task}: {message}")
    return Broke(Failure(code="invalid_inputs", message=text), False, usage)


def not_transactional(task: str, usage: Usage) -> Broke:
    """This node cannot say what became of the task's transaction."""
    message = f"task {task} is no transactional one on this node"
    return Broke(Failure(code="not_transactional", message=message), True, usage)


def code_of(error: BaseException) -> str:
    """`ConnectionResetError` → `connection_reset_error`."""
    name = type(error).__name__
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return spaced.lower().strip("_")


def _plain(returned: object) -> object:
    """Dates, structs, dataclasses and the like as JSON data; what cannot be is left for the door,
    which names its path.
    """
    if isinstance(returned, SCALARS):
        return returned
    try:
        return msgspec.to_builtins(returned)
    except (TypeError, ValueError, RecursionError):
        return returned


def _details(details: object) -> Value:
    try:
        admitted = admit(_plain(details), "details")
    except InvalidValue as error:
        return {"invalid_details": str(error)}
    size = len(encode(admitted))
    if size > DETAILS_BYTES_MAX:
        return {"details_too_large": f"{size} bytes, {DETAILS_BYTES_MAX} are allowed"}
    return admitted


def _trace(error: BaseException) -> list[Value]:
    """The innermost frames as `file:line function`, outermost first; it begins in the handler, not
    in what calls it."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = list(dropwhile(lambda frame: frame.filename.startswith(CALLERS), frames)) or frames
    return [
        shortened(f"{frame.filename}:{frame.lineno} {frame.name}")
        for frame in theirs[-TRACEBACK_FRAMES_MAX:]
    ]
