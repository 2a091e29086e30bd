"""Verify: audits a run against the log; what is wrong is named with the event it is wrong at.

    check       holds when
    chain       every event is there, decodes, and carries the digest of the one before it
    fold        the events fold into a state, one after the other
    length      the run has no more events than a run may have
    invariants  the state is sound after the last event of every decision
    snapshot    every stored snapshot is undamaged, its key is known, it follows its event, and
                equals the fold there; with the events after it, it gives the same last state
    index       the row of `run_index` equals what the fold says

A snapshot of another release's state schema is not judged: it is never read either.
"""

import msgspec

from events.catalogue import Catalogue
from events.envelope import Event, Head, unseal
from events.errors import Corrupt
from events.ids import run_stream, shard_of
from events.limits import Limits
from events.run_facts import RunForked
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.invariants import violations
from orchestrator.kernel.snapshot import fingerprint, restore, state_hash
from orchestrator.kernel.state import RunState
from orchestrator.replay.ports import IndexedHistory, IndexRow, row_of
from orchestrator.replay.rebuild import Rebuilder
from orchestrator.replay.snapshots import Damaged, Snapshot, SnapshotPlace

PAGE = 1000


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong. `version` is the event's place in the run, 0 when it is about none."""

    check: str
    version: int
    message: str


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit of one run found. `state_hash` is that of the last state that folds."""

    run_id: str
    events: int
    snapshots: int = 0
    status: str = ""
    state_hash: str = ""
    findings: tuple[Finding, ...] = ()


class Verifier:
    """Audits runs of one log; holds nothing between calls."""

    def __init__(
        self,
        store: IndexedHistory,
        catalogue: Catalogue,
        shards: int,
        events_max: int = Limits().stream_events_max,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._shards = shards
        self._events_max = events_max

    async def run(self, run_id: str) -> Verified | None:
        """The audit of a run, or None when the log has no events of it. O(events)."""
        # The row first: events only grow, so those that it speaks of are there.
        row = await self._store.index_row(run_id)
        audit = Audit(run_id, row)
        try:
            await self._fold(audit)
            await self._snapshots(audit)
        except Corrupt as error:
            audit.found("chain", audit.head.version + 1, str(error))
        if not audit.head.version and not audit.findings:
            return None
        if audit.head.version > self._events_max:
            message = f"the run has more than {self._events_max} events, the most of any run"
            audit.found("length", audit.head.version, message)
        audit.check_index(shard_of(run_id, self._shards))
        return audit.result()

    async def _fold(self, audit: "Audit") -> None:
        while page := await self._store.read(audit.head.stream, audit.head.version, PAGE):
            for stored in page:
                if stored.version != audit.head.version + 1:
                    raise Corrupt(
                        f"event {audit.head.version + 1} of {audit.head.stream} is missing"
                    )
                event = unseal(stored, self._catalogue)
                if event.header.previous != audit.head.digest:
                    raise Corrupt(
                        f"event {stored.version} of {audit.head.stream} does not follow the stored "
                        "event before it: one of the two was changed"
                    )
                if isinstance(event.fact, RunForked):
                    audit.state = await self._source(event.fact)
                audit.take(event)
            if len(page) < PAGE:
                break
        audit.check_settled()

    async def _source(self, fact: RunForked) -> RunState:
        rebuilder = Rebuilder(self._store, self._catalogue, snapshots=False)
        source = await rebuilder.run(fact.source_run_id, fact.source_version)
        if source is None:
            raise Corrupt(f"the run {fact.source_run_id} that this is a fork of is not in the log")
        return source.state

    async def _snapshots(self, audit: "Audit") -> None:
        place = SnapshotPlace()
        while listed := await self._store.list_snapshots(audit.head.stream, place, PAGE):
            for info in listed:
                place = info.place
                try:
                    snapshot = await self._store.find_snapshot(place)
                except Damaged as error:
                    audit.found("snapshot", error.version, str(error))
                    continue
                if snapshot is not None:  # another one may have made it go
                    audit.check_snapshot(snapshot)


class Audit:
    """One run's audit while it goes on."""

    def __init__(self, run_id: str, row: IndexRow | None) -> None:
        self.head = Head(run_stream(run_id))
        self.state = RunState()
        self.findings: list[Finding] = []
        self._run_id = run_id
        self._row = row
        self._row_of_fold: IndexRow | None = None
        self._events: list[Event] = []
        self._hashes: list[str] = []
        self._snapshots = 0

    def found(self, check: str, version: int, message: str) -> None:
        self.findings.append(Finding(check=check, version=version, message=message))

    def take(self, event: Event) -> None:
        """Folds the next event; the state is judged where one decision's events end."""
        version = event.header.version
        if self._events and event.header.causation != self._events[-1].header.causation:
            self.check_settled()
        try:
            evolve(self.state, event.fact, event.header.recorded_at)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            said = f"{type(error).__name__}: {error}"
            raise Corrupt(f"event {version} ({event.header.type}) does not fold: {said}") from error
        self.head.version, self.head.digest = version, event.digest
        self._events.append(event)
        self._hashes.append(state_hash(self.state))
        if self._row is not None and version == self._row.version:
            self._row_of_fold = row_of(self._run_id, self._row.shard, self.state)

    def check_settled(self) -> None:
        for message in violations(self.state):
            self.found("invariants", self.head.version, message)

    def check_snapshot(self, snapshot: Snapshot) -> None:
        if snapshot.fingerprint != fingerprint():
            return
        self._snapshots += 1
        version = snapshot.version
        if version > len(self._events):
            self.found("snapshot", version, "a snapshot of an event that is not in the log")
            return
        if snapshot.digest != self._events[version - 1].digest:
            self.found("snapshot", version, "the snapshot was taken after another event")
        try:
            state = restore(snapshot.state)
        except Corrupt as error:
            self.found("snapshot", version, str(error))
            return
        if state_hash(state) != self._hashes[version - 1]:
            self.found("snapshot", version, "the snapshot is not the state that the events give")
            return
        for event in self._events[version:]:
            evolve(state, event.fact, event.header.recorded_at)
        if state_hash(state) != self._hashes[-1]:
            self.found("snapshot", version, "snapshot and later events give another last state")

    def check_index(self, shard: int) -> None:
        if not self._events:
            return
        if self._row is None:
            self.found("index", self.head.version, "the run is missing from run_index")
        elif self._row_of_fold is None:
            message = f"run_index is at version {self._row.version}, the log at {self.head.version}"
            self.found("index", self._row.version, message)
        elif self._row.shard != shard:
            self.found("index", self._row.version, f"run_index says shard {self._row.shard}")
        elif self._row != self._row_of_fold:
            self.found("index", self._row.version, self._index_difference())

    def result(self) -> Verified:
        return Verified(
            run_id=self._run_id,
            events=len(self._events),
            snapshots=self._snapshots,
            status=self.state.status if self._events else "",
            state_hash=self._hashes[-1] if self._hashes else "",
            findings=tuple(self.findings),
        )

    def _index_difference(self) -> str:
        said, folded = (
            msgspec.structs.asdict(row) for row in (self._row, self._row_of_fold) if row
        )
        differing = (
            f"{name} {said[name]!r}, the events say {folded[name]!r}"
            for name in said
            if said[name] != folded[name]
        )
        return f"run_index says {'; '.join(differing)}"
