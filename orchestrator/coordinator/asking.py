"""What a client asks of a run that exists, as an input of the kernel."""

from typing import assert_never

from events.api import CancelRun, PauseRun, ResumeRun, SignalRun
from orchestrator.kernel import inputs as i

Asked = CancelRun | SignalRun | PauseRun | ResumeRun


def asked(request: Asked) -> i.RunInput:
    match request:
        case CancelRun():
            return i.Cancel(reason=request.reason)
        case PauseRun():
            return i.Pause(reason=request.reason)
        case ResumeRun():
            return i.Resume(reason=request.reason)
        case SignalRun():
            return i.Signal(
                id=request.id,
                name=request.name,
                data=request.data,
                correlation=request.correlation,
            )
        case _:
            assert_never(request)
