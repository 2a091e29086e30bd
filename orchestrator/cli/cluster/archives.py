"""`dalsegno archive`: closed runs out of the log into files, and back."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from cyclopts import Parameter

from events.catalogue import Catalogue
from events.errors import Misconfigured, Rejected
from events.ids import shard_of
from orchestrator.adapters.archives.reading import ArchiveReader
from orchestrator.adapters.archives.writing import SUFFIX, ArchiveWriter
from orchestrator.adapters.postgres.archives import KnownArchive
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import COMMON, Common, configured, go
from orchestrator.cli.confirming import confirm
from orchestrator.cli.events.showing import Printer
from orchestrator.cli.exits import CORRUPT, DONE
from orchestrator.cli.output import console, counted, day, instant, plain, print_json, rows, table
from orchestrator.cli.progress import Progress
from orchestrator.cli.stores import each_log, logs_of, with_store
from orchestrator.cli.times import MICROSECONDS, given_instant, now
from orchestrator.kernel.snapshot import state_hash
from orchestrator.replay.audit.anchors import anchor_of
from orchestrator.replay.audit.archives import audit
from orchestrator.replay.audit.findings import Finding
from orchestrator.replay.audit.log_batches import Anchor
from orchestrator.replay.audit.verify import Verifier
from orchestrator.replay.retention import archives as a
from orchestrator.replay.retention.archiving import Archiver, Follower, Moved, Wanted, rebuilt

T = TypeVar("T")
SHOWN_MAX = 50
Folder = Annotated[Path | None, Parameter()]


def run(
    *,
    older_than: str = "",
    workflow: str = "",
    folder: Folder = None,
    dry_run: bool = False,
    common: Common = COMMON,
) -> None:
    """Move runs that ended long ago from the log to an archive, a file.

    Runs that an open run has started, that a fork in the log stands on, or that are damaged stay,
    and are named. Interrupted, it goes on where it was when it is called again.

    Parameters
    ----------
    older_than
        Age from which they go, such as 90d; `retention.closed_after_s` when not given.
    workflow
        Only runs of this workflow.
    folder
        Where the file is written to; `retention.folder` when not given.
    dry_run
        Only say what would go, and what would stay.

    Examples
    --------
    dalsegno archive run --older-than 90d --folder /backup/dalsegno --dry-run
    dalsegno archive run
        As the configuration says, from a timer for example.
    """
    config = configured(common).retention
    age = older_than or (f"{config.closed_after_s}s" if config.closed_after_s else "")
    before = given_instant(age, "--older-than", now())
    if before is None:
        raise Misconfigured(
            "no age is given, and nothing is moved by itself: give --older-than, or set "
            "retention.closed_after_s"
        )
    wanted = Wanted(before=before, workflow=workflow, runs_max=config.runs_max)
    place = _folder(common, folder)

    async def move(store: PostgresStore) -> Moved:
        moved = Moved()
        with Progress("looking for runs that ended long ago") as progress:
            for log in await logs_of(store):
                moving = _Moving(log, store, moved, progress)
                here = await moving.wanted(wanted)
                await (moving.look(here) if dry_run else moving.run(here, place))
        return moved

    _tell(with_store(common, move), dry_run=dry_run, as_json=common.json)


class _Moving:
    """One call of `archive run` for one log; `whole`: all logs."""

    def __init__(
        self, log: PostgresStore, whole: PostgresStore, moved: Moved, progress: Progress
    ) -> None:
        self._log = log
        self._moved = moved
        self._progress = progress
        self._archives = log.archives()
        self._archiver = _archiver(log, whole)

    async def wanted(self, wanted: Wanted) -> Wanted:
        """The same, but for what a program that follows this log has not had yet."""
        found = await self._log.subscriptions().all()
        if not found:
            return wanted
        last = min(found, key=lambda one: one.position)
        return msgspec.structs.replace(
            wanted, last=Follower(name=last.name, position=last.position)
        )

    async def look(self, wanted: Wanted) -> None:
        async for row in self._archiver.candidates(wanted, self._moved):
            self._moved.runs += 1
            self._moved.events += row.version

    async def run(self, wanted: Wanted, folder: Path) -> None:
        await self._go_on(folder)
        anchor = await anchor_of(self._log, self._log.info.name)
        writer: ArchiveWriter | None = None
        count = 0
        try:
            async for row in self._archiver.candidates(wanted, self._moved):
                writer = writer or self._begin(anchor, folder)
                await self._archiver.write(row, writer)
                count += 1
                self._progress.say(f"{counted(count, 'run')} written, {writer.size:,} bytes")
                if count == wanted.runs_max or writer.size >= wanted.bytes_max:
                    await self._end(writer)
                    writer, count = None, 0
            if writer is not None:
                await self._end(writer)
        finally:
            if writer is not None:
                writer.close()

    async def _go_on(self, folder: Path) -> None:
        """What an interrupted call has written and not yet removed."""
        for known in await self._archives.known():
            if not known.done:
                reader = ArchiveReader(folder / known.name)
                self._progress.say(f"going on with {plain(known.name)}")
                await self._archiver.remove(known.name, reader, self._moved)
                self._moved.archives.append(known.name)

    def _begin(self, anchor: Anchor, folder: Path) -> ArchiveWriter:
        """`anchor` is from before anybody looked for forks: later ones are looked for again."""
        info, at = self._log.info, now()
        head = a.Head(log=info.name, shards=info.shards, created_at=at, anchor=anchor)
        stamp = (instant(at) or "").replace(":", "").replace("-", "").replace(".", "-")
        name = f"{info.name}-{stamp.rstrip('Z')}{SUFFIX}"
        return ArchiveWriter(folder / name, head)

    async def _end(self, writer: ArchiveWriter) -> None:
        manifest = writer.finish()
        reader, name = ArchiveReader(writer.path), writer.path.name
        for one in reader.manifest.runs:
            self._archiver.check(reader, one)
        await self._archives.begin(name, reader.digest, len(manifest.runs), manifest.events)
        self._progress.say(f"removing what is in {plain(name)} from the log")
        await self._archiver.remove(name, reader, self._moved)
        self._moved.archives.append(name)


def _tell(moved: Moved, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        kept = [{"run_id": run_id, "why": why} for run_id, why in moved.kept]
        print_json(msgspec.structs.asdict(moved) | {"kept": kept, "dry_run": dry_run})
        return
    would = "would be moved" if dry_run else "moved"
    to = f" to {', '.join(moved.archives)}" if moved.archives else ""
    runs, events = counted(moved.runs, "run"), counted(moved.events, "event")
    print(f"{runs}, {events} {would}{to}")
    for run_id, why in moved.kept[:SHOWN_MAX]:
        print(f"kept: {run_id}: {why}")


def list_(*, common: Common = COMMON) -> None:
    """List the archives that runs of this log were moved to.

    Examples
    --------
    dalsegno archive list --json
    """

    async def known(log: PostgresStore) -> list[KnownArchive]:
        return await log.archives().known()

    found = [one for some in each_log(common, known) for one in some]
    if common.json:
        print_json([_json(one) for one in found])
        return
    made = table("archive", "written (UTC)", "runs>", "events>", "state")
    lines = (
        (
            plain(one.name),
            day(one.created_at),
            str(one.runs),
            str(one.events),
            "whole" if one.done else "being moved: call `dalsegno archive run` again",
        )
        for one in found
    )
    console().print(rows(made, lines) if found else "no run was ever moved to an archive")


def _json(one: KnownArchive) -> dict[str, object]:
    return msgspec.structs.asdict(one) | {"created_at": instant(one.created_at)}


def verify(file: Path, *, common: Common = COMMON) -> int:
    """Audit an archive: every run in it is whole, sound, and keeps the rules. Needs no cluster.

    Parameters
    ----------
    file
        The archive, a path or a name in `retention.folder`. Exit code 5 if something is wrong.

    Examples
    --------
    dalsegno archive verify /backup/dalsegno/main-20261121T210000.dalsegno.zst
    """
    reader = ArchiveReader(_path(common, file))

    async def look() -> list[Finding]:
        return await audit(reader, Catalogue())

    findings = go(look)
    if common.json:
        print_json({"runs": len(reader.manifest.runs), "findings": findings})
    else:
        for one in findings:
            print(f"run {one.run_id}: {one.check}: {one.message}")
        runs = counted(len(reader.manifest.runs), "run")
        events = counted(reader.manifest.events, "event")
        print(
            f"{runs}, {events}: " + (counted(len(findings), "finding") if findings else "all sound")
        )
    return CORRUPT if findings else DONE


def show(file: Path, run_id: str = "", *, at: int | None = None, common: Common = COMMON) -> None:
    """List the runs of an archive; or show the events and the state of one. Needs no cluster.

    Parameters
    ----------
    file
        The archive, a path or a name in `retention.folder`.
    run_id
        The run to show.
    at
        Version whose state is shown; the last one when not given.

    Examples
    --------
    dalsegno archive show old.dalsegno.zst
    dalsegno archive show old.dalsegno.zst order-17 --json
        Every event as it was stored, and its position.
    """
    reader = ArchiveReader(_path(common, file))
    if not run_id:
        _list_runs(reader, as_json=common.json)
        return
    one = _found(reader, run_id)
    frame = reader.read(one)
    events = a.unread([*frame.sources, *frame.events])
    state = go(lambda: rebuilt(run_id, events, Catalogue(), at))
    printer = Printer(as_json=common.json, with_stream=False)
    own = a.unread(frame.events)
    printer.print(event for event in own if at is None or event.version <= at)
    if not common.json:
        print(f"{state.status} at version {state.version}, state {state_hash(state)}")


def _list_runs(reader: ArchiveReader, *, as_json: bool) -> None:
    manifest = reader.manifest
    if as_json:
        print_json(manifest)
        return
    made = table("run", "workflow", "status", "events>", "ended (UTC)")
    lines = (
        (plain(one.run_id), plain(one.workflow), one.status, str(one.version), day(one.updated_at))
        for one in manifest.runs
    )
    console().print(rows(made, lines))


def restore(file: Path, *run_ids: str, common: Common = COMMON) -> None:
    """Bring runs back into the log: to their own positions, as if they had never gone.

    They are moved again when as much time has passed since as is asked of runs that ended.

    Parameters
    ----------
    file
        The archive, a path or a name in `retention.folder`.
    run_ids
        The runs that come back.

    Examples
    --------
    dalsegno archive restore old.dalsegno.zst order-17
    """
    if not run_ids:
        raise Misconfigured("expected the ids of the runs that are to come back")
    reader = ArchiveReader(_path(common, file))
    chosen = [_found(reader, run_id) for run_id in run_ids]

    async def bring(store: PostgresStore) -> list[str]:
        logs = {log.info.name: log for log in await logs_of(store)}
        name = reader.manifest.head.log
        if name not in logs:
            raise Rejected(f"{file} is of the log {name}, not {', '.join(logs)}")
        log = logs[name]
        archiver, shards = _archiver(log, store), log.info.shards
        return [
            one.run_id
            for one in chosen
            if await archiver.restore(reader, one, shard_of(one.run_id, shards))
        ]

    back = with_store(common, bring)
    if common.json:
        print_json({"restored": back})
    else:
        print(f"{counted(len(back), 'run')} brought back")
    if missed := [run_id for run_id in run_ids if run_id not in back]:
        raise Rejected(f"the log does not say that it misses {', '.join(missed)}")


def sweep(*, dry_run: bool = False, yes: bool = False, common: Common = COMMON) -> None:
    """Remove stored values that no event of the log names, and that are old enough.

    What they are named by is looked for in every event. `retention.unnamed_after_s` says how old.

    Parameters
    ----------
    dry_run
        Only say how many there are.
    yes
        Do not ask.

    Examples
    --------
    dalsegno archive sweep --dry-run
    """
    before = now() - round(configured(common).retention.unnamed_after_s * MICROSECONDS)
    if not dry_run:
        confirm("Remove stored values that no event names?", yes=yes)

    async def look(store: PostgresStore) -> tuple[int, int]:
        last, found = max(1, await store.last_position()), [(0, 0)]
        with Progress("reading the log") as progress:
            for log in await logs_of(store):
                tell = _share(progress, last)
                found.append(await _archiver(log, store).sweep(before, tell, remove=not dry_run))
        return sum(count for count, _ in found), sum(size for _, size in found)

    count, size = with_store(common, look)
    if common.json:
        print_json({"values": count, "bytes": size, "dry_run": dry_run})
    else:
        would = "would be removed" if dry_run else "removed"
        print(f"{counted(count, 'stored value')} of {size:,} bytes {would}")


def _share(progress: Progress, last: int) -> Callable[[int], None]:
    return lambda position: progress.say(f"{position / last:.0%} of the log")


def _archiver(log: PostgresStore, whole: PostgresStore) -> Archiver:
    return Archiver(log, whole, log.archives(), Verifier(whole, Catalogue(), log.info.shards))


def _folder(common: Common, given: Path | None) -> Path:
    configured_one = configured(common).retention.folder
    folder = given or (Path(configured_one) if configured_one else None)
    if folder is None:
        raise Misconfigured(
            "no folder for archives is given: give --folder, or set retention.folder"
        )
    if not folder.is_dir():
        raise Misconfigured(f"{folder} is no folder: make it first")
    return folder


def _path(common: Common, file: Path) -> Path:
    """A path as it is; a name alone that is not here is looked for in the folder of archives."""
    if file.exists() or file.parent != Path():
        return file
    return Path(configured(common).retention.folder) / file


def _found(reader: ArchiveReader, run_id: str) -> a.ArchivedRun:
    found = reader.find(run_id)
    if found is None:
        raise Rejected(
            f"run {run_id} is not in {reader.path}: `dalsegno archive show {reader.path}` lists "
            "those that are"
        )
    return found
