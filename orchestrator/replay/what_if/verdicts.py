"""Verdicts: recorded runs, read and played against a changed definition, one after the other.

A run whose values were erased, or taken out, says of some what is not so: nobody can tell what it
would have done, and it is named with the reason. So is one that cannot be read.

A run that parts is played against its own definition as well. If it does not go the way that is
recorded by that either, it is not the changed definition that makes the difference.
"""

from collections.abc import Sequence
from typing import Literal

import anyio
import msgspec

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.envelope import Head, unseal
from events.errors import Corrupt, InvariantViolation, NotFound, Rejected
from events.facts import Fact
from events.ids import definition_stream, run_stream
from events.limits import FORKS_MAX, RUNS_AGAINST_MAX
from events.run_facts import RunForked, RunStarted
from orchestrator.kernel.state import TERMINAL, RunState, serialise
from orchestrator.replay.exchange.importing import redacted_before
from orchestrator.replay.exchange.selecting import calls_of, next_event
from orchestrator.replay.ports import History
from orchestrator.replay.rebuild import Rebuilder
from orchestrator.replay.what_if.against import Against, Play, Told, Untold, Version
from orchestrator.replay.what_if.otherwise import Otherwise, otherwise
from orchestrator.replay.what_if.partings import Parting

PAGE = 1000
AT_A_TIME = 64
"""Runs that are read at the same time, in a few statements."""
Outcome = Literal["same", "differs", "unknown"]
ERASED = "values of it were erased"
ERASED_MARK = b'"$erased"'
"""In the state of a run of which some were."""
REDACTED = "values of it were taken out before it came here: {fields}"
OWN = (
    "its own definition does not make of it what is recorded, from event {version} on: {text}. "
    "Another release, or other settings, have decided it"
)


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a run against a changed definition. `same`: as far as it is recorded; of an
    open one (`status`) that is not to the end. `parting`: the first event that would be another
    one; `otherwise`: where it would have gone from there. `why` nobody knows; `doubtful`: for
    another reason than that values are gone for ever. `children`: runs of the same workflow
    that it has started; they are judged by themselves."""

    run_id: str
    outcome: Outcome
    workflow_version: str = ""
    status: str = ""
    events: int = 0
    parting: Parting | None = None
    otherwise: Otherwise | None = None
    why: str = ""
    doubtful: bool = False
    children: tuple[str, ...] = ()


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


class Gone(Untold):
    """Some values of a run are gone for ever."""


async def told(history: History, catalogue: Catalogue, run_id: str) -> Told:
    """All events of a run, each checked against the one before. Raises `NotFound`, `Corrupt`, and
    `Gone`."""
    head = Head(run_stream(run_id))
    facts, at, actors = list[Fact](), list[int](), list[str]()
    while page := await history.read(head.stream, head.version, PAGE):
        for stored in page:
            if stored.opened == b"":
                raise Gone(ERASED)
            event = next_event(head, stored, catalogue)
            facts.append(event.fact)
            at.append(event.header.recorded_at)
            actors.append(event.header.actor)
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
    if ERASED_MARK in serialise(found.state):
        raise Gone(f"values of run {first.source_run_id}, which it was forked from, were erased")
    return found.state


async def _sources(history: History, catalogue: Catalogue, first: Fact) -> list[str]:
    """The run that one was forked from, the one that this was forked from, and so on."""
    found: list[str] = []
    while isinstance(first, RunForked) and len(found) < FORKS_MAX:
        found.append(first.source_run_id)
        page = await history.read(run_stream(first.source_run_id), 0, 1)
        if not page:
            break
        first = unseal(page[0], catalogue).fact
    return found


async def verdict(history: History, against: Against, workflow: str, run_id: str) -> Verdict:
    """Of one run. Raises `NotFound`, and `Rejected` for one of another workflow."""
    try:
        found = await told(history, Catalogue(), run_id)
        stands_on = [run_id, *await _sources(history, Catalogue(), found.facts[0])]
        if redacted := await redacted_before(history, Catalogue(), stands_on):
            raise Gone(REDACTED.format(fields=", ".join(redacted)))
        return judged(against, workflow, found)
    except Gone as error:
        return Verdict(run_id=run_id, outcome="unknown", why=str(error))
    except (Untold, Corrupt, InvariantViolation) as error:
        return Verdict(run_id=run_id, outcome="unknown", why=str(error), doubtful=True)


def judged(against: Against, workflow: str, found: Told) -> Verdict:
    """Of one that was read. Raises `Rejected` for one of another workflow, `Corrupt`, `Untold`, and
    `InvariantViolation` where the kernel knows no answer."""
    first = found.facts[0]
    if not isinstance(first, RunStarted | RunForked):
        raise Corrupt(f"run {found.run_id} begins with {first.TYPE}: it is started or forked")
    if first.workflow != workflow:
        raise Rejected(
            f"run {found.run_id} is of workflow {first.workflow}, and the definition of workflow "
            f"{workflow}: expected one of the same name"
        )
    play = Play(against, found).run()
    base = Verdict(
        run_id=found.run_id,
        outcome="same",
        workflow_version=first.workflow_version,
        events=len(found.facts),
        children=_children(found, workflow),
    )
    if play.parting is None:
        return msgspec.structs.replace(base, status=play.recorded.status)
    control = Play(against.own(first.workflow_version), found).run().parting
    if control is not None and control.version <= play.parting.version:
        why = OWN.format(version=control.version, text=control.text)
        return msgspec.structs.replace(base, outcome="unknown", why=why, doubtful=True)
    rest = otherwise(play) if play.has_begun else None
    return msgspec.structs.replace(
        base,
        outcome="differs",
        status="" if rest is None else rest.was,
        parting=play.parting,
        otherwise=rest,
    )


def _children(found: Told, workflow: str) -> tuple[str, ...]:
    calls = (one for fact in found.facts for one in calls_of(fact) if one.workflow == workflow)
    return tuple(dict.fromkeys(one.run_id for one in calls))


async def verdicts(
    history: History, against: Against, workflow: str, run_ids: Sequence[str]
) -> list[Verdict]:
    """Of several, in their order; they are read together. One that is not there, or of another
    workflow, is told like one that cannot be read: it does not keep the others from being told."""
    found: dict[str, Verdict] = {}

    async def one(run_id: str) -> None:
        try:
            found[run_id] = await verdict(history, against, workflow, run_id)
        except Rejected as error:
            why = str(error)
            found[run_id] = Verdict(run_id=run_id, outcome="unknown", why=why, doubtful=True)

    for start in range(0, len(run_ids), AT_A_TIME):
        async with anyio.create_task_group() as group:
            for run_id in run_ids[start : start + AT_A_TIME]:
                group.start_soon(one, run_id)
    return [found[run_id] for run_id in run_ids]


async def family(
    history: History, against: Against, workflow: str, run_id: str
) -> tuple[Verdict, ...]:
    """Of one run, and of those of the same workflow that it has started, and they: parts of its
    maps above all. Raises as `verdict`."""
    found = [await verdict(history, against, workflow, run_id)]
    seen, ahead = {run_id}, found[0].children
    while ahead and len(seen) < RUNS_AGAINST_MAX:
        seen.update(ahead)
        judged_now = await verdicts(history, against, workflow, ahead)
        found += judged_now
        beyond = (child for one in judged_now for child in one.children)
        ahead = tuple(child for child in dict.fromkeys(beyond) if child not in seen)
    return tuple(found)


def is_open(one: Verdict) -> bool:
    return bool(one.status) and one.status not in TERMINAL
