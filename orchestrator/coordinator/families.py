"""Families: a run and those that its steps have started keep to one build.

A child is started with what its parent keeps to. Where that is not decided yet (`pinned`, and no
attempt so far), whoever of the family has the first attempt decides it, and for all: the build is
recorded in the *head*, the topmost run that asks for one, and every other takes it from there when
its own first attempt is placed.

    first attempt ready ──► head undecided: a node is chosen, its build becomes the head's
                        └─► head decided: the run is pinned to that, and the attempt is placed

The second arm follows only when the first is durable: a run that is in conflict leaves its commit,
and the others go on. All of a family have one shard (see `child_run`), so there is one coordinator
that decides, and nobody to race with.

Later each is on its own, but for parts of a map, which nobody has started by name: when no node has
the build of a part any more, it follows the run whose map it does, which an operator may have
repinned.
"""

from typing import TYPE_CHECKING

from events.policies import PINNED
from orchestrator.coordinator.runs import Slot
from orchestrator.kernel.inputs import Repin
from orchestrator.kernel.pinning import wanted_build

if TYPE_CHECKING:
    from orchestrator.coordinator.turn import Turn


def is_settled(turn: "Turn", slot: Slot, build_id: str) -> bool:
    """Whether it is certain which build a run keeps to that may have an attempt on a node of this
    one. If it is not, what is missing has been begun; if its family knew, it is pinned now."""
    head = _head_of(turn, slot)
    if head is None:
        return False
    if head is slot:
        return True
    if wanted_build(head.state) == PINNED:
        _decide(turn, head, slot, build_id)
        return False
    return _take(turn, slot, head, f"run {head.run_id}, by which it was started, keeps to it")


def follows(turn: "Turn", slot: Slot) -> bool:
    """Of a run whose build no node has: whether it goes on with another one, now or as soon as that
    is certain."""
    origin, own = slot.state.origin, wanted_build(slot.state)
    if not own or slot.state.part is None or origin.run_id in turn.memory.parked:
        return False
    parent = _above(turn, slot)
    if parent is None:
        return True
    if wanted_build(parent.state) in (PINNED, own):
        return False
    _take(turn, slot, parent, f"as run {parent.run_id}, whose map it does a part of")
    return True


def _head_of(turn: "Turn", slot: Slot) -> Slot | None:
    """The run that knows the build, or has to: the run itself unless it waits for its family's
    decision. None while a run above is being read."""
    memory, found, above = turn.memory, slot, list[Slot]()
    for _ in range(slot.state.origin.depth):
        if wanted_build(found.state) != PINNED or found.state.origin.run_id in memory.parked:
            break
        parent = _above(turn, found)
        if parent is None:
            for one in above:  # none leaves memory before all of them have been here together
                memory.runs.stay(one.run_id)
            return None
        if parent.state.terminal or not wanted_build(parent.state):
            break
        above.append(parent)
        found = parent
    for one in above:  # they may rest after this look
        turn.touch(one)
    return found


def _above(turn: "Turn", slot: Slot) -> Slot | None:
    """The run that has started this one; None while it is read, or being made durable."""
    parent_id = slot.state.origin.run_id
    if turn.is_in_flight(parent_id):
        return None
    parent = turn.memory.runs.get(parent_id)
    if parent is None:
        turn.memory.load_run(parent_id)
    return parent


def _decide(turn: "Turn", head: Slot, slot: Slot, build_id: str) -> None:
    memory, state = turn.memory, head.state
    if state.closing is not None:
        return  # all of them are about to be cancelled
    head.net = head.net or memory.definitions.net(state.workflow, state.workflow_version)
    if head.net is None:
        memory.load_definition(state.workflow)
        return
    reason = f"the first attempt of its runs, of {slot.run_id}, is to have it"
    turn.decide(head, Repin(build=build_id, reason=reason), turn.stamp(head.shard))


def _take(turn: "Turn", slot: Slot, other: Slot, reason: str) -> bool:
    """Pins a run to the build of another one, if that is durable."""
    if turn.is_undecided(other.head.stream):
        return False
    given = Repin(build=wanted_build(other.state), reason=reason)
    turn.decide(slot, given, turn.stamp(slot.shard))
    return True
