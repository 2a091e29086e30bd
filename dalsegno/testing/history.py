"""Histories from files: does today's code still read them, and do they end as they did?"""

from pathlib import Path

import msgspec

from dalsegno.testing.twins.coordinator import finish
from events.api import RunView
from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.envelope import Event, unseal
from events.errors import Corrupt
from events.ids import definition_stream
from events.net import Net
from orchestrator.insight.run_view import run_view
from orchestrator.kernel.invariants import violations
from orchestrator.kernel.snapshot import state_hash
from orchestrator.kernel.state import RunState
from orchestrator.replay.exchange.export import Exported, read_export
from orchestrator.replay.rebuild import Rebuilder

ALL = 10**9


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """A run as its events give it. `state_hash` is the same wherever they are folded."""

    view: RunView
    events: tuple[Event, ...]
    state_hash: str


def replay_history(path: str | Path) -> Replayed:
    """Replays what `dalsegno events export` or `run.export` has written.

    Raises `Corrupt` naming the line when an event cannot be read by this release, is missing or was
    changed, or when they do not fold into a sound state.
    """
    catalogue = Catalogue()
    with Path(path).open("rb") as file:
        exported = read_export(file, catalogue, str(path))
    rebuilder = Rebuilder(exported, catalogue, snapshots=False)
    rebuilt = finish(rebuilder.run(exported.run_id))
    if rebuilt is None:
        raise Corrupt(f"{path} has no events of run {exported.run_id}")
    if wrong := violations(rebuilt.state):
        raise Corrupt(f"{path}: run {exported.run_id} does not fold into a sound state: {wrong[0]}")
    return Replayed(
        view=run_view(rebuilt.state, _net(exported, catalogue, rebuilt.state)),
        events=tuple(finish(rebuilder.events(exported.run_id))),
        state_hash=state_hash(rebuilt.state),
    )


def _net(exported: Exported, catalogue: Catalogue, state: RunState) -> Net:
    for stored in finish(exported.read(definition_stream(state.workflow), 0, ALL)):
        fact = unseal(stored, catalogue).fact
        if (
            isinstance(fact, DefinitionRegistered)
            and fact.workflow_version == state.workflow_version
        ):
            return fact.net
    raise Corrupt(f"version {state.workflow_version} of {state.workflow} is not in the history")
