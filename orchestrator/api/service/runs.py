"""Runs: lists, starting them, what they are now."""

from events.api import (
    Fetched,
    FetchValues,
    KeepValues,
    Kept,
    Queried,
    QueryRun,
    RunAnswer,
    ShowRun,
    StartRun,
)
from events.catalogue import Catalogue
from events.codec import decode
from events.net import Net
from events.values import Value, admit
from events.views import RunView, TaskView
from orchestrator.api.operations.groups import RunsWanted, StartOptions
from orchestrator.api.operations.runs import ALL_RUNS, AS_USUAL, Runs
from orchestrator.api.service.answers import ask, ask_run, no_run
from orchestrator.api.service.base import Served
from orchestrator.api.service.cursors import after_name, names_page
from orchestrator.api.service.definitions import net_of, version_named
from orchestrator.api.service.finding import list_runs, run_query
from orchestrator.api.shapes import KeptValues, Page, QueryResult, RunRow, RunStarted, ValuesPage
from orchestrator.insight.run_view import run_view
from orchestrator.insight.tree import Twig, grow
from orchestrator.replay.rebuild import Rebuilder, Rebuilt


class RunService(Served, Runs):
    async def list_runs(
        self, wanted: RunsWanted = ALL_RUNS, *, cursor: str = "", limit: int = 20
    ) -> Page[RunRow]:
        return await list_runs(self._ports, run_query(wanted, limit), cursor)

    async def start_run(
        self,
        workflow: str,
        *,
        input: Value = None,  # noqa: A002 -- it is called so everywhere
        run_id: str = "",
        options: StartOptions = AS_USUAL,
        wait_s: float = 0.0,
        idempotency_key: str = "",
    ) -> RunStarted:
        version = options.version
        if version:
            version = await version_named(self._ports.log, workflow, version)
        request = StartRun(
            actor=self._actor,
            run_id=self._id(run_id, idempotency_key, "start_run"),
            workflow=workflow,
            workflow_version=version,
            input=admit(input, "input"),
            tags=options.tags,
            attributes=options.attributes,
            build=options.build,
            subject=options.subject,
        )
        answer = await ask(self._ports.coordinators, request, RunAnswer)
        run = answer.run
        if wait_s > 0 and run.ended_at is None:
            run = await self.await_run(run.run_id, wait_s=wait_s)
        return RunStarted(run=run, created=answer.created)

    async def show_run(self, run_id: str) -> RunView:
        """As the log has it: what a coordinator has answered is in there, and nobody need be up."""
        if not self._ports.has_log:
            request = ShowRun(actor=self._actor, run_id=run_id)
            return await ask_run(self._ports.coordinators, request)
        _, view, _ = await self._rebuilt(run_id)
        return view

    async def await_run(self, run_id: str, *, wait_s: float = 10.0) -> RunView:
        return await self._ports.coordinators.await_run(run_id, wait_s)

    async def list_tasks(
        self, run_id: str, *, cursor: str = "", limit: int = 100
    ) -> Page[TaskView]:
        after = after_name(cursor)
        view = await self.show_run(run_id)
        tasks = sorted((task for task in view.tasks if task.name > after), key=lambda t: t.name)
        return names_page(tasks, limit, lambda task: task.name)

    async def show_tree(self, run_id: str) -> Twig:
        found, view, net = await self._rebuilt(run_id)
        events = await Rebuilder(self._ports.log, Catalogue()).events(found.state.run_id)
        return grow(view, net, ((event.fact, event.header.recorded_at) for event in events))

    async def query_run(self, run_id: str, expression: str) -> QueryResult:
        request = QueryRun(actor=self._actor, run_id=run_id, expression=expression)
        answer = await ask(self._ports.coordinators, request, Queried)
        return QueryResult(run_id=run_id, version=answer.version, value=answer.value)

    async def keep_values(self, values: list[Value]) -> KeptValues:
        admitted = [admit(value, f"values[{place}]") for place, value in enumerate(values)]
        request = KeepValues(actor=self._actor, values=admitted)
        return KeptValues(hash=(await ask(self._ports.coordinators, request, Kept)).hash)

    async def fetch_values(self, hash: str, *, first: int = 0) -> ValuesPage:  # noqa: A002
        request = FetchValues(actor=self._actor, hash=hash, first=first)
        answer = await ask(self._ports.coordinators, request, Fetched)
        return ValuesPage(values=decode(answer.values, list, f"chunk {hash}"))

    async def _rebuilt(self, run_id: str) -> tuple[Rebuilt, RunView, Net]:
        log = self._ports.log
        found = await Rebuilder(log, Catalogue()).run(run_id)
        if found is None:
            raise no_run(run_id)
        net = await net_of(log, found.state.workflow, found.state.workflow_version)
        return found, run_view(found.state, net), net
