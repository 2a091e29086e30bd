"""`dalsegno replay`: a run is stepped through, or its state is rebuilt and compared."""

import os
import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.envelope import unseal
from events.errors import Corrupt, Misconfigured, Rejected
from events.ids import definition_stream
from events.net import Net
from events.redaction import redact
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import COMMON, Common
from orchestrator.cli.events.files import with_history
from orchestrator.cli.exits import DONE
from orchestrator.cli.output import (
    DIM,
    console,
    print_json,
)
from orchestrator.cli.replay.recordings import recorded
from orchestrator.cli.replay.what_if import NOTHING_ELSE, WhatIf
from orchestrator.cli.run.display import print_run, run_json
from orchestrator.cli.stores import log_of
from orchestrator.insight.run_view import run_view
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.snapshot import state_hash
from orchestrator.kernel.state import RunState
from orchestrator.replay.bases import LeftAside
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.exchange.opened import OpenedFile
from orchestrator.replay.moments import moment_of
from orchestrator.replay.ports import History
from orchestrator.replay.rebuild import Kept, Rebuilder

RUNS_PAGE = 500


def replay(  # noqa: PLR0913 -- they are options of a command
    run_id: str = "",
    *,
    run: str = "",
    at: int | None = None,
    script: Annotated[str, Parameter(allow_leading_hyphen=True)] = "",
    plain: Annotated[bool, Parameter(negative="")] = False,
    hashes: bool = False,
    what_if: WhatIf = NOTHING_ELSE,
    common: Common = COMMON,
) -> int:
    """Step through a run, forwards and backwards: its events, the state after each and what it has
    changed, the graph with its tokens, the timeline. `?` lists the keys.

    Anywhere but on a terminal, and with --plain, it rebuilds the run's state from its events alone,
    compares with its snapshot, and shows it. With --against it asks where a run, or all of a
    workflow, would have gone by a changed definition. Nothing that is done here has an effect on
    the run.

    Parameters
    ----------
    run_id
        The run's id, or a file that `dalsegno events export` has written.
    run
        Which run of a file that has several.
    at
        Version to begin at, or to rebuild; the last one when not given.
    script
        Carry out the commands in this file, or of standard input for `-`, a line each, and print
        what each answers; `help` among them lists them.
    plain
        Print the state, also on a terminal.
    hashes
        With --json: also the state's hash at every version.

    Examples
    --------
    dalsegno replay 01m7yf4vgw1tqq5ay37h9hvpzk
    dalsegno replay nightly-17 --at 12
        The run as it was after its twelfth event.
    dalsegno replay nightly-17 --at 12 --json
        The same as data: `moment` has all that was so.
    dalsegno replay nightly-17.bundle
        A run that was exported, without any cluster.
    dalsegno replay nightly-17 --script look.txt
        Say `break error`, `rewind` and `changes`, and see what went wrong.
    dalsegno replay nightly-17 --against examples/orders.yaml
        Where it would have gone by this definition; nothing is executed.
    dalsegno replay --against examples/orders.yaml --all-of orders --since 7d
        Whether a change is safe, before it is registered: exit code 1 if not.
    """
    if what_if.is_asked:
        return what_if.play(run_id, run, common)
    if not run_id:
        raise Misconfigured("which run? `dalsegno run list` shows them")
    if script or (_is_interactive() and not (common.json or plain or hashes)):
        _step_through(common, run_id, run, at, script)
        return DONE
    rebuilt = with_history(
        common, run_id, run, lambda history, given: _rebuild(history, given, at, hashes)
    )
    view = run_view(rebuilt.state, rebuilt.net)
    if common.json:
        shown = {
            "state_hash": rebuilt.hash,
            "snapshot_version": rebuilt.snapshot_version,
            "left_aside": rebuilt.left_aside,
        }
        more: dict[str, object] = {"hashes": rebuilt.hashes} if hashes else {}
        if at is not None:
            moment = moment_of(Cursor(recorded(common, run_id, run)).to(at))
            more["moment"] = redact(msgspec.to_builtins(moment))
        print_json({**run_json(view), **shown, **more})
        return DONE
    print_run(view)
    for one in rebuilt.left_aside:
        said = f"snapshot at version {one.version} is left aside: {one.reason}"
        print(f"dalsegno: warning: {said}", file=sys.stderr)
    version = rebuilt.snapshot_version
    same = f", and the same from snapshot {version} on" if version else ""
    console().print(f"[{DIM}]state[/] {rebuilt.hash} [{DIM}]from {view.version} events{same}[/]")
    return DONE


def _is_interactive() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _step_through(common: Common, run_id: str, run: str, at: int | None, script: str) -> None:
    """In a session; what is needed for that is imported late."""
    from orchestrator.cli.replay.stepping.script import read_script, run_script

    lines = read_script(script) if script else []
    recording = recorded(common, run_id, run)
    begin = recording.last if at is None else at
    if not 0 <= begin <= recording.last:
        raise Misconfigured(f"--at is {begin}: expected 0 to {recording.last}, the last version")
    if script:
        run_script(recording, script, lines, begin, as_json=common.json)
        return
    from orchestrator.cli.replay.stepping.app import Stepping

    Stepping(recording, begin).run()


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """`hashes`: those of all versions in order, when they were asked for."""

    state: RunState
    net: Net
    hash: str
    snapshot_version: int
    left_aside: tuple[LeftAside, ...]
    hashes: list[str]


async def _rebuild(
    store: PostgresStore | OpenedFile, run_id: str, at: int | None, with_hashes: bool
) -> Replayed:
    if at is not None and at < 1:
        raise Misconfigured(f"--at is {at}: expected a version from 1")
    catalogue = Catalogue()
    full = await Rebuilder(store, catalogue, snapshots=False).run(run_id, at)
    if full is None:
        raise Rejected(f"there is no run {run_id}: `dalsegno run list` shows those there are")
    if at is not None and full.head.version < at:
        raise Rejected(f"run {run_id} has no version {at}: its last one is {full.head.version}")
    short = await Rebuilder(store, catalogue).run(run_id, at)
    found = state_hash(full.state)
    if short is None or (short.head == full.head and state_hash(short.state) != found):
        version = 0 if short is None else short.snapshot_version
        raise Corrupt(
            f"run {run_id}: snapshot {version} and the events after it give another state than all "
            f"events; `dalsegno verify {run_id}` says more. The events are right"
        )
    return Replayed(
        state=full.state,
        net=await net_of(store, catalogue, full.state),
        hash=found,
        snapshot_version=short.snapshot_version,
        left_aside=short.left_aside,
        hashes=await _hashes(store, catalogue, run_id, at) if with_hashes else [],
    )


async def net_of(store: PostgresStore | OpenedFile, catalogue: Catalogue, state: RunState) -> Net:
    log: History = store
    if isinstance(store, PostgresStore):
        log = await log_of(store, state.run_id)
    for stored in await log.read(definition_stream(state.workflow), 0, RUNS_PAGE):
        fact = unseal(stored, catalogue).fact
        version = fact.workflow_version if isinstance(fact, DefinitionRegistered) else ""
        if isinstance(fact, DefinitionRegistered) and version == state.workflow_version:
            return fact.net
    raise Corrupt(f"version {state.workflow_version} of {state.workflow} is not in the log")


async def _hashes(store: History, catalogue: Catalogue, run_id: str, at: int | None) -> list[str]:
    rebuilder, found = Rebuilder(store, catalogue, snapshots=False), list[str]()
    state, kept = RunState(), Kept()
    for event in (await rebuilder.events(run_id))[:at]:
        state = await rebuilder.ground(state, event, kept)
        evolve(state, event.fact, event.header.recorded_at)
        found.append(state_hash(state))
    return found
