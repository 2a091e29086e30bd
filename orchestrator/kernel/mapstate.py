"""What a run's state knows of a map that is under way, and how facts about its items change it.

An item has a step state of its own, `scale[17]`, only while it is under way; afterwards two bits
and its result are left of it. So the state grows with the results and not with the steps, and a
fact about an item costs the same however many there are.
"""

import msgspec

from events.facts import Failure
from events.values import Value

COMPLETED, FAILED, CANCELLED = 1, 2, 3
MARKS = {"completed": COMPLETED, "failed": FAILED, "cancelled": CANCELLED}
"""Two bits by how an item ended; 0: it has not."""


class Ending(msgspec.Struct, omit_defaults=True):
    """What becomes of a map that is decided; without a failure it succeeds."""

    failure: Failure | None = None


class MapState(msgspec.Struct, omit_defaults=True):
    """`cursor`: items that have begun. `open`: those of them that are not over. `marks`: two bits
    an item. `outputs`: results in the order of the items, null where there is none (yet), with
    `output_bytes` together. `failure`: of those that failed, that of the item with the lowest
    number, `failed_at`.
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

    @classmethod
    def of(cls, items: list[Value]) -> "MapState":
        marks = bytearray((len(items) + 3) // 4)
        return cls(items=list(items), marks=marks, outputs=[None] * len(items))

    def mark(self, index: int) -> int:
        """How an item ended; 0: it has not."""
        return self.marks[index >> 2] >> (index & 3) * 2 & 3

    def end(self, index: int, status: str, output: Value, failure: Failure | None) -> None:
        """An item is over. What comes after the decision is counted and not kept."""
        mark = MARKS[status]
        self.open -= 1
        self.marks[index >> 2] |= mark << (index & 3) * 2
        self.completed += mark == COMPLETED
        self.failed += mark == FAILED
        if self.decided is not None:
            return
        if mark == COMPLETED:
            self.outputs[index] = output
        elif mark == FAILED and failure is not None:
            self.outputs[index] = error_entry(failure)
            if self.failed_at is None or index < self.failed_at:
                self.failure, self.failed_at = failure, index


def error_entry(failure: Failure) -> Value:
    """What stands among the results for an item that failed for good."""
    entry: dict[str, Value] = {"code": failure.code, "message": failure.message}
    if failure.details is not None:
        entry["details"] = failure.details
    return {"error": entry}
