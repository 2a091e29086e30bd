"""What a run's state knows of a map that is under way, and how facts about its items change it.

An item has a step state of its own, `scale[17]`, only while it is under way; afterwards two bits
and its result are left of it. So the state grows with the results and not with the steps, and a
fact about an item costs the same however many there are. Of a map that is cut into parts all this
holds for the parts, but for the bits.
"""

import msgspec

from events.facts import Cut, Failure, Mapped, PartResult
from events.values import Value

COMPLETED, FAILED, CANCELLED = 1, 2, 3
MARKS = {"completed": COMPLETED, "skipped": COMPLETED, "failed": FAILED, "cancelled": CANCELLED}
"""Two bits by how an item ended, and one that is skipped counts as completed; 0: it has not."""


class Ending(msgspec.Struct, omit_defaults=True):
    """What becomes of a map that is decided; without a failure it succeeds."""

    failure: Failure | None = None


class MapState(msgspec.Struct, omit_defaults=True):
    """`cursor`: items that have begun. `open`: those of them that are not over. `marks`: two bits
    an item. `outputs`: results in the order of the items, null where there is none (yet), with
    `output_bytes` together. `failure`: of those that failed, that of the item with the lowest
    number, `failed_at`. `first`: the number of the first item, in the run of a part; `share`: items
    that may be under way there. `input_bytes`: of what the items under way are given.

    Of a map that is `cut`, `cursor` and `open` count parts, `pieces` are what became of those that
    are over, and `broken` says why one has no results. `marks`, `completed` and `failed` are about
    items all the same.
    """

    items: list[Value]
    cursor: int = 0
    open: int = 0
    completed: int = 0
    failed: int = 0
    marks: bytearray = bytearray()
    outputs: list[Value] = []
    output_bytes: int = 0
    failure: Failure | None = None
    failed_at: int | None = None
    decided: Ending | None = None
    first: int = 0
    share: int = 0
    input_bytes: int = 0
    cut: Cut | None = None
    pieces: list[PartResult | None] = []
    broken: Failure | None = None

    @classmethod
    def of(cls, mapped: Mapped) -> "MapState":
        cut, items = mapped.cut, list(mapped.items)
        count = len(items) if cut is None else cut.count
        marks = bytearray((count + 3) // 4)
        if cut is not None:
            return cls(items=items, marks=marks, cut=cut, pieces=[None] * len(cut.bounds))
        outputs: list[Value] = [None] * count
        first, share = mapped.first, mapped.share
        return cls(items=items, marks=marks, outputs=outputs, first=first, share=share)

    @property
    def count(self) -> int:
        """All items."""
        return len(self.items) if self.cut is None else self.cut.count

    @property
    def begins(self) -> int:
        """How many items, or parts, there are to begin."""
        return len(self.items) if self.cut is None else len(self.pieces)

    def mark(self, index: int) -> int:
        """How an item ended, counted from the first one here; 0: it has not."""
        return self.marks[index >> 2] >> (index & 3) * 2 & 3

    def bounds(self, number: int) -> tuple[int, int]:
        """The first item of a part and the one after its last; raises KeyError without parts."""
        if self.cut is None:
            raise KeyError(number)
        bounds = self.cut.bounds
        return bounds[number], (*bounds[number + 1 : number + 2], self.cut.count)[0]

    def item(self, index: int) -> Value:
        return self.items[index - self.first]

    def take(self, number: int, result: PartResult) -> None:
        """A part has handed over what became of it; `end` follows."""
        first, _ = self.bounds(number)
        marks = int.from_bytes(result.marks, "little") << (first & 3) * 2
        start = first >> 2
        for at, byte in enumerate(marks.to_bytes(len(result.marks) + 1, "little"), start):
            if byte:
                self.marks[at] |= byte
        self.completed += result.completed
        self.failed += result.failed
        self.pieces[number] = msgspec.structs.replace(result, marks=b"", failure=None)
        failed_at, before = result.failed_at, self.failed_at
        if failed_at is not None and (before is None or failed_at < before):
            self.failure, self.failed_at = result.failure, failed_at

    def joined(self) -> list[Value]:
        """The results of all parts, in order."""
        found: list[Value] = []
        for number, piece in enumerate(self.pieces):
            first, end = self.bounds(number)
            known = piece.results if piece is not None else None
            found += [None] * (end - first) if known is None else known
        return found

    def end(self, index: int, status: str, output: Value, failure: Failure | None) -> None:
        """An item, or a part, is over. What comes after the decision is counted and not kept."""
        self.open -= 1
        if self.cut is not None:
            self.pieces[index] = self.pieces[index] or PartResult()
            if status == "failed":
                self.broken = failure
            return
        index -= self.first
        self.marks[index >> 2] |= MARKS[status] << (index & 3) * 2
        if status in ("completed", "skipped"):
            self.completed += 1
            if self.decided is None:
                self.outputs[index] = output
        elif status == "failed":
            self.failed += 1
            if self.decided is None and failure is not None:
                self._fail(index, failure)

    def _fail(self, index: int, failure: Failure) -> None:
        self.outputs[index] = error_entry(failure)
        number = index + self.first
        if self.failed_at is None or number < self.failed_at:
            self.failure, self.failed_at = failure, number


def error_entry(failure: Failure) -> Value:
    """What stands among the results for an item that failed for good."""
    entry: dict[str, Value] = {"code": failure.code, "message": failure.message}
    if failure.details is not None:
        entry["details"] = failure.details
    return {"error": entry}
