"""What a client asks of a run that exists, as an input of the kernel."""

from typing import assert_never

from events.api import (
    CancelRun,
    CompleteStep,
    CompleteTask,
    FailStep,
    FailTask,
    MoveStep,
    PauseRun,
    RepinRun,
    ResumeRun,
    SignalRun,
    SkipStep,
    TerminateRun,
    Updated,
    UpdateRun,
)
from events.completion_tokens import read_token
from events.errors import Rejected
from events.facts import Failure
from events.operator_facts import GivenStatus
from events.values import Value
from orchestrator.kernel import inputs as i
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.state import RunState

OfStep = SkipStep | CompleteStep | FailStep
Helping = OfStep | MoveStep | TerminateRun
Redeeming = CompleteTask | FailTask
Asked = Redeeming | CancelRun | SignalRun | UpdateRun | PauseRun | ResumeRun | RepinRun | Helping


def asked(request: Asked) -> i.RunInput:
    match request:
        case CancelRun():
            return i.Cancel(reason=request.reason)
        case UpdateRun():
            return i.Update(id=request.id, name=request.name, data=request.data)
        case CompleteTask() | FailTask():
            return _redeemed(request)
        case PauseRun():
            return i.Pause(reason=request.reason)
        case ResumeRun():
            return i.Resume(reason=request.reason)
        case RepinRun():
            return i.Repin(build=request.build, reason=request.reason)
        case SignalRun():
            return i.Signal(
                id=request.id,
                name=request.name,
                data=request.data,
                correlation=request.correlation,
            )
        case _:
            return _helped(request)


def _redeemed(request: Redeeming) -> i.Redeem:
    """Raises `Rejected` for what is no token, or one of another run."""
    token = read_token(request.token)
    if token.attempt.run_id != request.run_id:
        raise Rejected(f"the token is of run {token.attempt.run_id}, not of {request.run_id}")
    if isinstance(request, CompleteTask):
        return i.Redeem(attempt=token.attempt, digest=token.digest, output=request.output)
    message = request.message or f"{request.actor} said that it failed"
    return i.Redeem(
        attempt=token.attempt,
        digest=token.digest,
        failure=Failure(code=request.code, message=message, details=request.details),
        retryable=request.retryable,
    )


def _helped(request: Helping) -> i.RunInput:
    by, reason = request.actor, request.reason
    match request:
        case SkipStep(output=output):
            return _result(request, "skipped", output)
        case CompleteStep(output=output):
            return _result(request, "completed", output)
        case FailStep(code=code, message=message):
            return _result(request, "failed", failure=Failure(code=code, message=message))
        case MoveStep(id=id_, step=step, to=to, off=off):
            return i.Move(id=id_, step=step, to=to, off=off, by=by, reason=reason)
        case TerminateRun():
            return i.Terminate(by=by, reason=reason, unsettled=request.unsettled)
        case _:
            assert_never(request)


def _result(
    request: OfStep, status: GivenStatus, output: Value = None, failure: Failure | None = None
) -> i.GiveResult:
    return i.GiveResult(
        id=request.id,
        step=request.step,
        status=status,
        output=output,
        failure=failure,
        by=request.actor,
        reason=request.reason,
        unsettled=request.unsettled,
    )


def updated(request: UpdateRun, state: RunState, net: NetIndex) -> Updated:
    """The answer to an update that was accepted, now or before."""
    declared = net.net.updates.get(request.name)
    names = declared.variables if declared is not None else {}
    variables = {name: state.variables[name] for name in names if name in state.variables}
    return Updated(run_id=state.run_id, version=state.version, variables=variables)
