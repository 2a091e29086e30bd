"""Judging one run: its events one after the other, against every rule that a run has to keep.

Holds the run's state and, of each snapshot, what it says the state is: never the events. So an
audit of a run takes the memory that the run itself takes, however long its history is.
"""

from collections.abc import Iterator, Sequence

import msgspec

from events.catalogue import Catalogue
from events.envelope import Event, Head, Stored, unseal
from events.errors import Corrupt, InvariantViolation
from events.ids import run_stream
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.invariants import violations
from orchestrator.kernel.snapshot import fingerprint, restore, state_hash
from orchestrator.kernel.state import RunState
from orchestrator.replay.audit.dependencies import Dependencies, flow_of
from orchestrator.replay.audit.findings import Finding
from orchestrator.replay.audit.times import untimely
from orchestrator.replay.audit.transitions import RUN_BEFORE, STEP_BEFORE, forbidden
from orchestrator.replay.ports import IMPORTED, IndexRow, row_of
from orchestrator.replay.rebuild import Kept
from orchestrator.replay.snapshots import Snapshot

FINDINGS_MAX = 100
"""Of one run; what is broken early breaks much after it."""

STEPS_A_LOOK = 64
"""A state with more steps than this is looked through after more than one event."""


class Seen(msgspec.Struct, frozen=True):
    """What a snapshot says: after which event it was taken, and the hash of its state."""

    version: int
    digest: str
    state_hash: str


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit of one run found. `state_hash` is that of the last state that folds."""

    run_id: str
    events: int
    snapshots: int = 0
    status: str = ""
    state_hash: str = ""
    findings: tuple[Finding, ...] = ()


class Judging:
    """One run while it is audited. Give it all events in order, then `finish`."""

    def __init__(self, run_id: str, catalogue: Catalogue, ignored: frozenset[str]) -> None:
        self.run_id = run_id
        self.head = Head(run_stream(run_id))
        self.state = RunState()
        self.findings: list[Finding] = []
        self.dependencies: Dependencies | None = None
        """The rules of the run's net, once it is known."""
        self.kept: Kept = {}
        """States at versions that it was restored to."""
        self._catalogue = catalogue
        self._ignored = ignored
        self._causation = ""
        self._unjudged = 0
        self._by_hand = False
        self._row: IndexRow | None = None
        self._row_of_fold: IndexRow | None = None
        self._snapshots: dict[int, list[Seen]] = {}
        self._judged_snapshots = 0
        self._broken = False

    # -- what is compared with the events -----------------------------------------------------

    def expect_row(self, row: IndexRow | None) -> None:
        """The row of the index, read before the events: they only grow."""
        self._row = row

    @property
    def has_left_values(self) -> bool:
        """Whether its stored values stayed where it came from: personal, it was imported."""
        return self._row is not None and self._row.shard == IMPORTED and bool(self.state.subject)

    def expect_snapshot(self, snapshot: Snapshot) -> None:
        """One of another release's state schema is not judged: it is never read either."""
        if snapshot.fingerprint != fingerprint():
            return
        self._judged_snapshots += 1
        try:
            found = state_hash(restore(snapshot.state))
        except Corrupt as error:
            self.found("snapshots", snapshot.version, str(error))
            return
        seen = Seen(snapshot.version, snapshot.digest, found)
        self._snapshots.setdefault(snapshot.version, []).append(seen)

    def found(self, check: str, version: int, message: str, position: int | None = None) -> None:
        if check in self._ignored or len(self.findings) >= FINDINGS_MAX:
            return
        finding = Finding(
            check=check,
            version=version,
            message=message,
            run_id=self.run_id,
            position=position or 0,
        )
        self.findings.append(finding)

    # -- events -------------------------------------------------------------------------------

    def decode(self, stored: Stored) -> Event:
        """The next event; raises `Corrupt` when it is not there, or is not what it was."""
        head = self.head
        if stored.version != head.version + 1:
            raise Corrupt(f"event {head.version + 1} of {head.stream} is missing")
        event = unseal(stored, self._catalogue)
        if event.header.previous != head.digest:
            raise Corrupt(
                f"event {stored.version} of {head.stream} does not follow the stored event before "
                "it: one of the two was changed"
            )
        return event

    def take(self, event: Event) -> None:
        """Judges the event that `decode` gave, and folds it; `state` of a fork is its source's by
        then, of a restore the earlier one. Raises `InvariantViolation` when it does not fold."""
        header, fact = event.header, event.fact
        first = not self.head.version
        if not first and header.causation != self._causation:
            self._look(len(self.state.steps) // STEPS_A_LOOK)
        self._causation = header.causation
        for message in forbidden(self.state, fact, first=first):
            self.found("transitions", header.version, message)
        for message in untimely(self.state, fact, header.recorded_at, first=first):
            self.found("times", header.version, message)
        self._fold(event)
        self._unjudged += 1
        self._judge_flow(event)
        self._compare(event)

    def _fold(self, event: Event) -> None:
        try:
            evolve(self.state, event.fact, event.header.recorded_at)
        except (LookupError, ValueError, TypeError, AttributeError, InvariantViolation) as error:
            raise InvariantViolation(f"{event.header.type} does not fold: {error}") from error
        self.head.version, self.head.digest = event.header.version, event.digest

    def _judge_flow(self, event: Event) -> None:
        flow = flow_of(event.fact)
        known = type(event.fact) in RUN_BEFORE or type(event.fact) in STEP_BEFORE
        if flow is None:
            self._by_hand = self._by_hand or not (known or hasattr(event.fact, "forgotten"))
        elif self.dependencies is not None and not self._by_hand and self.state.part is None:
            for message in self.dependencies.early(self.state, flow):
                self.found("dependencies", event.header.version, message)

    def _look(self, patience: int) -> None:
        """Judges the state where one decision's events end, of large ones not each time."""
        if self._unjudged <= patience:
            return
        self._unjudged = 0
        for message in violations(self.state):
            self.found("invariants", self.head.version, message)

    def _compare(self, event: Event) -> None:
        version = self.head.version
        if self._row is not None and version == self._row.version:
            self._row_of_fold = row_of(self.run_id, self._row.shard, self.state)
        for seen in self._snapshots.pop(version, ()):
            if seen.digest != event.digest:
                self.found("snapshots", version, "the snapshot was taken after another event")
            if seen.state_hash != state_hash(self.state):
                message = "the snapshot is not the state that the events give"
                self.found("snapshots", version, message)

    def broken(self, check: str, message: str, position: int | None = None) -> None:
        """Nothing after this can be judged."""
        self._broken = True
        self.found(check, self.head.version + 1, message, position)

    # -- the end ------------------------------------------------------------------------------

    def finish(self, shard: int, events_max: int) -> Verified:
        """What was found, once the last event was taken. `shard`: that the run belongs to."""
        if not self._broken:
            self._look(-1)
            for version in self._snapshots:
                message = "a snapshot of an event that is not in the log"
                self.found("snapshots", version, message)
        if self.head.version > events_max:
            message = f"the run has more than {events_max} events, the most of any run"
            self.found("length", self.head.version, message)
        if self.head.version and not self._broken:
            self._check_row(shard)
        return Verified(
            run_id=self.run_id,
            events=self.head.version,
            snapshots=self._judged_snapshots,
            status=self.state.status if self.head.version else "",
            state_hash=state_hash(self.state) if self.head.version else "",
            findings=tuple(sorted(self.findings, key=lambda finding: finding.check == "run_index")),
        )

    def _check_row(self, shard: int) -> None:
        row = self._row
        if row is None:
            self.found("run_index", self.head.version, "the run is missing from run_index")
        elif self._row_of_fold is None:
            message = f"run_index is at version {row.version}, the log at {self.head.version}"
            if row.version > self.head.version:
                message += ": the events after it have vanished"
            self.found("run_index", row.version, message)
        elif row.shard != shard:
            self.found("run_index", row.version, f"run_index says shard {row.shard}")
        elif row != self._row_of_fold:
            message = f"run_index says {'; '.join(_differences(row, self._row_of_fold))}"
            self.found("run_index", row.version, message)


def _differences(said: IndexRow, folded: IndexRow) -> Iterator[str]:
    names: Sequence[str] = IndexRow.__struct_fields__
    for name in names:
        if getattr(said, name) != getattr(folded, name):
            yield f"{name} {getattr(said, name)!r}, the events say {getattr(folded, name)!r}"
