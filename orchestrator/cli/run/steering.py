"""Steering a run: `dalsegno run signal`, `update`, `query`, `pause`, `resume` and `repin`."""

from typing import Annotated

from cyclopts import Parameter

from events.api import (
    AnyAnswer,
    PauseRun,
    Queried,
    QueryRun,
    RepinRun,
    ResumeRun,
    RunAnswer,
    RunView,
    SignalRun,
    Updated,
    UpdateRun,
)
from events.errors import Misconfigured, Rejected, Unavailable
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.ids import new_run_id
from orchestrator.cli.nearest import about
from orchestrator.cli.output import print_json
from orchestrator.cli.run.display import run_json
from orchestrator.cli.run.inputs import read_input

AboutRun = SignalRun | PauseRun | ResumeRun | RepinRun | UpdateRun | QueryRun


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
    run_id
        The run's id; `dalsegno run list` shows them.
    name
        What the step waits for.
    data
        What the step gets as its output: JSON, or @file.
    correlation
        JSON that a waiting step may ask to be equal to its own.
    id
        The signal's id: sent again under the same id it is the same signal, and changes nothing.

    Examples
    --------
    dalsegno run signal order-17 approved --data '{"by": "Ada"}'
    dalsegno run signal order-17 approved --correlation '"A-17"' --id from-mail-5
        A script may send it again and again: the id makes it one signal.
    """
    request = SignalRun(
        run_id=run_id,
        name=name,
        id=_request_id(id),
        data=read_input(data, "--data"),
        correlation=read_input(correlation, "--correlation"),
    )
    run = _ask(common, request)
    _tell(run, common, f"signal {name} is recorded as {request.id}; {run.run_id} is {run.status}")


def pause(run_id: str, *, reason: str = "", common: Common = COMMON) -> None:
    """Pause a run: nothing new is dispatched and no timer fires. What runs goes on, and its results
    are recorded. Exit code 3 if it has ended.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    reason
        Kept in the history, and shown.

    Examples
    --------
    dalsegno run pause order-17 --reason "a look first"
    """
    run = _ask(common, PauseRun(run_id=run_id, reason=reason))
    _tell(run, common, f"{run.run_id} is {run.status}")


def resume(run_id: str, *, reason: str = "", common: Common = COMMON) -> None:
    """Let a paused run go on; its timers come later by the length of the pause.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    reason
        Kept in the history.

    Examples
    --------
    dalsegno run resume order-17
    """
    run = _ask(common, ResumeRun(run_id=run_id, reason=reason))
    _tell(run, common, f"{run.run_id} is {run.status}")


def repin(
    run_id: str,
    build: str = "",
    *,
    any: Annotated[bool, Parameter(negative="")] = False,  # noqa: A002 -- the flag is called so
    reason: str = "",
    common: Common = COMMON,
) -> None:
    """Give a run's tasks to nodes of another build from now on. What runs goes on where it is.
    Exit code 3 if the run has ended.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    build
        A build id, as `dalsegno nodes list` shows them.
    any
        In place of a build: let any node have them.
    reason
        Kept in the history.

    Examples
    --------
    dalsegno run repin order-17 2026.11
    dalsegno run repin order-17 --any
    """
    if bool(build) == any:
        raise Misconfigured("expected either a build id or --any")
    run = _ask(common, RepinRun(run_id=run_id, build=build, reason=reason))
    _tell(
        run,
        common,
        f"{run.run_id} is {run.status}, its tasks go to nodes of " + (build or "any build"),
    )


def update(
    run_id: str,
    name: str,
    *,
    data: str = "",
    id: str | None = None,  # noqa: A002 -- the flag is called so
    common: Common = COMMON,
) -> None:
    """Change a run by an update that its workflow declares, and print the variables that it sets.
    Exit code 3 if the run does not accept it now.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    name
        One of the updates that the workflow declares.
    data
        What the update reads as `update`: JSON, or @file.
    id
        The update's id: sent again under the same id it is the same update, and changes nothing.

    Examples
    --------
    dalsegno run update order-17 raise --data '{"limit": 5}'
    """
    value = read_input(data, "--data")
    request = UpdateRun(run_id=run_id, name=name, id=_request_id(id), data=value)
    answer = _answer(common, request)
    if not isinstance(answer, Updated):
        raise _unexpected(answer)
    print_json(answer.variables)


def query(run_id: str, expression: str, *, common: Common = COMMON) -> None:
    """Print, as JSON, the value of an expression over a run's state, such as `vars.total`.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    expression
        CEL over `input`, `vars`, `steps.<id>.output`, `steps.<id>.error` and `run`.

    Examples
    --------
    dalsegno run query order-17 'vars.limit * 2'
    dalsegno run query order-17 steps.price.output.total
    """
    answer = _answer(common, QueryRun(run_id=run_id, expression=expression))
    if not isinstance(answer, Queried):
        raise _unexpected(answer)
    print_json(answer.value)


def _request_id(given: str | None) -> str:
    if given == "":
        raise Rejected("--id is empty: leave it out for a fresh one")
    return new_run_id() if given is None else given


def _answer(common: Common, request: AboutRun) -> AnyAnswer:
    async def ask() -> AnyAnswer:
        async with client_of(configured(common)) as client:
            return await client.request(request)

    with about(common, request.run_id):
        return go(ask)


def _ask(common: Common, request: AboutRun) -> RunView:
    answer = _answer(common, request)
    if isinstance(answer, RunAnswer):
        return answer.run
    raise _unexpected(answer)


def _unexpected(answer: AnyAnswer) -> Unavailable:
    return Unavailable(
        f"a coordinator answers {type(answer).__name__} to a request about a run: is it of another "
        "release?"
    )


def _tell(run: RunView, common: Common, words: str) -> None:
    if common.json:
        print_json(run_json(run))
    else:
        print(words)
