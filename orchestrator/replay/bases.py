"""Where a fold begins: the newest snapshot that can be used, an older one, or the first event.

    newest snapshot ──► checksum, key, bytes, schema, and the event that it was taken after
        │ sound                 │ anything wrong: left aside, and told
        ▼                       ▼
    events after it         the next older one … or all events

A snapshot is only a shorter way. What cannot be used costs time and nothing else; but it is told,
because bytes that have changed once will change again, and the next ones may be events.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from events.codec import digest
from events.envelope import Head
from events.errors import Corrupt
from orchestrator.replay.ports import History
from orchestrator.replay.snapshots import Damaged, Snapshot

T = TypeVar("T")


class LeftAside(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot that could not be used, and why."""

    stream: str
    version: int
    reason: str


class Base(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """`state` is that at `head`; None, and a head at version 0, when all events are to be folded.
    `left_aside`: newer snapshots that ought to have served."""

    head: Head
    state: T | None = None
    left_aside: tuple[LeftAside, ...] = ()


async def newest_base(
    store: History, stream: str, at: int | None, read: Callable[[Snapshot], T | None]
) -> Base[T]:
    """The newest base at or below version `at`. `read` decodes a snapshot: None when it is of
    another schema, which is no fault of it. May raise `Unavailable`. O(snapshots looked at)."""
    aside = list[LeftAside]()
    while True:
        try:
            snapshot = await store.load_snapshot(stream, at)
            if snapshot is None:
                return Base(head=Head(stream), left_aside=tuple(aside))
            version = snapshot.version
            state = read(snapshot)
            if state is not None:
                await _require_its_event(store, snapshot)
                head = Head(stream, version, snapshot.digest)
                return Base(head=head, state=state, left_aside=tuple(aside))
        except Damaged as error:
            version = error.version
            aside.append(LeftAside(stream=stream, version=version, reason=str(error)))
        at = version - 1


async def _require_its_event(store: History, snapshot: Snapshot) -> None:
    """Raises `Damaged` when the log has another event at its version, or none: then the snapshot is
    of a history that never became durable, or that was lost."""
    found = await store.read(snapshot.stream, snapshot.version - 1, 1)
    if not found or digest(found[0].state) != snapshot.digest:
        raise Damaged(
            f"snapshot {snapshot.id} was taken after an event that is not in the log",
            snapshot.version,
        )


def readable(snapshot: Snapshot, decode: Callable[[bytes], T]) -> T:
    """What `decode` makes of the state; raises `Damaged` where that raises `Corrupt`."""
    try:
        return decode(snapshot.state)
    except Corrupt as error:
        raise Damaged(f"snapshot {snapshot.id}: {error}", snapshot.version) from error
