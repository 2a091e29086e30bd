"""Reconciliation: what a node says that it holds against what the runs say that it holds.

A loop, not a restart: every heartbeat is compared, so a wiped command plane, a lost message, a
restarted agent or coordinator all heal in the same way.

    outstanding, not mentioned, same incarnation      send the command again
    outstanding, not mentioned, earlier incarnation   the attempt is lost with that incarnation
    outstanding, asked back or run closing            send the cancel again
    held, not outstanding                             fenced: drop
    unsettled, not outstanding                        recorded or fenced: settle
"""

from events.ids import Attempt
from events.messages import Cancel, Drop, Heartbeat, Settle
from orchestrator.coordinator import works as w
from orchestrator.coordinator.turn import Turn
from orchestrator.kernel.commands import command
from orchestrator.kernel.env import microseconds
from orchestrator.kernel.inputs import AttemptLost


def reconcile(turn: Turn, beat: Heartbeat) -> None:
    """Notes in the turn what is to be sent, and works for attempts that are lost."""
    memory = turn.memory
    mentioned = {*beat.held, *beat.unsettled}
    outstanding: set[Attempt] = set()
    for (run_id, step_id), (attempt, incarnation) in memory.runs.held.of(beat.node).items():
        outstanding.add(attempt)
        if turn.is_in_flight(run_id):
            continue
        if attempt in mentioned:
            _recall_again(turn, beat, run_id, step_id)
        elif incarnation != beat.incarnation:
            lost = AttemptLost(
                attempt=attempt, reason="node_restarted", message=f"{beat.node} restarted"
            )
            memory.intake.append(w.RunWork(run_id=run_id, given=lost))
        else:
            _send_again(turn, beat, run_id, step_id)
    _clear(turn, beat, outstanding)


def _send_again(turn: Turn, beat: Heartbeat, run_id: str, step_id: str) -> None:
    memory = turn.memory
    slot = memory.runs.get(run_id)
    if slot is None or slot.net is None or not memory.holds(run_id):
        return
    dispatched_at = slot.state.steps[step_id].dispatched_at or 0
    if memory.now.wall - dispatched_at < microseconds(memory.settings.resend_after_s):
        return
    epoch = memory.ownership.held_under(slot.shard)
    again = command(slot.state, slot.net, step_id, slot.shard, slot.traceparent, epoch=epoch)
    turn.tx.direct.append(((beat.node, beat.incarnation), again))


def _recall_again(turn: Turn, beat: Heartbeat, run_id: str, step_id: str) -> None:
    slot = turn.memory.runs.get(run_id)
    if slot is None or slot.net is None:
        return
    if slot.state.closing is None and not slot.state.steps[step_id].recalled:
        return
    again = command(slot.state, slot.net, step_id, slot.shard)
    if isinstance(again, Cancel):
        turn.tx.direct.append(((beat.node, beat.incarnation), again))


def _clear(turn: Turn, beat: Heartbeat, outstanding: set[Attempt]) -> None:
    key = (beat.node, beat.incarnation)
    drop = tuple(a for a in beat.held if a not in outstanding and _known(turn, a))
    settle = tuple(a for a in beat.unsettled if a not in outstanding and _known(turn, a))
    if drop:
        turn.tx.direct.append((key, Drop(attempts=drop)))
    if settle:
        turn.tx.direct.append((key, Settle(attempts=settle)))


def _known(turn: Turn, attempt: Attempt) -> bool:
    """Whether we can tell that an attempt is not outstanding: its run is ours, would be here, and
    that it ended is not still on its way to the log."""
    memory, run_id = turn.memory, attempt.run_id
    if turn.is_in_flight(run_id):
        return False
    if not memory.holds(run_id) or memory.warming or run_id in memory.parked:
        return False
    return f"run:{run_id}" not in memory.waiting
