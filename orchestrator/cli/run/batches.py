"""`dalsegno batch start`, `list` and `show`: one action for all runs that a query finds."""

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

from cyclopts import Parameter

from events.errors import Misconfigured, NotFound
from events.limits import RUNS_LISTED_MAX
from orchestrator.api.operations.batches import ActionName
from orchestrator.api.operations.groups import BatchGiven, RunsWanted
from orchestrator.api.operations.words import RunStatus
from orchestrator.api.shapes import BatchPlan, BatchShown, LeftOut
from orchestrator.cli.common import COMMON, Common, configured, go
from orchestrator.cli.confirming import confirm
from orchestrator.cli.exits import DONE, FAILED
from orchestrator.cli.ids import given_run_id, me, new_run_id
from orchestrator.cli.output import (
    UNSURE,
    console,
    counted,
    day,
    instant,
    plain,
    print_json,
    rows,
    status,
    table,
)
from orchestrator.cli.run.inputs import read_input
from orchestrator.cli.run.wanted import ALL, Wanted
from orchestrator.client import Client

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

DEEDS = {
    "cancel": "Cancel",
    "terminate": "Terminate",
    "retry": "Retry",
    "signal": "Send the signal to",
}
WAIT_S = 30.0
NONE_YET = "no batches yet: `dalsegno batch start ACTION --workflow NAME` starts one"


def start(  # noqa: PLR0913 -- they are options of a command
    action: ActionName,
    /,
    *,
    wanted: Wanted = ALL,
    signal: str = "",
    data: str = "",
    reason: str = "",
    batch_id: Annotated[str | None, Parameter(name="--id")] = None,
    preview: bool = False,
    yes: bool = False,
    wait: bool = False,
    common: Common = COMMON,
) -> int:
    """Cancel, terminate, retry or signal all runs that a query finds, as a run of its own.

    It says first how many, and which that are found it leaves out, and asks. A batch survives the
    death of any process, acts on each run once, and is cancelled like any run: with `dalsegno run
    cancel`. It needs one agent. Runs that others have started are left out, but for signals.

    Parameters
    ----------
    action
        What is done to each: cancel, terminate, retry (a fork from where it failed) or signal.
    signal
        Name of the signal that they are sent.
    data
        What it says: JSON, or @file.
    reason
        Kept in the history of each run.
    batch_id
        Id of the batch; a fresh one when not given. The same one again is the same batch.
    preview
        Only say which runs it would be about.
    yes
        Begin without being asked.
    wait
        Wait for the end; exit code 1 if a run refused, or the batch did not complete.

    Examples
    --------
    dalsegno batch start cancel --workflow parcel --status waiting --preview
        Say what would be done, and do nothing.
    dalsegno batch start retry --status failed --since 12h --wait
    dalsegno batch start signal --signal approved --tag team=sales --yes
    """
    first, last = wanted.began()
    runs = RunsWanted(
        status=cast("RunStatus", wanted.status),
        workflow=wanted.workflow,
        tag=tuple(wanted.tag or ()),
        attribute=tuple(wanted.attribute or ()),
        since=first or 0,
        until=last or 0,
    )
    if runs == RunsWanted():
        raise Misconfigured(
            "a batch about all runs is refused: give a condition, such as --workflow or --status"
        )
    if (action == "signal") != bool(signal):
        raise Misconfigured("--signal names the signal of the action signal, and only of that")
    given = BatchGiven(signal=signal, data=read_input(data, "--data"), reason=reason)
    id_ = new_run_id() if batch_id is None else given_run_id(batch_id)
    if batch_id is not None and not preview and (known := _known(common, id_)) is not None:
        return _end(known, common, wait=wait)
    plan = _ask(common, lambda client: client.preview_batch(action, runs, given=given))
    if preview and common.json:
        print_json(_plan_json(plan))
    elif preview or not common.json:
        _tell_plan(console(None if preview else sys.stderr), plan)
    if preview or not plan.count:
        return DONE
    confirm(f"{DEEDS[action]} {counted(plan.count, 'run')}?", yes=yes)

    begun = _ask(
        common,
        lambda client: client.start_batch(
            action, runs, given=given, expected=plan.count, batch_id=id_
        ),
    )
    return _end(begun, common, wait=wait)


def _known(common: Common, batch_id: str) -> BatchShown | None:
    """The batch, when it has begun before: what its query finds by now does not matter."""

    async def look(client: Client) -> BatchShown | None:
        try:
            return await client.show_batch(batch_id)
        except NotFound:
            return None

    return _ask(common, look)


def _end(batch: BatchShown, common: Common, *, wait: bool) -> int:
    async def over(client: Client) -> BatchShown:
        found = batch
        while found.ended_at is None:
            await client.await_run(batch.batch_id, wait_s=WAIT_S)
            found = await client.show_batch(batch.batch_id)
        return found

    found = _ask(common, over) if wait else batch
    if wait or common.json:
        _tell(found, common)
    else:
        print(found.batch_id)
    return FAILED if wait and (found.refused or found.status != "completed") else DONE


def list_(*, limit: int = 20, common: Common = COMMON) -> None:
    """List batches, the newest first.

    Parameters
    ----------
    limit
        Most batches to list.

    Examples
    --------
    dalsegno batch list
    """
    if not 0 < limit <= RUNS_LISTED_MAX:
        raise Misconfigured(f"--limit is {limit}: expected 1 to {RUNS_LISTED_MAX}")
    page = _ask(common, lambda client: client.list_batches(limit=limit))
    if common.json:
        print_json([_json(one) for one in page.items])
        return
    if not page.items:
        print(NONE_YET)
        return
    made = table("batch", "action", "status", "done>", "of>", "refused>?", "started (UTC)")
    lines = (
        (
            plain(one.batch_id),
            one.action,
            status(one.status),
            str(one.done),
            str(one.count),
            str(one.refused or ""),
            day(one.started_at),
        )
        for one in page.items
    )
    console().print(rows(made, lines))
    if page.next:
        print("\nthere are more: a larger --limit shows them")


def show(batch_id: str, *, common: Common = COMMON) -> None:
    """Show how far a batch is, and which runs refused what it asked.

    Parameters
    ----------
    batch_id
        The batch's id; `dalsegno batch list` shows them.

    Examples
    --------
    dalsegno batch show sold-out
    dalsegno batch show sold-out --json
    """
    id_ = given_run_id(batch_id)
    _tell(_ask(common, lambda client: client.show_batch(id_)), common)


def _ask(common: Common, what: Callable[[Client], Awaitable[T]]) -> T:
    config = configured(common)

    async def ask() -> T:
        async with Client.over(config, actor=me()) as client:
            return await what(client)

    return go(ask)


def _tell_plan(out: "Console", plan: BatchPlan) -> None:
    if plan.count:
        unnamed = plan.count - len(plan.sample)
        found = [plain(one.run_id) for one in plan.sample]
        more = f" and {unnamed} more" if unnamed else ""
        out.print(f"{plan.action} of {counted(plan.count, 'run')}: {', '.join(found)}{more}")
    else:
        out.print(f"{plan.action} of no run: the query finds none that it could be done to")
    if plan.left_out_count:
        out.print(f"left out, of those that it finds: {counted(plan.left_out_count, 'run')}")
        _tell_left(out, plan.left_out, plan.left_out_count)


def _tell(batch: BatchShown, common: Common) -> None:
    if common.json:
        print_json(_json(batch))
        return
    out = console()
    out.print(
        f"[bold]{plain(batch.batch_id)}[/] {status(batch.status)}: {batch.action} of "
        f"{counted(batch.count, 'run')}, {batch.done} done, begun {day(batch.started_at)} UTC"
    )
    if batch.refused:
        out.print(f"[{UNSURE}]refused[/] by {counted(batch.refused, 'run')}")
        _tell_left(out, batch.refusals, batch.refused)


def _tell_left(out: "Console", found: tuple[LeftOut, ...], count: int) -> None:
    for one in found:
        out.print(f"  {plain(one.run_id)}: {plain(one.why)}")
    if count > len(found):
        out.print(f"  and {count - len(found)} more")


def _plan_json(plan: BatchPlan) -> dict[str, object]:
    return {
        "action": plan.action,
        "count": plan.count,
        "sample": [one.run_id for one in plan.sample],
        "left_out": _left_json(plan.left_out),
        "left_out_count": plan.left_out_count,
    }


def _left_json(found: tuple[LeftOut, ...]) -> list[dict[str, str]]:
    return [{"run_id": one.run_id, "why": one.why} for one in found]


def _json(batch: BatchShown) -> dict[str, object]:
    return {
        "batch_id": batch.batch_id,
        "action": batch.action,
        "status": batch.status,
        "count": batch.count,
        "done": batch.done,
        "started_at": instant(batch.started_at),
        "ended_at": instant(batch.ended_at),
        "refused": batch.refused,
        "refusals": _left_json(batch.refusals),
    }
