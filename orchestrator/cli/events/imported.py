"""Runs that were imported, as they are shown: from the log, since no coordinator has them."""

from contextlib import suppress

import msgspec

from events.api import RunView
from events.catalogue import Catalogue
from events.cluster_facts import RunImported
from events.envelope import unseal
from events.errors import Misconfigured, Unavailable
from events.ids import import_stream
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import Common, configured
from orchestrator.cli.output import DIM, console, day, instant, plain
from orchestrator.cli.replay.replays import net_of
from orchestrator.cli.run.display import Shown, print_run, run_json
from orchestrator.cli.stores import with_store
from orchestrator.config import databases
from orchestrator.insight.run_view import run_view
from orchestrator.replay.rebuild import Rebuilder


class ImportedRun(msgspec.Struct, frozen=True):
    """A run as it is here, what the log says of its import, and when that was (microseconds)."""

    view: RunView
    fact: RunImported
    at: int


def imported_run(common: Common, run_id: str) -> ImportedRun | None:
    """None for a run that is this cluster's own, and where the log cannot be asked."""
    if databases(configured(common)):
        with suppress(Misconfigured, Unavailable):
            return with_store(common, lambda store: _imported(store, run_id))
    return None


async def _imported(store: PostgresStore, run_id: str) -> ImportedRun | None:
    said = await store.read(import_stream(run_id), 0, 100)
    if not said:
        return None
    catalogue = Catalogue()
    event = unseal(said[-1], catalogue)
    rebuilt = await Rebuilder(store, catalogue).run(run_id)
    if rebuilt is None or not isinstance(event.fact, RunImported):
        return None
    net = await net_of(store, catalogue, rebuilt.state)
    return ImportedRun(run_view(rebuilt.state, net), event.fact, event.header.recorded_at)


def imported_json(run: ImportedRun) -> Shown:
    fact = run.fact
    told = {
        "at": instant(run.at),
        "by": fact.by,
        "file": fact.file,
        "sha256": fact.sha256,
        "redacted": fact.redacted,
    }
    return {**run_json(run.view), "imported": told}


def print_imported(run: ImportedRun, *, all_rows: bool) -> None:
    fact = run.fact
    where = f"from {plain(fact.file)}, {day(run.at)} UTC, by {plain(fact.by)}"
    console().print(f"imported [{DIM}]{where}[/]", soft_wrap=True)
    if fact.redacted:
        console().print(f"redacted [{DIM}]{plain(', '.join(fact.redacted))}[/]", soft_wrap=True)
    print_run(run.view, all_rows=all_rows)
