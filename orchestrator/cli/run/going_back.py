"""`dalsegno run restore` and `rerun`: a run goes on from an earlier version of its history.

An open run is restored; a closed one is never opened again, so a new run is forked from it there.
"""

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from cyclopts import Parameter

from events.api import ForkRun, RerunRun, RestoreRun, RunView
from events.errors import Misconfigured, Rejected
from events.ids import run_stream
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.exits import DONE, FAILED
from orchestrator.cli.ids import me
from orchestrator.cli.nearest import about
from orchestrator.cli.output import console, plain, print_json, status
from orchestrator.cli.progress import awaited
from orchestrator.cli.run.display import print_run, run_json
from orchestrator.cli.run.reasons import SETTLED_DEED, SettledDeed
from orchestrator.cli.run.retrying import say_what_follows
from orchestrator.cli.run.runs import answered
from orchestrator.cli.stores import with_store
from orchestrator.kernel.state import TERMINAL
from orchestrator.replay.retrying import Retry, Wanted, plan
from orchestrator.replay.snapshots import snapshot_place

if TYPE_CHECKING:
    from rich.console import Console

Mode = Literal["resume", "rerun-failed", "rerun-all"]
MODES: dict[Mode, Literal["resume", "rerun_failed", "rerun_all"]] = {
    "resume": "resume",
    "rerun-failed": "rerun_failed",
    "rerun-all": "rerun_all",
}
Request = RestoreRun | RerunRun | ForkRun


def restore(  # noqa: PLR0913 -- they are options of a command
    run_id: str,
    *,
    to: int | None = None,
    snapshot: str = "",
    mode: Mode = "resume",
    deed: SettledDeed = SETTLED_DEED,
    wait: bool = False,
    common: Common = COMMON,
) -> int:
    """Let a run go on from where it was at an earlier version. What nodes and child runs have of it
    is told to stop, what was done since is done again.

    An open run is restored, and its state before is kept: the answer says how to undo it. One that
    has ended stays as it is, and a new run begins from there. It says first what will run again,
    and asks; where nobody can answer it needs --yes.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    to
        The version to go back to; `dalsegno events show RUN` numbers them.
    snapshot
        In place of it: the version of this snapshot; `dalsegno snapshot list RUN` shows them.
    mode
        `resume` goes on from there; `rerun-failed` does again what had failed by then as well,
        `rerun-all` everything.
    wait
        Wait for the end; exit code 1 if the run does not complete.

    Examples
    --------
    dalsegno run restore nightly-17 --to 12 --reason "the price list was wrong"
    dalsegno run restore night-17 --snapshot night-17@40-recovery --reason undo
    """
    if (to is None) == (not snapshot):
        raise Misconfigured("expected either --to VERSION or --snapshot ID")
    if to is not None and to < 1:
        raise Misconfigured(f"--to is {to}: expected a version from 1")
    with about(common, run_id) as source:
        version = _version_of(source, snapshot) if to is None else to
        wanted = Wanted(version=version, mode=MODES[mode])
        return _go_back(common, source, wanted, deed, wait)


def rerun(  # noqa: PLR0913 -- they are options of a command
    run_id: str,
    *,
    step: Annotated[list[str] | None, Parameter(negative="")] = None,
    failed: Annotated[bool, Parameter(negative="")] = False,
    all: Annotated[bool, Parameter(negative="")] = False,  # noqa: A002
    deed: SettledDeed = SETTLED_DEED,
    wait: bool = False,
    common: Common = COMMON,
) -> int:
    """Do steps of a run again, and what comes after them: those that are named, or what has failed,
    or all. The run goes on from the last version at which none of them was over, so what was done
    beside them since then is done again as well; it says first what that is, and asks.

    An open run is restored, and its state before is kept: the answer says how to undo it. One that
    has ended stays as it is, and a new run begins from there.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    step
        A step to run again, `parse` or `parse[2]`; may be repeated.
    failed
        Run again what has failed, whether the run has handled it or not. So it is when nothing is
        said.
    all
        Run everything again.
    wait
        Wait for the end; exit code 1 if the run does not complete.

    Examples
    --------
    dalsegno run rerun nightly-17 --failed --reason "the disk is mended"
    dalsegno run rerun night-17 --step load --step 'parse[2]' --reason rules --yes
    """
    steps = tuple(step or ())
    if bool(steps) + failed + all > 1:
        raise Misconfigured("expected one of --step, --failed and --all")
    wanted = Wanted(mode="rerun_steps" if steps else "rerun_failed", steps=steps)
    if all:
        wanted = Wanted(mode="rerun_all")
    with about(common, run_id) as source:
        return _go_back(common, source, wanted, deed, wait)


def _version_of(run_id: str, snapshot: str) -> int:
    place = snapshot_place(snapshot)
    if place.stream != run_stream(run_id):
        raise Rejected(f"snapshot {snapshot} is of another run than {run_id}")
    return place.version


def _go_back(common: Common, run_id: str, wanted: Wanted, deed: SettledDeed, wait: bool) -> int:
    id_, reason = deed.given_id(), deed.why()
    found = with_store(common, lambda store: plan(store, run_id, wanted))
    closed = found.status in TERMINAL
    if not common.json:
        _say(console(sys.stderr), found, closed)
    deed.confirmed(f"Begin run {id_}?" if closed else f"Restore run {run_id}?")
    request = _request(found, wanted, id_, reason)
    if deed.unsettled and not isinstance(request, ForkRun):
        request = msgspec.structs.replace(request, unsettled=True)
    run = go(lambda: _send(common, request, wait))
    if common.json:
        print_json({**run_json(run), "plan": msgspec.to_builtins(found)})
    elif wait:
        print_run(run)
    elif closed:
        print(run.run_id)
    else:
        _tell(run, found)
    return FAILED if wait and run.status != "completed" else DONE


def _request(found: Retry, wanted: Wanted, id_: str, reason: str) -> Request:
    actor, run_id = me(), found.run_id
    if found.status in TERMINAL:
        return ForkRun(
            actor=actor,
            run_id=id_,
            source_run_id=run_id,
            source_version=found.version,
            reason=reason,
        )
    if wanted.version:
        mode = wanted.mode if wanted.mode != "rerun_steps" else "resume"
        return RestoreRun(
            actor=actor, run_id=run_id, id=id_, version=wanted.version, mode=mode, reason=reason
        )
    everything = wanted.mode == "rerun_all"
    return RerunRun(
        actor=actor, run_id=run_id, id=id_, steps=wanted.steps, all=everything, reason=reason
    )


async def _send(common: Common, request: Request, wait: bool) -> RunView:
    async with client_of(configured(common)) as client:
        run = await answered(client, request)
        return await awaited(client, run) if wait else run


def _say(out: "Console", found: Retry, closed: bool) -> None:
    what = "A new run begins from" if closed else "It goes back to"
    out.print(
        f"Run [bold]{plain(found.run_id)}[/] of {plain(found.workflow)} is {status(found.status)}. "
        f"{what} version {found.version} of {found.last_version}."
    )
    say_what_follows(out, found)


def _tell(run: RunView, found: Retry) -> None:
    backup = run.actions[-1].backup if run.actions else msgspec.UNSET
    print(
        f"{run.run_id} goes on from version {found.version} and is {run.status}; "
        f"`dalsegno run restore {run.run_id} --to {backup}` undoes this"
    )
