"""The log: events by position, filtered, and dead letters."""

from contextlib import aclosing

from events.errors import Misconfigured
from orchestrator.api.errors import InvalidRequest
from orchestrator.api.operations.cluster import ALL_EVENTS, Events
from orchestrator.api.operations.groups import EventsWanted
from orchestrator.api.service.base import Served
from orchestrator.api.service.cursors import cursor as cursor_of
from orchestrator.api.service.cursors import place
from orchestrator.api.service.events import followed
from orchestrator.api.shapes import EventShown, Page
from orchestrator.insight.dead_letters import POSITION_MAX, DeadLetter, newest
from orchestrator.insight.following.filters import Filter
from orchestrator.insight.following.positions import positions_of, told
from orchestrator.insight.following.sieve import Sieve, compiled


def filter_of(wanted: EventsWanted) -> Filter:
    return Filter(
        types=wanted.types,
        streams=wanted.streams,
        runs=wanted.runs,
        workflows=wanted.workflows,
        steps=wanted.steps,
        nodes=wanted.nodes,
        correlations=wanted.correlations,
        since=wanted.since or None,
        until=wanted.until or None,
        where=wanted.where,
    )


class LogService(Served, Events):
    async def list_events(
        self, wanted: EventsWanted = ALL_EVENTS, *, after: str = "", limit: int = 100
    ) -> Page[EventShown]:
        """Of several logs the events of each in its order, one log after the other."""
        sieve = compiled(filter_of(wanted), self._ports.expressions)
        places = dict.fromkeys(self._ports.feed.names, 0)
        if after:
            places |= places_of(after, self._ports.feed.names)
        items = await self._taken(sieve, places, limit)
        return Page(items=tuple(items), next=told(places) if len(items) == limit else None)

    async def _taken(self, sieve: Sieve, places: dict[str, int], limit: int) -> list[EventShown]:
        """The next events; `places` are those that were reached with them."""
        found: list[EventShown] = []
        feed = self._ports.feed
        async with aclosing(feed.pages(dict(places), sieve, endless=False)) as pages:
            async for page in pages:
                for event in page.events:
                    if len(found) == limit:
                        return found
                    found.append(followed(event, several=len(feed.names) > 1))
                    places[page.log] = event.position
                places[page.log] = page.reached
        return found

    async def list_dead_letters(self, *, cursor: str = "", limit: int = 20) -> Page[DeadLetter]:
        (before,) = place(cursor, tuple[int]) if cursor else (POSITION_MAX,)
        found = await newest(self._ports.log, limit + 1, before)
        items = tuple(found[:limit])
        more = len(found) > limit
        return Page(items=items, next=cursor_of((items[-1].position,)) if more else None)


def places_of(text: str, names: tuple[str, ...]) -> dict[str, int]:
    """Raises `InvalidRequest` for what is no position in these logs."""
    try:
        return positions_of(text, names, "after")
    except Misconfigured as error:
        raise InvalidRequest(str(error)) from None
