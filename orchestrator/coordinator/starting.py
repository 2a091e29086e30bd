"""Starting a run in a turn, for a client or for a step of another run."""

from typing import TYPE_CHECKING

import msgspec

from events.api import StartRun
from events.errors import NotFound
from events.facts import Mapped, PartOf
from events.ids import traceparent
from events.policies import PINNED
from orchestrator.coordinator.copies import Starter, ready_to_start
from orchestrator.coordinator.labelling import labelled
from orchestrator.coordinator.personal import event_key, subject_of
from orchestrator.coordinator.runs import blank
from orchestrator.coordinator.transaction import Touched
from orchestrator.kernel import inputs as i

if TYPE_CHECKING:
    from orchestrator.coordinator.turn import Turn


def begin_run(
    turn: "Turn", work: Starter, request: StartRun, part: tuple[PartOf, Mapped] | None = None
) -> Touched | None:
    """Decides the start of a run, or of that of a part of a map; None when it waits for something.

    Raises `NotFound` for a workflow, `Rejected` for another run with this id.
    """
    memory = turn.memory
    known = ready_to_start(turn, request, work)
    if known is None:
        return None
    version = request.workflow_version or known.newest
    if version not in known.versions:
        raise NotFound(_unknown_workflow(request, known.versions))
    slot = memory.runs.get(request.run_id)
    if slot is None and work.tries:
        memory.load_run(request.run_id, work)
        return None
    options = labelled(request.options or known.options(version), request)
    options = msgspec.structs.replace(options, build=_build(request, options.build))
    subject, key = subject_of(request.run_id, request.subject, personal=options.personal), None
    if subject and (slot is None or slot.head.version == 0):
        key = event_key(memory, work, request.run_id, subject)
        if key is None:
            return None
    if slot is None:
        slot = blank(request.run_id, memory.shard(request.run_id))
        slot.traceparent = request.traceparent or traceparent(request.run_id)
        memory.runs.add(slot, memory.now.monotonic)
    slot.net = slot.net or memory.definitions.net(request.workflow, version)
    slot.head.key = slot.head.key or key
    request = msgspec.structs.replace(request, subject=subject)
    of, mapped = part or (None, None)
    given = i.Start(
        request=request, workflow_version=version, options=options, part=of, mapped=mapped
    )
    stamp = turn.stamp(slot.shard, request.actor, "start_run", slot.traceparent)
    touched = turn.decide(slot, given, stamp)
    touched.works.append(work)
    return touched


def _build(request: StartRun, own: str) -> str:
    """What a run keeps to. What was asked for goes before what its workflow says; but a workflow
    that names a build keeps it when another one calls it."""
    is_called, is_named = request.origin.kind == "parent", own not in ("", PINNED)
    return own if is_called and is_named else request.build or own


def _unknown_workflow(request: StartRun, versions: object) -> str:
    if not versions:
        return (
            f"workflow {request.workflow!r} is not registered: "
            "register its file with `dalsegno workflow register FILE`"
        )
    return f"workflow {request.workflow!r} has no version {request.workflow_version!r}"
