"""Anchors: the end of a log's batches, kept outside of the database.

A log that was cut off together with the rows of its last batches is a sound, shorter log: nothing
in it can tell. Somebody who has kept its last number and digest can.
"""

from typing import Protocol

from orchestrator.replay.audit.findings import Finding
from orchestrator.replay.audit.log_batches import Anchor, LogBatch, chained

PAGE = 1000


class Batches(Protocol):
    async def read_batches(self, after: int = 0, limit: int = 1000) -> list[LogBatch]: ...

    async def last_batch(self) -> LogBatch | None: ...


async def anchor_of(store: Batches, log: str) -> Anchor:
    """Where the log ends now."""
    last = await store.last_batch()
    if last is None:
        return Anchor(log=log, number=0, digest="", position=0, recorded_at=0)
    return Anchor(
        log=log,
        number=last.number,
        digest=last.digest.hex(),
        position=last.last,
        recorded_at=last.recorded_at,
    )


async def check_since(store: Batches, anchor: Anchor) -> list[Finding]:
    """Whether the log still has the anchor's batch, and follows from it to its end."""
    if not anchor.number:
        return []
    at = (await store.read_batches(anchor.number - 1, 1))[:1]
    if not at or at[0].number != anchor.number:
        last = await store.last_batch()
        ends = "has none" if last is None else f"ends with batch {last.number}"
        return [
            _finding(anchor, f"the log had batch {anchor.number} then, and {ends} now: cut off")
        ]
    if at[0].digest.hex() != anchor.digest:
        return [_finding(anchor, f"batch {anchor.number} has another digest than it had then")]
    number, digest = anchor.number, at[0].digest
    while page := await store.read_batches(number, PAGE):
        for batch in page:
            if batch.number != number + 1 or batch.digest != chained(digest, batch):
                return [_finding(anchor, f"batch {batch.number} does not follow batch {number}")]
            number, digest = batch.number, batch.digest
    return []


def _finding(anchor: Anchor, message: str) -> Finding:
    return Finding(check="batch", version=0, message=message, position=anchor.position)
