"""When a look at a child run is due: what a parent wants of it has changed, or it has ended."""

from orchestrator.coordinator import works as w
from orchestrator.coordinator.memory import Memory
from orchestrator.coordinator.runs import Slot


def see_to_children(memory: Memory, slot: Slot) -> None:
    """Asks for a look at each child of which the parent wants something new since the last one."""
    state = slot.state
    wanted = (state.closing is not None, state.paused is not None)
    wants = {step_id: (run_id, *wanted) for step_id, run_id in state.calls.items()}
    for step_id, want in wants.items():
        if slot.wants.get(step_id) != want:
            memory.intake.append(_look(memory, slot.run_id, step_id))
    slot.wants = wants


def tell_parent(memory: Memory, slot: Slot) -> None:
    """A run has ended: the step that started it is to know."""
    origin = slot.state.origin
    if origin.kind == "parent":
        memory.intake.append(_look(memory, origin.run_id, origin.step))


def _look(memory: Memory, run_id: str, step_id: str) -> w.CallWork:
    return w.CallWork(run_id=run_id, step=step_id, arrived_in=memory.steps)
