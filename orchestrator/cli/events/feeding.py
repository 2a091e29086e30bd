"""`dalsegno events feed`: events on a stream of NATS, for whoever follows them there."""

from events.errors import Misconfigured
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.collecting import keep_what_is_loaded
from orchestrator.cli.common import COMMON, Common, effective, go, log_databases
from orchestrator.cli.events.filtering import ALL_EVENTS, Filtering, given_filter, sieve_of
from orchestrator.cli.events.subscriptions import BEGINNING
from orchestrator.cli.events.tailing import END
from orchestrator.cli.logs import set_up
from orchestrator.insight.following.positions import position_before


def feed(
    *,
    begin: str = END,
    prefix: str = "",
    filtering: Filtering = ALL_EVENTS,
    common: Common = COMMON,
) -> None:
    """Put events onto a JetStream stream as CloudEvents, until SIGTERM. Of several one works.

    Each log has a stream, PREFIX_FEED_LOG, with subjects PREFIX.feed.LOG.TYPE. Events stand there
    in the order of the log, each once. The process may be killed at any time and the stream be
    wiped: it goes on where the stream ends, or fills it again. What is personal is withheld.

    Parameters
    ----------
    begin
        Where it begins the first time: "beginning", "end" or --since.
    prefix
        Subject prefix; separates clusters on one NATS.

    Examples
    --------
    dalsegno events feed --config dalsegno.toml
    dalsegno events feed --type "run.*" --workflow orders
    """
    from orchestrator.bootstrap import Feeding, run_feed

    if begin not in {BEGINNING, END}:
        raise Misconfigured(f"--begin is {begin!r}: expected {BEGINNING} or {END}")
    if filtering.until:
        raise Misconfigured("--until ends what a feed goes on with: leave it out")
    filter_ = given_filter(filtering)
    sieve_of(filter_)

    async def position(store: PostgresStore) -> int:
        if filter_.since is not None:
            return await position_before(store, filter_.since, await store.last_position())
        return await store.last_position() if begin == END else 0

    config = effective(common, prefix=prefix).value
    set_up(config.log)
    log_databases(config)
    keep_what_is_loaded()
    go(lambda: run_feed(config, Feeding(filter_, position)))
