"""The door: the one place where what a client asks of a run is admitted.

A request is judged by itself here, before anything is loaded or decided: whoever is refused has
changed nothing. What depends on the run's state (does it exist, is it open) is the kernel's to say.
"""

import re
from collections.abc import Iterator

from events.api import (
    AwaitRun,
    CancelRun,
    CompleteStep,
    CompleteTask,
    CordonNode,
    DrainNode,
    ErasePersonal,
    FailStep,
    FailTask,
    ForkRun,
    MoveStep,
    PauseRun,
    QueryRun,
    RepinRun,
    RerunRun,
    RestoreRun,
    ResumeRun,
    ShowNode,
    ShowRun,
    SignalRun,
    SkipStep,
    StartRun,
    TerminateRun,
    UncordonNode,
    UpdateRun,
)
from events.codec import encode
from events.errors import Rejected
from events.limits import STEPS_NAMED_MAX, Limits
from events.policies import Origin
from events.subjects import TOKEN
from events.values import admit
from orchestrator.kernel import ranges

Acting = SkipStep | CompleteStep | FailStep | MoveStep | RestoreRun | RerunRun
"""What an operator does once, under an id."""

RunRequest = (
    StartRun
    | CancelRun
    | SignalRun
    | UpdateRun
    | QueryRun
    | CompleteTask
    | FailTask
    | PauseRun
    | ResumeRun
    | RepinRun
    | Acting
    | TerminateRun
    | ForkRun
    | ShowRun
    | AwaitRun
    | ErasePersonal
)

NodeRequest = ShowNode | CordonNode | DrainNode | UncordonNode

VERSION_MAX = 2**63 - 1
SHOWN_CHARS = 40
"""Of an offender that is itself too long."""
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def admit_request(request: RunRequest, limits: Limits) -> None:
    """Raises `Rejected` naming every field that is wrong, what was expected, and the mend."""
    wrong = [
        *_text("actor", request.actor, limits),
        *_run_id("run_id", request.run_id, limits),
        *_fields(request, limits),
    ]
    if wrong:
        raise Rejected("; ".join(wrong))
    _admit_values(request, limits)


def admit_node_request(request: NodeRequest, limits: Limits) -> None:
    """Raises `Rejected` like `admit_request`."""
    wrong = [*_text("actor", request.actor, limits)]
    if not TOKEN.fullmatch(request.node):
        shown = request.node[:SHOWN_CHARS]
        wrong.append(f"node is {shown!r}: expected 1 to 64 letters, digits, '-' or '_'")
    if not isinstance(request, ShowNode):
        wrong += _reason(request.reason, limits)
    if isinstance(request, DrainNode) and not 0 <= request.deadline_s <= limits.duration_s_max:
        most = limits.duration_s_max
        wrong.append(f"deadline_s is {request.deadline_s:g}: expected 0 to {most:g} seconds")
    if wrong:
        raise Rejected("; ".join(wrong))


def _fields(request: RunRequest, limits: Limits) -> Iterator[str]:  # noqa: C901 -- one for each
    match request:
        case StartRun():
            yield from _start(request, limits)
        case ForkRun():
            yield from _fork(request, limits)
        case CancelRun() | PauseRun() | ResumeRun() | TerminateRun():
            yield from _reason(request.reason, limits)
        case RepinRun():
            yield from _text("build", request.build, limits)
            yield from _reason(request.reason, limits)
        case SignalRun() | UpdateRun():
            yield from _signal(request, limits)
        case SkipStep() | CompleteStep() | FailStep() | MoveStep() | RestoreRun() | RerunRun():
            yield from action_complaints(request, limits)
        case FailTask():
            yield from _failed(request, limits)
        case QueryRun():
            yield from _query(request, limits)
        case ErasePersonal():
            yield from _text("key_id", request.key_id, limits)
            yield from _text("subject", request.subject, limits)
            yield from _reason(request.reason, limits)
        case CompleteTask() | ShowRun() | AwaitRun():
            pass


def _admit_values(request: RunRequest, limits: Limits) -> None:
    match request:
        case StartRun():
            _admit_input(request, limits)
        case ForkRun():
            admit(request.variables, "variables")
        case SignalRun():
            admit(request.data, "data")
            admit(request.correlation, "correlation")
        case UpdateRun():
            admit(request.data, "data")
        case FailTask():
            admit(request.details, "details")
        case SkipStep() | CompleteStep() | CompleteTask():
            admit(request.output, "output")
        case _:
            pass


def _start(request: StartRun, limits: Limits) -> Iterator[str]:
    name = ranges.name_complaint("workflow", request.workflow, ranges.WORKFLOW_NAME, limits)
    if name:
        yield name
    yield from _text("workflow_version", request.workflow_version, limits)
    yield from _text("build", request.build, limits)
    yield from _text("subject", request.subject, limits)
    if request.options is not None:
        for where, message in ranges.options_complaints(request.options, limits):
            yield f"options.{where}: {message}"
    for where, message in ranges.tags_complaints(request.tags, limits):
        yield f"tags{where}: {message}"
    for where, message in ranges.attributes_complaints(request.attributes, limits):
        yield f"attributes{where}: {message}"
    yield from _origin(request.origin, limits)
    if request.traceparent and not TRACEPARENT.fullmatch(request.traceparent):
        shown = request.traceparent[:SHOWN_CHARS]
        yield f"traceparent is {shown!r}: expected one of W3C Trace Context; or leave it out"


def _signal(request: SignalRun | UpdateRun, limits: Limits) -> Iterator[str]:
    if message := ranges.name_complaint("name", request.name, ranges.SIGNAL_NAME, limits):
        yield message
    if not request.id:
        yield "id is empty: expected one that is the same when the request is sent again"
    yield from _text("id", request.id, limits)


def _failed(request: FailTask, limits: Limits) -> Iterator[str]:
    if not request.code:
        yield "code is empty: expected one that policies and error arcs may look at"
    yield from _text("code", request.code, limits)
    yield from _reason(request.message, limits)


def _query(request: QueryRun, limits: Limits) -> Iterator[str]:
    if not 0 < len(request.expression) <= limits.expression_chars_max:
        most = limits.expression_chars_max
        yield f"expression has {len(request.expression)} characters: expected 1 to {most}"


def _fork(request: ForkRun, limits: Limits) -> Iterator[str]:
    yield from _run_id("source_run_id", request.source_run_id, limits)
    yield from _reason(request.reason, limits)
    if not 1 <= request.source_version <= VERSION_MAX:
        yield f"source_version is {request.source_version}: expected 1 or more"
    yield from _text("workflow_version", request.workflow_version, limits)
    yield from _steps(request.steps, limits)
    for name in request.variables:
        if message := ranges.name_complaint("variables: the name", name, ranges.VARIABLE, limits):
            yield message
            return


def action_complaints(request: Acting, limits: Limits) -> Iterator[str]:
    """What is wrong with what an operator wants to do."""
    yield from _reason(request.reason, limits)
    if not request.id:
        yield "id is empty: expected one that is the same when the request is sent again"
    yield from _text("id", request.id, limits)
    match request:
        case RestoreRun():
            if not 1 <= request.version <= VERSION_MAX:
                yield f"version is {request.version}: expected 1 or more"
        case RerunRun():
            yield from _rerun(request, limits)
        case MoveStep():
            yield from _step("step", request.step, limits)
            yield from _nodes(request, limits)
        case FailStep():
            yield from _step("step", request.step, limits)
            if message := ranges.name_complaint("code", request.code, ranges.CODE, limits):
                yield message
            yield from _said("message", request.message, limits)
        case _:
            yield from _step("step", request.step, limits)


def _rerun(request: RerunRun, limits: Limits) -> Iterator[str]:
    if request.all and request.steps:
        yield "steps are named, and all is asked for: expected one of the two"
    yield from _steps(request.steps, limits)


def _steps(steps: tuple[str, ...], limits: Limits) -> Iterator[str]:
    if len(steps) > STEPS_NAMED_MAX:
        yield f"steps names {len(steps)} steps: expected at most {STEPS_NAMED_MAX}"
    for step in steps[:STEPS_NAMED_MAX]:
        yield from _step("steps", step, limits)


def _nodes(request: MoveStep, limits: Limits) -> Iterator[str]:
    if len(request.off) > STEPS_NAMED_MAX:
        yield f"off names {len(request.off)} nodes: expected at most {STEPS_NAMED_MAX}"
    named = [("to", request.to)] if request.to else []
    for where, node in (*named, *(("off", node) for node in request.off[:STEPS_NAMED_MAX])):
        if not TOKEN.fullmatch(node):
            shown = node[:SHOWN_CHARS]
            yield f"{where} is {shown!r}: expected 1 to 64 letters, digits, '-' or '_'"
    if request.to in request.off:
        yield f"to is {request.to!r}, which off names as well: expected another node"


def _step(where: str, step: str, limits: Limits) -> Iterator[str]:
    if not step:
        yield f"{where} is empty: expected the name of a step"
    yield from _text(where, step, limits)


def _origin(origin: Origin, limits: Limits) -> Iterator[str]:
    """Parents and forks are what a coordinator says of runs that it starts itself: by them it
    counts the children of a run."""
    if origin.kind != "request":
        yield f"origin.kind is {origin.kind!r}: expected 'request'"
    if origin.depth:
        yield f"origin.depth is {origin.depth}: expected 0"
    yield from _text("origin.run_id", origin.run_id, limits)
    yield from _text("origin.step", origin.step, limits)
    if not 0 <= origin.version <= VERSION_MAX:
        yield f"origin.version is {origin.version}: expected 0 or more"


def _run_id(where: str, run_id: str, limits: Limits) -> Iterator[str]:
    most = limits.name_chars_max
    if not 0 < len(run_id) <= most or not run_id.isprintable():
        yield f"{where} is {run_id[:SHOWN_CHARS]!r}: expected 1 to {most} printable characters"


def _text(where: str, text: str, limits: Limits) -> Iterator[str]:
    most = limits.name_chars_max
    if len(text) > most or not text.isprintable():
        yield f"{where} is {text[:SHOWN_CHARS]!r}: expected at most {most} printable characters"


def _reason(reason: str, limits: Limits) -> Iterator[str]:
    yield from _said("reason", reason, limits)


def _said(where: str, text: str, limits: Limits) -> Iterator[str]:
    most = limits.description_chars_max
    if len(text) > most:
        yield f"{where} has {len(text)} characters, over {most}: shorten it"


def _admit_input(request: StartRun, limits: Limits) -> None:
    admit(request.input, "input")
    size = len(encode(request.input))
    if size > limits.payload_bytes_max:
        raise Rejected(
            f"input of run {request.run_id} has {size} bytes, over the limit of "
            f"{limits.payload_bytes_max}: store it elsewhere and pass a reference"
        )
