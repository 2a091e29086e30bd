"""Verdicts: recorded runs, read and played against a changed definition, one after the other.

A run whose values were erased says of some what is not so: nobody can tell what it would have done,
and it is left out with the reason. So is one that cannot be read.
"""

from collections.abc import Sequence
from typing import Literal

import anyio
import msgspec

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.envelope import decoded, unseal
from events.errors import Corrupt, InvariantViolation, NotFound, Rejected
from events.facts import Fact
from events.ids import definition_stream, run_stream
from events.run_facts import RunForked, RunStarted
from orchestrator.kernel.state import TERMINAL, RunState
from orchestrator.replay.against import Against, Play, Told, Version
from orchestrator.replay.otherwise import Otherwise, otherwise
from orchestrator.replay.partings import Parting
from orchestrator.replay.ports import History
from orchestrator.replay.rebuild import Rebuilder

PAGE = 1000
AT_A_TIME = 64
"""Runs that are read at the same time, in a few statements."""
Outcome = Literal["same", "differs", "unknown"]
ERASED = "values of it were erased"


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a run against a changed definition. `same`: as far as it is recorded; of an
    open one (`status`) that is not to the end. `parting`: the first event that would be another
    one; `otherwise`: where it would have gone from there. `why` nobody knows; `damaged`: it cannot
    be read."""

    run_id: str
    outcome: Outcome
    workflow_version: str = ""
    status: str = ""
    events: int = 0
    parting: Parting | None = None
    otherwise: Otherwise | None = None
    why: str = ""
    damaged: bool = False


async def versions(history: History, workflow: str) -> dict[str, Version]:
    """All versions of a workflow, ready to decide by."""
    found: dict[str, Version] = {}
    stream, after = definition_stream(workflow), 0
    while page := await history.read(stream, after, PAGE):
        for stored in page:
            fact = unseal(stored, Catalogue()).fact
            if isinstance(fact, DefinitionRegistered) and fact.workflow_version not in found:
                found[fact.workflow_version] = Version.of(fact)
        after = page[-1].version
    return found


class Erased(Exception):
    """A run whose values are gone."""


async def told(history: History, catalogue: Catalogue, run_id: str) -> Told:
    """All events of a run. Raises `NotFound`, `Corrupt`, and `Erased`."""
    facts, at, actors = list[Fact](), list[int](), list[str]()
    while page := await history.read(run_stream(run_id), len(facts), PAGE):
        for stored in page:
            if stored.version != len(facts) + 1:
                raise Corrupt(f"event {len(facts) + 1} of run {run_id} is missing from the log")
            if stored.opened == b"":
                raise Erased(ERASED)
            header, fact = decoded(stored, catalogue)
            facts.append(fact)
            at.append(header.recorded_at)
            actors.append(header.actor)
        if len(page) < PAGE:
            break
    if not facts:
        raise NotFound(f"there is no run {run_id}: `dalsegno run list` shows those there are")
    return Told(run_id, facts, at, actors, await _source(history, catalogue, facts[0]))


async def _source(history: History, catalogue: Catalogue, first: Fact) -> RunState | None:
    if not isinstance(first, RunForked):
        return None
    found = await Rebuilder(history, catalogue).run(first.source_run_id, first.source_version)
    if found is None or found.head.version != first.source_version:
        raise Corrupt(
            f"run {first.run_id} is a fork of run {first.source_run_id} at version "
            f"{first.source_version}, which is not in the log"
        )
    return found.state


async def verdict(history: History, against: Against, workflow: str, run_id: str) -> Verdict:
    """Of one run. Raises `NotFound`, and `Rejected` for one of another workflow."""
    try:
        found = await told(history, Catalogue(), run_id)
        return judged(against, workflow, found)
    except Erased as error:
        return Verdict(run_id=run_id, outcome="unknown", why=str(error))
    except (Corrupt, InvariantViolation) as error:
        return Verdict(run_id=run_id, outcome="unknown", why=str(error), damaged=True)


def judged(against: Against, workflow: str, found: Told) -> Verdict:
    """Of one that was read. Raises `Rejected` for one of another workflow, and `Corrupt`."""
    first = found.facts[0]
    if not isinstance(first, RunStarted | RunForked):
        raise Corrupt(f"run {found.run_id} begins with {first.TYPE}: it is started or forked")
    if first.workflow != workflow:
        raise Rejected(
            f"run {found.run_id} is of workflow {first.workflow}, and the definition of workflow "
            f"{workflow}: expected one of the same name"
        )
    play = Play(against, found).run()
    rest = otherwise(play) if play.parting is not None and play.has_begun else None
    status = play.recorded.status if play.parting is None else ""
    return Verdict(
        run_id=found.run_id,
        outcome="same" if play.parting is None else "differs",
        workflow_version=first.workflow_version,
        status=status if rest is None else rest.was,
        events=len(found.facts),
        parting=play.parting,
        otherwise=rest,
    )


async def verdicts(
    history: History, against: Against, workflow: str, run_ids: Sequence[str]
) -> list[Verdict]:
    """Of several, in their order; they are read together."""
    found: dict[str, Verdict] = {}

    async def one(run_id: str) -> None:
        found[run_id] = await verdict(history, against, workflow, run_id)

    for start in range(0, len(run_ids), AT_A_TIME):
        async with anyio.create_task_group() as group:
            for run_id in run_ids[start : start + AT_A_TIME]:
                group.start_soon(one, run_id)
    return [found[run_id] for run_id in run_ids]


def is_open(one: Verdict) -> bool:
    return bool(one.status) and one.status not in TERMINAL
