"""Verify a whole log: every run, one after the other, and then every append, in order.

    runs     the events of all runs in the order of their index, so that each run is there once and
             whole; the rows of `run_index` and the snapshots come by in the same order, so that
             those of runs that are gone are met
    batches  the batches of the log and its events by position: each event is what was appended,
             none is missing, none was added; and what nodes held at every position
    done

Memory is bounded by the largest run, a page, and the attempts under way. Where it stands is a small
value, from which the next one may go on (`Standing`). Others work meanwhile: what seems wrong is
looked at once more, by itself and in the safe order, before it is told.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import groupby
from typing import Literal

import msgspec

from events.envelope import Stored
from events.ids import run_stream
from orchestrator.replay.audit.findings import Finding
from orchestrator.replay.audit.judging import Judging, Verified
from orchestrator.replay.audit.log_batches import LogBatch, chained, differences
from orchestrator.replay.audit.resources import Held, Resources
from orchestrator.replay.audit.verify import Verifier
from orchestrator.replay.paging import (
    AuditedLog,
    ImportStreams,
    Log,
    Pages,
    Rows,
    SnapshotStreams,
)

RUN = run_stream("")
BATCHES = 200
FINDINGS_MAX = 10_000
"""Told of a log; when there are more, it says so."""


class Standing(msgspec.Struct):
    """How far an audit is, and what it has found. Small, so that it can be kept in a file."""

    log: str = ""
    phase: Literal["runs", "batches", "done"] = "runs"
    run_id: str = ""
    """The last run that was audited."""
    number: int = 0
    """The last batch that was; `digest` and `position`: its own, and where it ended."""
    digest: bytes = b""
    position: int = 0
    runs: int = 0
    events: int = 0
    snapshots: int = 0
    batches: int = 0
    unwitnessed: int = 0
    """Positions of releases without batches."""
    bad_runs: list[str] = []
    findings: list[Finding] = []
    held: Held = msgspec.field(default_factory=Held)

    def found(self, finding: Finding) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)


class LogVerifier:
    """Audits a log from where `standing` is; `tell` is called after each page."""

    def __init__(
        self,
        store: AuditedLog,
        verifier: Verifier,
        standing: Standing,
        tell: Callable[[Standing], Awaitable[None]],
    ) -> None:
        self._store = store
        self._verifier = verifier
        self._standing = standing
        self._tell = tell
        self._ignored = verifier.ignored

    async def run(self) -> Standing:
        """Goes to the end."""
        standing = self._standing
        if standing.phase == "runs":
            await self._runs()
            standing.phase = "batches"
            await self._tell(standing)
        if standing.phase == "batches":
            await self._batches()
            standing.phase = "done"
            await self._tell(standing)
        return standing

    # -- runs ---------------------------------------------------------------------------------

    async def _runs(self) -> None:
        standing = self._standing
        rows, snapshots = (
            Rows(self._store, standing.run_id),
            SnapshotStreams(self._store, standing.run_id),
        )
        after = (run_stream(standing.run_id), 2**62) if standing.run_id else ("", 0)
        imports = ImportStreams(self._store, standing.run_id)
        pages, judging, goes_on = Pages(), None, True
        while page := await self._store.read_streams(RUN, after, pages.limit):
            after = page[-1].stream, page[-1].version
            pages.seen(page)
            for events in _by_stream(page):
                run_id = events[0].stream.removeprefix(RUN)
                if judging is None or judging.run_id != run_id:
                    if judging is not None:
                        await self._ended(judging, imports)
                    judging, goes_on = await self._begun(run_id, rows, snapshots), True
                goes_on = goes_on and await self._verifier.take(judging, events, {})
                standing.events += len(events)
            await self._tell(standing)
        if judging is not None:
            await self._ended(judging, imports)
        await self._strays(await rows.rest(), await snapshots.rest())

    async def _begun(self, run_id: str, rows: Rows, snapshots: SnapshotStreams) -> Judging:
        judging = self._verifier.judging(run_id)
        before, row = await rows.until(run_id)
        strays, has_some = await snapshots.until(run_stream(run_id))
        await self._strays(before, strays)
        judging.expect_row(row)
        if has_some:
            await self._verifier.expect_snapshots(judging)
        return judging

    async def _ended(self, judging: Judging, imports: ImportStreams) -> None:
        imported = await imports.has(judging.run_id)
        verified: Verified | None = self._verifier.finish(judging, imported=imported)
        if verified is not None and verified.findings:
            verified = await self._verifier.run(judging.run_id)
        standing = self._standing
        standing.run_id = judging.run_id
        if verified is None:
            return
        standing.runs += 1
        standing.snapshots += verified.snapshots
        if verified.findings and len(standing.bad_runs) < FINDINGS_MAX:
            standing.bad_runs.append(verified.run_id)
        for finding in verified.findings:
            standing.found(finding)

    async def _strays(self, rows: Sequence[str], streams: Sequence[str]) -> None:
        """Rows and snapshots of runs that seem to have no events."""
        for run_id in rows:
            if await self._is_gone(run_id) and await self._store.index_row(run_id) is not None:
                text = "run_index has a row of it, the log no event: its stream has vanished"
                self._found("run_index", run_id, text)
        for stream in streams:
            run_id = stream.removeprefix(RUN)
            if await self._is_gone(run_id):
                self._found("snapshots", run_id, "there are snapshots of it, and no event")

    async def _is_gone(self, run_id: str) -> bool:
        return not await self._store.read(run_stream(run_id), 0, 1)

    def _found(self, check: str, run_id: str, message: str, position: int = 0) -> None:
        if check in self._ignored:
            return
        if run_id and run_id not in self._standing.bad_runs[-1:]:
            self._standing.bad_runs.append(run_id)
        self._standing.found(
            Finding(check=check, version=0, message=message, run_id=run_id, position=position)
        )

    # -- batches ------------------------------------------------------------------------------

    async def _batches(self) -> None:
        standing, resources = self._standing, Resources(self._standing.held)
        log = Log(self._store, standing.position)
        while page := await self._store.read_batches(standing.number, BATCHES):
            for batch in page:
                self._chain(batch)
                events = await log.until(batch.last)
                await self._witness(batch, events)
                for stored in events:
                    for run_id, message in resources.take(stored):
                        self._found("resources", run_id, message, stored.position or 0)
                standing.number, standing.digest = batch.number, batch.digest
                standing.position = batch.last
                standing.batches += 1
                standing.events += len(events)
            await self._tell(standing)
        await self._unbatched(log)

    def _chain(self, batch: LogBatch) -> None:
        standing = self._standing
        if batch.number != standing.number + 1:
            missing = f"batch {standing.number + 1} of the log is missing"
            self._found("batch", "", f"{missing}: the next one is {batch.number}", batch.first)
        elif batch.digest != chained(standing.digest, batch):
            text = f"batch {batch.number} of the log does not follow the one before it"
            self._found("batch", "", f"{text}: one of the two was changed", batch.first)

    async def _witness(self, batch: LogBatch, events: Sequence[Stored]) -> None:
        """Compares a batch with the events that are there, once more when they differ."""
        if not batch.events:
            self._standing.unwitnessed += batch.last - batch.first + 1
            return
        if not any(True for _ in differences(batch, events)):
            return
        again = await self._store.read_batches(batch.number - 1, 1)
        events = [
            event
            for event in await self._store.read_log(batch.first - 1, batch.events)
            if batch.first <= (event.position or 0) <= batch.last
        ]
        for run_id, position, message in differences(again[0] if again else batch, events):
            self._found("batch", run_id, message, position)

    async def _unbatched(self, log: Log) -> None:
        """Events behind the last batch: a release without batches still appends."""
        left = await log.until(await self._store.last_position())
        newer = await self._store.read_batches(self._standing.number, BATCHES)
        left = [event for event in left if not newer or (event.position or 0) < newer[0].first]
        if left:
            places = f"positions {left[0].position} to {left[-1].position}"
            text = "a release before 0.3.0 still appends here, or rows of log_batch were removed"
            self._found("batch", "", f"events at {places} are in no batch: {text}")


def _by_stream(page: Sequence[Stored]) -> Iterator[list[Stored]]:
    for _, events in groupby(page, key=lambda event: event.stream):
        yield list(events)
