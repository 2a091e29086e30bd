"""States as bytes: snapshots, their schema's fingerprint, and the hash that proves equal folds."""

import hashlib
from functools import cache

import msgspec

from events.codec import decode, digest
from orchestrator.kernel.state import RunState, serialise


@cache
def fingerprint() -> str:
    """Names the schema of the state: another one means that a snapshot is not read but replayed."""
    schema = msgspec.json.schema(RunState)
    return hashlib.sha256(msgspec.json.encode(schema, order="sorted")).hexdigest()[:16]


def state_hash(state: RunState) -> str:
    return digest(serialise(state))


def restore(data: bytes) -> RunState:
    """The state that `serialise` wrote; raises `Corrupt` when it is none."""
    return decode(data, RunState, "snapshot")
