"""Feeds: what goes on telling, over server-sent events or a WebSocket."""
# mypy: disable-error-code="empty-body"

from orchestrator.api.operations.groups import EventsWanted
from orchestrator.api.operations.names import RunId, WorkflowFilter
from orchestrator.api.operations.operation import Carrier, Feed, feed
from orchestrator.api.operations.words import After, LastEventId, Position, Status
from orchestrator.api.shapes import EventNews, RunNews

FEEDS = "feeds"
ALL_EVENTS = EventsWanted()


class Feeds(Carrier):
    """Operations that tell what happens, as soon as it is committed."""

    @feed("/feeds/runs", FEEDS)
    def follow_runs(
        self,
        *,
        status: Status = "",
        workflow: WorkflowFilter = "",
        after: Position = "",
        last_event_id: LastEventId = "",
    ) -> Feed[RunNews]:
        """Follow runs: the row of each that was started, went on or ended.

        Changes of a run that follow each other closely come as one, with its row as it is then.
        """

    @feed("/feeds/runs/{run_id}", FEEDS, refusals=(404,))
    def follow_run(
        self, run_id: RunId, *, after: After = 0, last_event_id: LastEventId = ""
    ) -> Feed[EventNews]:
        """Follow one run: all its events from its first one, or from the one after `after`.

        The feed ends when the run has ended and its last event is told.
        """

    @feed("/feeds/events", FEEDS, refusals=(409,))
    def follow_events(
        self,
        wanted: EventsWanted = ALL_EVENTS,
        *,
        after: Position = "",
        last_event_id: LastEventId = "",
    ) -> Feed[EventNews]:
        """Follow the log: every event after a position, in order and once, then what comes."""
