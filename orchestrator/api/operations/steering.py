"""Operations that steer a run that is open, or mend it."""
# mypy: disable-error-code="empty-body"

from events.views import RunView
from orchestrator.api.operations.groups import Deed, SettledDeed
from orchestrator.api.operations.names import (
    ActionId,
    Build,
    Code,
    IdempotencyKey,
    NodeOrNone,
    OffNodes,
    RunId,
    SignalName,
    StepName,
    Token,
    UpdateName,
)
from orchestrator.api.operations.operation import Carrier, post
from orchestrator.api.operations.words import Data, Message, Output, Reason, Retryable, Unsettled
from orchestrator.api.shapes import UpdateResult

STEERING = "steering"
STEPS = "steps"
TASKS = "tasks"
DEED, SETTLED_DEED = Deed(), SettledDeed()
REFUSALS = (404, 409, 422)


class Steering(Carrier):
    @post("/runs/{run_id}/cancel", STEERING, refusals=REFUSALS)
    async def cancel_run(
        self, run_id: RunId, *, reason: Reason = "", idempotency_key: IdempotencyKey = ""
    ) -> RunView:
        """Cancel a run: nothing new starts, what runs is asked back."""

    @post("/runs/{run_id}/terminate", STEERING, refusals=REFUSALS)
    async def terminate_run(
        self,
        run_id: RunId,
        *,
        reason: Reason = "",
        unsettled: Unsettled = False,
        idempotency_key: IdempotencyKey = "",
    ) -> RunView:
        """End a run at once, as failed, without waiting for nodes."""

    @post("/runs/{run_id}/pause", STEERING, refusals=REFUSALS)
    async def pause_run(
        self, run_id: RunId, *, reason: Reason = "", idempotency_key: IdempotencyKey = ""
    ) -> RunView:
        """Dispatch nothing new and let no timer fire until the run is resumed."""

    @post("/runs/{run_id}/resume", STEERING, refusals=REFUSALS)
    async def resume_run(
        self, run_id: RunId, *, reason: Reason = "", idempotency_key: IdempotencyKey = ""
    ) -> RunView:
        """Let a paused run go on."""

    @post("/runs/{run_id}/repin", STEERING, refusals=REFUSALS)
    async def repin_run(
        self,
        run_id: RunId,
        *,
        build: Build = "",
        reason: Reason = "",
        idempotency_key: IdempotencyKey = "",
    ) -> RunView:
        """Give the tasks of a run to nodes of another build from now on; empty: to any."""

    @post("/runs/{run_id}/signals", STEERING, refusals=REFUSALS)
    async def signal_run(
        self,
        run_id: RunId,
        name: SignalName,
        *,
        data: Data = None,
        correlation: Data = None,
        id_: ActionId = "",
        idempotency_key: IdempotencyKey = "",
    ) -> RunView:
        """Send a signal to a run: to the step that waits, or will wait, for it."""

    @post("/runs/{run_id}/updates", STEERING, refusals=REFUSALS)
    async def update_run(
        self,
        run_id: RunId,
        name: UpdateName,
        *,
        data: Data = None,
        id_: ActionId = "",
        idempotency_key: IdempotencyKey = "",
    ) -> UpdateResult:
        """Change a run by an update that its workflow declares."""

    @post("/runs/{run_id}/steps/{step}/skip", STEPS, refusals=REFUSALS)
    async def skip_step(
        self,
        run_id: RunId,
        step: StepName,
        *,
        output: Output = None,
        deed: SettledDeed = SETTLED_DEED,
        idempotency_key: IdempotencyKey = "",
    ) -> RunView:
        """Let a run go on as if a step were done, with this output."""

    @post("/runs/{run_id}/steps/{step}/complete", STEPS, refusals=REFUSALS)
    async def complete_step(
        self,
        run_id: RunId,
        step: StepName,
        *,
        output: Output = None,
        deed: SettledDeed = SETTLED_DEED,
        idempotency_key: IdempotencyKey = "",
    ) -> RunView:
        """Give a step its output: what was to be done has been done otherwise."""

    @post("/runs/{run_id}/steps/{step}/fail", STEPS, refusals=REFUSALS)
    async def fail_step(
        self,
        run_id: RunId,
        step: StepName,
        *,
        message: Message = "",
        code: Code = "failed_by_operator",
        deed: SettledDeed = SETTLED_DEED,
        idempotency_key: IdempotencyKey = "",
    ) -> RunView:
        """Let a step fail for good."""

    @post("/runs/{run_id}/steps/{step}/move", STEPS, refusals=REFUSALS)
    async def move_step(
        self,
        run_id: RunId,
        step: StepName,
        *,
        to: NodeOrNone = "",
        off: OffNodes = (),
        deed: Deed = DEED,
        idempotency_key: IdempotencyKey = "",
    ) -> RunView:
        """Place a task on another node."""

    @post("/tasks/complete", TASKS, refusals=REFUSALS)
    async def complete_task(
        self, token: Token, *, output: Output = None, idempotency_key: IdempotencyKey = ""
    ) -> RunView:
        """Complete a task by the token that its handler gave away."""

    @post("/tasks/fail", TASKS, refusals=REFUSALS)
    async def fail_task(
        self,
        token: Token,
        *,
        message: Message = "",
        code: Code = "failed",
        retryable: Retryable = True,
        details: Data = None,
        idempotency_key: IdempotencyKey = "",
    ) -> RunView:
        """Fail the attempt of a task by the token that its handler gave away."""
