"""The forks of a run, as the projections have them."""

from events.errors import Misconfigured, Unavailable
from events.limits import RUNS_LISTED_MAX
from events.views import ForkView
from orchestrator.adapters.postgres.projected import PostgresProjected
from orchestrator.cli.common import Common, configured, go
from orchestrator.cli.stores import log_settings
from orchestrator.config import databases


def forks_of(common: Common, run_id: str) -> list[ForkView]:
    """Oldest first; none where no log can be asked: a coordinator does not know them."""
    config = configured(common)
    if not databases(config):
        return []

    async def read() -> list[ForkView]:
        found: list[ForkView] = []
        for one in log_settings(config):
            async with PostgresProjected(one) as projected:
                found += await projected.forks_of(run_id, RUNS_LISTED_MAX)
        return sorted(found, key=lambda fork: (fork.started_at, fork.run_id))

    try:
        return go(read)
    except (Misconfigured, Unavailable):
        return []
