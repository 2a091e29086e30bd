"""Disks of nodes: what a loss of power leaves of a journal, byte for byte.

The frames are those of the product. Of what was not synced any pages may be there, in any order,
and the file may end anywhere; what was synced is there. The product's own reading says what that
means, so a journal that took a torn tail for damage, or damage for a torn tail, shows here.
"""

from random import Random

from node_agent.adapters.memory_journal import MemoryJournal
from node_agent.frames import frame, read_segment
from node_agent.journal import Record

PAGE_BYTES = 512


class TornJournal(MemoryJournal):
    def __init__(self) -> None:
        super().__init__()
        self._known: list[int] = []
        """For each frame, how many of those before it were durable when it was written."""

    def append(self, records: tuple[Record, ...]) -> None:
        if records:
            self._known.append(self.durable)
        super().append(records)

    def tear(self, rng: Random) -> None:
        """Loses power. Raises `JournalDamaged` if what is left is not understood."""
        durable, ends = self.durable, [0]
        data = bytearray()
        for records, known in zip(self._frames, self._known, strict=True):
            data += frame(records, ends[known])
            ends.append(len(data))
        kept = ends[durable]
        for page in range(kept, len(data), PAGE_BYTES):
            if rng.random() < 0.4:
                end = min(page + PAGE_BYTES, len(data))
                data[page:end] = bytes(end - page)
        del data[rng.randint(kept, len(data)) :]
        found = read_segment(bytes(data), "the journal").frames
        if found[:durable] != self._frames[:durable]:
            raise AssertionError(f"of {durable} durable frames only {len(found)} are read")
        self.lose_power(len(found) - durable)
        del self._known[len(found) :]
