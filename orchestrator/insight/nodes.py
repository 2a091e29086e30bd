"""A node after an event of its stream."""

from functools import singledispatch

import msgspec

from events.cluster_facts import (
    NodeCordoned,
    NodeDraining,
    NodeLeft,
    NodeLost,
    NodeRecovered,
    NodeRegistered,
    NodeSampled,
    NodeSuspected,
    NodeUncordoned,
)
from events.facts import Fact
from orchestrator.insight.counting.glimpse import NodeEvent
from orchestrator.insight.counting.tallies import NodeState

replace = msgspec.structs.replace


def node_after(before: NodeState | None, event: NodeEvent) -> NodeState:
    at = event.recorded_at
    state = before or NodeState(node=event.node, status="healthy", since=at, joined_at=at)
    return after(event.fact, state, at)


@singledispatch
def after(fact: Fact, state: NodeState, at: int) -> NodeState:
    """The state after a fact that was recorded at an instant; each kind has a rule below."""
    raise NotImplementedError(f"no rule for {fact.TYPE}")


@after.register
def _(fact: NodeRegistered, state: NodeState, at: int) -> NodeState:
    return replace(
        state,
        status="healthy",
        since=at,
        joined_at=at,
        incarnation=fact.incarnation,
        build_id=fact.build_id,
        slots=fact.slots,
        credits=fact.credits,
        labels=fact.labels,
        tasks=fact.tasks,
    )


@after.register
def _(fact: NodeSampled, state: NodeState, at: int) -> NodeState:
    return replace(state, sample=fact.sample)


@after.register
def _(fact: NodeSuspected, state: NodeState, at: int) -> NodeState:
    return replace(state, status="suspected", since=at)


@after.register
def _(fact: NodeRecovered, state: NodeState, at: int) -> NodeState:
    return replace(state, status="healthy", since=at)


@after.register
def _(fact: NodeLost, state: NodeState, at: int) -> NodeState:
    return replace(state, status="lost", since=at, losses=state.losses + 1)


@after.register
def _(fact: NodeDraining, state: NodeState, at: int) -> NodeState:
    return replace(state, status="draining", since=at, drained=fact.due_at is not None)


@after.register
def _(fact: NodeCordoned, state: NodeState, at: int) -> NodeState:
    return replace(state, cordoned=True)


@after.register
def _(fact: NodeUncordoned, state: NodeState, at: int) -> NodeState:
    state = replace(state, cordoned=False)
    if state.status == "draining" and state.drained:
        return replace(state, status="healthy", since=at, drained=False)
    return state


@after.register
def _(fact: NodeLeft, state: NodeState, at: int) -> NodeState:
    return replace(state, status="left", since=at)
