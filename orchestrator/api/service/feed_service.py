"""Feeds as operations."""

from orchestrator.api.errors import InvalidRequest
from orchestrator.api.operations.feeds import ALL_EVENTS, Feeds
from orchestrator.api.operations.groups import EventsWanted
from orchestrator.api.operations.operation import Feed
from orchestrator.api.service import feeds
from orchestrator.api.service.base import Served
from orchestrator.api.service.log import filter_of
from orchestrator.api.shapes import EventNews, RunNews


class FeedService(Served, Feeds):
    def follow_runs(
        self, *, status: str = "", workflow: str = "", after: str = "", last_event_id: str = ""
    ) -> Feed[RunNews]:
        wanted = feeds.RunsMeant(status=status, workflow=workflow)
        return feeds.follow_runs(self._ports, wanted, last_event_id or after)

    def follow_run(
        self, run_id: str, *, after: int = 0, last_event_id: str = ""
    ) -> Feed[EventNews]:
        version = _version(last_event_id) if last_event_id else after
        return feeds.follow_run(self._ports, run_id, version)

    def follow_events(
        self, wanted: EventsWanted = ALL_EVENTS, *, after: str = "", last_event_id: str = ""
    ) -> Feed[EventNews]:
        return feeds.follow_events(self._ports, filter_of(wanted), last_event_id or after)


def _version(text: str) -> int:
    if not text.isdecimal():
        raise InvalidRequest(f"Last-Event-ID is {text!r}: expected the version of an event")
    return int(text)
