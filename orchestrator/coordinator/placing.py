"""Placing ready tasks: by priority, then the oldest first, across all runs, lane by lane."""

import heapq
from itertools import islice

from events.limits import PENDING_NOTED_MAX
from events.policies import PINNED
from orchestrator.coordinator import works as w
from orchestrator.coordinator.apart import free_of_suspects
from orchestrator.coordinator.families import follows, is_settled
from orchestrator.coordinator.lanes import FIRST, Key, Lane
from orchestrator.coordinator.memory import Memory
from orchestrator.coordinator.runs import Slot
from orchestrator.coordinator.turn import Turn
from orchestrator.kernel import inputs as i
from orchestrator.kernel.env import microseconds
from orchestrator.kernel.pinning import wanted_build
from orchestrator.kernel.placement import (
    Chosen,
    Fit,
    NodeSlots,
    Obstructed,
    Wishes,
    choose,
    fit,
    place,
)
from orchestrator.kernel.settling import may_be_placed

Queue = list[tuple[int, int, int, Lane, list[Key]]]
"""A heap of lanes with the tasks that may be looked at, the next one last: by priority, then by how
long the lane has waited."""


def place_ready(turn: Turn) -> None:
    """Decides placements into the turn, and what no node could ever take."""
    if turn.memory.runs.ready:
        Placing(turn).place_ready()


class Placing:
    """One turn's look at what is ready."""

    def __init__(self, turn: Turn) -> None:
        memory = turn.memory
        self._turn = turn
        self._memory = memory
        self._nodes = memory.cluster.candidates()
        self._by_name = {node.node: node for node in self._nodes}
        self._fits: dict[Lane, Fit] = {}
        for node in self._nodes:
            node.outstanding = memory.runs.held.count(node.node)
        self._free = {node.node for node in self._nodes if _has_room(node)}
        self._changes = memory.cluster.changes
        self._left = memory.settings.dispatch_max

    def place_ready(self) -> None:
        queue = self._queue()
        while queue and self._left and not self._turn.full:
            priority, _, number, lane, keys = queue[0]
            self._left -= 1
            is_open = self._look_at(lane, keys.pop())
            if keys and is_open:
                since = lane.tasks.get(keys[-1], FIRST)
                heapq.heapreplace(queue, (priority, since, number, lane, keys))
            else:
                heapq.heappop(queue)

    def _queue(self) -> Queue:
        queue: Queue = []
        for number, lane in enumerate(self._memory.runs.ready):
            keys = self._worth_a_look(lane)
            if keys:
                queue.append((-lane.priority, lane.tasks[keys[-1]], number, lane, keys))
        heapq.heapify(queue)
        return queue

    def _worth_a_look(self, lane: Lane) -> list[Key]:
        """As many as one turn looks at, the oldest last."""
        slot = self._memory.runs.get(lane.run_id) if lane.run_id else None
        if slot is not None and _capped(slot):
            return []
        if not lane.is_closed(self._changes, self._free):
            return list(islice(lane.tasks, self._left))[::-1]
        if lane.is_hopeless(self._changes):
            return list(islice(lane.untold, self._left))[::-1]
        return []

    def _look_at(self, lane: Lane, key: Key) -> bool:
        """Places the task if it can be. Whether others of its lane are worth a look as well."""
        slot = self._memory.runs.get(key[0])
        if slot is None or key[1] not in slot.state.ready:
            self._memory.runs.ready.remove(key)
            return True
        if not (may_be_placed(slot.state, key[1]) and self._may_decide(slot)):
            return True
        if _capped(slot):
            return False
        answer = self._found(lane, slot, key[1])
        if isinstance(answer, Obstructed):
            return self._obstructed(lane, slot, key, answer)
        if answer is not None:
            self._give(slot, key, answer)
        return True

    def _found(self, lane: Lane, slot: Slot, step_id: str) -> Chosen | Obstructed | None:
        """As `_found_alone`; which nodes fit is the same for all tasks of several runs' lane."""
        if lane.run_id:
            return _found_alone(self._turn, slot, step_id, self._nodes)
        found = self._fits.get(lane)
        if found is None:
            task = self._turn.net_of(slot).task(step_id)
            found = self._fits[lane] = fit(task, self._nodes, Wishes())
        return choose(found, {})

    def _may_decide(self, slot: Slot) -> bool:
        if slot.net is None or self._turn.is_in_flight(slot.run_id):
            return False
        return self._memory.ownership.holds(slot.shard, self._memory.now.monotonic)

    def _give(self, slot: Slot, key: Key, answer: Chosen) -> None:
        given = i.Place(
            step=key[1],
            node=answer.node,
            incarnation=answer.incarnation,
            placement=answer.placement,
            build_id=answer.build_id,
            transactional=answer.transactional,
        )
        self._turn.decide(slot, given, self._turn.stamp(slot.shard))
        self._memory.runs.ready.remove(key)
        self._by_name[answer.node].outstanding += 1

    def _obstructed(self, lane: Lane, slot: Slot, key: Key, answer: Obstructed) -> bool:
        """No node at all is recorded at once and for each, a full cluster when it lasts."""
        if answer.obstacle != "no_node":
            if answer.full:
                lane.close(self._changes, answer.full)
            return False
        if follows(self._turn, slot):
            return True
        lane.close(self._changes)
        lane.untold.pop(key, None)
        given = i.Unplaced(step=key[1], obstacle=answer.obstacle, detail=answer.detail)
        self._turn.decide(slot, given, self._turn.stamp(slot.shard))
        return True


def _has_room(node: NodeSlots) -> bool:
    return not node.refusal and node.outstanding < node.credits


def note_waiting(memory: Memory) -> None:
    """Records why the tasks that have waited for a while are still waiting."""
    before = memory.now.monotonic - microseconds(memory.settings.pending_after_s)
    unnoted, works = memory.runs.ready.unnoted, memory.intake
    told: list[Key] = []
    for key, since in unnoted.items():
        slot = memory.runs.get(key[0])
        if since > before or len(told) >= PENDING_NOTED_MAX:
            break
        if slot is None or slot.net is None:
            continue
        told.append(key)
        if key[1] in slot.state.ready and not slot.state.steps[key[1]].obstacle:
            works.append(w.RunWork(run_id=slot.run_id, given=_waits(slot, key[1])))
    for key in told:
        del unnoted[key]


def _waits(slot: Slot, step_id: str) -> i.Unplaced:
    if not _capped(slot):
        return i.Unplaced(step=step_id, obstacle="no_slot")
    detail = f"{slot.state.options.concurrency_max} at a time"
    return i.Unplaced(step=step_id, obstacle="concurrency_cap", detail=detail)


APART = "agents have died with this task, and each node has another one of which that is true"


def _found_alone(
    turn: Turn, slot: Slot, step_id: str, nodes: list[NodeSlots]
) -> Chosen | Obstructed | None:
    """A node for the task, or what is in the way; None while its family decides on a build."""
    task = turn.net_of(slot).task(step_id)
    suitable = free_of_suspects(turn.memory, slot, step_id, nodes)
    wishes = _wishes(slot, step_id)
    answer = place(task, suitable, wishes)
    if isinstance(answer, Obstructed) and len(suitable) < len(nodes):
        anywhere = place(task, nodes, wishes)
        # What only other suspects are in the way of is looked at again when they are over.
        is_hopeless = isinstance(anywhere, Obstructed) and anywhere.obstacle == "no_node"
        return anywhere if is_hopeless else Obstructed("no_slot", APART)
    if wishes.build != PINNED or isinstance(answer, Obstructed):
        return answer
    if not is_settled(turn, slot, answer.build_id):
        return None
    return place(task, suitable, _wishes(slot, step_id))


def _wishes(slot: Slot, step_id: str) -> Wishes:
    """What became of a transaction can be found out wherever the task is run in one: that is not
    what an operator moved, nor what the run keeps to a build for."""
    step = slot.state.steps[step_id]
    if step.settling is not None:
        return Wishes(step.excluded or {}, transactional=True)
    build = wanted_build(slot.state)
    return Wishes(step.excluded or {}, build, step.target, step.off, step.transactional)


def _capped(slot: Slot) -> bool:
    most = slot.state.options.concurrency_max
    return most is not None and len(slot.state.outstanding) >= most
