"""Selecting: what belongs to the runs that are exported, in the order in which it can be read.

    definition   up to the version that a run was started with
    sources      of a fork, the first of them first
    the run
    children     if they are asked for: the runs that it started, each with what it stands on

Streams are named once, so a definition that many runs have is there once. Events are read in pages
and given on one by one; nothing is kept of them.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.envelope import Event, Head, Stored, unseal
from events.errors import Corrupt, NotFound
from events.facts import Called, Fact, Flow
from events.ids import definition_stream, run_stream
from events.references import Payload
from events.run_facts import ChildCalled, RunForked, RunStarted
from orchestrator.replay.naming import named, perhaps_named
from orchestrator.replay.paging import Pages
from orchestrator.replay.ports import History

PAGE = 500
RUN = run_stream("")


class Exportable(History, Protocol):
    """A log or a file, as far as exporting reads it."""

    async def load_payload(self, hash_: str) -> bytes | None: ...


class Piece(msgspec.Struct):
    """A stream, up to a version (0: to its end)."""

    stream: str
    until: int = 0


class Block(msgspec.Struct):
    """A run, and the streams that it stands on which no earlier block has."""

    run_id: str
    pieces: list[Piece]
    grounds: tuple[str, ...]
    """All streams that it stands on, itself the last one."""


class Begun(msgspec.Struct, frozen=True):
    """A stream begins."""

    stream: str


class Told(msgspec.Struct, frozen=True):
    """An event of the stream that has begun."""

    stored: Stored
    event: Event


class Ended(msgspec.Struct, frozen=True):
    """A run is there with all that it stands on: `heads` has the end of each of these streams.
    `more`: runs that are to come."""

    run_id: str
    heads: dict[str, tuple[int, str]]
    payloads: int
    more: int


Item = Begun | Told | Payload | Ended


class Selection(msgspec.Struct):
    """`run_ids`: those that were asked for."""

    run_ids: tuple[str, ...]
    blocks: list[Block]


async def select(
    store: History, catalogue: Catalogue, run_ids: Sequence[str], *, children: bool = False
) -> Selection:
    """What to export. Raises `NotFound` when there is no such run, `Corrupt`."""
    return await _Selecting(store, catalogue).all(run_ids, children=children)


class _Selecting:
    def __init__(self, store: History, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue
        self._pieces: dict[str, Piece] = {}
        self._versions: dict[tuple[str, str], int] = {}

    async def all(self, run_ids: Sequence[str], *, children: bool) -> Selection:
        asked = tuple(dict.fromkeys(run_ids))
        waiting, blocks, seen = list(reversed(asked)), list[Block](), set[str]()
        while waiting:
            run_id = waiting.pop()
            if run_id in seen:
                continue
            seen.add(run_id)
            blocks.append(await self._block(run_id))
            if children:
                called = [one async for one in self._called(blocks[-1])]
                waiting += reversed([one for one in called if one not in seen])
        return Selection(asked, blocks)

    async def _block(self, run_id: str) -> Block:
        grounds: list[str] = []
        pieces: list[Piece] = []
        for stream, until in await self._grounds(run_id):
            grounds.append(stream)
            known = self._pieces.get(stream)
            if known is None:
                known = self._pieces[stream] = Piece(stream, until)
                pieces.append(known)
            known.until = max(known.until, until)
        return Block(run_id, pieces, tuple(grounds))

    async def _grounds(self, run_id: str) -> list[tuple[str, int]]:
        """What the run stands on, first things first, and the run."""
        streams, versions = [run_stream(run_id)], list[tuple[str, str]]()
        while True:
            first = await self._store.read(streams[0], 0, 1)
            if not first:
                raise NotFound(
                    f"there is no run {run_id}: `dalsegno run list` shows those there are"
                )
            fact = unseal(first[0], self._catalogue).fact
            if not isinstance(fact, RunForked | RunStarted):
                raise Corrupt(f"{streams[0]} begins with {fact.TYPE}: a run is started or forked")
            versions.insert(0, (fact.workflow, fact.workflow_version))
            if isinstance(fact, RunStarted):
                break
            streams.insert(0, run_stream(fact.source_run_id))
        definitions: dict[str, int] = {}
        for workflow, version in versions:
            stream, place = definition_stream(workflow), await self._place(workflow, version)
            definitions[stream] = max(definitions.get(stream, 0), place)
        return [*definitions.items(), *((stream, 0) for stream in streams)]

    async def _place(self, workflow: str, version: str) -> int:
        """Where a version of a workflow was registered first, in the stream of its definitions."""
        found = self._versions.get((workflow, version))
        if found is not None:
            return found
        after = 0
        while page := await self._store.read(definition_stream(workflow), after, PAGE):
            for stored in page:
                fact = unseal(stored, self._catalogue).fact
                if isinstance(fact, DefinitionRegistered):
                    self._versions.setdefault((workflow, fact.workflow_version), stored.version)
            after = page[-1].version
        found = self._versions.get((workflow, version))
        if found is None:
            raise Corrupt(
                f"version {version} of {workflow} is not in the log: the run cannot be exported "
                "without it"
            )
        return found

    async def _called(self, block: Block) -> AsyncIterator[str]:
        """The runs that a run, or what it was forked from, has started; those that have begun."""
        for piece in block.pieces:
            if not piece.stream.startswith(RUN):
                continue
            async for _, event in follow(self._store, self._catalogue, piece):
                for called in calls_of(event.fact):
                    if await self._store.read(run_stream(called.run_id), 0, 1):
                        yield called.run_id


def calls_of(fact: Fact) -> tuple[Called, ...]:
    """The calls of other runs that a fact records."""
    if isinstance(fact, ChildCalled):
        return (fact.call,)
    if isinstance(fact, RunForked):
        return tuple(one.call for one in fact.renewed if one.call is not None)
    flow = getattr(fact, "flow", None)
    renewed = getattr(fact, "renewed", ())
    calls = flow.calls if isinstance(flow, Flow) else ()
    return (*calls, *(one.call for one in renewed if getattr(one, "call", None) is not None))


async def follow(
    store: History, catalogue: Catalogue, piece: Piece
) -> AsyncIterator[tuple[Stored, Event]]:
    """The events of a stream, each decoded and checked against the one before. Raises `Corrupt`."""
    head, pages = Head(piece.stream), Pages()
    while page := await store.read(piece.stream, head.version, pages.limit):
        pages.seen(page)
        for stored in page:
            yield stored, next_event(head, stored, catalogue)
            if head.version == piece.until:
                return
        del page  # or there would be two of them while the next one is read


def next_event(head: Head, stored: Stored, catalogue: Catalogue) -> Event:
    """Decodes the event after `head` and moves it. Raises `Corrupt` when the chain is broken."""
    event = unseal(stored, catalogue)
    if stored.version != head.version + 1 or event.header.previous != head.digest:
        raise Corrupt(
            f"event {stored.version} of {stored.stream} does not follow event {head.version}: "
            "events are missing, or one of the two was changed"
        )
    head.version, head.digest = stored.version, event.digest
    return event


async def walk(
    store: Exportable, catalogue: Catalogue, selection: Selection
) -> AsyncIterator[Item]:
    """All that is exported, in order. Values that are stored apart come behind the run that names
    them; of personal runs they stay out, as what is in them is sealed nowhere else."""
    heads: dict[str, tuple[int, str]] = {}
    values = _Values(store)
    for more, block in zip(reversed(range(len(selection.blocks))), selection.blocks, strict=True):
        count = values.count
        for piece in block.pieces:
            yield Begun(piece.stream)
            async for stored, event in follow(store, catalogue, piece):
                values.note(stored, event)
                heads[piece.stream] = stored.version, event.digest
                yield Told(stored, event)
        async for payload in values.noted():
            yield payload
        ends = {stream: heads[stream] for stream in block.grounds}
        yield Ended(block.run_id, ends, values.count - count, more)


class _Values:
    """The stored values that events name, each once."""

    def __init__(self, store: Exportable) -> None:
        self._store = store
        self._seen: set[bytes] = set()
        self._waiting: list[str] = []
        self._personal: set[str] = set()
        self.count = 0

    def note(self, stored: Stored, event: Event) -> None:
        fact = event.fact
        if isinstance(fact, RunStarted) and fact.subject:
            self._personal.add(stored.stream)
        if isinstance(fact, RunForked) and run_stream(fact.source_run_id) in self._personal:
            self._personal.add(stored.stream)
        if stored.stream.startswith(RUN) and stored.stream not in self._personal:
            self._ask(named(stored.state, fact))

    def _ask(self, hashes: Sequence[str]) -> None:
        for hash_ in hashes:
            key = bytes.fromhex(hash_)
            if key not in self._seen:
                self._seen.add(key)
                self._waiting.append(hash_)

    async def noted(self) -> AsyncIterator[Payload]:
        while self._waiting:
            hash_ = self._waiting.pop(0)
            data = await self._store.load_payload(hash_)
            if data is None:
                continue
            self._ask(perhaps_named(data))
            self.count += 1
            yield Payload(hash=hash_, data=data)
