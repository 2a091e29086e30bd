"""`dalsegno subscription`: where programs that follow the log have got to; setting that anew."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from events.errors import Misconfigured, Rejected
from events.limits import NAME_CHARS_MAX
from orchestrator.cli.common import COMMON, Common, configured, go
from orchestrator.cli.confirming import confirm
from orchestrator.cli.events.filtering import ALL_EVENTS, Filtering, given_filter, sieve_of
from orchestrator.cli.events.following import Logs, opened_logs
from orchestrator.cli.events.tailing import END
from orchestrator.cli.output import console, day, instant, plain, print_json, rows, table
from orchestrator.insight.following.filters import Filter
from orchestrator.insight.following.positions import position_before, positions_of
from orchestrator.insight.following.subscriptions import Subscription, no_subscription

T = TypeVar("T")
BEGINNING = "beginning"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription in one log, and how far that log has got."""

    log: str
    subscription: Subscription
    last: int

    @property
    def behind(self) -> int:
        """Positions; not all of them have an event, or one that is wanted."""
        return max(0, self.last - self.subscription.position)

    @property
    def state(self) -> str:
        return "read" if self.subscription.held else "free"


def create(
    name: str, *, after: str = "", filtering: Filtering = ALL_EVENTS, common: Common = COMMON
) -> None:
    """Make a durable subscription for a program that follows events: `dalsegno.following`.

    A program makes its own when there is none; this is for those that are to begin elsewhere, or
    before the program does. Exit code 3 if there is one of this name.

    Parameters
    ----------
    name
        What the program calls itself.
    after
        Begin after this position, east:1200,west:80 with several logs; "end": with what comes;
        else --since, or the beginning.

    Examples
    --------
    dalsegno subscription create billing --type run.completed --workflow orders
    dalsegno subscription create audit --after end
    """
    if not 0 < len(name) <= NAME_CHARS_MAX or not name.isprintable() or name != name.strip():
        raise Misconfigured(
            f"the name is {name!r}: expected 1 to {NAME_CHARS_MAX} printable characters without "
            "space around them"
        )
    filter_ = _wanted(filtering)

    async def make(logs: Logs) -> None:
        positions = await _positions(logs, after, filter_)
        made = [
            await store.subscriptions().create(name, positions[log], filter_)
            for log, store in logs.stores.items()
        ]
        if not any(made):
            raise Rejected(f"there is a subscription {name}: `dalsegno subscription reset` it")

    _with_logs(common, make)
    _done(name, "made", common)


def list_(*, common: Common = COMMON) -> None:
    """List subscriptions: where they are, how far behind, and who reads.

    Examples
    --------
    dalsegno subscription list
    dalsegno subscription list --json
    """
    found = _with_logs(common, lambda logs: _standings(logs, ""))
    if common.json:
        print_json([_json(one) for one in found])
        return
    made = table("subscription", "log", "position>", "behind>", "state", "moved (UTC)?", "wants?")
    console().print(rows(made, map(_row, found)))


def show(name: str, *, common: Common = COMMON) -> None:
    """Show a subscription in each log.

    Parameters
    ----------
    name
        `dalsegno subscription list` shows them.

    Examples
    --------
    dalsegno subscription show billing
    dalsegno subscription show billing --json
    """
    found = _with_logs(common, lambda logs: _known(logs, name))
    if common.json:
        print_json([_json(one) for one in found])
        return
    out = console()
    for one in found:
        subscription = one.subscription
        reader = f"read by {subscription.owner}" if subscription.held else "read by nobody"
        out.print(
            f"{plain(name)} in log {plain(one.log)}: position {subscription.position} of "
            f"{one.last}, {plain(reader)}",
            soft_wrap=True,
        )
        out.print(f"  wants {plain(_told(subscription.filter))}", soft_wrap=True)
        out.print(f"  made {day(subscription.created_at)}, moved {day(subscription.updated_at)}")


def reset(
    name: str,
    *,
    after: str,
    filtering: Filtering = ALL_EVENTS,
    yes: bool = False,
    common: Common = COMMON,
) -> None:
    """Set a subscription anew: have events again, pass by some, or want others.

    Whoever reads it now stops with the error `fenced` and goes on from here when it begins again.

    Parameters
    ----------
    name
        `dalsegno subscription list` shows them.
    after
        Go on after this position, east:1200,west:80 with several logs; "beginning" or "end".
    yes
        Do not ask.

    Examples
    --------
    dalsegno subscription reset billing --after 1200 --yes
    dalsegno subscription reset billing --after beginning --type "run.*" --yes
        With other events from the first one on; filters that are not given stay as they are.
    """
    wanted = _wanted(filtering)

    async def look(logs: Logs) -> None:
        await _known(logs, name)
        await _positions(logs, after, wanted)

    async def set_anew(logs: Logs) -> None:
        positions = await _positions(logs, after, wanted)
        for one in await _known(logs, name):
            filter_ = wanted if wanted != Filter() else one.subscription.filter
            await logs.stores[one.log].subscriptions().reset(name, positions[one.log], filter_)

    _with_logs(common, look)
    confirm(f"Set subscription {name} to {after}?", yes=yes)
    _with_logs(common, set_anew)
    _done(name, "set anew", common)


def delete(name: str, *, yes: bool = False, common: Common = COMMON) -> None:
    """Delete a subscription: how far its program has got is forgotten.

    Parameters
    ----------
    name
        `dalsegno subscription list` shows them.
    yes
        Do not ask.

    Examples
    --------
    dalsegno subscription delete billing --yes
    """

    async def remove(logs: Logs) -> None:
        await _known(logs, name)
        for store in logs.stores.values():
            await store.subscriptions().delete(name)

    _with_logs(common, lambda logs: _known(logs, name))
    confirm(f"Delete subscription {name}?", yes=yes)
    _with_logs(common, remove)
    _done(name, "deleted", common)


# -- looking ---------------------------------------------------------------------------------------


def _with_logs(common: Common, work: Callable[[Logs], Awaitable[T]]) -> T:
    config = configured(common)

    async def opened() -> T:
        async with opened_logs(config) as logs:
            return await work(logs)

    return go(opened)


async def _standings(logs: Logs, name: str) -> list[Standing]:
    return [
        Standing(log=log, subscription=one, last=await store.last_position())
        for log, store in logs.stores.items()
        for one in await store.subscriptions().all(name)
    ]


async def _known(logs: Logs, name: str) -> list[Standing]:
    """Raises `Rejected` when no log has it."""
    found = await _standings(logs, name) if name else []
    if not found:
        raise no_subscription(name)
    return found


async def _positions(logs: Logs, after: str, filter_: Filter) -> dict[str, int]:
    """Raises `Misconfigured` for what is no place to begin."""
    if after not in {"", BEGINNING, END}:
        return positions_of(after, logs.names, "--after")
    found: dict[str, int] = {}
    for log, store in logs.stores.items():
        last = await store.last_position()
        if after == END:
            found[log] = last
        elif after or filter_.since is None:
            found[log] = 0
        else:
            found[log] = await position_before(store, filter_.since, last)
    return found


def _wanted(filtering: Filtering) -> Filter:
    """Raises `Misconfigured`, and `Rejected` for a filter that can want nothing."""
    if filtering.until:
        raise Misconfigured("--until ends what a subscription goes on with: leave it out")
    filter_ = given_filter(filtering)
    sieve_of(filter_)
    return filter_


# -- showing ---------------------------------------------------------------------------------------


def _done(name: str, what: str, common: Common) -> None:
    if common.json:
        print_json({"name": name, what.replace(" ", "_"): True})
    else:
        print(f"subscription {name} is {what}")


def _told(filter_: Filter) -> str:
    """A filter in words; all events where it is empty."""
    found = msgspec.to_builtins(filter_)
    words = (f"{kind} {_value(kind, value)}" for kind, value in found.items())
    return ", ".join(words) or "all events"


def _value(kind: str, value: object) -> str:
    if kind == "since" and isinstance(value, int):
        return day(value)
    if isinstance(value, dict):
        return " ".join(f"{name}={text}" for name, text in value.items())
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _row(one: Standing) -> Sequence[str]:
    subscription = one.subscription
    return (
        plain(subscription.name),
        plain(one.log),
        str(subscription.position),
        str(one.behind or ""),
        one.state,
        day(subscription.updated_at),
        plain(_told(subscription.filter)),
    )


def _json(one: Standing) -> dict[str, object]:
    subscription = one.subscription
    return {
        "name": subscription.name,
        "log": one.log,
        "position": subscription.position,
        "last_position": one.last,
        "behind": one.behind,
        "filter": msgspec.to_builtins(subscription.filter),
        "held": subscription.held,
        "owner": subscription.owner,
        "created_at": instant(subscription.created_at),
        "updated_at": instant(subscription.updated_at),
    }
