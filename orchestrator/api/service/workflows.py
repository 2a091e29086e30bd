"""Definitions: checked, registered, listed, shown."""

import anyio

from events.api import Registered, RegisterWorkflow
from events.codec import encode
from events.definition import Definition
from orchestrator.api.errors import InvalidRequest
from orchestrator.api.operations.groups import DefinitionText
from orchestrator.api.operations.workflows import Workflows
from orchestrator.api.service import definitions
from orchestrator.api.service.answers import ask
from orchestrator.api.service.base import Served
from orchestrator.api.shapes import (
    Checked,
    DefinitionProblem,
    Page,
    ProblemPlace,
    RegisteredShown,
    Workflow,
    WorkflowRow,
)
from orchestrator.authoring import InvalidDefinition, check, read_yaml
from orchestrator.authoring.check import Report
from orchestrator.authoring.problems import Problem


class WorkflowService(Served, Workflows):
    async def list_workflows(self, *, cursor: str = "", limit: int = 20) -> Page[WorkflowRow]:
        return await definitions.list_workflows(self._ports.log, cursor, limit)

    async def show_workflow(self, workflow: str, *, version: str = "") -> Workflow:
        return await definitions.show_workflow(self._ports.log, workflow, version)

    async def list_workflow_versions(
        self, workflow: str, *, cursor: str = "", limit: int = 20
    ) -> Page[WorkflowRow]:
        return await definitions.list_versions(self._ports.log, workflow, cursor, limit)

    async def register_workflow(
        self, text: DefinitionText, *, aside: bool = False, idempotency_key: str = ""
    ) -> RegisteredShown:
        """Raises `InvalidDefinition` with all problems and their places."""
        definition, report = await anyio.to_thread.run_sync(self._read, text)
        report.accepted()
        request = RegisterWorkflow(actor=self._actor, definition=definition, aside=aside)
        answer = await ask(self._ports.coordinators, request, Registered)
        return RegisteredShown(
            workflow=answer.workflow,
            workflow_version=answer.workflow_version,
            created=answer.created,
        )

    async def check_workflow(self, text: DefinitionText) -> Checked:
        try:
            definition, report = await anyio.to_thread.run_sync(self._read, text)
        except InvalidDefinition as error:
            problems = tuple(map(problem_shown, error.problems))
            return Checked(workflow="", workflow_version="", problems=problems)
        return Checked(
            workflow=definition.name,
            workflow_version=report.workflow_version,
            problems=tuple(map(problem_shown, report.problems)),
        )

    def _read(self, text: DefinitionText) -> tuple[Definition, Report]:
        if bool(text.source) == bool(text.definition):
            raise InvalidRequest("expected `source` or `definition`, one of the two")
        source = text.source or encode(text.definition).decode()
        authored = read_yaml(source, "", self._ports.limits)
        expressions, places = self._ports.expressions, authored.places
        return authored.definition, check(
            authored.definition, expressions, None, places, self._ports.limits
        )


def problem_shown(problem: Problem) -> DefinitionProblem:
    place = problem.place
    return DefinitionProblem(
        code=problem.code,
        where=problem.where,
        message=problem.message,
        place=None if place is None else ProblemPlace(line=place.line, column=place.column),
    )
