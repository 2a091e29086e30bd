"""Keeps tasks apart with which agents have died: at most one of them on a node at a time.

One of them is the reason, the others only stood beside it. Apart, the reason goes on to gather
evidence against itself alone. See `orchestrator.kernel.poison`.
"""

from orchestrator.coordinator.memory import Memory
from orchestrator.coordinator.runs import Slot
from orchestrator.kernel.placement import NodeSlots
from orchestrator.kernel.poison import is_suspect


def free_of_suspects(
    memory: Memory, slot: Slot, step_id: str, nodes: list[NodeSlots]
) -> list[NodeSlots]:
    """The nodes that the task may be given to: all, unless it is a suspect itself. Then O(attempts
    that are out)."""
    if not is_suspect(slot.state.steps[step_id], memory.engine.limits):
        return nodes
    return [node for node in nodes if not _has_suspect(memory, node.node)]


def _has_suspect(memory: Memory, node: str) -> bool:
    """Of the runs that are known here; other owners' suspects are not."""
    for run_id, step_id in memory.runs.held.of(node):
        slot = memory.runs.get(run_id)
        step = slot.state.steps.get(step_id) if slot is not None else None
        if step is not None and is_suspect(step, memory.engine.limits):
            return True
    return False
