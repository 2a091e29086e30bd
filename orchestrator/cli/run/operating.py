"""Mending a run that is stuck: `dalsegno run skip`, `complete`, `fail`, `move` and `terminate`."""

from typing import Annotated

from cyclopts import Parameter

from events.api import (
    CompleteStep,
    FailStep,
    ListNodes,
    MoveStep,
    Nodes,
    RunView,
    SkipStep,
    TerminateRun,
)
from events.errors import Misconfigured, Unavailable
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.ids import me
from orchestrator.cli.names import alike
from orchestrator.cli.nearest import about
from orchestrator.cli.output import print_json
from orchestrator.cli.run.display import run_json
from orchestrator.cli.run.inputs import read_input
from orchestrator.cli.run.reasons import DEED, SETTLED_DEED, Deed, SettledDeed
from orchestrator.cli.run.runs import ask

Helping = SkipStep | CompleteStep | FailStep | MoveStep | TerminateRun


def skip(
    run_id: str,
    step: str,
    *,
    output: str = "",
    deed: SettledDeed = SETTLED_DEED,
    common: Common = COMMON,
) -> None:
    """Let a run go on as if a step were done. An attempt of it that a node has is told to stop, and
    whatever comes of it changes nothing. Exit code 3 if the step is not open.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    step
        Its name, with the iteration or item where it has one: `parse[2]`.
    output
        What later steps read as its output: JSON, or @file. Null when not given.

    Examples
    --------
    dalsegno run skip nightly-17 notify --reason "the mail server is down"
    dalsegno run skip night-17 'fetch[3]' --output '{"n": 0}' --reason gone --yes
    """
    request = _with_output(SkipStep, run_id, step, output, deed)
    _help(common, request, deed, f"Skip {step} of run {run_id}?", f"{step} is skipped")


def complete(
    run_id: str,
    step: str,
    *,
    output: str,
    deed: SettledDeed = SETTLED_DEED,
    common: Common = COMMON,
) -> None:
    """Give a step its output, since its work was done otherwise; also one that waits for a signal,
    a time or another run. Exit code 3 if the step is not open.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    step
        Its name, with the iteration or item where it has one: `parse[2]`.
    output
        Its output: JSON, or @file.

    Examples
    --------
    dalsegno run complete order-17 ship --output '"A-17"' --reason "by hand"
    """
    request = _with_output(CompleteStep, run_id, step, output, deed)
    _help(common, request, deed, f"Complete {step} of run {run_id}?", f"{step} is completed")


def fail(
    run_id: str,
    step: str,
    *,
    message: str,
    code: str = "failed_by_operator",
    deed: SettledDeed = SETTLED_DEED,
    common: Common = COMMON,
) -> None:
    """Let a step fail for good: along its error handlers if it has any for the code, else with the
    run. Exit code 3 if the step is not open.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    step
        Its name, with the iteration or item where it has one: `parse[2]`.
    message
        What is said of the failure.
    code
        What error handlers look at.

    Examples
    --------
    dalsegno run fail order-17 pay --message "account closed" --code declined
    """
    request = FailStep(
        actor=me(),
        run_id=run_id,
        step=step,
        id=deed.given_id(),
        code=code,
        message=message,
        reason=deed.why(message),
        unsettled=deed.unsettled,
    )
    _help(common, request, deed, f"Fail {step} of run {run_id}?", f"{step} is failed")


def move(
    run_id: str,
    step: str,
    *,
    to: str = "",
    off: Annotated[list[str] | None, Parameter(negative="")] = None,
    deed: Deed = DEED,
    common: Common = COMMON,
) -> None:
    """Place a task on another node. An attempt that a node has is asked back first, and none is
    counted for that. Without --to and --off it is any other node than the one it is on. The wish
    holds for later attempts as well. Exit code 3 if the task is not open.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    step
        The task's name, with the iteration or item where it has one: `parse[2]`.
    to
        The node that gets it, and no other.
    off
        A node that does not get it; may be repeated.

    Examples
    --------
    dalsegno run move nightly-17 render --to gpu-2 --reason "gpu-1 throttles"
    dalsegno run move night-17 render --off gpu-1 --off gpu-3 --reason new --yes
    """
    request = MoveStep(
        actor=me(),
        run_id=run_id,
        step=step,
        id=deed.given_id(),
        to=to,
        off=tuple(off or ()),
        reason=deed.why(),
    )
    _known_nodes(common, request)
    where = f"to {to}" if to else f"off {', '.join(request.off) or 'its node'}"
    _help(common, request, deed, f"Move {step} of run {run_id} {where}?", f"{step} goes {where}")


def terminate(run_id: str, *, deed: SettledDeed = SETTLED_DEED, common: Common = COMMON) -> None:
    """End a run at once, as failed with code `terminated`, and with it the runs that it began.
    Nothing waits for nodes: what they still do of it is told to stop, and recorded nowhere. To let
    a run end in good order use `dalsegno run cancel`. Exit code 3 if it has ended otherwise.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.

    Examples
    --------
    dalsegno run terminate nightly-17 --reason "it loops"
    """
    request = TerminateRun(actor=me(), run_id=run_id, reason=deed.why(), unsettled=deed.unsettled)
    _help(common, request, deed, f"Terminate run {run_id}?", "terminated")


def _known_nodes(common: Common, request: MoveStep) -> None:
    """A node of another name would be waited for without end."""
    wanted = [name for name in (request.to, *request.off) if name]
    if not wanted:
        return

    async def known() -> list[str]:
        async with client_of(configured(common)) as client:
            answer = await client.request(ListNodes())
        if not isinstance(answer, Nodes):
            raise Unavailable(f"a coordinator answers {type(answer).__name__} about nodes")
        return [node.node for node in answer.nodes]

    nodes = go(known)
    for name in wanted:
        if name not in nodes:
            flag = "--to" if name == request.to else "--off"
            raise Misconfigured(
                f"{flag} {name}: there is no such node{alike(name, nodes)}; "
                "`dalsegno nodes list` shows those there are"
            )


def _with_output(
    kind: type[SkipStep] | type[CompleteStep],
    run_id: str,
    step: str,
    output: str,
    deed: SettledDeed,
) -> SkipStep | CompleteStep:
    return kind(
        actor=me(),
        run_id=run_id,
        step=step,
        id=deed.given_id(),
        output=read_input(output, "--output"),
        reason=deed.why(),
        unsettled=deed.unsettled,
    )


def _help(common: Common, request: Helping, deed: Deed, question: str, done: str) -> None:
    with about(common, request.run_id):
        deed.confirmed(question)
        run: RunView = go(lambda: ask(common, request))
    if common.json:
        print_json(run_json(run))
    elif isinstance(request, TerminateRun):
        print(f"{run.run_id} is {run.status}: {done}")
    else:
        print(f"{done}; {run.run_id} is {run.status}")
