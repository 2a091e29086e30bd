"""Snapshots: stored states, why each of them exists, and what they are called.

    kind       taken by                                            goes
    automatic  a coordinator, when the tail outgrew the state      the newest few of a stream stay
    manual     a person                                            when a person deletes it
    recovery   an operator's action, before it changes a run       the newest few of a stream stay

Any of them may be where a fold begins. None of them is needed: the log has all.
"""

from typing import Literal, get_args

import msgspec

from events.envelope import Head
from events.errors import Corrupt, Rejected
from events.ids import run_stream
from orchestrator.kernel.snapshot import fingerprint
from orchestrator.kernel.state import RunState, serialise

SnapshotKind = Literal["automatic", "manual", "recovery"]
KINDS: tuple[SnapshotKind, ...] = get_args(SnapshotKind)
RUN = run_stream("")


class SnapshotPlace(msgspec.Struct, frozen=True, order=True):
    """Where a snapshot belongs. There is one of a kind at a version: taken again it is replaced."""

    stream: str = ""
    version: int = 0
    kind: str = ""


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes a snapshot on purpose, and what for. `metadata`: free texts by name."""

    reason: str = ""
    actor: str = ""
    metadata: dict[str, str] = {}


class Known(Why, frozen=True, kw_only=True):
    """What snapshots are known by. `digest` is that of the event at `version`, so the chain goes on
    from it; `fingerprint` names the state's schema.
    """

    stream: str
    version: int
    kind: SnapshotKind = "automatic"
    digest: str
    fingerprint: str

    @property
    def id(self) -> str:
        return snapshot_id(self.stream, self.version, self.kind)

    @property
    def place(self) -> SnapshotPlace:
        return SnapshotPlace(self.stream, self.version, self.kind)


class Snapshot(Known, frozen=True, kw_only=True):
    """A stored state. The store adds a checksum and verifies it on loading.

    `reason`, `actor` and `metadata` say why somebody took it; automatic ones have none.
    """

    state: bytes


class SnapshotInfo(Known, frozen=True, kw_only=True):
    """What is known of a snapshot without reading its state.

    `taken_at`: microseconds, by the database's clock. `stored_bytes`: as it lies there, compressed.
    `checksum`: that of the stored bytes, in hexadecimal. `key_id`: the key that it is encrypted
    with, "" when it is not.
    """

    taken_at: int
    stored_bytes: int
    checksum: str
    key_id: str = ""


def taken(head: Head, state: RunState, kind: SnapshotKind, why: Why = Why()) -> Snapshot:
    """A snapshot of a run's state where its stream ends at `head`. O(state)."""
    return Snapshot(
        stream=head.stream,
        version=head.version,
        digest=head.digest,
        fingerprint=fingerprint(),
        state=serialise(state),
        kind=kind,
        reason=why.reason,
        actor=why.actor,
        metadata=why.metadata,
    )


class Damaged(Corrupt):
    """A snapshot that cannot be used, at `version`: an older one or the log has all that it had."""

    def __init__(self, message: str, version: int) -> None:
        super().__init__(message)
        self.version = version


def snapshot_id(stream: str, version: int, kind: str) -> str:
    """Derived, so that nobody has to make it up: `nightly-17@12-manual` is of run nightly-17."""
    run_id = stream.removeprefix(RUN)
    return f"{stream if ':' in run_id else run_id}@{version}-{kind}"


def snapshot_place(id_: str) -> SnapshotPlace:
    """The place that an id names. Raises `Rejected` when it is no id of a snapshot."""
    name, _, rest = id_.rpartition("@")
    version, _, kind = rest.partition("-")
    if not (name and version.isdecimal() and kind in KINDS):
        raise Rejected(
            f"{id_!r} is no id of a snapshot: expected one such as nightly-17@12-manual; "
            "`dalsegno snapshot list` shows those there are"
        )
    return SnapshotPlace(name if ":" in name else run_stream(name), int(version), kind)
