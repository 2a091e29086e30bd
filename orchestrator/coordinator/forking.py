"""Forking: where a new run begins from another run's state at a version."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from events.api import ForkRun
from events.envelope import Head
from events.errors import Corrupt, Rejected
from events.ids import run_stream
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w
from orchestrator.coordinator.copies import ready_to_fork
from orchestrator.coordinator.memory import Memory, load_key
from orchestrator.coordinator.personal import event_key
from orchestrator.coordinator.runs import Slot
from orchestrator.replay.rebuild import Rebuilt

if TYPE_CHECKING:
    from orchestrator.coordinator.turn import Turn

ALL = 2**62
"""Bytes of a tail after which a snapshot is taken in any case, with the next commit."""


def give_base(works: Sequence[w.AnyWork], base: Rebuilt) -> None:
    """To the first of those that asked for it, and no other: what is decided on it changes it. The
    others find the run that has begun, or ask again."""
    for work in works[:1]:
        if isinstance(work, w.RequestWork):
            work.base = base


def refuse_fork(memory: Memory, works: Sequence[w.AnyWork], damage: str) -> None:
    """The source is damaged, which says nothing about a run that may have the fork's id."""
    for work in works:
        if isinstance(work, w.RequestWork):
            memory.refuse(work.reply_to, Corrupt(damage))


def fork_slot(turn: "Turn", work: w.RequestWork, request: ForkRun) -> Slot | None:
    """The new run as it is before its first event; None when `work` waits for what is missing.

    It is not among the runs in memory yet: what the source had outstanding is none of it. Raises
    `Rejected` when the source cannot be forked at that version.
    """
    memory = turn.memory
    base = work.base
    if base is None:
        load = s.LoadRun(
            run_id=request.source_run_id, at=request.source_version, fork=request.run_id
        )
        memory.load(load_key(load), load, work)
        return None
    state, run_id = base.state, request.run_id
    if not ready_to_fork(turn, state, memory.shard(run_id), work):
        return None
    key = event_key(memory, work, run_id, state.subject) if state.subject else None
    if state.subject and key is None:
        return None
    work.base = None
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
