"""Looking into the past of runs: from their recordings, which nothing can write to."""

import anyio
import msgspec

from events.catalogue import Catalogue
from events.ids import run_stream
from orchestrator.api.operations.replay import Replay
from orchestrator.api.service.answers import no_run
from orchestrator.api.service.base import Served
from orchestrator.api.service.events import shown
from orchestrator.api.shapes import EventShown, Page
from orchestrator.insight.comparing.runs import Comparison, compare
from orchestrator.insight.timelines.spans import Timeline
from orchestrator.insight.timelines.timeline import timeline
from orchestrator.replay.audit.judging import Verified
from orchestrator.replay.audit.verify import Verifier
from orchestrator.replay.changes import Change, change_at
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.moments import Moment, moment_of
from orchestrator.replay.why.reasons import Reason, StepReason, why_event, why_run, why_step

MOMENT = msgspec.json.Decoder(Moment)


class ReplayService(Served, Replay):
    async def list_run_events(
        self, run_id: str, *, after: int = 0, limit: int = 100
    ) -> Page[EventShown]:
        log, catalogue = self._ports.log, Catalogue()
        found = await log.read(run_stream(run_id), after, limit + 1)
        if not found and (not after or await log.index_row(run_id) is None):
            raise no_run(run_id)
        items = tuple(shown(one, catalogue, self._ports.place) for one in found[:limit])
        return Page(items=items, next=str(items[-1].version) if len(found) > limit else None)

    async def show_state(self, run_id: str, version: int) -> Moment:
        return await self._look.look(run_id, lambda cursor: _moment(cursor.to(version)))

    async def show_state_at(self, run_id: str, at: int) -> Moment:
        return await self._look.look(run_id, lambda cursor: _moment(cursor.to_time(at)))

    async def list_changes(self, run_id: str, version: int) -> Page[Change]:
        changes = await self._look.look(run_id, lambda c: change_at(c.recording, version))
        return Page(items=changes)

    async def explain_event(self, run_id: str, version: int) -> Reason:
        def why(cursor: Cursor) -> Reason:
            return why_event(cursor.recording, version) if version else why_run(cursor.recording)

        return await self._look.look(run_id, why)

    async def explain_step(self, run_id: str, step: str, *, version: int = 0) -> StepReason:
        return await self._look.look(
            run_id, lambda cursor: why_step(cursor.recording, step, version or None)
        )

    async def show_timeline(self, run_id: str) -> Timeline:
        return await self._look.look(
            run_id, lambda c: timeline(run_id, c.recording.events(), c.recording.net)
        )

    async def compare_runs(self, run_id: str, other: str) -> Comparison:
        a, b = await self._look.recording(run_id), await self._look.recording(other)
        return await anyio.to_thread.run_sync(compare, a, b, self._ports.expressions)

    async def verify_run(self, run_id: str) -> Verified:
        ports = self._ports
        most = ports.limits.stream_events_max
        found = await Verifier(ports.log, Catalogue(), ports.shards, most).run(run_id)
        if found is None:
            raise no_run(run_id)
        return found


def _moment(cursor: Cursor) -> Moment:
    """A copy: the next one who asks moves the state on."""
    return MOMENT.decode(msgspec.json.encode(moment_of(cursor)))
