"""Going back: restore and rerun of an open run, with a snapshot of what is left.

    request ──► find the version ──► decide: run.restored ──► durable, the backup before it

The version is found, and the state there rebuilt, by the store's side (`FindPast`); what has come
in the meantime does not matter for it, but for signals: these are looked for once more. Of the
state before, a snapshot of kind `recovery` is kept before the event is appended, so that whoever
goes back to its version finds it at once.
"""

from typing import TYPE_CHECKING

from events.api import MoveStep, RerunRun, RestoreRun
from events.errors import Corrupt, Rejected
from events.operator_facts import RestoreMode
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w
from orchestrator.coordinator.halting import settle_first
from orchestrator.coordinator.memory import Memory
from orchestrator.coordinator.runs import Slot
from orchestrator.coordinator.transaction import Touched
from orchestrator.kernel.inputs import Restore
from orchestrator.kernel.operating import still_open
from orchestrator.replay.retrying import Past, Wanted
from orchestrator.replay.snapshots import Why, taken

if TYPE_CHECKING:
    from orchestrator.coordinator.turn import Turn

Returning = RestoreRun | RerunRun


def go_back(turn: "Turn", work: w.RequestWork, request: Returning) -> Touched | None:
    """Decides a restore; None when it waits for something. Raises `Rejected`, `Corrupt`, and
    `Unavailable` while it is to be settled what became of transactions."""
    slot = turn.slot(request.run_id, work)
    if slot is None:
        return None
    if request.id in slot.state.actions_seen:
        return turn.touch(slot)
    still_open(slot.state, "it cannot be restored")
    settle_first(turn, work, slot, request)
    past = _past(turn.memory, work, request, slot)
    if past is None or not with_backup(turn, work, slot, request):
        return None
    work.past = None  # its state is the run's from here on
    given = Restore(
        id=request.id,
        version=past.version,
        earlier=past.earlier,
        signals=past.signals,
        mode=_wanted(request).mode,
        steps=_wanted(request).steps,
        by=request.actor,
        reason=request.reason,
        unsettled=request.unsettled,
    )
    stamp = turn.stamp(slot.shard, request.actor, str(request.__struct_config__.tag))
    return turn.decide(slot, given, stamp)


def _past(memory: Memory, work: w.RequestWork, request: Returning, slot: Slot) -> Past | None:
    """What was found; None when it is being looked for (again)."""
    found = work.past
    if found is not None and found.refused:
        raise Rejected(found.refused)
    if found is not None and found.parked:
        raise Corrupt(found.parked)
    if found is not None and found.past is not None and _is_current(slot, found.past):
        return found.past
    question = s.FindPast(run_id=request.run_id, id=request.id, wanted=_wanted(request))
    memory.load(_key(request.run_id, request.id), question, work)
    return None


def _is_current(slot: Slot, past: Past) -> bool:
    """Whether no signal has come, and was taken, since it was looked for."""
    known = {one.id for one in past.signals}.union(past.earlier.signals_seen, slot.state.signals)
    return known.issuperset(slot.state.signals_seen)


def past_found(memory: Memory, found: s.PastFound) -> None:
    works = memory.loaded(_key(found.run_id, found.id))
    for work in works:
        if isinstance(work, w.RequestWork):
            work.past = found
    memory.intake.extendleft(reversed(works))


def _key(run_id: str, id_: str) -> str:
    return f"past:{run_id}/{id_}"


def _wanted(request: Returning) -> Wanted:
    if isinstance(request, RestoreRun):
        return Wanted(version=request.version, mode=request.mode)
    mode: RestoreMode = "rerun_steps" if request.steps else "rerun_failed"
    return Wanted(mode="rerun_all" if request.all else mode, steps=request.steps)


def with_backup(
    turn: "Turn", work: w.RequestWork, slot: Slot, request: Returning | MoveStep
) -> bool:
    """Keeps the state as it is, if all of it is durable; else `work` waits for that."""
    if turn.is_undecided(slot.head.stream):
        turn.memory.intake.append(work)
        return False
    if request.id not in slot.state.actions_seen:
        verb = str(request.__struct_config__.tag).partition("_")[0]
        why = Why(reason=f"before {verb}: {request.reason}", actor=request.actor)
        turn.touch(slot).snapshots.append(taken(slot.head, slot.state, "recovery", why))
    return True
