"""A run id that nobody knows is answered with the ones that were probably meant."""

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches

from events.errors import Misconfigured, Rejected, Unavailable
from events.ids import run_stream
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import Common, configured, go
from orchestrator.cli.ids import given_run_id
from orchestrator.cli.stores import open_logs
from orchestrator.config import databases
from orchestrator.replay.retention.archives import moved

NAMED_MAX = 3
LOOKED_AT = 1000
RUN = run_stream("")


@contextmanager
def about(common: Common, run_id: str) -> Iterator[str]:
    """The run id, checked; a refusal inside names the nearest id when this one is unknown."""
    given = given_run_id(run_id)
    try:
        yield given
    except Rejected as error:
        told = error
        raise go(lambda: refused(common, given, told)) from error


async def refused(common: Common, run_id: str, error: Rejected) -> Rejected:
    """The refusal; with what was probably meant, when there is no such run and the log can be
    asked."""
    config = configured(common)
    if not databases(config):
        return error
    try:
        async with await open_logs(config) as store:
            if (tombstone := await store.archived(run_id)) is not None:
                return Rejected(moved(tombstone))
            known = await store.read(run_stream(run_id), 0, 1)
            return error if known else Rejected(f"{error}{await nearest(store, run_id)}")
    except (Misconfigured, Unavailable):
        return error


async def nearest(store: PostgresStore, run_id: str) -> str:
    """` (did you mean …?)`: runs whose ids begin so, a few of many, else the one most like it;
    else the empty text."""
    begun = await _beginning(store, run_id.lower(), NAMED_MAX + 1)
    if begun:
        more = " …" if len(begun) > NAMED_MAX else ""
        return f" (did you mean {', '.join(begun[:NAMED_MAX])}{more}?)"
    for start in (run_id[: len(run_id) // 2], run_id[:1], ""):
        close = get_close_matches(run_id, await _beginning(store, start, LOOKED_AT), n=1)
        if close:
            return f" (did you mean {close[0]}?)"
    return ""


async def _beginning(store: PostgresStore, start: str, limit: int) -> list[str]:
    found = await store.stream_names(f"{RUN}{start}", "", limit)
    return [name.removeprefix(RUN) for name in found]
