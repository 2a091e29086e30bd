"""Operations about definitions."""
# mypy: disable-error-code="empty-body"

from orchestrator.api.operations.operation import Carrier, get
from orchestrator.api.operations.words import Cursor, Limit, VersionName, WorkflowName
from orchestrator.api.shapes import Page, Workflow, WorkflowRow

WORKFLOWS = "workflows"


class Workflows(Carrier):
    @get("/workflows", WORKFLOWS)
    async def list_workflows(self, *, cursor: Cursor = "", limit: Limit = 20) -> Page[WorkflowRow]:
        """List the registered workflows by name, each with its newest version."""

    @get("/workflows/{workflow}", WORKFLOWS, refusals=(404,))
    async def show_workflow(self, workflow: WorkflowName, *, version: VersionName = "") -> Workflow:
        """Show a registered definition, with the net that runs execute and a graph to draw."""

    @get("/workflows/{workflow}/versions", WORKFLOWS, refusals=(404,))
    async def list_workflow_versions(
        self, workflow: WorkflowName, *, cursor: Cursor = "", limit: Limit = 20
    ) -> Page[WorkflowRow]:
        """List the versions of a workflow, the newest first."""
