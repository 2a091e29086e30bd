"""Export as lines: the histories of runs as a file of text, and reading it back.

Every line is the stored bytes of an event, unchanged, so that the chain of digests can be checked:
first the stream of the workflow's definition, then those of the runs that it was forked from, then
the run's own; then the stored values that they name. The last line of a run says which it is and
where each of its streams ends, and how many runs are to come, so that a file that was cut short is
known as well. What another run has in common with those before is not said again.
"""

from collections.abc import AsyncIterator, Iterable

import msgspec

from events.catalogue import Catalogue
from events.codec import decode, digest, encode
from events.envelope import Head, Stored
from events.errors import Corrupt, DalsegnoError
from events.limits import EXPORT_BYTES_MAX
from events.references import Payload, checked
from orchestrator.replay.exchange.opened import WithoutCluster
from orchestrator.replay.exchange.selecting import (
    Ended,
    Exportable,
    Item,
    Told,
    next_event,
    select,
    walk,
)

END = b'{"run_id"'
VALUE = b'{"payload"'


class End(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The last line of a run: `heads` gives version and digest of each stream's last event.
    `payloads`: how many stored values it has. `redacted`: fields whose values were taken out.
    `more`: how many runs are to come."""

    run_id: str
    heads: dict[str, tuple[int, str]]
    payloads: int = 0
    redacted: tuple[str, ...] = ()
    more: int = 0


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stored value, under the hash of its bytes."""

    payload: str
    data: bytes


class Place(msgspec.Struct, frozen=True):
    """As much of an envelope as says where it belongs, and chains it."""

    stream: str
    version: int
    type: str
    previous: str = ""


async def export(store: Exportable, catalogue: Catalogue, run_id: str) -> AsyncIterator[bytes]:
    """The lines of a run's history. Raises `Rejected` when there is no such run, `Corrupt`."""
    async for line in lines(walk(store, catalogue, await select(store, catalogue, [run_id]))):
        yield line


async def lines(items: AsyncIterator[Item], redacted: tuple[str, ...] = ()) -> AsyncIterator[bytes]:
    """The lines of a file, without their ends."""
    async for item in items:
        if isinstance(item, Told):
            yield item.stored.state
        elif isinstance(item, Payload):
            yield encode(Value(payload=item.hash, data=item.data))
        elif isinstance(item, Ended):
            end = End(
                run_id=item.run_id,
                heads=item.heads,
                payloads=item.payloads,
                redacted=redacted,
                more=item.more,
            )
            yield encode(end)


class Reading:
    """Reads a file of lines, one after the other, and checks that nothing is missing.

    With a catalogue every event is decoded as well; without, only what chains it is looked at.
    """

    def __init__(self, name: str, catalogue: Catalogue | None = None) -> None:
        self.heads: dict[str, Head] = {}
        self.run_ids: list[str] = []
        self.redacted: tuple[str, ...] = ()
        self._name = name
        self._catalogue = catalogue
        self._number = 0
        self._open: dict[str, None] = {}
        """Streams since the last end."""
        self._payloads = 0
        self._more = 0

    def take(self, text: bytes) -> Stored | Payload | End:
        """What the next line is. Raises `Corrupt` with its number when it is wrong."""
        self._number += 1
        where, line = f"{self._name}:{self._number}", text.rstrip(b"\r\n")
        if len(line) > EXPORT_BYTES_MAX:
            raise Corrupt(f"{where} has {len(line)} bytes: expected {EXPORT_BYTES_MAX} at most")
        if line.startswith(END):
            return self._end(decode(line, End, where), where)
        if line.startswith(VALUE):
            return self._value(decode(line, Value, where), where)
        place = decode(line, Place, where)
        if self.run_ids and not self._open and place.version <= self._version(place.stream):
            raise Corrupt(
                f"{where}: the history ended in the line before: expected another run, or nothing"
            )
        stored = Stored(place.stream, place.version, place.type, line, opened=b"")  # no keys here
        head = self.heads.setdefault(place.stream, Head(place.stream))
        try:
            self._follow(head, stored, place)
        except DalsegnoError as error:
            raise Corrupt(f"{where}: {error}") from None
        self._open[place.stream] = None
        return stored

    def finish(self) -> None:
        """Raises `Corrupt` when the file does not end with an end."""
        if self._open or self._payloads or self._more or not self.run_ids:
            raise Corrupt(f"{self._name} has no end: it was cut short; export the run again")

    def _version(self, stream: str) -> int:
        head = self.heads.get(stream)
        return 0 if head is None else head.version

    def _follow(self, head: Head, stored: Stored, place: Place) -> None:
        if self._catalogue is not None:
            next_event(head, stored, self._catalogue)
            return
        if place.version != head.version + 1 or place.previous != head.digest:
            raise Corrupt(
                f"event {place.version} of {place.stream} does not follow event {head.version}: "
                "events are missing, or one of the two was changed"
            )
        head.version, head.digest = stored.version, digest(stored.state)

    def _value(self, value: Value, where: str) -> Payload:
        try:
            found = Payload(hash=value.payload, data=checked(value.payload, value.data))
        except Corrupt as error:
            raise Corrupt(f"{where}: {error}") from None
        self._payloads += 1
        return found

    def _end(self, end: End, where: str) -> End:
        heads = {one: (head.version, head.digest) for one, head in self.heads.items()}
        said = {one: heads.get(one) for one in end.heads}
        missing = [one for one in self._open if one not in end.heads]
        if said != end.heads or missing or end.payloads != self._payloads:
            raise Corrupt(
                f"{where}: {self._name} does not hold what its last line says of run "
                f"{end.run_id}: export the run again"
            )
        if f"run:{end.run_id}" not in heads:
            raise Corrupt(f"{where}: there are no events of run {end.run_id} before its end")
        if self._more and end.more != self._more - 1:
            raise Corrupt(
                f"{where}: {end.more} runs are to come after run {end.run_id}, expected "
                f"{self._more - 1}: runs are missing; export them again"
            )
        self._open, self._payloads, self._more = {}, 0, end.more
        self.run_ids.append(end.run_id)
        self.redacted = end.redacted
        return end


class Exported(WithoutCluster):
    """A history as it was exported, in memory: streams without snapshots."""

    def __init__(
        self,
        run_id: str,
        streams: dict[str, list[Stored]],
        payloads: dict[str, bytes] | None = None,
        run_ids: tuple[str, ...] = (),
    ) -> None:
        self.run_id = run_id
        self.run_ids = run_ids or (run_id,)
        self._streams = streams
        self._payloads = payloads or {}

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        return self._streams.get(stream, [])[after:][:limit]

    async def load_payload(self, hash_: str) -> bytes | None:
        return self._payloads.get(hash_)


def read_export(texts: Iterable[bytes], catalogue: Catalogue, name: str) -> Exported:
    """The history in the lines of the file `name`. Raises `Corrupt` with the line that is wrong."""
    reading = Reading(name, catalogue)
    streams: dict[str, list[Stored]] = {}
    payloads: dict[str, bytes] = {}
    for text in texts:
        found = reading.take(text)
        if isinstance(found, Stored):
            streams.setdefault(found.stream, []).append(found)
        elif isinstance(found, Payload):
            payloads[found.hash] = found.data
    reading.finish()
    return Exported(reading.run_ids[0], streams, payloads, tuple(reading.run_ids))
