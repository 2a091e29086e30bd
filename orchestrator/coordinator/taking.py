"""What an operator's action takes from nodes and child runs, who are told once it is durable.

The nodes would be told anyway, with the next heartbeat that mentions what they have; and child runs
are found by whoever owns them next.
"""

import msgspec

from events.ids import Attempt
from events.messages import Command, Drop
from orchestrator.coordinator.transaction import NodeKey, Touched
from orchestrator.kernel.inputs import GiveResult, Restore, Terminate
from orchestrator.kernel.state import RunState

TAKING = (GiveResult, Restore, Terminate)
"""Inputs after which nodes may still have an attempt, and child runs go on, that are the run's no
more."""


class Had(msgspec.Struct, frozen=True):
    """What a run had with nodes and child runs."""

    attempts: tuple[tuple[NodeKey, Attempt], ...]
    calls: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, state: RunState) -> "Had":
        attempts = []
        for step_id in state.outstanding:
            step = state.steps[step_id]
            attempts.append(((step.node, step.incarnation), state.attempt_of(step_id)))
        return cls(tuple(attempts), tuple(state.calls.items()))

    def lost_by(self, state: RunState, touched: Touched) -> None:
        """Notes what it has no more."""
        held = set(state.calls.values())
        touched.dropped += [one for one in self.attempts if not state.holds(one[1])]
        touched.orphans += [one for one in self.calls if one[1] not in held]


def drop(touched: Touched, outgoing: dict[NodeKey, list[Command]]) -> None:
    """The commands for the nodes."""
    for key, attempt in touched.dropped:
        outgoing.setdefault(key, []).append(Drop(attempts=(attempt,)))
