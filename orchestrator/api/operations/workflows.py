"""Operations about definitions."""
# mypy: disable-error-code="empty-body"

from orchestrator.api.operations.groups import DefinitionText
from orchestrator.api.operations.names import Aside, IdempotencyKey, VersionName, WorkflowName
from orchestrator.api.operations.operation import Carrier, get, post
from orchestrator.api.operations.words import Cursor, Limit
from orchestrator.api.shapes import Checked, Page, RegisteredShown, Workflow, WorkflowRow

WORKFLOWS = "workflows"


class Workflows(Carrier):
    @get("/workflows", WORKFLOWS)
    async def list_workflows(self, *, cursor: Cursor = "", limit: Limit = 20) -> Page[WorkflowRow]:
        """List the registered workflows by name, each with its newest version."""

    @post("/workflows", WORKFLOWS, refusals=(409, 422), status=201)
    async def register_workflow(
        self, text: DefinitionText, *, aside: Aside = False, idempotency_key: IdempotencyKey = ""
    ) -> RegisteredShown:
        """Check a definition and register it; the same content again changes nothing.

        What is wrong with it is answered as `problems`, each with its place and the mend.
        """

    @post("/workflow-checks", WORKFLOWS)
    async def check_workflow(self, text: DefinitionText) -> Checked:
        """Say what is wrong with a definition, without registering it."""

    @get("/workflows/{workflow}", WORKFLOWS, refusals=(404, 409))
    async def show_workflow(self, workflow: WorkflowName, *, version: VersionName = "") -> Workflow:
        """Show a registered definition, with the net that runs execute and a graph to draw."""

    @get("/workflows/{workflow}/versions", WORKFLOWS, refusals=(404,))
    async def list_workflow_versions(
        self, workflow: WorkflowName, *, cursor: Cursor = "", limit: Limit = 20
    ) -> Page[WorkflowRow]:
        """List the versions of a workflow, the newest first."""
