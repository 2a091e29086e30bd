"""Requests: which there are, when each is possible, and who answers it."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from events.errors import DalsegnoError, Rejected
from events.limits import DAP_MESSAGE_BYTES_MAX
from orchestrator.dap import arguments as a
from orchestrator.dap.console import story
from orchestrator.dap.framing import TooLong
from orchestrator.dap.messages import (
    Arguments,
    NotARequest,
    Request,
    arguments_of,
    read_request,
)
from orchestrator.dap.moving import Stop
from orchestrator.dap.refusals import DapRefused, Malformed, UnknownCommand
from orchestrator.dap.replica import At
from orchestrator.dap.session import Phase, Session, out_of_order

A = TypeVar("A", bound=Arguments)
OPEN = (Phase.ATTACHED, Phase.MOVING, Phase.STOPPED)
STILL = (Phase.STOPPED,)
ALWAYS = tuple(Phase)


class Handler(msgspec.Struct, frozen=True):
    """`phases`: when the request is possible."""

    phases: tuple[Phase, ...]
    answer: Callable[[Session, Request], None]


def take(session: Session, body: bytes | TooLong) -> None:
    """A message of the client. Whatever it is, there is an answer, and the session goes on."""
    if isinstance(body, TooLong):
        most = DAP_MESSAGE_BYTES_MAX
        told = Malformed(f"a message of {body.size} bytes, over {most}: it was passed over")
        session.out.refuse(0, "", told)
        return
    try:
        request = read_request(body)
    except NotARequest as error:
        session.out.refuse(error.seq, error.command, error)
        return
    if request is None:
        return
    try:
        handle(session, request)
    except DalsegnoError as error:
        session.out.refuse(request.seq, request.command, error)


def handle(session: Session, request: Request) -> None:
    """Answers a request. Raises `DapRefused`, and what it rests on."""
    handler = HANDLERS.get(request.command)
    if handler is None:
        raise UnknownCommand(request.command, HANDLERS)
    if session.phase not in handler.phases:
        raise out_of_order(request.command, session.phase)
    handler.answer(session, request)


def _with(
    kind: type[A], phases: tuple[Phase, ...], answer: Callable[[Session, Request, A], None]
) -> Handler:
    return Handler(
        phases, lambda session, request: answer(session, request, arguments_of(request, kind))
    )


def _asked(
    kind: type[A],
    phases: tuple[Phase, ...],
    name: str,
    answer: Callable[[Session, A], object],
) -> Handler:
    """A request whose answer is one thing, called `name`; empty: the body itself."""

    def respond(session: Session, request: Request, given: A) -> None:
        found = answer(session, given)
        session.out.respond(request, {name: found} if name else found)

    return _with(kind, phases, respond)


def _moves(motion: str) -> Handler:
    def respond(session: Session, request: Request, given: a.Move) -> None:
        session.inspecting.key_of(given.thread_id)
        session.out.respond(
            request, {"allThreadsContinued": True} if motion == "continue" else None
        )
        session.move(motion, given)

    return _with(a.Move, STILL, respond)


# -- each by itself --------------------------------------------------------------------------------


def _pause(session: Session, request: Request, _given: a.Move) -> None:
    session.out.respond(request)
    session.pause()


def _goto(session: Session, request: Request, given: a.Goto) -> None:
    _go(session, request, session.inspecting.target(given.target_id), "goto")


def _restart_frame(session: Session, request: Request, given: a.Frame) -> None:
    inspecting = session.inspecting
    _go(session, request, inspecting.begin_of(inspecting.frame(given.frame_id)), "restart")


def _go(session: Session, request: Request, at: At, reason: str) -> None:
    replica = session.top.replica
    session.out.respond(request)
    session.stand(Stop(at=at, focus=replica.focus(at), reason=reason))


def _evaluate(session: Session, request: Request, given: a.Evaluate) -> None:
    """In the console `:to 17` goes to a version, `:why` says what led to where one stands, and
    `:fork` begins a fork with the variables that were changed there."""
    text = given.expression.strip()
    if given.context != "repl" or not text.startswith(":"):
        session.out.respond(request, session.inspecting.evaluate(given))
    elif text == ":why":
        told = story(session.top.replica.recording, session.top.stop.at.version)
        session.out.respond(request, {"result": told, "variablesReference": 0})
    elif text == ":fork":
        session.fork(request)
    elif text.startswith(":to ") and (number := text[4:].strip()).isdecimal():
        at = session.place(session.top.replica, int(number))
        session.out.respond(request, {"result": f"version {at.version}", "variablesReference": 0})
        session.stand(Stop(at=at, focus=session.top.replica.focus(at), reason="goto"))
    else:
        expected = "expected `:to VERSION`, `:why`, `:fork`, or an expression"
        raise DapRefused(f"`{text[:40]}` is no command: {expected}")


def _set_variable(session: Session, request: Request, given: a.SetVariable) -> None:
    name, whole, shown = session.inspecting.settable(given, session.changed)
    session.foresee(request, name, whole, shown)


def _source(session: Session, given: a.ReadSource) -> object:
    source = given.source
    if not source.source_reference and given.source_reference:
        source = msgspec.structs.replace(source, source_reference=given.source_reference)
    sheet = session.inspecting.sheet(source)
    mime = "text/x-python" if sheet.path.endswith(".py") else "text/x-yaml"
    return {"content": sheet.text, "mimeType": mime}


def _modules(session: Session, given: a.Modules) -> object:
    found = {
        level.replica.recording.workflow_version: {
            "id": level.replica.recording.workflow_version,
            "name": level.replica.layout.name,
            "version": level.replica.recording.workflow_version,
            "path": next((one.path for one in level.replica.sources.sheets), ""),
        }
        for level in session.levels
    }
    first, most = max(given.start_module, 0), given.module_count or len(found)
    return {"modules": list(found.values())[first : first + most], "totalModules": len(found)}


def _locations(session: Session, given: a.BreakpointLocations) -> object:
    try:
        return session.inspecting.locations(given)
    except Rejected:
        return []  # of another file that is open in the editor


def _disconnect(session: Session, request: Request, given: a.Disconnect) -> None:
    if given.terminate_debuggee and session.levels:
        run_id = session.levels[0].replica.run_id
        session.out.tell(f"the run is not touched: `dalsegno run cancel {run_id}` cancels it")
    session.end(request, is_final=True)


def _armed(kind: type[A], answer: Callable[[Session, A], object]) -> Handler:
    return _asked(kind, OPEN, "breakpoints", answer)


def _cancel(session: Session, request: Request, _given: a.Nothing) -> None:
    """Answers are given at once, so there is nothing to cancel but a move."""
    session.out.respond(request)


def _threads(session: Session, _given: a.Nothing) -> object:
    return session.inspecting.thread_rows()


HANDLERS: Mapping[str, Handler] = {
    "initialize": _with(a.Initialize, (Phase.NEW,), Session.greet),
    "attach": _with(a.Attach, (Phase.GREETED,), Session.attach),
    "launch": _with(a.Attach, (Phase.GREETED,), Session.attach),
    "configurationDone": _with(
        a.Nothing, (Phase.ATTACHED,), lambda session, request, _: session.begin(request)
    ),
    "disconnect": _with(a.Disconnect, ALWAYS, _disconnect),
    "terminate": _with(
        a.Nothing, OPEN, lambda session, request, _: session.end(request, is_final=False)
    ),
    "restart": _with(
        a.Nothing, (Phase.MOVING, *STILL), lambda session, request, _: session.restart(request)
    ),
    "cancel": _with(a.Nothing, ALWAYS, _cancel),
    # -- breakpoints --
    "setBreakpoints": _armed(a.SetBreakpoints, lambda s, given: s.arming.lines(given, s.armed)),
    "setFunctionBreakpoints": _armed(
        a.SetFunctionBreakpoints, lambda s, given: s.arming.functions(given, s.armed)
    ),
    "setExceptionBreakpoints": _armed(
        a.SetExceptionBreakpoints, lambda s, given: s.arming.exceptions(given, s.armed)
    ),
    "setDataBreakpoints": _armed(
        a.SetDataBreakpoints, lambda s, given: s.arming.data(given, s.armed)
    ),
    "dataBreakpointInfo": _asked(
        a.DataBreakpointInfo, STILL, "", lambda s, given: s.inspecting.data_info(given)
    ),
    "breakpointLocations": _asked(a.BreakpointLocations, OPEN, "breakpoints", _locations),
    # -- moving --
    "continue": _moves("continue"),
    "next": _moves("next"),
    "stepIn": _moves("stepIn"),
    "stepOut": _moves("stepOut"),
    "stepBack": _moves("stepBack"),
    "reverseContinue": _moves("reverseContinue"),
    "pause": _with(a.Move, (Phase.MOVING, *STILL), _pause),
    "gotoTargets": _asked(
        a.GotoTargets, STILL, "targets", lambda s, given: s.inspecting.targets(given)
    ),
    "goto": _with(a.Goto, STILL, _goto),
    "restartFrame": _with(a.Frame, STILL, _restart_frame),
    # -- looking --
    "threads": _asked(a.Nothing, OPEN, "threads", _threads),
    "stackTrace": _asked(a.StackTrace, STILL, "", lambda s, given: s.inspecting.stack(given)),
    "scopes": _asked(a.Frame, STILL, "scopes", lambda s, given: s.inspecting.scopes(given)),
    "variables": _asked(
        a.Variables, STILL, "variables", lambda s, given: s.inspecting.variables(given)
    ),
    "setVariable": _with(a.SetVariable, STILL, _set_variable),
    "evaluate": _with(a.Evaluate, STILL, _evaluate),
    "completions": _asked(
        a.Completions, STILL, "targets", lambda s, given: s.inspecting.completions(given)
    ),
    "exceptionInfo": _asked(a.ExceptionInfo, STILL, "", lambda s, _: s.inspecting.exception()),
    "source": _asked(a.ReadSource, OPEN, "", _source),
    "loadedSources": _asked(
        a.Nothing, OPEN, "sources", lambda s, _: [one.source() for one in s.inspecting.sheets]
    ),
    "modules": _asked(a.Modules, OPEN, "", _modules),
}
"""Every request that is answered."""
