"""Recordings of runs that are named on the command line, by their id or by an exported file."""

from events.catalogue import Catalogue
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import Common
from orchestrator.cli.events.files import with_history
from orchestrator.cli.stores import log_of
from orchestrator.replay.exchange.opened import OpenedFile
from orchestrator.replay.ports import History
from orchestrator.replay.recording import Recording, record


def recorded(common: Common, target: str, run: str = "") -> Recording:
    """All that happened to a run. `run`: which one of a file that has several.

    Raises `Rejected` with what was probably meant, `Misconfigured`, `Corrupt`, `Unavailable`.
    """
    return with_history(common, target, run, _recorded)


async def _recorded(store: PostgresStore | OpenedFile, run_id: str) -> Recording:
    history: History = store
    if isinstance(store, PostgresStore):
        history = await log_of(store, run_id)
    return await record(history, Catalogue(), run_id)
