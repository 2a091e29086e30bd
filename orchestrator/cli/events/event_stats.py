"""`dalsegno events stats`: how many events of what, in a stretch of time, from the log itself."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec

from events.errors import Misconfigured
from events.limits import EVENT_GROUPS_MAX
from orchestrator.cli.common import COMMON, Common, configured, go
from orchestrator.cli.events.filtering import ALL_EVENTS, Filtering, given_filter
from orchestrator.cli.events.following import opened_logs
from orchestrator.cli.output import console, counted, day, instant, plain, print_json, rows, table
from orchestrator.cli.progress import Progress
from orchestrator.cli.times import now
from orchestrator.insight.counting.counts import Counted, Counts, Group
from orchestrator.insight.following.bells import Bells
from orchestrator.insight.following.feed import Feed
from orchestrator.insight.following.filters import Filter
from orchestrator.insight.following.positions import position_before
from orchestrator.insight.following.sieve import Sieve, compiled

if TYPE_CHECKING:
    from rich.table import Table

    from orchestrator.cli.events.following import Logs

USUAL_US = 3_600_000_000
"""How far back it counts when nothing is said."""


def stats(*, top: int = 20, filtering: Filtering = ALL_EVENTS, common: Common = COMMON) -> None:
    """Count events by type, workflow and node, with their rates; of the last hour.

    It reads the log, so a long stretch takes its time: some 50,000 events a second. How long runs
    and tasks take is what `dalsegno stats` says.

    Parameters
    ----------
    top
        How many of each are shown, those with most events first; with --json all.

    Examples
    --------
    dalsegno events stats
    dalsegno events stats --since 1d --workflow orders --type "attempt.*"
    dalsegno events stats --since 15m --json
    """
    if not 1 <= top <= EVENT_GROUPS_MAX:
        raise Misconfigured(f"--top is {top}: expected 1 to {EVENT_GROUPS_MAX}")
    wanted = given_filter(filtering)
    at = wanted.until or now()
    if wanted.since is None:
        wanted = msgspec.structs.replace(wanted, since=at - USUAL_US)
    sieve, config = _sieve(wanted), configured(common)

    async def count() -> Counted:
        async with opened_logs(config) as logs:
            return await _count(logs, sieve, at)

    found = go(count)
    if common.json:
        print_json(_json(found))
    else:
        _show(found, top)


def _sieve(filter_: Filter) -> Sieve:
    from orchestrator.adapters.cel import CelExpressions

    return compiled(filter_, CelExpressions(), with_origins=True)


async def _count(logs: "Logs", sieve: Sieve, until: int) -> Counted:
    counts, since = Counts(), sieve.filter.since or 0
    ends = {name: await store.last_position() for name, store in logs.stores.items()}
    begin = {
        name: await position_before(store, since, ends[name]) for name, store in logs.stores.items()
    }
    feed, left = Feed(logs.stores, Bells()), {name for name in ends if begin[name] < ends[name]}
    with Progress("reading the log") as progress:
        async with aclosing(feed.pages(begin, sieve, endless=False)) as pages:
            async for page in pages:
                counts.add(one for one in page.events if one.position <= ends[page.log])
                if page.reached >= ends[page.log]:
                    left.discard(page.log)
                if not left:
                    break
                progress.say(f"{page.reached} of {ends[page.log]} of log {page.log}")
    return counts.done(since, until)


def _show(found: Counted, top: int) -> None:
    out = console()
    unread = f", {counted(found.unread, 'event')} could not be read" if found.unread else ""
    out.print(
        f"{day(found.since)} to {day(found.until)} UTC: {counted(found.events, 'event')}, "
        f"{found.per_s:.3g}/s, {found.bytes / 1e6:.3g} MB{unread}",
        soft_wrap=True,
    )
    for name, groups in (
        ("type", found.types),
        ("workflow", found.workflows),
        ("node", found.nodes),
    ):
        if groups:
            out.print()
            out.print(_table(name, groups, top))


def _table(name: str, groups: Sequence[Group], top: int) -> "Table":
    lines = [
        (
            plain(one.name or "(none)"),
            str(one.events),
            f"{one.per_s:.3g}",
            f"{one.bytes / one.events:.0f}",
        )
        for one in groups[:top]
    ]
    if (more := len(groups) - top) > 0:
        lines.append((f"… {more} more", "", "", ""))
    return rows(table(name, "events>", "/s>", "bytes each>?"), lines)


def _json(found: Counted) -> dict[str, object]:
    made: dict[str, object] = msgspec.to_builtins(found)
    return {**made, "since": instant(found.since), "until": instant(found.until)}
