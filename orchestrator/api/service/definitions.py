"""Registered definitions, read from the log."""

from collections.abc import AsyncIterator

import msgspec

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.envelope import unseal
from events.errors import Corrupt, NotFound, Rejected
from events.ids import definition_stream
from events.net import Net
from orchestrator.api.service.cursors import cursor, place
from orchestrator.api.service.graphs import graph_of
from orchestrator.api.service.ports import Log
from orchestrator.api.shapes import Page, Workflow, WorkflowRow
from orchestrator.authoring import dump
from orchestrator.authoring.walk import spots

PAGE = 500
STREAMS = definition_stream("")
PREFIX_MIN = 4
"""Characters of a version that name it, when no other one begins with them."""
SHORT = 12
SHOWN_MAX = 20


class Registered(msgspec.Struct, frozen=True):
    """A version, and when it was registered."""

    fact: DefinitionRegistered
    at: int


async def versions(log: Log, workflow: str) -> list[Registered]:
    """All versions in the order of registration. Raises `NotFound` when there are none."""
    found = [one async for one in _versions(log, workflow)]
    if not found:
        raise NotFound(f"there is no workflow {workflow}: expected the name of a registered one")
    return found


async def _versions(log: Log, workflow: str) -> AsyncIterator[Registered]:
    stream, version, catalogue = definition_stream(workflow), 0, Catalogue()
    while page := await log.read(stream, version, PAGE):
        for stored in page:
            event = unseal(stored, catalogue)
            if isinstance(event.fact, DefinitionRegistered):
                yield Registered(event.fact, event.header.recorded_at)
        version = page[-1].version
        if len(page) < PAGE:
            return


async def net_of(log: Log, workflow: str, workflow_version: str) -> Net:
    """What runs of this version execute. Raises `Corrupt` when it is not in the log."""
    async for one in _versions(log, workflow):
        if one.fact.workflow_version == workflow_version:
            return one.fact.net
    raise Corrupt(f"version {workflow_version} of {workflow} is not in the log")


async def list_workflows(log: Log, text: str, limit: int) -> Page[WorkflowRow]:
    (after,) = place(text, tuple[str]) if text else ("",)
    names = await log.stream_names(STREAMS, STREAMS + after if after else "", limit + 1)
    rows = [_row((await versions(log, n.removeprefix(STREAMS)))[-1]) for n in names[:limit]]
    more = len(names) > limit
    return Page(items=tuple(rows), next=cursor((rows[-1].workflow,)) if more else None)


async def list_versions(log: Log, workflow: str, text: str, limit: int) -> Page[WorkflowRow]:
    """A cursor is the number of versions that were registered before the last one listed."""
    all_ = await versions(log, workflow)
    (before,) = place(text, tuple[int]) if text else (len(all_),)
    first = max(0, before - limit)
    items = tuple(_row(one) for one in reversed(all_[first : max(0, before)]))
    return Page(items=items, next=cursor((first,)) if first else None)


async def show_workflow(log: Log, workflow: str, wanted: str) -> Workflow:
    found = await registered(log, workflow, wanted)
    row, fact = _row(found), found.fact
    definition = msgspec.to_builtins(fact.definition)
    return Workflow(
        workflow=row.workflow,
        workflow_version=row.workflow_version,
        registered_at=row.registered_at,
        description=row.description,
        definition=definition,
        source=dump(fact.definition),
        net=fact.net,
        graph=graph_of(fact.net),
    )


async def registered(log: Log, workflow: str, wanted: str) -> Registered:
    """Raises `NotFound`, and `Rejected` for what names several."""
    return _named(await versions(log, workflow), workflow, wanted)


async def version_named(log: Log, workflow: str, wanted: str) -> str:
    """The whole name of a version that is named by its first characters. Raises like it."""
    return (await registered(log, workflow, wanted)).fact.workflow_version


def _named(all_: list[Registered], workflow: str, wanted: str) -> Registered:
    if not wanted:
        return all_[-1]
    fitting = [one for one in all_ if one.fact.workflow_version.startswith(wanted)]
    if len(fitting) == 1 and len(wanted) >= PREFIX_MIN:
        return fitting[0]
    known = ", ".join(one.fact.workflow_version[:SHORT] for one in all_[-SHOWN_MAX:])
    if fitting:
        raise Rejected(f"{wanted!r} is too short to name one version: expected one of {known}")
    raise NotFound(f"{workflow} has no version {wanted}: expected one of {known}")


def _row(one: Registered) -> WorkflowRow:
    return WorkflowRow(
        workflow=one.fact.workflow,
        workflow_version=one.fact.workflow_version,
        registered_at=one.at,
        description=one.fact.definition.description,
        steps=sum(1 for _ in spots(one.fact.definition)),
    )
