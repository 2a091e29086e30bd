"""A file of lines that was opened: where each event is; its bytes stay in the file."""

import mmap
from array import array
from collections.abc import Iterator
from hashlib import sha256

from events.codec import decode
from events.envelope import Stored
from events.references import Payload
from orchestrator.replay.exchange.export import Place, Reading, Value
from orchestrator.replay.exchange.opened import FileInfo, WithoutCluster


class OpenedLines(WithoutCluster):
    """See `OpenedFile`. Reads it once; raises `Corrupt` with the line that is wrong."""

    def __init__(self, data: "mmap.mmap | bytes", name: str) -> None:
        self._data = data
        self._name = name
        self._places: dict[str, array[int]] = {}
        """Of each stream, three numbers an event: offset, bytes, number of the line."""
        self._values: dict[str, tuple[int, int]] = {}
        reading, sha = Reading(name), sha256()
        for number, (offset, size) in enumerate(self._texts(), 1):
            text = data[offset : offset + size]
            sha.update(text)
            found = reading.take(text)
            if isinstance(found, Stored):
                self._places.setdefault(found.stream, array("q")).extend((offset, size, number))
            elif isinstance(found, Payload):
                self._values[found.hash] = offset, size
        reading.finish()
        self.info = FileInfo(
            name=name,
            format="jsonl",
            run_ids=tuple(reading.run_ids),
            ends={one: (head.version, head.digest) for one, head in reading.heads.items()},
            redacted=reading.redacted,
            sha256=sha.hexdigest(),
        )

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        places = self._places.get(stream, array("q"))
        found: list[Stored] = []
        for at in range(3 * after, min(3 * (after + limit), len(places)), 3):
            text = self._data[places[at] : places[at] + places[at + 1]].rstrip(b"\r\n")
            place = decode(text, Place, f"{self._name}:{places[at + 2]}")
            found.append(Stored(stream, place.version, place.type, text, opened=b""))
        return found

    async def load_payload(self, hash_: str) -> bytes | None:
        place = self._values.get(hash_)
        if place is None:
            return None
        offset, size = place
        return decode(self._data[offset : offset + size], Value, f"value {hash_}").data

    def payload_names(self) -> Iterator[str]:
        return iter(self._values)

    def where(self, stream: str, version: int) -> str:
        places = self._places.get(stream, array("q"))
        at = 3 * (version - 1) + 2
        return f"{self._name}:{places[at]}" if 0 < at < len(places) else self._name

    def close(self) -> None:
        if not isinstance(self._data, bytes):
            self._data.close()

    def __enter__(self) -> "OpenedLines":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _texts(self) -> Iterator[tuple[int, int]]:
        """Offset and size of each line, its end included."""
        offset, total = 0, len(self._data)
        while offset < total:
            end = self._data.find(b"\n", offset)
            size = (end + 1 if end >= 0 else total) - offset
            yield offset, size
            offset += size
