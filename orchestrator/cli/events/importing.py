"""`dalsegno events import`: runs of an exported file become history of this cluster."""

from pathlib import Path

import msgspec

from events.catalogue import Catalogue
from events.errors import Misconfigured
from orchestrator.adapters.archives.opening import open_file
from orchestrator.adapters.postgres.cluster import PostgresCluster
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import COMMON, Common
from orchestrator.cli.ids import me, new_run_id
from orchestrator.cli.output import console, counted, plain, print_json, rows, status, table
from orchestrator.cli.progress import Progress
from orchestrator.cli.stores import logs_of, with_store
from orchestrator.cli.times import now
from orchestrator.replay.exchange.importing import Imported, Importer, Planned, Who


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one file."""

    file: str
    redacted: tuple[str, ...]
    runs: list[Imported]


def import_(*files: Path, dry_run: bool = False, common: Common = COMMON) -> None:
    """Bring the runs of exported files into this cluster, as history: to look at, replay and fork.

    Nobody works on an imported run, also when it had not ended. The whole file is checked before
    anything is written, and each run is written whole; a run that is here already, with the same
    events, stays as it is. Exit code 3 if a run is here with others, 5 if a file is damaged.

    Parameters
    ----------
    files
        Bundles, or files of lines, that `dalsegno events export` has written.
    dry_run
        Check the files, and say what would be imported.

    Examples
    --------
    dalsegno events import nightly-17.bundle
    dalsegno events import night-1.jsonl night-2.jsonl --dry-run
    """
    if not files:
        raise Misconfigured("expected files that `dalsegno events export` has written")

    async def bring(store: PostgresStore) -> list[Done]:
        with Progress("reading") as progress:
            return [await _file(store, path, progress, dry_run=dry_run) for path in files]

    done = with_store(common, bring)
    if common.json:
        print_json(done)
    else:
        _print(done, dry_run=dry_run)


async def _file(store: PostgresStore, path: Path, progress: Progress, *, dry_run: bool) -> Done:
    async def log_of(stream: str) -> PostgresStore:
        if isinstance(store, PostgresCluster):
            return await store.log(store.map.of_stream(stream))
        return store

    with await open_file(path) as file:
        progress.say(f"checking {plain(path.name)}")
        importer = Importer(file, log_of, Catalogue(), Who(me(), now, new_run_id))
        planned = await importer.plan()
        if dry_run:
            return Done(
                file=str(path), redacted=file.info.redacted, runs=[_would(one) for one in planned]
            )
        runs: list[Imported] = []
        async for one in importer.carry_out(planned):
            runs.append(one)
            progress.say(f"{plain(path.name)}: {len(runs)} of {counted(len(planned), 'run')}")
    for log in await logs_of(store):
        await log.wake_subscribers()
    return Done(file=str(path), redacted=file.info.redacted, runs=runs)


def _would(one: Planned) -> Imported:
    row = one.row
    return Imported(
        run_id=row.run_id,
        workflow=row.workflow,
        status=row.status,
        version=row.version,
        events=max(0, row.version - one.here),
    )


def _print(done: list[Done], *, dry_run: bool) -> None:
    out = console()
    made = table("run", "status", "events>", "new>", "workflow")
    lines = [
        (
            plain(run.run_id),
            status(run.status),
            str(run.version),
            str(run.events),
            plain(run.workflow),
        )
        for one in done
        for run in one.runs
    ]
    out.print(rows(made, lines))
    new = [run for one in done for run in one.runs if run.events]
    would = "would be imported" if dry_run else "imported"
    same = len(lines) - len(new)
    known = f"; {counted(same, 'run')} had been here before" if same else ""
    events = counted(sum(run.events for run in new), "event")
    print(f"{counted(len(new), 'run')} {would}, with {events}{known}")
    for one in done:
        if one.redacted:
            print(f"{one.file} was redacted: {', '.join(one.redacted)}")
