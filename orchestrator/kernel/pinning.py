"""Keeping a run to one build of its tasks.

A run that asks for it is pinned once: at its start to the build that was named, or with its first
attempt to that of the node which gets it. From then on placement takes no other; if no node has the
build, that is the obstacle, and an operator may repin the run. What is out goes on where it is.
"""

from events.errors import Rejected
from events.policies import PINNED
from events.run_facts import RunPinned
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.ending import settle
from orchestrator.kernel.state import RunState


def wanted_build(state: RunState) -> str:
    """The build that a node must have for the run's tasks: an id, `pinned` for whichever it has as
    long as it says, "" for any."""
    return state.options.build if state.build is None else state.build


def pin_at_start(d: Decision) -> None:
    build = d.state.options.build
    if build and build != PINNED:
        d.record(RunPinned(build=build, reason="as it was started"))


def pin_to_first(d: Decision, step_id: str, node: str, build_id: str) -> None:
    if wanted_build(d.state) == PINNED:
        d.record(RunPinned(build=build_id, reason=f"its first attempt, of {step_id}, is on {node}"))


def repin(d: Decision, build: str, reason: str) -> None:
    """Nothing for a run that has this build already. Raises `Rejected` when it has ended or is
    ending, and for the word that is no build."""
    state = d.state
    if state.terminal or state.closing is not None:
        status = state.status if state.closing is None else f"ending as {state.closing.status}"
        raise Rejected(f"run {state.run_id} is {status}: it cannot be repinned")
    if build == PINNED:
        raise Rejected(f"build is {PINNED!r}: expected the build id of a node, or none for any")
    if wanted_build(state) != build:
        d.record(RunPinned(build=build, reason=reason))
        settle(d)
