"""Verify: audits a run against the log; what is wrong is named with the event it is wrong at.

What is checked, and what to do about each, is the table in `findings`. Events are read in pages and
forgotten, so that the memory which an audit takes does not grow with the history.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.envelope import Event, Stored, unseal
from events.errors import Corrupt, InvariantViolation
from events.facts import Fact
from events.ids import definition_stream, import_stream, run_stream, shard_of
from events.limits import Limits
from events.run_facts import RunForked, RunStarted
from orchestrator.replay.audit.dependencies import Dependencies
from orchestrator.replay.audit.findings import check_of
from orchestrator.replay.audit.judging import Judging, Verified
from orchestrator.replay.audit.log_batches import event_digest
from orchestrator.replay.naming import named
from orchestrator.replay.ports import IMPORTED, IndexedHistory
from orchestrator.replay.rebuild import Rebuilder
from orchestrator.replay.snapshots import Damaged, Snapshot, SnapshotInfo, SnapshotPlace

__all__ = ["Audited", "Verified", "Verifier"]

PAGE = 1000
NETS_MAX = 64
"""Workflow versions whose nets are remembered."""
HASHES_MAX = 100_000
"""Stored values that are remembered as sound."""


class Audited(IndexedHistory, Protocol):
    """What an audit reads."""

    async def list_snapshots(
        self, stream: str = "", after: SnapshotPlace = SnapshotPlace(), limit: int = 1000
    ) -> list[SnapshotInfo]: ...

    async def find_snapshot(self, place: SnapshotPlace) -> Snapshot | None: ...

    async def load_payload(self, hash_: str) -> bytes | None: ...

    async def kept_digests(self, positions: Sequence[int]) -> Mapping[int, bytes]: ...


class _Trouble(msgspec.Struct, frozen=True):
    """What is wrong with a stored value."""

    check: str
    said: str
    is_absence: bool = False


class Verifier:
    """Audits runs of one log; remembers nets, and which stored values are sound."""

    def __init__(
        self,
        store: Audited,
        catalogue: Catalogue,
        shards: int,
        events_max: int = Limits().stream_events_max,
        ignored: frozenset[str] = frozenset(),
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._rebuilder = Rebuilder(store, catalogue, snapshots=False)
        self._shards = shards
        self._events_max = events_max
        self.ignored = ignored
        self._nets: dict[tuple[str, str], Dependencies | None] = {}
        self._sound: dict[str, _Trouble | None] = {}
        """Hashes of stored values, and what is wrong with each."""

    async def run(self, run_id: str) -> Verified | None:
        """The audit of a run, or None when the log has no events of it. O(events) of time, and of
        memory what the run's state takes."""
        judging = self.judging(run_id)
        # The row and the snapshots first: events only grow, so those that they speak of are there.
        judging.expect_row(await self._store.index_row(run_id))
        await self.expect_snapshots(judging)
        while page := await self._store.read(judging.head.stream, judging.head.version, PAGE):
            kept = await self._kept(page)
            if not await self.take(judging, page, kept) or len(page) < PAGE:
                break
        if not judging.head.version and not judging.findings:
            return None
        imported = bool(await self._store.read(import_stream(run_id), 0, 1))
        return self.finish(judging, imported=imported)

    def judging(self, run_id: str) -> Judging:
        """A run of which nothing was looked at yet."""
        return Judging(run_id, self._catalogue, self.ignored)

    def finish(self, judging: Judging, *, imported: bool) -> Verified:
        """`imported`: the log says that it is the history of another cluster's run."""
        shard = IMPORTED if imported else shard_of(judging.run_id, self._shards)
        return judging.finish(shard, self._events_max)

    async def expect_snapshots(self, judging: Judging) -> None:
        after = SnapshotPlace()
        while infos := await self._store.list_snapshots(run_stream(judging.run_id), after, PAGE):
            for info in infos:
                after = SnapshotPlace(info.stream, info.version, info.kind)
                try:
                    snapshot = await self._store.find_snapshot(after)
                except Corrupt as error:
                    version = error.version if isinstance(error, Damaged) else info.version
                    judging.found("snapshots", version, str(error))
                    continue
                if snapshot is not None:
                    judging.expect_snapshot(snapshot)

    async def _kept(self, page: Sequence[Stored]) -> Mapping[int, bytes]:
        if "batch" in self.ignored:
            return {}
        return await self._store.kept_digests([one.position for one in page if one.position])

    async def take(
        self, judging: Judging, events: Sequence[Stored], kept: Mapping[int, bytes]
    ) -> bool:
        """Judges more events of a run; `kept`: what the batches say of each, by position. Whether
        it can go on."""
        for stored in events:
            digest = kept.get(stored.position or 0)
            if digest is not None and digest != event_digest(stored.state):
                message = f"event {stored.version} of {stored.stream} is not what was appended"
                judging.found("batch", stored.version, message, stored.position)
            try:
                event = judging.decode(stored)
                await self._begin(judging, event)
                judging.take(event)
            except Corrupt as error:
                judging.broken(check_of(error, "chain"), str(error), stored.position)
                return False
            except InvariantViolation as error:
                judging.broken("fold", str(error), stored.position)
                return False
            await self._check_payloads(judging, stored, event.fact)
        return True

    async def _begin(self, judging: Judging, event: Event) -> None:
        fact = event.fact
        judging.state = await self._rebuilder.ground(judging.state, event, judging.kept)
        if isinstance(fact, RunStarted | RunForked):
            judging.dependencies = await self._net(fact.workflow, fact.workflow_version)

    async def _net(self, workflow: str, version: str) -> Dependencies | None:
        """None when it is not in the log, which the definition's own stream would tell."""
        key = workflow, version
        if key not in self._nets:
            if len(self._nets) >= NETS_MAX:
                self._nets.clear()
            self._nets[key] = await self._load_net(workflow, version)
        return self._nets[key]

    async def _load_net(self, workflow: str, version: str) -> Dependencies | None:
        after = 0
        while page := await self._store.read(definition_stream(workflow), after, PAGE):
            for stored in page:
                fact = unseal(stored, self._catalogue).fact
                if isinstance(fact, DefinitionRegistered) and fact.workflow_version == version:
                    return Dependencies(fact.net)
            after = page[-1].version
        return None

    async def _check_payloads(self, judging: Judging, stored: Stored, fact: Fact) -> None:
        if "payloads" in self.ignored:
            return
        for hash_ in named(stored.state + (stored.opened or b""), fact):
            if hash_ not in self._sound:
                if len(self._sound) >= HASHES_MAX:
                    self._sound.clear()
                self._sound[hash_] = await self._trouble(hash_)
            trouble = self._sound[hash_]
            if trouble is None or (trouble.is_absence and judging.has_left_values):
                continue
            judging.found(trouble.check, stored.version, trouble.said, stored.position)

    async def _trouble(self, hash_: str) -> _Trouble | None:
        try:
            data = await self._store.load_payload(hash_)
        except Corrupt as error:
            return _Trouble(check_of(error, "payloads"), str(error))
        if data is not None:
            return None
        return _Trouble("payloads", f"the stored value {hash_} is not there", is_absence=True)
