"""Steering and mending open runs: requests to their owners."""

from events import api
from events.api import Updated
from events.completion_tokens import read_token
from events.values import Value, admit
from events.views import RunView
from orchestrator.api.operations.groups import Deed, SettledDeed
from orchestrator.api.operations.steering import DEED, SETTLED_DEED, Steering
from orchestrator.api.service.answers import ask, ask_run
from orchestrator.api.service.base import Served
from orchestrator.api.shapes import UpdateResult


class SteeringService(Served, Steering):
    async def cancel_run(
        self, run_id: str, *, reason: str = "", idempotency_key: str = ""
    ) -> RunView:
        return await self._run(api.CancelRun(actor=self._actor, run_id=run_id, reason=reason))

    async def terminate_run(
        self, run_id: str, *, reason: str = "", unsettled: bool = False, idempotency_key: str = ""
    ) -> RunView:
        request = api.TerminateRun(
            actor=self._actor, run_id=run_id, reason=reason, unsettled=unsettled
        )
        return await self._run(request)

    async def pause_run(
        self, run_id: str, *, reason: str = "", idempotency_key: str = ""
    ) -> RunView:
        return await self._run(api.PauseRun(actor=self._actor, run_id=run_id, reason=reason))

    async def resume_run(
        self, run_id: str, *, reason: str = "", idempotency_key: str = ""
    ) -> RunView:
        return await self._run(api.ResumeRun(actor=self._actor, run_id=run_id, reason=reason))

    async def repin_run(
        self, run_id: str, *, build: str = "", reason: str = "", idempotency_key: str = ""
    ) -> RunView:
        request = api.RepinRun(actor=self._actor, run_id=run_id, build=build, reason=reason)
        return await self._run(request)

    async def signal_run(
        self,
        run_id: str,
        name: str,
        *,
        data: Value = None,
        correlation: Value = None,
        id_: str = "",
        idempotency_key: str = "",
    ) -> RunView:
        request = api.SignalRun(
            actor=self._actor,
            run_id=run_id,
            name=name,
            id=self._id(id_, idempotency_key, "signal_run"),
            data=admit(data, "data"),
            correlation=admit(correlation, "correlation"),
        )
        return await self._run(request)

    async def update_run(
        self,
        run_id: str,
        name: str,
        *,
        data: Value = None,
        id_: str = "",
        idempotency_key: str = "",
    ) -> UpdateResult:
        request = api.UpdateRun(
            actor=self._actor,
            run_id=run_id,
            name=name,
            id=self._id(id_, idempotency_key, "update_run"),
            data=admit(data, "data"),
        )
        answer = await ask(self._ports.coordinators, request, Updated)
        return UpdateResult(
            run_id=answer.run_id, version=answer.version, variables=answer.variables
        )

    async def skip_step(
        self,
        run_id: str,
        step: str,
        *,
        output: Value = None,
        deed: SettledDeed = SETTLED_DEED,
        idempotency_key: str = "",
    ) -> RunView:
        request = api.SkipStep(
            actor=self._actor,
            run_id=run_id,
            step=step,
            id=self._id(deed.id, idempotency_key, "skip_step"),
            output=admit(output, "output"),
            reason=deed.reason,
            unsettled=deed.unsettled,
        )
        return await self._run(request)

    async def complete_step(
        self,
        run_id: str,
        step: str,
        *,
        output: Value = None,
        deed: SettledDeed = SETTLED_DEED,
        idempotency_key: str = "",
    ) -> RunView:
        request = api.CompleteStep(
            actor=self._actor,
            run_id=run_id,
            step=step,
            id=self._id(deed.id, idempotency_key, "complete_step"),
            output=admit(output, "output"),
            reason=deed.reason,
            unsettled=deed.unsettled,
        )
        return await self._run(request)

    async def fail_step(
        self,
        run_id: str,
        step: str,
        *,
        message: str = "",
        code: str = "failed_by_operator",
        deed: SettledDeed = SETTLED_DEED,
        idempotency_key: str = "",
    ) -> RunView:
        request = api.FailStep(
            actor=self._actor,
            run_id=run_id,
            step=step,
            id=self._id(deed.id, idempotency_key, "fail_step"),
            code=code,
            message=message,
            reason=deed.reason,
            unsettled=deed.unsettled,
        )
        return await self._run(request)

    async def move_step(
        self,
        run_id: str,
        step: str,
        *,
        to: str = "",
        off: tuple[str, ...] = (),
        deed: Deed = DEED,
        idempotency_key: str = "",
    ) -> RunView:
        request = api.MoveStep(
            actor=self._actor,
            run_id=run_id,
            step=step,
            id=self._id(deed.id, idempotency_key, "move_step"),
            to=to,
            off=off,
            reason=deed.reason,
        )
        return await self._run(request)

    async def complete_task(
        self, token: str, *, output: Value = None, idempotency_key: str = ""
    ) -> RunView:
        request = api.CompleteTask(
            actor=self._actor,
            run_id=read_token(token).attempt.run_id,
            token=token,
            output=admit(output, "output"),
        )
        return await self._run(request)

    async def fail_task(
        self,
        token: str,
        *,
        message: str = "",
        code: str = "failed",
        retryable: bool = True,
        details: Value = None,
        idempotency_key: str = "",
    ) -> RunView:
        request = api.FailTask(
            actor=self._actor,
            run_id=read_token(token).attempt.run_id,
            token=token,
            message=message,
            code=code,
            details=admit(details, "details"),
            retryable=retryable,
        )
        return await self._run(request)

    async def _run(self, request: api.AnyRequest) -> RunView:
        return await ask_run(self._ports.coordinators, request)
