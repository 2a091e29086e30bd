"""Redacting: runs as they are, but without the values of some fields, anywhere.

    look     every event, definition and stored value: what is at the fields is gathered
    rename   what was made of these values and would betray them: ids of runs that contain one, and
             of what they started; versions of definitions; hashes of stored values
    read     the same streams under their new names: each text and value without them, each event
             chained to the one before it anew

So a redacted history is another history of the same shape: it folds, replays and verifies, and
nothing in it is a digest of what was taken out, for whoever guesses a value could find it by that.
Values of personal runs are taken out altogether. What is written is looked through once more, and
nothing is exported in which a value is still to be found.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.codec import decode, encode
from events.codec import digest as digest_of
from events.envelope import PERSONAL_MARK, Event, Head, Stored, unseal
from events.errors import Corrupt, Rejected
from events.ids import run_stream, traceparent
from events.references import ListReference, Payload
from events.values import Value
from orchestrator.replay.exchange.covering import TOKEN, Covered, stored_list
from orchestrator.replay.exchange.opened import WithoutCluster
from orchestrator.replay.exchange.selecting import (
    Ended,
    Exportable,
    Selection,
    Told,
    calls_of,
    select,
    walk,
)
from orchestrator.replay.fields import Chosen, Field, Path, Rewriting, rewritten, words
from orchestrator.replay.naming import perhaps_named

RUN = run_stream("")
TEMPLATE = "${"
SEALING = ("codec", "key_id", "sealed")
TEXTS = ("id", "stream", "actor", "causation", "correlation", "namespace")
VERSION_CHARS = 20


class Redaction(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, and what came of it: values that were looked for everywhere, and those
    that are too short or too common for that."""

    fields: tuple[str, ...]
    run_ids: tuple[str, ...]
    values: int
    weak: int


async def redacted(
    store: Exportable,
    catalogue: Catalogue,
    run_ids: Sequence[str],
    fields: Sequence[Field],
    *,
    children: bool = False,
) -> "tuple[Redacted, Redaction]":
    """The runs as a history without these values. Reads them twice; holds the values.

    Raises `Rejected` when nothing is at a field, and like `select`.
    """
    source = _Unsealed(store)
    looking = _Looking(source, catalogue, Chosen(tuple(fields)))
    selection = await select(source, catalogue, run_ids, children=children)
    covered = await looking.all(selection)
    history = Redacted(source, catalogue, covered)
    await history.rename(selection, looking)
    told = Redaction(
        fields=tuple(field.text for field in fields),
        run_ids=tuple(map(covered.text, selection.run_ids)),
        values=covered.strong,
        weak=covered.weak,
    )
    if len(set(told.run_ids)) < len(told.run_ids):
        raise Rejected("without these values two of the runs have the same id: export them apart")
    return history, told


class _Unsealed(WithoutCluster):
    """The same without what is sealed."""

    def __init__(self, store: Exportable) -> None:
        self._store = store

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        return [
            msgspec.structs.replace(one, opened=b"") if PERSONAL_MARK in one.state else one
            for one in await self._store.read(stream, after, limit)
        ]

    async def load_payload(self, hash_: str) -> bytes | None:
        return await self._store.load_payload(hash_)


class _Looking:
    """The first reading: values at the fields, and what else there is to rename."""

    def __init__(self, store: Exportable, catalogue: Catalogue, chosen: Chosen) -> None:
        self._store = store
        self._catalogue = catalogue
        self._chosen = chosen
        self._covered = Covered(words())
        self._chunks: list[tuple[str, Path | None]] = []
        """Of stored lists, with the path that these are at; without when all in them is taken."""
        self.payloads: list[str] = []
        self.calls: dict[str, list[str]] = {}

    async def all(self, selection: Selection) -> Covered:
        async for item in walk(self._store, self._catalogue, selection):
            if isinstance(item, Told):
                self._event(item.event)
            elif isinstance(item, Payload):
                self.payloads.append(item.hash)
                self._gather(_value(item), ())
            elif isinstance(item, Ended):
                continue
        await self._look_into_lists()
        if unmet := self._chosen.unmet:
            raise Rejected(
                f"nothing in these runs is at {', '.join(unmet)}: expected fields that are there, "
                "such as `dalsegno events show RUN --json` shows them"
            )
        return self._covered

    async def _look_into_lists(self) -> None:
        """And into those that they name."""
        seen: set[tuple[str, Path | None]] = set()
        while self._chunks:
            hash_, path = chunk = self._chunks.pop()
            data = None if chunk in seen else await self._store.load_payload(hash_)
            seen.add(chunk)
            if data is None:
                continue
            value = _value(Payload(hash=hash_, data=data))
            if path is None:
                self._add(value)
            else:
                self._gather(value, path)

    def _event(self, event: Event) -> None:
        fact, stream = event.fact, event.header.stream
        is_definition = isinstance(fact, DefinitionRegistered)
        take = self._take_constants if is_definition else self._take
        rewritten(fact, Rewriting(take, _same))
        for called in calls_of(fact):
            self.calls.setdefault(stream.removeprefix(RUN), []).append(called.run_id)

    def _take(self, value: Value, path: Path) -> Value:
        self._gather(value, path)
        return value

    def _take_constants(self, value: Value, path: Path) -> Value:
        """In a definition, what is computed is no value yet."""
        for found in self._chosen.within(value, path):
            self._covered.add(_constants(found))
        return value

    def _gather(self, value: Value, path: Path) -> None:
        for found in self._chosen.within(value, path):
            self._add(found)
        for where, listed in _lists(value, path):
            self._chunks += ((one.hash, where) for one in listed.chunks if one.hash)

    def _add(self, value: Value) -> None:
        self._covered.add(value)
        for _, listed in _lists(value, ()):
            self._chunks += ((one.hash, None) for one in listed.chunks if one.hash)


class Redacted(WithoutCluster):
    """A history without the values; read streams from their beginning, or each page costs all
    before it."""

    def __init__(self, store: Exportable, catalogue: Catalogue, covered: Covered) -> None:
        self._store = store
        self._catalogue = catalogue
        self._covered = covered
        self._streams: dict[str, str] = {}
        self._payloads: dict[str, str] = {}
        self._heads: dict[str, Head] = {}
        self._by = Rewriting(lambda value, _: covered.value(value), covered.text)

    # -- renaming ---------------------------------------------------------------------------------

    async def rename(self, selection: Selection, found: _Looking) -> None:
        self._rename_runs(selection, found.calls)
        for hash_ in found.payloads:
            await self._rename_payload(hash_, set())
        pieces = [piece.stream for block in selection.blocks for piece in block.pieces]
        await self._rename_versions([one for one in pieces if not one.startswith(RUN)])
        self._streams = {self._covered.text(stream): stream for stream in pieces}
        if len(self._streams) < len(pieces):
            raise Rejected("without these values two streams have the same name: export them apart")

    def _rename_runs(self, selection: Selection, calls: dict[str, list[str]]) -> None:
        """Runs with a value in their ids, and what was made of these ids."""
        streams = [piece.stream for block in selection.blocks for piece in block.pieces]
        waiting = [one.removeprefix(RUN) for one in streams if one.startswith(RUN)]
        seen: set[str] = set()
        renamed = 0
        while waiting:
            run_id = waiting.pop()
            if run_id in seen or self._covered.text(run_id) == run_id:
                continue
            seen.add(run_id)
            self._rename_trace(run_id)
            for called in calls.get(run_id, ()):
                if self._covered.text(called) == called:
                    renamed += 1
                    self._covered.put(called, f"{TOKEN}-run-{renamed}")
                waiting.append(called)

    def _rename_trace(self, run_id: str) -> None:
        old, new = traceparent(run_id), traceparent(self._covered.text(run_id))
        for before, after in zip(old.split("-")[1:3], new.split("-")[1:3], strict=True):
            self._covered.put(before, after)

    async def _rename_payload(self, hash_: str, seen: set[str]) -> None:
        """What it names first: its own hash follows from theirs."""
        data = await self._store.load_payload(hash_)
        if data is None or hash_ in seen or hash_ in self._payloads.values():
            return
        seen.add(hash_)
        for inner in perhaps_named(data):
            await self._rename_payload(inner, seen)
        payload = self._without(Payload(hash=hash_, data=data))
        self._check(payload.data, f"stored value {hash_}")
        if payload.hash != hash_:
            self._payloads[payload.hash] = hash_
            self._covered.put(hash_, payload.hash)

    def _without(self, payload: Payload) -> Payload:
        value = _value(payload)
        covered = self._covered.value(value)
        return payload if covered == value else Payload.of(encode(covered))

    async def _rename_versions(self, streams: Iterable[str]) -> None:
        """Until none changes: a definition may name the version of another one."""
        streams, changes = list(streams), True
        while changes:
            changes = False
            for stream in streams:
                for fact in await self._definitions(stream):
                    version = fact.workflow_version
                    bare = msgspec.structs.replace(fact, workflow_version="")
                    data = encode(rewritten(bare, self._by))
                    if data != encode(bare) and self._covered.text(version) == version:
                        sha = hashlib.sha256(data).hexdigest()
                        self._covered.put(version, sha[:VERSION_CHARS])
                        changes = True

    async def _definitions(self, stream: str) -> list[DefinitionRegistered]:
        found: list[DefinitionRegistered] = []
        after = 0
        while page := await self._store.read(stream, after, 100):
            facts = [unseal(one, self._catalogue).fact for one in page]
            found += [one for one in facts if isinstance(one, DefinitionRegistered)]
            after = page[-1].version
        return found

    # -- reading ----------------------------------------------------------------------------------

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        source = self._streams.get(stream)
        if source is None:
            return []
        head = self._heads.get(stream)
        if head is None or head.version != after:
            head = self._heads[stream] = Head(stream)
            while head.version < after:
                skipped = await self._page(head, source, min(1000, after - head.version))
                if not skipped:
                    return []
        return await self._page(head, source, limit)

    async def _page(self, head: Head, source: str, limit: int) -> list[Stored]:
        found = await self._store.read(source, head.version, limit)
        return [self._event(head, stored) for stored in found]

    def _event(self, head: Head, stored: Stored) -> Stored:
        event = unseal(stored, self._catalogue)
        plain = decode(stored.state, dict, f"event {stored.version} of {stored.stream}")
        text = self._covered.text
        made: dict[str, object] = {}
        for name, value in plain.items():
            if name in SEALING:
                continue
            made[name] = text(value) if name in TEXTS and isinstance(value, str) else value
        if parts := str(made.get("traceparent", "")):
            made["traceparent"] = "-".join(map(text, parts.split("-")))
        made["type"] = event.fact.TYPE
        if head.digest:
            made["previous"] = head.digest
        made["data"] = rewritten(event.fact, self._by)
        state = encode(made)
        self._check(state, f"event {stored.version} of {stored.stream}")
        head.version, head.digest = stored.version, digest_of(state)
        return Stored(head.stream, stored.version, event.fact.TYPE, state, opened=b"")

    def _check(self, data: bytes, where: str) -> None:
        if self._covered.found_in(data.decode()):
            raise Rejected(
                f"a value that is to be taken out is still in {where}, where it cannot be: nothing "
                "was exported; this is a bug of ours"
            )

    async def load_payload(self, hash_: str) -> bytes | None:
        data = await self._store.load_payload(self._payloads.get(hash_, hash_))
        if data is None or hash_ not in self._payloads:
            return data
        return self._without(Payload(hash=self._payloads[hash_], data=data)).data


def _value(payload: Payload) -> Value:
    try:
        value: Value = msgspec.json.decode(payload.data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Corrupt(f"the stored value {payload.hash} is no JSON: {error}") from error
    return value


def _lists(value: Value, path: Path) -> Iterator[tuple[Path, ListReference]]:
    """The stored lists that a value names, itself included, with their paths."""
    if (found := stored_list(value)) is not None:
        yield path, found
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _lists(item, (*path, name))
    elif isinstance(value, list):
        for item in value:
            yield from _lists(item, path)


def _constants(value: Value) -> Value:
    """A value of a definition without what is computed."""
    if isinstance(value, dict):
        return {name: _constants(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_constants(item) for item in value]
    return None if isinstance(value, str) and TEMPLATE in value else value


def _same(text: str) -> str:
    return text
