"""`dalsegno snapshot`: create, list, show and delete stored states of runs."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import msgspec
from cyclopts import Parameter

from events.catalogue import Catalogue
from events.errors import Corrupt, Misconfigured, Rejected
from events.ids import run_stream
from events.net import Net
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import COMMON, Common
from orchestrator.cli.ids import given_run_id, me
from orchestrator.cli.nearest import about
from orchestrator.cli.output import (
    block,
    console,
    counted,
    day,
    instant,
    plain,
    print_json,
    rows,
    table,
)
from orchestrator.cli.replay.replays import net_of
from orchestrator.cli.run import going_back
from orchestrator.cli.run.display import print_run, run_json
from orchestrator.cli.run.going_back import Mode
from orchestrator.cli.run.labels import given_notes
from orchestrator.cli.run.reasons import SETTLED_DEED, SettledDeed
from orchestrator.cli.stores import with_store
from orchestrator.cli.times import given_instant, now
from orchestrator.insight.run_view import run_view
from orchestrator.kernel.snapshot import fingerprint, state_hash
from orchestrator.kernel.snapshot import restore as state_of
from orchestrator.kernel.state import RunState
from orchestrator.replay.rebuild import Rebuilder
from orchestrator.replay.snapshots import (
    KINDS,
    Snapshot,
    SnapshotInfo,
    SnapshotPlace,
    Why,
    snapshot_place,
    taken,
)

PAGE = 500
OF_OTHERS = "of another release's schema: it is left aside, the events serve"


def create(
    run_id: str,
    *,
    at: int | None = None,
    reason: str = "",
    note: Annotated[list[str] | None, Parameter(negative="")] = None,
    common: Common = COMMON,
) -> None:
    """Keep the state of a run. It is folded from the events alone, and stays until it is deleted.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    at
        Version to keep; the last one when not given.
    reason
        Why, for whoever finds it.
    note
        KEY=VALUE to keep with it; several may be given.

    Examples
    --------
    dalsegno snapshot create nightly-17 --reason "before the migration"
    dalsegno snapshot create nightly-17 --at 12 --note ticket=OPS-1704
    """
    why = Why(reason=reason, actor=me(), metadata=given_notes(note or ()))
    if at is not None and at < 1:
        raise Misconfigured(f"--at is {at}: expected a version from 1")
    with about(common, run_id) as given:
        info = with_store(common, lambda store: _create(store, given, at, why))
    if common.json:
        print_json(_json(info))
        return
    console().print(f"{plain(info.id)} is kept: {info.stored_bytes} bytes")


async def _create(store: PostgresStore, run_id: str, at: int | None, why: Why) -> SnapshotInfo:
    rebuilt = await Rebuilder(store, Catalogue(), snapshots=False).run(run_id, at)
    if rebuilt is None:
        raise Rejected(f"there is no run {run_id}: `dalsegno run list` shows those there are")
    if at is not None and rebuilt.head.version < at:
        raise Rejected(f"run {run_id} has no version {at}: its last one is {rebuilt.head.version}")
    snapshot = taken(rebuilt.head, rebuilt.state, "manual", why)
    await store.save_snapshot(snapshot)
    return await _info(store, snapshot.place)


def list_(run_id: str = "", *, kind: str = "", common: Common = COMMON) -> None:
    """List the snapshots of a run, or of all, the newest first.

    Parameters
    ----------
    run_id
        The run's id; all when not given.
    kind
        Only those that are automatic, manual or recovery.

    Examples
    --------
    dalsegno snapshot list nightly-17
    dalsegno snapshot list --kind manual --json
    """
    _check_kind(kind)
    stream = run_stream(given_run_id(run_id)) if run_id else ""

    async def read(store: PostgresStore) -> list[SnapshotInfo]:
        return [info async for info in _all(store, stream) if kind in ("", info.kind)]

    found = sorted(with_store(common, read), key=lambda one: (one.taken_at, one.place))[::-1]
    if common.json:
        print_json([_json(info) for info in found])
    elif found:
        console().print(_table(found))
    else:
        print("no snapshots")


def show(id: str, *, common: Common = COMMON) -> None:  # noqa: A002 -- the flag is called so
    """Check a snapshot against its checksum and the events, and show the state in it. Exit code 5
    when it is damaged or not the state that the events give.

    Parameters
    ----------
    id
        The snapshot's id; `dalsegno snapshot list` shows them.

    Examples
    --------
    dalsegno snapshot show nightly-17@12-manual
    """
    place = snapshot_place(id)
    shown = with_store(common, lambda store: _read(store, place))
    view = None if shown.state is None or shown.net is None else run_view(shown.state, shown.net)
    if common.json:
        more = {} if view is None else {"run": run_json(view)}
        print_json({**_json(shown.info), "usable": shown.verdict == "", **more})
        return
    out = console()
    out.print(block(_lines(shown.info, shown.verdict)))
    if view is not None:
        out.print()
        print_run(view)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """`state` and `net`: only of a run, in today's schema. `verdict`: why it is not used, or ""."""

    info: SnapshotInfo
    state: RunState | None = None
    net: Net | None = None
    verdict: str = ""


async def _read(store: PostgresStore, place: SnapshotPlace) -> Shown:
    info = await _info(store, place)
    snapshot = await store.find_snapshot(place)
    if snapshot is None:
        raise _unknown(place)
    if not place.stream.startswith(run_stream("")):
        return Shown(info=info)
    if snapshot.fingerprint != fingerprint():
        return Shown(info=info, verdict=OF_OTHERS)
    state = await _compared(store, snapshot)
    return Shown(info=info, state=state, net=await net_of(store, Catalogue(), state))


async def _compared(store: PostgresStore, snapshot: Snapshot) -> RunState:
    """The state in the snapshot. Raises `Corrupt` when the events give another one."""
    state, run_id = state_of(snapshot.state), snapshot.stream.removeprefix(run_stream(""))
    rebuilder = Rebuilder(store, Catalogue(), snapshots=False)
    folded = await rebuilder.run(run_id, snapshot.version)
    if (
        folded is None
        or folded.head.digest != snapshot.digest
        or state_hash(folded.state) != state_hash(state)
    ):
        raise Corrupt(
            f"snapshot {snapshot.id} is not the state that the events give; the events are right: "
            f"delete it with `dalsegno snapshot delete {snapshot.id}`"
        )
    return state


def restore(
    id: str,  # noqa: A002 -- the flag is called so
    *,
    mode: Mode = "resume",
    deed: SettledDeed = SETTLED_DEED,
    wait: bool = False,
    common: Common = COMMON,
) -> int:
    """Let a run go on from where it was at a snapshot: `dalsegno run restore RUN --snapshot ID`.

    Parameters
    ----------
    id
        The snapshot's id; `dalsegno snapshot list` shows them.
    mode
        `resume` goes on from there; `rerun-failed` does again what had failed by then as well,
        `rerun-all` everything.
    wait
        Wait for the end; exit code 1 if the run does not complete.

    Examples
    --------
    dalsegno snapshot restore nightly-17@12-manual --reason undo
    """
    run_id = snapshot_place(id).stream.removeprefix(run_stream(""))
    return going_back.restore(run_id, snapshot=id, mode=mode, deed=deed, wait=wait, common=common)


def delete(
    *ids: str,
    older_than: str = "",
    kind: str = "",
    run: str = "",
    common: Common = COMMON,
) -> None:
    """Delete snapshots. Nothing is lost that the events do not have; only going there takes longer.

    Parameters
    ----------
    ids
        Their ids; `dalsegno snapshot list` shows them.
    older_than
        Instead of ids: all that were taken so long ago, such as 30d. Manual ones only with --kind.
    kind
        With --older-than: only those that are automatic, manual or recovery.
    run
        With --older-than: only those of this run.

    Examples
    --------
    dalsegno snapshot delete nightly-17@12-manual
    dalsegno snapshot delete --older-than 30d
    dalsegno snapshot delete --older-than 90d --kind manual
    """
    if bool(ids) == bool(older_than):
        raise Misconfigured("expected ids of snapshots, or --older-than")
    if ids and (kind or run):
        raise Misconfigured("--kind and --run are for --older-than: ids say which ones go")
    _check_kind(kind)
    if ids:
        places = [snapshot_place(id_) for id_ in ids]
        deleted = with_store(common, lambda store: _delete(store, places))
    else:
        before = given_instant(older_than, "--older-than", now()) or 0
        deleted = with_store(common, lambda store: _expire(store, before, kind, run))
    if common.json:
        print_json({"deleted": deleted})
    else:
        print(f"{counted(len(deleted), 'snapshot')} deleted")


async def _delete(store: PostgresStore, places: Sequence[SnapshotPlace]) -> list[str]:
    """All of them are looked up first: a wrong id deletes nothing."""
    found = [await _info(store, place) for place in places]
    for info in found:
        await store.delete_snapshot(info.place)
    return [info.id for info in found]


async def _expire(store: PostgresStore, before: int, kind: str, run: str) -> list[str]:
    stream = run_stream(given_run_id(run)) if run else ""
    deleted = []
    async for info in _all(store, stream):
        wanted = info.kind == kind if kind else info.kind != "manual"
        if wanted and info.taken_at < before and await store.delete_snapshot(info.place):
            deleted.append(info.id)
    return deleted


async def _all(store: PostgresStore, stream: str) -> AsyncIterator[SnapshotInfo]:
    place = SnapshotPlace()
    while page := await store.list_snapshots(stream, place, PAGE):
        for info in page:
            yield info
        place = page[-1].place


async def _info(store: PostgresStore, place: SnapshotPlace) -> SnapshotInfo:
    """Raises `Rejected` when there is no such snapshot."""
    async for info in _all(store, place.stream):
        if info.place == place:
            return info
    raise _unknown(place)


def _unknown(place: SnapshotPlace) -> Rejected:
    return Rejected(
        f"there is no {place.kind} snapshot of {place.stream} at version {place.version}: "
        "`dalsegno snapshot list` shows those there are"
    )


def _check_kind(kind: str) -> None:
    if kind and kind not in KINDS:
        raise Misconfigured(f"--kind is {kind!r}: expected one of {', '.join(KINDS)}")


def _json(info: SnapshotInfo) -> dict[str, object]:
    found = msgspec.structs.asdict(info)
    return {"id": info.id, **found, "taken_at": instant(info.taken_at)}


def _table(found: Sequence[SnapshotInfo]) -> object:
    made = table("snapshot", "kind", "version>", "bytes>", "key?", "taken", "by?", "reason")
    lines = [
        (
            plain(info.id),
            info.kind,
            str(info.version),
            str(info.stored_bytes),
            plain(info.key_id),
            day(info.taken_at),
            plain(info.actor),
            plain(info.reason),
        )
        for info in found
    ]
    return rows(made, lines)


def _lines(info: SnapshotInfo, verdict: str) -> list[tuple[str, str]]:
    notes = ", ".join(f"{name}={value}" for name, value in info.metadata.items())
    return [
        ("snapshot", plain(info.id)),
        ("kind", info.kind),
        ("taken", f"{day(info.taken_at)} UTC"),
        ("by", plain(info.actor)),
        ("reason", plain(info.reason)),
        ("notes", plain(notes)),
        ("stored", f"{info.stored_bytes} bytes, compressed"),
        ("key", plain(info.key_id)),
        ("checksum", f"{info.checksum}, which fits"),
        ("left aside", plain(verdict)),
    ]
