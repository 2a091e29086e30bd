"""Built-in: acting on other runs, which is what batches are made of.

Every agent has it. An attempt may be made again after any failure: what is asked for is the same
request each time, with the same id, so that it is done once.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from events.api import (
    AnyRequest,
    CancelRun,
    ForkRun,
    RunAnswer,
    RunView,
    ShowRun,
    SignalRun,
    TerminateRun,
)
from events.errors import DalsegnoError, Rejected
from events.ids import derived_id
from events.values import Value
from node_agent.context import TaskContext
from node_agent.signatures import Inputs
from node_agent.tasks import task

Doing = Literal["cancel", "terminate", "retry", "signal"]
DONE: Mapping[Doing, str] = {"cancel": "cancelled"}
"""A run of this status is as it was to be, whoever brought that about."""


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done to a run. `batch`: of which this is a part; ids are made of it. `version`:
    where a retry begins."""

    action: Doing
    run_id: str
    batch: str
    actor: str = "system"
    version: int = 0
    signal: str = ""
    data: Value = None
    reason: str = ""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it. `status` of the run; `new_run_id` of the one that a retry has begun.
    `refused`: the code and the reason, where it could not be done."""

    run_id: str
    status: str = ""
    new_run_id: str = ""
    refused: str = ""
    why: str = ""


@task(name="run.act")
async def act(ctx: TaskContext, deed: Inputs[Deed]) -> Done:
    """Cancels, terminates, retries or signals a run; that it refuses is an answer, no failure."""
    request = REQUESTS[deed.action](deed)
    about = getattr(request, "run_id", deed.run_id)
    try:
        run = await _asked(ctx, request, about)
    except Rejected as error:
        return await _refused(ctx, deed, error)
    new = about if about != deed.run_id else ""
    return Done(run_id=deed.run_id, status=run.status, new_run_id=new)


async def _refused(ctx: TaskContext, deed: Deed, error: Rejected) -> Done:
    """It may be refused because an attempt before this one has done it."""
    wanted = DONE.get(deed.action)
    try:
        run = await _asked(ctx, ShowRun(actor=deed.actor, run_id=deed.run_id), deed.run_id)
    except Rejected:
        return Done(run_id=deed.run_id, refused=error.code, why=str(error))
    if run.status == wanted:
        return Done(run_id=deed.run_id, status=run.status)
    return Done(run_id=deed.run_id, status=run.status, refused=error.code, why=str(error))


async def _asked(ctx: TaskContext, request: AnyRequest, about: str) -> RunView:
    answer = await ctx.ask(request, about)
    if isinstance(answer, RunAnswer):
        return answer.run
    raise DalsegnoError(f"a coordinator answers {type(answer).__name__} about run {about}")


def _cancel(deed: Deed) -> AnyRequest:
    return CancelRun(actor=deed.actor, run_id=deed.run_id, reason=deed.reason)


def _terminate(deed: Deed) -> AnyRequest:
    return TerminateRun(actor=deed.actor, run_id=deed.run_id, reason=deed.reason)


def _retry(deed: Deed) -> AnyRequest:
    return ForkRun(
        actor=deed.actor,
        run_id=derived_id(deed.batch, deed.run_id),
        source_run_id=deed.run_id,
        source_version=deed.version,
        reason=deed.reason,
    )


def _signal(deed: Deed) -> AnyRequest:
    return SignalRun(
        actor=deed.actor,
        run_id=deed.run_id,
        name=deed.signal,
        id=derived_id(deed.batch, deed.run_id),
        data=deed.data,
    )


REQUESTS: Mapping[Doing, Callable[[Deed], AnyRequest]] = {
    "cancel": _cancel,
    "terminate": _terminate,
    "retry": _retry,
    "signal": _signal,
}
