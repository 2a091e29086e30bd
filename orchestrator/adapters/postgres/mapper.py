"""Our envelope behind the eventsourcing library's mapper interface.

The library's own classes (event stores, notification logs, subscriptions, projections) hand every
stored event to a mapper. This one decodes by our catalogue instead of resolving a topic to a class:
stored names are ours, so no class path ever gets into the log, and whoever can write a row cannot
choose what is imported.
"""

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent

from events.catalogue import Catalogue
from events.codec import digest
from events.envelope import Event, Head, Header, Stamp, Stored, seal, unseal
from orchestrator.errors import InvalidValue


class LibraryEvent(Event, frozen=True):
    """An `Event` under the names that the library looks for."""

    @property
    def originator_id(self) -> str:
        return self.header.stream

    @property
    def originator_version(self) -> int:
        return self.header.version


class EnvelopeMapper(Mapper[str]):
    """Converts between the library's `StoredEvent` and our `Event`."""

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        super().__init__(JSONTranscoder())  # never used: both methods are ours
        self._catalogue = catalogue or Catalogue()

    def to_domain_event(self, stored_event: StoredEvent) -> LibraryEvent:
        """Raises `Corrupt` as `unseal` does."""
        stored = Stored(
            str(stored_event.originator_id),
            stored_event.originator_version,
            stored_event.topic,
            stored_event.state,
            opened=b"",  # personal values read as erased: the library has no keys
        )
        event = unseal(stored, self._catalogue)
        return LibraryEvent(event.header, event.fact, event.digest)

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Raises `InvalidValue` for anything but an `Event` that is stored as it was sealed."""
        if not isinstance(domain_event, Event):
            raise InvalidValue(f"{type(domain_event).__name__} is no event of ours")
        header = domain_event.header
        stored = seal(_head_before(header), domain_event.fact, header.id, _stamp(header))
        if domain_event.digest not in ("", digest(stored.state)):
            raise InvalidValue(
                f"event {header.version} of {header.stream} is not stored as it was sealed: it was "
                "read from an older type or has been changed"
            )
        return StoredEvent(stored.stream, stored.version, stored.type, stored.state)


def _head_before(header: Header) -> Head:
    return Head(header.stream, header.version - 1, header.previous, header.segment)


def _stamp(header: Header) -> Stamp:
    return Stamp(
        recorded_at=header.recorded_at,
        actor=header.actor,
        causation=header.causation,
        correlation=header.correlation,
        traceparent=header.traceparent,
        epoch=header.epoch,
        namespace=header.namespace,
    )
