"""`dalsegno workflow list` and `show`: what is registered, from the log."""

from collections.abc import Sequence

import msgspec

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.definition import Definition
from events.envelope import unseal
from events.errors import Rejected
from events.ids import definition_stream
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.authoring import dump
from orchestrator.authoring.walk import spots
from orchestrator.cli.common import COMMON, Common
from orchestrator.cli.names import alike
from orchestrator.cli.output import console, day, instant, plain, print_json, rows, table
from orchestrator.cli.stores import with_store
from orchestrator.cli.workflow.definitions import Reading, load_checked, reads_as_file

PAGE = 500
STREAMS = "definition:"
SHORT = 12
PREFIX_MIN = 4
"""Characters of a version that name it, when no other one begins with them."""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A registered version of a workflow, and when it was registered (microseconds). One that is
    set `aside` is never the newest."""

    workflow: str
    workflow_version: str
    registered_at: int
    definition: Definition
    aside: bool = False


def list_(name: str = "", *, common: Common = COMMON) -> None:
    """List the registered workflows with their newest version, or all versions of one.

    A run keeps the version that it was started with; a start by name takes the newest one.

    Parameters
    ----------
    name
        Workflow of which to list every version, the newest first.

    Examples
    --------
    dalsegno workflow list
    dalsegno workflow list greet --json
        Every version of greet, and when it was registered.
    """
    found = with_store(common, lambda store: _list(store, name))
    if common.json:
        print_json([_json(one) | {"versions": count} for one, count in found])
        return
    made = table("workflow", "version", "registered (UTC)", "steps>?", "versions>?", "description")
    lines = (
        (
            plain(one.workflow),
            one.workflow_version[:SHORT],
            day(one.registered_at),
            str(sum(1 for _ in spots(one.definition))),
            "" if name else str(count),
            ("for a fork; " if one.aside else "") + plain(one.definition.description),
        )
        for one, count in found
    )
    nothing = "no workflow is registered yet: `dalsegno workflow register FILE`"
    console().print(rows(made, lines) if found else nothing)


def show(workflow: str, *, common: Common = COMMON) -> None:
    """Print a registered definition as YAML, which can be edited and registered again.

    Parameters
    ----------
    workflow
        A name, for its newest version, or NAME@VERSION; the first characters of a version do.

    Examples
    --------
    dalsegno workflow show greet
    dalsegno workflow show greet@4be91d1c --json
        The definition of an older version, as data.
    """
    found = with_store(common, lambda store: registered(store, workflow))
    if common.json:
        print_json(_json(found) | {"definition": found.definition})
        return
    at = day(found.registered_at)
    print(f"# {found.workflow}@{found.workflow_version}, registered {at} UTC")
    print(dump(found.definition), end="")


def _json(one: Version) -> dict[str, object]:
    return {
        "workflow": one.workflow,
        "workflow_version": one.workflow_version,
        "registered_at": instant(one.registered_at),
        "description": one.definition.description,
        **({"aside": True} if one.aside else {}),
    }


async def _list(store: PostgresStore, name: str) -> list[tuple[Version, int]]:
    """Versions to show, each with how many its workflow has."""
    if name:
        all_ = await versions(store, name)
        return [(one, len(all_)) for one in reversed(all_)]
    found = [await versions(store, one) for one in await names(store)]
    return [(newest(one), len(one)) for one in found]


async def names(store: PostgresStore) -> list[str]:
    """All registered workflows, in order."""
    found: list[str] = []
    after = ""
    while page := await store.stream_names(STREAMS, after, PAGE):
        found += (stream.removeprefix(STREAMS) for stream in page)
        after = page[-1]
    return found


async def versions(store: PostgresStore, name: str) -> list[Version]:
    """All versions in the order of registration. Raises `Rejected` when there are none."""
    found: list[Version] = []
    catalogue, version = Catalogue(), 0
    while page := await store.read(definition_stream(name), version, PAGE):
        for stored in page:
            event = unseal(stored, catalogue)
            if isinstance(event.fact, DefinitionRegistered):
                found.append(_version(event.fact, event.header.recorded_at))
        version = page[-1].version
    if not found:
        raise Rejected(
            f"there is no workflow {name}{alike(name, await names(store))}: "
            "`dalsegno workflow list` shows those there are"
        )
    return found


def _version(fact: DefinitionRegistered, at: int) -> Version:
    return Version(
        workflow=fact.workflow,
        workflow_version=fact.workflow_version,
        registered_at=at,
        definition=fact.definition,
        aside=fact.aside,
    )


def newest(all_: Sequence[Version]) -> Version:
    """The last one that was not set aside."""
    return next((one for one in reversed(all_) if not one.aside), all_[-1])


async def registered(store: PostgresStore, reference: str) -> Version:
    """What `NAME` or `NAME@VERSION` names. Raises `Rejected` when it is none, or several."""
    name, _, wanted = reference.partition("@")
    all_ = await versions(store, name)
    if not wanted:
        return newest(all_)
    by_version = {one.workflow_version: one for one in all_}
    fitting = [one for version, one in by_version.items() if version.startswith(wanted)]
    if len(fitting) == 1 and len(wanted) >= PREFIX_MIN:
        return fitting[0]
    known = ", ".join(one.workflow_version[:SHORT] for one in reversed(all_[-PAGE:]))
    if len(fitting) > 1 or fitting:
        why = f"{wanted!r} is too short to name one version of {name}"
    else:
        why = f"{name} has no version {wanted}"
    raise Rejected(f"{why}: expected one of {known}")


def definition_of(reference: str, reading: Reading, common: Common) -> Definition:
    """The definition in a file, checked, or that of `NAME` or `NAME@VERSION` in the log."""
    if reads_as_file(reference):
        return load_checked(reference, reading)
    return with_store(common, lambda store: registered(store, reference)).definition
