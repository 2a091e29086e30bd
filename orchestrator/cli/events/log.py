"""`dalsegno events show` and `tail`: the log itself."""

from events.errors import Misconfigured, Rejected
from events.ids import run_stream
from events.limits import EVENTS_LISTED_MAX
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import COMMON, Common, configured, go
from orchestrator.cli.events.filtering import ALL_EVENTS, Filtering, given_filter
from orchestrator.cli.events.following import opened_logs
from orchestrator.cli.events.showing import Printer
from orchestrator.cli.events.tailing import NOT_KEPT, Keeping, Sink, Tail
from orchestrator.cli.nearest import about
from orchestrator.cli.stores import log_of, with_store

PAGE = 500


def show(run_id: str, *, common: Common = COMMON) -> None:
    """Show all events of a run: a table, or with --json one envelope a line, as it is stored.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.

    Examples
    --------
    dalsegno events show 01m7yf4vgw1tqq5ay37h9hvpzk
    dalsegno events show nightly-17 --json
        For `jq` and other programs: a line an event, nothing left out.
    """
    printer = Printer(as_json=common.json, with_stream=False)

    async def read(store: PostgresStore) -> None:
        stream, version = run_stream(run_id), 0
        log = await log_of(store, run_id)
        shown = printer if log is store else printer.of_log(log.info.name)
        while page := await log.read(stream, version, PAGE):
            shown.print(page)
            version = page[-1].version
        if not version:
            raise Rejected(f"there is no run {run_id}: `dalsegno run list` shows those there are")

    with about(common, run_id):
        with_store(common, read)


def tail(
    *,
    follow: bool = False,
    after: str = "",
    limit: int = 20,
    keeping: Keeping = NOT_KEPT,
    filtering: Filtering = ALL_EVENTS,
    common: Common = COMMON,
) -> None:
    """Show the last events of the log; with --follow also those that come, as soon as they do.

    Of a cluster with several logs, those of all; each position is told with its log.

    Parameters
    ----------
    follow
        Go on until Ctrl-C.
    after
        Begin after this position instead of --limit events before the end; "end": with what comes.
        With several logs east:1200,west:80; those that are not named from their beginning.
    limit
        How many of the last events.

    Examples
    --------
    dalsegno events tail --limit 50
    dalsegno events tail --follow --type "task.*" --workflow orders
        Facts of tasks as they are committed, until Ctrl-C.
    dalsegno events tail --after 1200 --json
        Everything since a position that you remember.
    dalsegno events tail --since 2h --where "data.attempt > 1"
        Second and later attempts of the last two hours.
    dalsegno events tail --follow --cursor c.json --output events.jsonl
        A copy of the log that goes on where it was, whatever ended it.
    """
    if not 0 <= limit <= EVENTS_LISTED_MAX:
        raise Misconfigured(f"--limit is {limit}: expected 0 to {EVENTS_LISTED_MAX}")
    if follow and filtering.until:
        raise Misconfigured("--until ends what --follow goes on with: leave one of them out")
    config, wanted = configured(common), given_filter(filtering)
    form, file = keeping.form(as_json=common.json), keeping.file()

    async def read() -> None:
        async with opened_logs(config) as logs:
            with Tail(config, logs, wanted, Sink(form, with_log=logs.told)) as tail:
                if keeping.cursor is not None:
                    reached = await tail.keep(keeping.cursor, file, after)
                elif after or filtering.since:
                    reached = await tail.begin_at(after)
                else:
                    reached = await tail.show_ends(limit)
                    if not follow:
                        return
                if follow:
                    await tail.follow(reached)
                else:
                    await tail.show_after(reached)

    go(read)
