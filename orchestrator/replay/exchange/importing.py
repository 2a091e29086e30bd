"""Importing: the runs of an exported file become history of another log.

    file ─ every event decoded, every chain and value checked, every state folded ─► sound
         ─ compared with what is here: not there / the same / longer / other ──────► plan
         ─ run by run, in one transaction each: ──────────────────────────────────► there
              its definition, if it is not known here
              `run.imported`, in a stream of its own
              its events, as they were stored
              its row of the index, in no shard

Nothing is written before the whole file is known to be sound and in nobody's way. What is
interrupted is run again: runs that are there already are passed over.

Nobody's work. An imported run is in the shard `IMPORTED`, which nobody owns, so no coordinator ever
takes it up; that follows from the fact in the log, as everything in the index does. It can be
looked at like any other run, and forked: the fork is a run of this cluster.

Definitions. Where a workflow is not known its definitions come as they were stored. Where it is, a
version that is missing is registered aside: an import does not change what a start by name starts.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered, RunImported
from events.codec import digest
from events.envelope import Event, Head, Stamp, Stored, seal, unseal
from events.errors import Corrupt, DalsegnoError, Rejected
from events.facts import Fact
from events.ids import definition_stream, import_stream, run_stream
from events.references import Payload
from events.run_facts import RunForked, RunStarted
from orchestrator.kernel.invariants import violations
from orchestrator.replay.exchange.opened import OpenedFile
from orchestrator.replay.exchange.selecting import Piece, follow
from orchestrator.replay.ports import IMPORTED, IndexRow, row_of
from orchestrator.replay.rebuild import Rebuilder
from orchestrator.replay.retention.archives import Tombstone, moved

PAGE = 500
VALUES_AT_ONCE = 4 * 1024 * 1024
"""Bytes of stored values that are written together."""


class SubjectKey(msgspec.Struct, frozen=True):
    """A data key that events of a personal run were sealed with, and whose values they are."""

    id: str
    subject: str


class Imports(Protocol):
    """A log that takes in what was not decided here."""

    async def take(
        self,
        first: Sequence[Stored],
        events: AsyncIterator[Sequence[Stored]],
        row: IndexRow | None,
        keys: Sequence[SubjectKey] = (),
    ) -> None:
        """Appends all of it in one transaction, or nothing. Raises `Conflict` when a place was
        taken meanwhile."""


class ImportLog(Protocol):
    """One log of the cluster that is imported into."""

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]: ...

    async def index_row(self, run_id: str) -> IndexRow | None: ...

    async def archived(self, run_id: str) -> Tombstone | None: ...

    async def put_payloads(self, payloads: Sequence[Payload]) -> None: ...

    def imports(self) -> Imports: ...


Logs = Callable[[str], Awaitable[ImportLog]]
"""The logs of a cluster: the one that has a stream."""


class Who(msgspec.Struct, frozen=True):
    """Who imports, and what of the world is needed for it: the clock, and chance for ids."""

    by: str
    now: Callable[[], int]
    new_id: Callable[[], str]


class Planned(msgspec.Struct, kw_only=True):
    """A run of the file. `here`: how many of its events the log has already."""

    row: IndexRow
    digest: str
    here: int
    log: ImportLog
    workflow: tuple[str, str]
    keys: tuple[SubjectKey, ...] = ()


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run: `events` that were new here."""

    run_id: str
    workflow: str
    status: str
    version: int
    events: int


class Importer:
    """Brings the runs of one file into a cluster."""

    def __init__(self, file: OpenedFile, logs: Logs, catalogue: Catalogue, who: Who) -> None:
        self._file = file
        self._logs = logs
        self._catalogue = catalogue
        self._who = who
        self._nets: dict[str, dict[str, DefinitionRegistered]] = {}

    async def plan(self) -> list[Planned]:
        """What there is to do. Raises `Corrupt` for a file that is not sound, `Rejected` for runs
        that are in the way."""
        for stream in self._file.info.ends:
            if not stream.startswith(run_stream("")):
                await self._checked_definition(stream)
        for name in self._file.payload_names():
            await self._file.load_payload(name)
        planned = [await self._planned(run_id) for run_id in self._file.info.runs]
        for one in planned:
            one.here = await self._compared(one)
        return planned

    async def carry_out(self, planned: Sequence[Planned]) -> AsyncIterator[Imported]:
        """Does it, run by run."""
        logs = list(
            {id(one.log): one.log for one in planned if one.here < one.row.version}.values()
        )
        for log in logs:
            await self._put_values(log)
        for one in planned:
            new = one.row.version - one.here
            if new > 0:
                await self._take(one)
            yield Imported(
                run_id=one.row.run_id,
                workflow=one.row.workflow,
                status=one.row.status,
                version=one.row.version,
                events=max(0, new),
            )

    # -- the file ---------------------------------------------------------------------------------

    async def _checked(self, stream: str) -> AsyncIterator[tuple[Stored, Event]]:
        """The events of a stream of the file; what is wrong with one is told with its place."""
        version, last = 0, ""
        events = follow(self._file, self._catalogue, Piece(stream))
        while True:
            try:
                stored, event = await anext(events)
            except StopAsyncIteration:
                break
            except DalsegnoError as error:
                where = self._file.where(stream, version + 1)
                raise Corrupt(_placed(where, str(error))) from None
            version, last = stored.version, event.digest
            yield stored, event
        if self._file.info.ends[stream] != (version, last):
            where = self._file.where(stream, version)
            raise Corrupt(f"{where}: {stream} does not end as the file says: export it again")

    async def _checked_definition(self, stream: str) -> None:
        found = self._nets[stream] = {}
        async for stored, event in self._checked(stream):
            fact = event.fact
            if not isinstance(fact, DefinitionRegistered):
                where = self._file.where(stream, stored.version)
                raise Corrupt(
                    f"{where}: a {fact.TYPE} in {stream}: expected definition.registered.v1, as "
                    "exports have only runs and their definitions"
                )
            found.setdefault(fact.workflow_version, fact)

    async def _planned(self, run_id: str) -> Planned:
        stream, workflow, keys = run_stream(run_id), ("", ""), dict[str, SubjectKey]()
        subject, last = "", ""
        async for stored, event in self._checked(stream):
            fact, last = event.fact, event.digest
            if stored.version == 1:
                workflow = self._begun(run_id, fact)
                subject = fact.subject if isinstance(fact, RunStarted) else ""
            if key_id := event.header.key_id:
                keys[key_id] = SubjectKey(key_id, subject)
        row = await self._folded(run_id)
        return Planned(
            row=row,
            digest=last,
            here=0,
            log=await self._logs(stream),
            workflow=workflow,
            keys=tuple(keys.values()),
        )

    def _begun(self, run_id: str, fact: Fact) -> tuple[str, str]:
        """The definition that a run begins with, which has to be in the file."""
        where = self._file.where(run_stream(run_id), 1)
        if not isinstance(fact, RunStarted | RunForked) or fact.run_id != run_id:
            raise Corrupt(f"{where}: run {run_id} begins with {fact.TYPE}: expected its start")
        known = self._nets.get(definition_stream(fact.workflow), {})
        if fact.workflow_version not in known:
            raise Corrupt(
                f"{where}: version {fact.workflow_version} of {fact.workflow} is not in the file: "
                "export the run again"
            )
        return fact.workflow, fact.workflow_version

    async def _folded(self, run_id: str) -> IndexRow:
        """The row of the run in the state that its events give."""
        where = self._file.where(run_stream(run_id), 1)
        try:
            found = await Rebuilder(self._file, self._catalogue, snapshots=False).run(run_id)
        except (LookupError, ValueError, TypeError, AttributeError, DalsegnoError) as error:
            raise Corrupt(f"{where}: run {run_id} does not fold: {error}") from error
        if found is None or (wrong := violations(found.state)):
            said = wrong[0] if found is not None else "it has no events"
            raise Corrupt(f"{where}: run {run_id} does not fold into a sound state: {said}")
        return row_of(run_id, IMPORTED, found.state)

    # -- the log ----------------------------------------------------------------------------------

    async def _compared(self, one: Planned) -> int:
        """How many events of the run the log has. Raises `Rejected` when it has others."""
        run_id, stream = one.row.run_id, run_stream(one.row.run_id)
        if (tombstone := await one.log.archived(run_id)) is not None:
            raise Rejected(moved(tombstone))
        version = 0
        while page := await one.log.read(stream, version, PAGE):
            own = await self._file.read(stream, version, PAGE)
            for mine, theirs in zip(page, own, strict=False):
                if mine.state != theirs.state:
                    raise Rejected(
                        f"run {run_id} is in this log with another history: event {mine.version} "
                        f"is not that of {self._file.info.name}. Nothing was imported"
                    )
            version = page[-1].version
        if 0 < version < one.row.version and not await _is_imported(one.log, run_id):
            raise Rejected(
                f"run {run_id} is a run of this cluster, with {version} events, and "
                f"{self._file.info.name} has {one.row.version}: nothing is added to a run that is "
                "worked on here. Nothing was imported"
            )
        return version

    async def _put_values(self, log: ImportLog) -> None:
        waiting, size = list[Payload](), 0
        for name in self._file.payload_names():
            data = await self._file.load_payload(name)
            if data is None:
                continue
            waiting.append(Payload(hash=name, data=data))
            size += len(data)
            if size >= VALUES_AT_ONCE:
                await log.put_payloads(waiting)
                waiting, size = [], 0
        if waiting:
            await log.put_payloads(waiting)

    async def _take(self, one: Planned) -> None:
        workflow, version = one.workflow
        home = await self._logs(definition_stream(workflow))
        if home is not one.log and (missing := await self._missing(home, workflow, version)):
            await home.imports().take(missing, _nothing(), None)
        first = await self._missing(one.log, workflow, version)
        first.append(await self._said(one))
        await one.log.imports().take(first, self._pages(one), one.row, one.keys)

    async def _said(self, one: Planned) -> Stored:
        """The fact of the import, after those of earlier ones of the same run."""
        stream, info = import_stream(one.row.run_id), self._file.info
        head = await _head(one.log, stream)
        fact = RunImported(
            run_id=one.row.run_id,
            version=one.row.version,
            digest=one.digest,
            file=info.name.rpartition("/")[2],
            sha256=info.sha256,
            redacted=info.redacted,
            by=self._who.by,
        )
        return seal(head, fact, self._who.new_id(), self._stamp())

    def _stamp(self) -> Stamp:
        return Stamp(recorded_at=self._who.now(), actor=self._who.by, causation="imported")

    async def _missing(self, log: ImportLog, workflow: str, version: str) -> list[Stored]:
        """What the log lacks of a definition."""
        stream = definition_stream(workflow)
        here = await _all(log, stream)
        if not here:
            return await _all(self._file, stream)
        facts = [unseal(one, self._catalogue).fact for one in here]
        if any(getattr(one, "workflow_version", "") == version for one in facts):
            return []
        fact = msgspec.structs.replace(self._nets[stream][version], aside=True)
        head = await _head(log, stream)
        return [seal(head, fact, self._who.new_id(), self._stamp())]

    async def _pages(self, one: Planned) -> AsyncIterator[Sequence[Stored]]:
        version = one.here
        while page := await self._file.read(run_stream(one.row.run_id), version, PAGE):
            yield page
            version = page[-1].version


async def _nothing() -> AsyncIterator[Sequence[Stored]]:
    pages: tuple[Sequence[Stored], ...] = ()
    for page in pages:
        yield page


class _Readable(Protocol):
    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]: ...


async def redacted_before(
    store: _Readable, catalogue: Catalogue, run_ids: Iterable[str]
) -> list[str]:
    """The fields whose values were taken out of these runs before they came here."""
    found: dict[str, None] = {}
    for run_id in run_ids:
        for stored in await store.read(import_stream(run_id), 0, PAGE):
            fact = unseal(stored, catalogue).fact
            found |= dict.fromkeys(fact.redacted if isinstance(fact, RunImported) else ())
    return list(found)


async def _is_imported(log: ImportLog, run_id: str) -> bool:
    return bool(await log.read(import_stream(run_id), 0, 1))


async def _all(log: _Readable, stream: str) -> list[Stored]:
    found: list[Stored] = []
    while page := await log.read(stream, len(found), PAGE):
        found += page
    return found


async def _head(log: _Readable, stream: str) -> Head:
    """Where a stream ends."""
    found = await _all(log, stream)
    return Head(stream, len(found), digest(found[-1].state)) if found else Head(stream)


def _placed(where: str, said: str) -> str:
    return said if said.startswith(where) else f"{where}: {said}"


def imported(run_id: str) -> str:
    """What is answered to whoever wants something done with an imported run."""
    return (
        f"run {run_id} was imported: it is the history of another cluster's run, and nothing is "
        "done with it here. A fork of it is a run of this cluster: `dalsegno fork` begins one"
    )
