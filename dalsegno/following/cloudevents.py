"""Events of a log in the envelope of CloudEvents 1.0."""

from dalsegno.following.events import Event
from events.values import Value
from orchestrator.insight.formats import cloudevents


def cloudevent(event: Event) -> dict[str, Value]:
    """The envelope, structured mode, ready for JSON."""
    return cloudevents.cloudevent(event.followed)
