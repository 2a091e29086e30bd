"""Events as they are shown."""

from collections.abc import Callable

import msgspec

from events.catalogue import Catalogue
from events.envelope import Event, Stored, unseal
from events.errors import Corrupt
from orchestrator.api.shapes import EventShown
from orchestrator.insight.following.sieve import Followed


def followed(seen: Followed, *, several: bool) -> EventShown:
    """An event of a feed; with the name of its log where there are several."""
    log, stored = seen.log if several else "", seen.stored
    if seen.event is None:
        return _unread(stored, seen.trouble, log)
    return _shown(seen.event, stored.position, log)


def shown(
    stored: Stored, catalogue: Catalogue, place: Callable[[int], tuple[str, int]] | None = None
) -> EventShown:
    """An event with its place; one that cannot be read is shown as that, and stops nobody. `place`
    says what a position in a cluster of several logs is."""
    log = ""
    if place is not None and stored.position is not None:
        log, position = place(stored.position)
        stored = msgspec.structs.replace(stored, position=position)
    try:
        return _shown(unseal(stored, catalogue), stored.position, log)
    except Corrupt as error:
        return _unread(stored, str(error), log)


def _unread(stored: Stored, why: str, log: str) -> EventShown:
    return EventShown(
        stream=stored.stream,
        version=stored.version,
        type=stored.type,
        position=stored.position,
        log=log,
        corrupt=why,
    )


def _shown(event: Event, position: int | None, log: str) -> EventShown:
    header = event.header
    data = msgspec.to_builtins(event.fact)
    data.pop("type", None)
    return EventShown(
        stream=header.stream,
        version=header.version,
        type=header.type,
        id=header.id,
        recorded_at=header.recorded_at,
        actor=header.actor,
        causation=header.causation,
        correlation=header.correlation,
        traceparent=header.traceparent,
        epoch=header.epoch,
        generation=header.generation,
        segment=header.segment,
        position=position,
        log=log,
        digest=event.digest,
        data=data,
    )
