"""`dalsegno run retry`: what failed is tried again, by a new run."""

import sys
from typing import TYPE_CHECKING

import msgspec

from events.api import ForkRun, RunView
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.confirming import confirm
from orchestrator.cli.exits import DONE, FAILED
from orchestrator.cli.ids import given_run_id, new_run_id
from orchestrator.cli.nearest import about
from orchestrator.cli.output import DIM, console, counted, names, plain, print_json, status
from orchestrator.cli.progress import awaited
from orchestrator.cli.run.display import print_run, run_json
from orchestrator.cli.run.runs import answered
from orchestrator.cli.stores import with_store
from orchestrator.config import Config
from orchestrator.replay.retrying import Retry, plan_retry

if TYPE_CHECKING:
    from rich.console import Console

SHOWN_MAX = 20


def retry(
    run_id: str,
    *,
    yes: bool = False,
    id: str | None = None,  # noqa: A002 -- the flag is called so
    reason: str = "retry",
    wait: bool = False,
    common: Common = COMMON,
) -> int:
    """Try a failed, timed out or cancelled run again: a new run begins where that one stood before
    it failed. What had completed by then is kept; the old run stays as it is.

    It says first what will run again, and asks; where nobody can answer it needs --yes.

    Parameters
    ----------
    run_id
        A run that has ended, otherwise than completed.
    yes
        Begin without being asked.
    id
        Id of the new run; a fresh one when not given. The same one again is the same run.
    reason
        Kept in the history of the new run.
    wait
        Wait for the end; exit code 1 if the new run does not complete.

    Examples
    --------
    dalsegno run retry 01m7yf4vgw1tqq5ay37h9hvpzk
        Say what will run again, and begin when you confirm it.
    dalsegno run retry nightly-17 --yes --id nightly-17b --wait
        As a script would.
    """
    new_id = new_run_id() if id is None else given_run_id(id)
    config = configured(common)
    with about(common, run_id) as source:
        plan = with_store(common, lambda store: plan_retry(store, source))
    if not common.json:
        _say(console(sys.stderr), plan)
    confirm(f"Begin run {new_id}?", yes=yes)
    request = ForkRun(
        run_id=new_id, source_run_id=source, source_version=plan.version, reason=reason
    )
    run = go(lambda: _fork(config, request, wait))
    if common.json:
        print_json({**run_json(run), "retry_of": msgspec.to_builtins(plan)})
    elif wait:
        print_run(run)
    else:
        print(run.run_id)
    return FAILED if wait and run.status != "completed" else DONE


async def _fork(config: Config, request: ForkRun, wait: bool) -> RunView:
    async with client_of(config) as client:
        run = await answered(client, request)
        return await awaited(client, run) if wait else run


def _say(out: "Console", plan: Retry) -> None:
    out.print(
        f"Run [bold]{plain(plan.run_id)}[/] of {plain(plan.workflow)} is {status(plan.status)}. "
        f"A new run begins from its version {plan.version} of {plan.last_version}."
    )
    say_what_follows(out, plan)


def say_what_follows(out: "Console", plan: Retry) -> None:
    """What a run that goes on from there keeps, and does again."""
    out.print(f"  kept, {counted(len(plan.kept), 'step')}: {_names(list(plan.kept))}")
    again = [f"{one.step} ({one.was or 'open'})" for one in plan.again]
    out.print(f"  runs again, {counted(len(again), 'step')} and what follows them: {_names(again)}")
    if any(one.was == "completed" for one in plan.again):
        out.print(
            f"  [{DIM}]Steps that completed only after the failure are among these: make sure that "
            "they may run twice.[/]"
        )


def _names(steps: list[str]) -> str:
    return plain(names(steps, SHOWN_MAX) or "none")
