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
from orchestrator.kernel.forking import options_of
from orchestrator.kernel.inputs import Fork, NewDefinition
from orchestrator.kernel.state import RunState
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
    shard, wanted = memory.shard(run_id), request.workflow_version or state.workflow_version
    for version in dict.fromkeys((state.workflow_version, wanted)):
        if not ready_to_fork(turn, state, version, shard, work):
            return None
    key = event_key(memory, work, run_id, state.subject) if state.subject else None
    if state.subject and key is None:
        return None
    work.base = None
    _check(base, request)
    net = memory.definitions.net(state.workflow, wanted)
    if net is None and request.workflow_version:
        raise Rejected(
            f"workflow {state.workflow} has no version {wanted}: register the definition that run "
            f"{run_id} is to go on with"
        )
    if net is None:
        raise Corrupt(f"version {wanted} of {state.workflow} is not in the log")
    slot = Slot(run_id, shard, state, Head(run_stream(run_id), key=key), net)
    slot.traceparent = base.traceparent
    if not memory.is_home(request.source_run_id):
        slot.tail_bytes = ALL  # its source may be away when it is read again
    return slot


def fork_input(memory: Memory, state: RunState, request: ForkRun) -> Fork:
    """What is to be decided on the source's state. Raises `Corrupt` when its definition is gone."""
    return Fork(
        run_id=request.run_id,
        source_version=request.source_version,
        variables=request.variables,
        reason=request.reason,
        steps=request.steps,
        definition=_new_definition(memory, state, request.workflow_version),
    )


def _new_definition(memory: Memory, state: RunState, version: str) -> NewDefinition | None:
    workflow, old = state.workflow, state.workflow_version
    if version in ("", old):
        return None
    before, known = memory.definitions.net(workflow, old), memory.definitions.get(workflow)
    if before is None or known is None:
        raise Corrupt(f"version {old} of {workflow} is not in the log")
    options = options_of(state.options, known.options(old), known.options(version))
    return NewDefinition(workflow_version=version, options=options, before=before)


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
