"""When a look at a child run is due: what a parent wants of it has changed, or it has ended."""

from collections.abc import Iterable

from orchestrator.coordinator import works as w
from orchestrator.coordinator.memory import Memory
from orchestrator.coordinator.ports import IndexRow
from orchestrator.coordinator.runs import Slot


def see_to_children(memory: Memory, slot: Slot) -> bool:
    """Asks for a look at each child of which the parent wants something new since the last one;
    returns whether there is any."""
    if not (slot.state.calls or slot.wants):
        return False
    wants = _wants(slot)
    found = False
    for step_id, want in wants.items():
        if slot.wants.get(step_id) != want:
            memory.intake.append(_look(memory, slot.run_id, step_id))
            found = True
    slot.wants = wants
    return found


def see_to_orphans(memory: Memory, slot: Slot, orphans: Iterable[tuple[str, str]]) -> None:
    """Asks for a look at each child run that no step of `slot` has any more."""
    for step_id, child_id in orphans:
        look = w.CallWork(
            run_id=slot.run_id, step=step_id, orphan=child_id, arrived_in=memory.steps
        )
        memory.intake.append(look)


def see_to_strays(memory: Memory, rows: Iterable[IndexRow]) -> None:
    """The same for what another owner, or we ourselves before a restart, did not come to."""
    for row in rows:
        look = w.CallWork(run_id=row.parent, step="", orphan=row.run_id, arrived_in=memory.steps)
        memory.intake.append(look)


def loaded(memory: Memory, slot: Slot) -> None:
    """A run was read. One that an earlier owner had, or that is ending, may want anything of its
    children; of every other the children have been looked at since it wanted something new."""
    is_ours = slot.shard not in memory.warming and slot.run_id not in memory.strange
    memory.strange.discard(slot.run_id)
    if is_ours and not slot.state.gives_up:
        slot.wants = _wants(slot)
    see_to_children(memory, slot)


def _wants(slot: Slot) -> dict[str, tuple[str, bool, bool]]:
    state = slot.state
    is_closing, is_paused = state.closing is not None, state.paused is not None
    return {
        step_id: (run_id, is_closing or state.is_recalled(step_id), is_paused)
        for step_id, run_id in state.calls.items()
    }


def tell_parent(memory: Memory, slot: Slot) -> None:
    """A run has ended: the step that started it is to know."""
    origin = slot.state.origin
    if origin.kind == "parent":
        memory.intake.append(_look(memory, origin.run_id, origin.step))


def _look(memory: Memory, run_id: str, step_id: str) -> w.CallWork:
    return w.CallWork(run_id=run_id, step=step_id, arrived_in=memory.steps)
