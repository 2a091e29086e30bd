"""`dalsegno run wait`: until runs that are there have ended."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import anyio

from events.api import RunView, ShowRun
from events.errors import Misconfigured, Rejected, Unavailable
from orchestrator.adapters.nats.client import Client
from orchestrator.authoring import seconds
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.exits import DONE, FAILED
from orchestrator.cli.ids import given_run_id
from orchestrator.cli.nearest import refused
from orchestrator.cli.output import DIM, console, plain, print_json, status, took
from orchestrator.cli.progress import Progress, awaited
from orchestrator.cli.run.display import print_run, run_json
from orchestrator.cli.run.runs import answered

if TYPE_CHECKING:
    from rich.console import Console

AT_A_TIME = 100
"""Runs that are awaited at the same time; the others have their turn when some of these ended."""
NAMED_MAX = 3
FOR_EVER_S = float("inf")
Ended = Callable[[RunView], None]


def wait(run_ids: list[str], *, timeout: str = "", common: Common = COMMON) -> int:
    """Wait until runs have ended, and show how. Exit code 1 if not all of them completed.

    Of one run everything is shown, of several a line each, as they end.

    Parameters
    ----------
    run_ids
        Runs that were started, by whomever.
    timeout
        Exit code 4 if one of them is still open after this time, like 30s or 10m.

    Examples
    --------
    dalsegno run wait nightly-17
    dalsegno run wait nightly-17 nightly-18 --timeout 2h
        A script may go on as soon as both have ended.
    dalsegno run wait nightly-17 nightly-18 --json
        A line a run, as they end.
    """
    given = list(dict.fromkeys(given_run_id(one) for one in run_ids))
    timeout_s = _seconds(timeout)
    runs: list[RunView] = []
    shows = _shows(common, several=len(given) > 1)

    def ended(run: RunView) -> None:
        runs.append(run)
        shows(run)

    async def until() -> None:
        async with client_of(configured(common)) as client:
            found = [await _found(client, common, one) for one in given]
            with anyio.move_on_after(timeout_s) as scope:
                await _ends(client, found, ended)
            if scope.cancelled_caught:
                raise _open({one.run_id for one in found} - {one.run_id for one in runs}, timeout)

    go(until)
    return FAILED if any(run.status != "completed" for run in runs) else DONE


def _seconds(timeout: str) -> float:
    if not timeout:
        return FOR_EVER_S
    try:
        return seconds(timeout)
    except ValueError as error:
        raise Misconfigured(f"--timeout: {error}") from None


async def _found(client: Client, common: Common, run_id: str) -> RunView:
    """All are looked for before one is awaited. Raises `Rejected` for one that is not there."""
    try:
        return await answered(client, ShowRun(run_id=run_id))
    except Rejected as error:
        raise await refused(common, run_id, error) from error


async def _ends(client: Client, runs: Sequence[RunView], ended: Ended) -> None:
    if len(runs) == 1:
        ended(await awaited(client, runs[0]))
        return
    room = anyio.Semaphore(AT_A_TIME)
    left = len(runs)

    async def one(run: RunView) -> None:
        nonlocal left
        async with room:
            found = await client.await_run(run.run_id)
        ended(found)
        left -= 1
        progress.say(_words(left, len(runs)))

    with Progress(_words(left, left)) as progress:
        async with anyio.create_task_group() as group:
            for run in runs:
                group.start_soon(one, run)


def _words(left: int, of: int) -> str:
    return f"{left} of {of} runs are open"


def _open(runs: set[str], timeout: str) -> Unavailable:
    names = ", ".join(sorted(runs)[:NAMED_MAX])
    more = f" and {len(runs) - NAMED_MAX} more" if len(runs) > NAMED_MAX else ""
    verb = "is" if len(runs) == 1 else "are"
    return Unavailable(
        f"{names}{more} {verb} still open after {timeout}: `dalsegno run show` says what they wait "
        "for"
    )


def _shows(common: Common, *, several: bool) -> Ended:
    if common.json:
        return lambda run: print_json(run_json(run))
    if not several:
        return print_run
    out = console()
    return lambda run: _line(out, run)


def _line(out: "Console", run: RunView) -> None:
    failure = run.error and f"  {plain(run.error.code)}: {plain(run.error.message)}"
    length = took(run.started_at, run.ended_at)
    out.print(
        f"[bold]{plain(run.run_id)}[/]  {status(run.status)}  [{DIM}]{length}[/]{failure or ''}",
        soft_wrap=True,
    )
