"""Parts of a map keep to one build: that of the run whose map they do.

A run of which only parts are under way is pinned with the first attempt of any of them, in the same
turn; both are of one shard. A part that begins later is told its build. One that is under way keeps
to what it has while a node has that; when none has, it follows its run, which an operator may have
repinned.
"""

from events.policies import PINNED
from orchestrator.coordinator.runs import Slot
from orchestrator.coordinator.turn import Turn
from orchestrator.kernel.inputs import Repin
from orchestrator.kernel.pinning import wanted_build
from orchestrator.kernel.placement import Chosen


def build_of(turn: Turn, slot: Slot) -> str | None:
    """The build for the next attempt of a run; None while the run whose map it does is read."""
    wanted = wanted_build(slot.state)
    if wanted != PINNED or not _is_of_a_map(turn, slot):
        return wanted
    parent = _parent(turn, slot)
    return None if parent is None else wanted_build(parent.state)


def pin_parent(turn: Turn, slot: Slot, chosen: Chosen) -> None:
    """Before an attempt is given away, which may be the first of a part."""
    if wanted_build(slot.state) != PINNED or not _is_of_a_map(turn, slot):
        return
    parent = _parent(turn, slot)
    if parent is not None and wanted_build(parent.state) == PINNED:
        why = f"the first attempt of its parts, of {slot.run_id}, is on {chosen.node}"
        _repin(turn, parent, chosen.build_id, why)


def follows(turn: Turn, slot: Slot) -> bool:
    """Of a run that no node can take: whether it has another build now, or that is being read."""
    own = wanted_build(slot.state)
    if not own or not _is_of_a_map(turn, slot):
        return False
    parent = _parent(turn, slot)
    if parent is None:
        return True
    build = wanted_build(parent.state)
    if build in (PINNED, own):
        return False
    _repin(turn, slot, build, f"as run {parent.run_id}, whose map it does a part of")
    return True


def _is_of_a_map(turn: Turn, slot: Slot) -> bool:
    """Whether the run does a part of another one's map, and that one can be asked."""
    origin = slot.state.origin
    is_part = slot.state.part is not None and origin.kind == "parent"
    return is_part and origin.run_id not in turn.memory.parked


def _parent(turn: Turn, slot: Slot) -> Slot | None:
    """None while it is read."""
    parent_id = slot.state.origin.run_id
    parent = turn.memory.runs.get(parent_id)
    if parent is None:
        turn.memory.load_run(parent_id)
        return None
    parent.net = parent.net or slot.net  # they have the same
    return parent


def _repin(turn: Turn, slot: Slot, build: str, why: str) -> None:
    if not slot.state.terminal and slot.state.closing is None:
        turn.decide(slot, Repin(build=build, reason=why), turn.stamp(slot.shard))
