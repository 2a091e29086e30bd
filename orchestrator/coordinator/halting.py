"""What an operator wants of a transactional task waits until it is settled what became of it.

The request is answered as unavailable meanwhile, and clients ask again by themselves; what is begun
here is recorded with that answer. See `orchestrator.kernel.halting`.
"""

from typing import TYPE_CHECKING

from events.api import CompleteStep, FailStep, RerunRun, RestoreRun, SkipStep, TerminateRun
from events.errors import Unavailable
from orchestrator.coordinator import works as w
from orchestrator.coordinator.asking import OfStep
from orchestrator.coordinator.runs import Slot
from orchestrator.kernel.halting import open_transactions
from orchestrator.kernel.inputs import Halt

if TYPE_CHECKING:
    from orchestrator.coordinator.turn import Turn

SettledFirst = OfStep | TerminateRun | RestoreRun | RerunRun
SETTLED_FIRST = (SkipStep, CompleteStep, FailStep, TerminateRun)
"""What is asked of a run as it is; who goes back finds out where to in between."""


def settle_first(turn: "Turn", work: w.RequestWork, slot: Slot, request: SettledFirst) -> None:
    """Returns when nothing is open that the request is about. Raises `Unavailable` while it is."""
    if request.unsettled or _is_done(slot, request):
        return
    among = (request.step,) if isinstance(request, OfStep) else None
    found = open_transactions(slot.state, among)
    if not found:
        return
    stamp = turn.stamp(slot.shard, request.actor, str(request.__struct_config__.tag))
    given = Halt(steps=found, by=request.actor, reason=request.reason)
    turn.decide(slot, given, stamp).works.append(work)
    raise Unavailable(
        f"it is not known yet what became of the transaction of {', '.join(found)}: that is being "
        "settled; ask again, or say that it need not be (--unsettled)"
    )


def _is_done(slot: Slot, request: SettledFirst) -> bool:
    if isinstance(request, TerminateRun):
        return slot.state.terminal
    return request.id in slot.state.actions_seen or slot.state.terminal
