"""Forking: where a new run begins from another run's state at a version."""

from typing import TYPE_CHECKING

from events.api import ForkRun
from events.envelope import Head
from events.errors import Corrupt, Rejected
from events.ids import run_stream
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w
from orchestrator.coordinator.copies import ready_to_fork
from orchestrator.coordinator.personal import event_key
from orchestrator.coordinator.runs import Slot
from orchestrator.replay.rebuild import Rebuilt

if TYPE_CHECKING:
    from orchestrator.coordinator.turn import Turn

ALL = 2**62
"""Bytes of a tail after which a snapshot is taken in any case, with the next commit."""


def fork_slot(turn: "Turn", work: w.RequestWork, request: ForkRun) -> Slot | None:
    """The new run as it is before its first event; None when `work` waits for what is missing.

    It is not among the runs in memory yet: what the source had outstanding is none of it. Raises
    `Rejected` when the source cannot be forked at that version.
    """
    memory = turn.memory
    base = memory.bases.get(request.run_id)
    if base is None:
        load = s.LoadRun(
            run_id=request.source_run_id, at=request.source_version, fork=request.run_id
        )
        memory.load(f"fork:{request.run_id}", load, work)
        return None
    state, run_id = base.state, request.run_id
    if not ready_to_fork(turn, state, memory.shard(run_id), work):
        return None
    key = event_key(memory, work, run_id, state.subject) if state.subject else None
    if state.subject and key is None:
        return None
    del memory.bases[run_id]
    net = memory.definitions.net(state.workflow, state.workflow_version)
    if net is None:
        raise Corrupt(f"version {state.workflow_version} of {state.workflow} is not in the log")
    _check(base, request)
    slot = Slot(run_id, memory.shard(run_id), state, Head(run_stream(run_id), key=key), net)
    slot.traceparent = base.traceparent
    if not memory.is_home(request.source_run_id):
        slot.tail_bytes = ALL  # its source may be away when it is read again
    return slot


def _check(base: Rebuilt, request: ForkRun) -> None:
    source, version = request.source_run_id, request.source_version
    if base.head.version != version:
        raise Rejected(
            f"run {source} has no version {version}: its last one is {base.head.version}"
        )
    if base.state.terminal:
        raise Rejected(
            f"run {source} is {base.state.status} at version {version}: "
            "fork from an earlier version, where it was still open"
        )
