"""`dalsegno run signal`, `pause` and `resume`: what people do to a run that is under way."""

from events.api import AnyRequest, PauseRun, ResumeRun, RunAnswer, RunView, SignalRun
from events.errors import Rejected, Unavailable
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.ids import given_run_id, new_run_id
from orchestrator.cli.inputs import read_input
from orchestrator.cli.output import print_json
from orchestrator.cli.run_display import run_json


def signal(
    run_id: str,
    name: str,
    *,
    data: str = "",
    correlation: str = "",
    id: str | None = None,  # noqa: A002 -- the flag is called so
    common: Common = COMMON,
) -> None:
    """Send a signal to a run. A step that waits for it takes it, now or when it gets there.

    Parameters
    ----------
    data
        What the step gets as its output: JSON, or @file.
    correlation
        JSON that a waiting step may ask to be equal to its own.
    id
        The signal's id: sent again under the same id it is the same signal, and changes nothing.
    """
    if id == "":
        raise Rejected("the signal's id is empty: leave --id out for a fresh one")
    request = SignalRun(
        run_id=given_run_id(run_id),
        name=name,
        id=new_run_id() if id is None else id,
        data=read_input(data),
        correlation=read_input(correlation),
    )
    run = _ask(common, request)
    _tell(run, common, f"signal {name} is recorded as {request.id}; {run.run_id} is {run.status}")


def pause(run_id: str, *, reason: str = "", common: Common = COMMON) -> None:
    """Pause a run: nothing new is dispatched and no timer fires. What runs goes on, and its results
    are recorded. Exit code 3 if it has ended.

    Parameters
    ----------
    reason
        Kept in the history, and shown.
    """
    run = _ask(common, PauseRun(run_id=given_run_id(run_id), reason=reason))
    _tell(run, common, f"{run.run_id} is {run.status}")


def resume(run_id: str, *, reason: str = "", common: Common = COMMON) -> None:
    """Let a paused run go on; its timers come later by the length of the pause.

    Parameters
    ----------
    reason
        Kept in the history.
    """
    run = _ask(common, ResumeRun(run_id=given_run_id(run_id), reason=reason))
    _tell(run, common, f"{run.run_id} is {run.status}")


def _ask(common: Common, request: AnyRequest) -> RunView:
    async def ask() -> RunView:
        async with client_of(configured(common)) as client:
            answer = await client.request(request)
        if isinstance(answer, RunAnswer):
            return answer.run
        raise Unavailable(f"a coordinator answers {type(answer).__name__} to a request about a run")

    return go(ask)


def _tell(run: RunView, common: Common, words: str) -> None:
    if common.json:
        print_json(run_json(run))
    else:
        print(words)
