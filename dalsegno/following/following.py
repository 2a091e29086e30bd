"""Following as a program does: opened once, then event by event, or batch by batch."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from typing import Literal

import anyio
import msgspec

from dalsegno.following.events import Batch, Event, Filters
from events.constraints import Duration
from events.errors import DalsegnoError, Misconfigured, Unavailable
from events.limits import NAME_CHARS_MAX
from events.logmap import LogMap
from events.sealing import Keyring, NoKeys
from orchestrator.adapters.cel import CelExpressions
from orchestrator.adapters.crypto.keyring import keyring
from orchestrator.adapters.postgres.holding import Holding
from orchestrator.adapters.postgres.listening import Listening
from orchestrator.adapters.postgres.schema import ANY_MAP
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.insight.following.feed import Feed, Page, Rounds
from orchestrator.insight.following.filters import Filter
from orchestrator.insight.following.positions import Place, confirm, place_of, position_before
from orchestrator.insight.following.sieve import Sieve, compiled
from orchestrator.insight.following.subscriptions import TTL_S

Urls = str | Mapping[str, str]
Positions = Mapping[str, "int | Place"]
Begin = Literal["beginning", "end"]

log = logging.getLogger("dalsegno.followers")

STANDBY_S = 1.0
"""Between two looks whether the one who reads is gone."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How it is followed; the defaults are good."""

    begin: Begin = "beginning"
    """Where a new subscription begins, without `after` and `Filters.since`."""
    ttl_s: Duration = TTL_S
    """How long a reader may be silent until another process of the same name takes its place."""
    save_every_s: Duration = 1.0
    """How often the position is saved while events come."""
    poll_s: Duration = 1.0
    """Longest time between two looks at the log when nothing is heard of it."""
    keys: str = ""
    """Lines of a keyring, for personal values; as in the setting `keys.secrets`."""


@asynccontextmanager
async def following(
    url: Urls,
    *,
    name: str = "",
    filters: Filters | None = None,
    after: int | Positions | None = None,
    options: Options = Options(),
) -> AsyncIterator["Following"]:
    """Follows the log at a Postgres URL, or several by their names, for as long as the block lasts.

    With a `name`: a durable subscription, made when it is not there; where another process reads
    it, the block begins when that one is gone. Then `filters` None are those of the subscription,
    and `after` is where a new one begins. Without: from `after` on, positions by log, and nothing
    is kept.

    A hold is kept also while a handler takes long; one that is lost raises `Fenced`. Raises
    `Misconfigured`, `Unavailable`, and `Rejected` for a filter that can want nothing, one that is
    not the subscription's, and a place that the log has another history at.
    """
    async with AsyncExitStack() as stack:
        made = await _opened(stack, url, name, options)
        await made.start(filters, after)
        if made.holding is not None:
            group = await stack.enter_async_context(anyio.create_task_group())
            group.start_soon(made.holding.keep_alive)
            stack.callback(group.cancel_scope.cancel)
        yield made


async def follow(
    url: Urls,
    *,
    name: str = "",
    filters: Filters | None = None,
    after: int | Positions | None = None,
    options: Options = Options(),
) -> AsyncGenerator[Event]:
    """Every wanted event, and then what comes, without end; see `following`.

    To ask for the next event says that the one before is done. The hold of a subscription is
    renewed between events, so one that keeps its handler for longer than `options.ttl_s` may also
    come to another process; use `following` for those. Leave it with `contextlib.aclosing` to give
    the subscription free at once.
    """
    async with AsyncExitStack() as stack:
        made = await _opened(stack, url, name, options)
        await made.start(filters, after)
        async with aclosing(made.events()) as events:
            async for event in events:
                yield event


async def _opened(stack: AsyncExitStack, url: Urls, name: str, options: Options) -> "Following":
    if name and (len(name) > NAME_CHARS_MAX or not name.isprintable() or name != name.strip()):
        raise Misconfigured(
            f"the subscription's name is {name!r}: expected 1 to {NAME_CHARS_MAX} printable "
            "characters without space around them"
        )
    keys: Keyring = keyring(options.keys, "", "options.keys") if options.keys else NoKeys()
    urls = {"": url} if isinstance(url, str) else dict(url)
    stores: dict[str, PostgresStore] = {}
    settings: dict[str, Settings] = {}
    for log_name, dsn in urls.items():
        one = Settings(dsn=dsn, log=log_name, map=ANY_MAP, application_name="dalsegno following")
        store = await stack.enter_async_context(await PostgresStore.open(one, keys=keys))
        stores[store.info.name], settings[store.info.name] = store, one
        _require_all(store, isinstance(url, str))
    listening = Listening(settings)
    stack.push_async_callback(listening.close)
    made = Following(stores, listening, name, options)
    stack.push_async_callback(made.leave)
    return made


def _require_all(store: PostgresStore, is_alone: bool) -> None:
    """Raises `Misconfigured` when one of several logs was given as if it were all."""
    if is_alone and store.info.map:
        names = ", ".join(LogMap.of_text(store.info.map).names)
        raise Misconfigured(
            f"the database holds log {store.info.name} of a cluster with logs {names}: give those "
            "that are to be followed as {name: url}"
        )


class Following:
    """Made by `following`."""

    def __init__(
        self,
        logs: Mapping[str, PostgresStore],
        listening: Listening,
        name: str,
        options: Options,
    ) -> None:
        self._logs = logs
        self._listening = listening
        self._options = options
        self.holding: Holding | None = None
        if name:
            self.holding = Holding(name, logs, options.ttl_s, options.save_every_s)
        self._sieve = _sieve(Filter())
        self._after: dict[str, int] = {}

    async def start(self, filters: Filters | None, after: "int | Positions | None") -> None:
        """Finds out where it begins; with a name waits until it is ours to read."""
        filter_ = filters.made() if filters is not None else None
        self._sieve = _sieve(filter_ or Filter())
        begin = await self._begin(filter_ or Filter(), after)
        if self.holding is None:
            self._after = begin
            return
        await self.holding.make(filter_, lambda log_name: begin[log_name])
        await self.holding.wait(min(STANDBY_S, self._options.ttl_s))
        self._sieve = _sieve(self.holding.filter)

    async def _begin(self, filter_: Filter, after: "int | Positions | None") -> dict[str, int]:
        given = await self._given(after)
        found: dict[str, int] = {}
        for log_name, store in self._logs.items():
            if after is not None:
                found[log_name] = given.get(log_name, 0)
            elif filter_.since is not None:
                last = await store.last_position()
                found[log_name] = await position_before(store, filter_.since, last)
            else:
                is_new = self._options.begin == "end"
                found[log_name] = await store.last_position() if is_new else 0
        return found

    async def _given(self, after: "int | Positions | None") -> dict[str, int]:
        if after is None:
            return {}
        if isinstance(after, int):
            if len(self._logs) > 1:
                raise Misconfigured(
                    f"after is {after}: expected a position for each of {', '.join(self._logs)}"
                )
            after = dict.fromkeys(self._logs, after)
        found: dict[str, int] = {}
        for log_name, place in after.items():
            if log_name not in self._logs:
                raise Misconfigured(
                    f"after names a log {log_name}: expected {', '.join(self._logs)}"
                )
            if isinstance(place, Place):
                await confirm(self._logs[log_name], log_name, place)
            found[log_name] = place.position if isinstance(place, Place) else place
        return found

    def __aiter__(self) -> AsyncGenerator[Event]:
        return self.events()

    async def events(self) -> AsyncGenerator[Event]:
        """One by one; to ask for the next says that the one before is done."""
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                for one in page.events:
                    await self._require(page.log)
                    yield Event(one)
                    await self._done(page.log, one.position)
                await self._done(page.log, page.reached)

    async def batches(self) -> AsyncGenerator[Batch]:
        """Those of one log at a time; to ask for the next says that the one before is done. One
        without events only moves the position on."""
        reached = dict(self._positions())
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                await self._require(page.log)
                place = await self._place(page)
                events = tuple(map(Event, page.events))
                yield Batch(page.log, events, reached.get(page.log, 0), place)
                reached[page.log] = page.reached
                await self._done(page.log, page.reached)

    async def leave(self) -> None:
        """Saves what is done and gives the subscription free, as far as that can be."""
        if self.holding is None:
            return
        with suppress(DalsegnoError), anyio.move_on_after(5, shield=True):
            await self.holding.release()

    async def _pages(self) -> AsyncGenerator[Page]:
        with self._listening.ear() as ear:
            rounds = self._rounds()
            while True:
                for page in await rounds.read():
                    yield page
                if not rounds.has_more:
                    await rounds.rest(ear)
                if await self._tend():
                    rounds = self._rounds()

    async def _tend(self) -> bool:
        """Whether there is more to read than before."""
        if self.holding is None:
            return False
        try:
            await self.holding.tend()
            return self.holding.wants_more() and await self.holding.acquire()
        except Unavailable as error:
            log.warning("subscription %s: %s", self.holding.name, error)
            return False

    def _rounds(self) -> Rounds:
        positions = self._positions()
        logs = {log_name: self._logs[log_name] for log_name in positions}
        feed = Feed(logs, self._listening, _tell, self._options.poll_s, patient=True)
        return feed.rounds(positions, self._sieve)

    def _positions(self) -> dict[str, int]:
        return self._after if self.holding is None else self.holding.positions

    async def _place(self, page: Page) -> Place:
        """Patiently: the batch is in hand, only what confirms it later is not."""
        while True:
            try:
                return await place_of(self._logs[page.log], page.reached)
            except Unavailable as error:
                _tell(page.log, error)

    async def _require(self, log_name: str) -> None:
        if self.holding is not None:
            await self.holding.require(log_name)

    async def _done(self, log_name: str, position: int) -> None:
        if self.holding is not None:
            self.holding.done(log_name, position)
            await self._tend_quietly()

    async def _tend_quietly(self) -> None:
        if self.holding is not None:
            with suppress(Unavailable):
                await self.holding.tend()


def _sieve(filter_: Filter) -> Sieve:
    return compiled(filter_, CelExpressions(), with_origins=True)


def _tell(log_name: str, error: Unavailable) -> None:
    log.warning("log %s is followed on when it is there again: %s", log_name, error)
