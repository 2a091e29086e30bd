"""Doing things again: planned from the log, asked of the run's owner.

An open run goes back itself; one that has ended is never opened again, so a new run is forked from
it. Either is planned first, by the same code that carries it out.
"""

from events.api import ForkRun, RerunRun, RestoreRun, RunAnswer, ShowRun
from events.catalogue import Catalogue
from events.envelope import unseal
from events.errors import Rejected
from events.ids import run_stream
from events.run_facts import RunForked
from events.views import ForkView
from orchestrator.api.operations.again import AS_IT_WAS, SETTLED_DEED, Again
from orchestrator.api.operations.groups import ForkOptions, SettledDeed
from orchestrator.api.operations.words import Mode
from orchestrator.api.service.answers import ask, ask_run, no_run
from orchestrator.api.service.base import Served
from orchestrator.api.service.definitions import registered
from orchestrator.api.shapes import Page, RunStarted
from orchestrator.kernel.env import Env
from orchestrator.kernel.state import TERMINAL
from orchestrator.replay import retrying
from orchestrator.replay.retrying import Retry, Wanted, plan
from orchestrator.replay.what_if.forks import Changed, Foreseen, Wish, foresee


class AgainService(Served, Again):
    async def plan_retry(self, run_id: str) -> Retry:
        return await retrying.plan_retry(self._ports.log, run_id)

    async def retry_run(
        self,
        run_id: str,
        *,
        new_run_id: str = "",
        reason: str = "retry",
        idempotency_key: str = "",
    ) -> RunStarted:
        found = await self.plan_retry(run_id)
        new = self._id(new_run_id, idempotency_key, "retry_run")
        return await self._fork(run_id, found.version, new, reason)

    async def plan_restore(self, run_id: str, version: int, *, mode: Mode = "resume") -> Retry:
        return await plan(self._ports.log, run_id, Wanted(version=version, mode=mode))

    async def restore_run(
        self,
        run_id: str,
        version: int,
        *,
        mode: Mode = "resume",
        deed: SettledDeed = SETTLED_DEED,
        idempotency_key: str = "",
    ) -> RunStarted:
        found = await self.plan_restore(run_id, version, mode=mode)
        id_ = self._id(deed.id, idempotency_key, "restore_run")
        if found.status in TERMINAL:
            return await self._fork(run_id, found.version, id_, deed.reason)
        request = RestoreRun(
            actor=self._actor,
            run_id=run_id,
            id=id_,
            version=version,
            mode=mode,
            reason=deed.reason,
            unsettled=deed.unsettled,
        )
        return await self._gone_back(request)

    async def plan_rerun(
        self, run_id: str, *, steps: tuple[str, ...] = (), everything: bool = False
    ) -> Retry:
        return await plan(self._ports.log, run_id, _wanted(steps, everything))

    async def rerun_run(
        self,
        run_id: str,
        *,
        steps: tuple[str, ...] = (),
        everything: bool = False,
        deed: SettledDeed = SETTLED_DEED,
        idempotency_key: str = "",
    ) -> RunStarted:
        found = await self.plan_rerun(run_id, steps=steps, everything=everything)
        id_ = self._id(deed.id, idempotency_key, "rerun_run")
        if found.status in TERMINAL:
            return await self._fork(run_id, found.version, id_, deed.reason)
        request = RerunRun(
            actor=self._actor,
            run_id=run_id,
            id=id_,
            steps=() if everything else steps,
            all=everything,
            reason=deed.reason,
            unsettled=deed.unsettled,
        )
        return await self._gone_back(request)

    async def plan_fork(
        self, run_id: str, *, version: int = 0, options: ForkOptions = AS_IT_WAS
    ) -> Foreseen:
        wish = await self._wish(run_id, version, options, options.new_run_id or "preview")
        return await foresee(self._ports.log, wish, self._env())

    async def fork_run(
        self,
        run_id: str,
        *,
        version: int = 0,
        options: ForkOptions = AS_IT_WAS,
        idempotency_key: str = "",
    ) -> RunStarted:
        new = self._id(options.new_run_id, idempotency_key, "fork_run")
        begun = await self._begun_before(new, run_id)
        if begun is not None:
            return begun
        wish = await self._wish(run_id, version, options, new)
        found = await foresee(self._ports.log, wish, self._env())
        request = ForkRun(
            actor=self._actor,
            run_id=new,
            source_run_id=run_id,
            source_version=found.version,
            variables=dict(wish.variables),
            reason=options.reason,
            steps=found.retried,
            workflow_version="" if wish.changed is None else wish.changed.workflow_version,
        )
        return await self._begun(request)

    async def list_forks(self, run_id: str) -> Page[ForkView]:
        if await self._ports.log.index_row(run_id) is None:
            raise no_run(run_id)
        return Page(items=tuple(await self._ports.lists.forks_of(run_id)))

    async def _wish(self, run_id: str, version: int, options: ForkOptions, new: str) -> Wish:
        return Wish(
            run_id=run_id,
            fork_id=new,
            at=version,
            steps=options.steps,
            variables=options.variables,
            changed=await self._changed(run_id, options.workflow_version),
            reason=options.reason,
        )

    async def _begun_before(self, new: str, run_id: str) -> RunStarted | None:
        """The fork that the same request has begun before: an open run has gone on since, and
        another plan would be made for it now."""
        first = await self._ports.log.read(run_stream(new), 0, 1)
        if not first:
            return None
        fact = unseal(first[0], Catalogue()).fact
        if not isinstance(fact, RunForked) or fact.source_run_id != run_id:
            raise Rejected(f"run {new} exists already, and is no fork of run {run_id}")
        run = await ask_run(self._ports.coordinators, ShowRun(actor=self._actor, run_id=new))
        return RunStarted(run=run, created=False)

    async def _changed(self, run_id: str, workflow_version: str) -> Changed | None:
        if not workflow_version:
            return None
        row = await self._ports.log.index_row(run_id)
        if row is None:
            raise no_run(run_id)
        fact = (await registered(self._ports.log, row.workflow, workflow_version)).fact
        return Changed(
            workflow=fact.workflow,
            workflow_version=fact.workflow_version,
            options=fact.definition.options,
            net=fact.net,
        )

    def _env(self) -> Env:
        ports = self._ports
        return Env(now=ports.now(), expressions=ports.expressions, limits=ports.limits)

    async def _fork(self, run_id: str, version: int, new: str, reason: str) -> RunStarted:
        request = ForkRun(
            actor=self._actor,
            run_id=new,
            source_run_id=run_id,
            source_version=version,
            reason=reason,
        )
        return await self._begun(request)

    async def _begun(self, request: ForkRun) -> RunStarted:
        answer = await ask(self._ports.coordinators, request, RunAnswer)
        return RunStarted(run=answer.run, created=answer.created)

    async def _gone_back(self, request: RestoreRun | RerunRun) -> RunStarted:
        answer = await ask(self._ports.coordinators, request, RunAnswer)
        return RunStarted(run=answer.run, created=False)


def _wanted(steps: tuple[str, ...], everything: bool) -> Wanted:
    if everything:
        return Wanted(mode="rerun_all")
    return Wanted(mode="rerun_steps" if steps else "rerun_failed", steps=steps)
