"""Events as they are shown."""

import msgspec

from events.catalogue import Catalogue
from events.envelope import Event, Stored, unseal
from events.errors import Corrupt
from orchestrator.api.shapes import EventShown


def shown(stored: Stored, catalogue: Catalogue, log: str = "") -> EventShown:
    """An event with its place; one that cannot be read is shown as that, and stops nobody."""
    try:
        return _shown(unseal(stored, catalogue), stored.position, log)
    except Corrupt as error:
        return EventShown(
            stream=stored.stream,
            version=stored.version,
            type=stored.type,
            position=stored.position,
            log=log,
            corrupt=str(error),
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
