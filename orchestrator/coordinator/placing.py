"""Placing ready tasks: oldest first, across all runs, as long as somebody has a free credit."""

from itertools import islice

from events.facts import Obstacle
from events.limits import PENDING_NOTED_MAX
from events.policies import PINNED
from orchestrator.coordinator import works as w
from orchestrator.coordinator.apart import free_of_suspects
from orchestrator.coordinator.families import follows, is_settled
from orchestrator.coordinator.memory import Memory
from orchestrator.coordinator.runs import Key, Slot
from orchestrator.coordinator.turn import Turn
from orchestrator.kernel import inputs as i
from orchestrator.kernel.env import microseconds
from orchestrator.kernel.pinning import wanted_build
from orchestrator.kernel.placement import Chosen, NodeSlots, Obstructed, place


class Placer:
    """`_stuck`: tasks that no node of the cluster, as it was then, could ever take. `_refused`:
    those that none had room for; looked at again when one has, or the cluster is another."""

    def __init__(self) -> None:
        self._stuck: dict[Key, int] = {}
        self._refused: dict[Key, int] = {}

    def place_ready(self, turn: Turn) -> None:
        """Decides placements into the turn. What no node could ever take is passed over, and is in
        nobody's way."""
        memory = turn.memory
        nodes = memory.cluster.candidates()
        for node in nodes:
            node.outstanding = memory.runs.held.count(node.node)
        free = sum(max(0, node.credits - node.outstanding) for node in nodes if not node.refusal)
        left, changes = memory.settings.dispatch_max, memory.cluster.changes
        for key in list(islice(memory.runs.ready, left + len(self._stuck))):
            if turn.full or not left:
                return
            left -= not self._is_stuck(key, memory)
            if free or self._refused.get(key) != changes:
                free -= self._place_one(turn, key, nodes)

    def _is_stuck(self, key: Key, memory: Memory) -> bool:
        return self._stuck.get(key) == memory.cluster.changes

    def _place_one(self, turn: Turn, key: Key, nodes: list[NodeSlots]) -> bool:
        """Whether the task was given to a node."""
        memory = turn.memory
        run_id, step_id = key
        slot = memory.runs.get(run_id)
        if slot is None or step_id not in slot.state.ready:
            self._forget(memory, key)
            return False
        if slot.net is None or slot.state.closing is not None or turn.is_in_flight(run_id):
            return False
        if not memory.ownership.holds(slot.shard, memory.now.monotonic):
            return False
        if self._is_stuck(key, memory) or _capped(slot):
            return False
        answer = _found(turn, slot, step_id, nodes)
        if isinstance(answer, Obstructed):
            self._obstructed(turn, slot, step_id, answer)
        if not isinstance(answer, Chosen):
            return False
        given = i.Place(
            step=step_id,
            node=answer.node,
            incarnation=answer.incarnation,
            placement=answer.placement,
            build_id=answer.build_id,
        )
        turn.decide(slot, given, turn.stamp(slot.shard))
        self._forget(memory, key)
        next(n for n in nodes if n.node == answer.node).outstanding += 1
        return True

    def _forget(self, memory: Memory, key: Key) -> None:
        memory.runs.ready.pop(key, None)
        self._stuck.pop(key, None)
        self._refused.pop(key, None)

    def _obstructed(self, turn: Turn, slot: Slot, step_id: str, answer: Obstructed) -> None:
        """No node at all is recorded at once, a full cluster when it lasts: `note_waiting`."""
        changes = turn.memory.cluster.changes
        if answer.obstacle != "no_node":
            self._refused[slot.run_id, step_id] = changes
            return
        if follows(turn, slot):
            return
        self._stuck[slot.run_id, step_id] = changes
        given = i.Unplaced(step=step_id, obstacle=answer.obstacle, detail=answer.detail)
        turn.decide(slot, given, turn.stamp(slot.shard))

    def note_waiting(self, memory: Memory) -> None:
        """Records why the tasks that have waited for a while are still waiting."""
        before = memory.now.monotonic - microseconds(memory.settings.pending_after_s)
        ready = memory.runs.ready
        self._stuck = {key: at for key, at in self._stuck.items() if key in ready}
        self._refused = {key: at for key, at in self._refused.items() if key in ready}
        noted = 0
        for (run_id, step_id), since in ready.items():
            slot = memory.runs.get(run_id)
            if since > before or noted >= PENDING_NOTED_MAX:
                return
            step = slot.state.steps.get(step_id) if slot else None
            if slot is None or slot.net is None or step is None or step.obstacle:
                continue
            capped = _capped(slot)
            obstacle: Obstacle = "concurrency_cap" if capped else "no_slot"
            detail = f"{slot.state.options.concurrency_max} at a time" if capped else ""
            given = i.Unplaced(step=step_id, obstacle=obstacle, detail=detail)
            memory.intake.append(w.RunWork(run_id=run_id, given=given))
            noted += 1


APART = "agents have died with this task, and each node has another one of which that is true"


def _found(
    turn: Turn, slot: Slot, step_id: str, nodes: list[NodeSlots]
) -> Chosen | Obstructed | None:
    """A node for the task, or what is in the way; None while its family decides on a build."""
    task, excluded = turn.net_of(slot).task(step_id), slot.state.steps[step_id].excluded
    build = wanted_build(slot.state)
    suitable = free_of_suspects(turn.memory, slot, step_id, nodes)
    if nodes and not suitable:
        return Obstructed("no_slot", APART)
    answer = place(task, suitable, excluded, build)
    if build != PINNED or isinstance(answer, Obstructed):
        return answer
    if not is_settled(turn, slot, answer.build_id):
        return None
    return place(task, suitable, excluded, wanted_build(slot.state))


def _capped(slot: Slot) -> bool:
    most = slot.state.options.concurrency_max
    return most is not None and len(slot.state.outstanding) >= most
