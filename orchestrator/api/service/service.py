"""The service: every operation, carried out over the ports."""

from events.views import RunView
from orchestrator.api.errors import InvalidRequest
from orchestrator.api.operations.all import Operations
from orchestrator.api.operations.operation import Feed
from orchestrator.api.service import definitions, feeds, runs
from orchestrator.api.service.ports import Ports
from orchestrator.api.service.recordings import Recordings
from orchestrator.api.shapes import (
    EventNews,
    EventShown,
    Page,
    RunNews,
    RunRow,
    Workflow,
    WorkflowRow,
)
from orchestrator.insight.filters import Filter
from orchestrator.insight.finding import RunQuery
from orchestrator.replay.moments import Moment


class Service(Operations):
    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._recordings = Recordings(ports.log)

    async def list_workflows(self, *, cursor: str = "", limit: int = 20) -> Page[WorkflowRow]:
        return await definitions.list_workflows(self._ports.log, cursor, limit)

    async def show_workflow(self, workflow: str, *, version: str = "") -> Workflow:
        return await definitions.show_workflow(self._ports.log, workflow, version)

    async def list_workflow_versions(
        self, workflow: str, *, cursor: str = "", limit: int = 20
    ) -> Page[WorkflowRow]:
        return await definitions.list_versions(self._ports.log, workflow, cursor, limit)

    async def list_runs(
        self,
        *,
        status: str = "",
        workflow: str = "",
        since: int = 0,
        until: int = 0,
        cursor: str = "",
        limit: int = 20,
    ) -> Page[RunRow]:
        query = RunQuery(
            status=status,
            workflow=workflow,
            since=since or None,
            until=until or None,
            limit=limit,
        )
        return await runs.list_runs(self._ports, query, cursor)

    async def show_run(self, run_id: str) -> RunView:
        return await runs.show_run(self._ports.log, run_id)

    async def list_run_events(
        self, run_id: str, *, after: int = 0, limit: int = 100
    ) -> Page[EventShown]:
        return await runs.list_events(self._ports, run_id, after, limit)

    async def show_state(self, run_id: str, version: int) -> Moment:
        return await self._recordings.moment(run_id, version)

    def follow_runs(
        self, *, status: str = "", workflow: str = "", after: str = "", last_event_id: str = ""
    ) -> Feed[RunNews]:
        return feeds.follow_runs(
            self._ports,
            feeds.RunsWanted(status=status, workflow=workflow),
            last_event_id or after,
        )

    def follow_run(
        self, run_id: str, *, after: int = 0, last_event_id: str = ""
    ) -> Feed[EventNews]:
        version = _version(last_event_id) if last_event_id else after
        return feeds.follow_run(self._ports, run_id, version)

    def follow_events(
        self, *, type_: str = "", workflow: str = "", after: str = "", last_event_id: str = ""
    ) -> Feed[EventNews]:
        return feeds.follow_events(
            self._ports,
            Filter(types=(type_,) if type_ else (), workflows=(workflow,) if workflow else ()),
            last_event_id or after,
        )


def _version(text: str) -> int:
    if not text.isdecimal():
        raise InvalidRequest(f"Last-Event-ID is {text!r}: expected the version of an event")
    return int(text)
