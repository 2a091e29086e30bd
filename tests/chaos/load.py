"""Clients: they start runs, send signals, cancel, and wait; all of it again until it is answered.

What a coordinator has accepted is noted: the checkers look for it in the log.
"""

import random
import time

import anyio
import anyio.abc
import msgspec

from events.api import (
    AnyRequest,
    CancelRun,
    RegisterWorkflow,
    RunAnswer,
    RunView,
    SignalRun,
    StartRun,
)
from events.errors import DalsegnoError, Rejected, Unavailable
from orchestrator.adapters.nats.client import Client
from tests.chaos.flows import SIGNAL, Flow, all_flows, input_of, signal_data

OUTSTANDING_MAX = 250
TRY_S = 20.0
REPEATED_SHARE = 0.1
"""Of the starts that were accepted, those that are sent once more."""


class Started(msgspec.Struct, kw_only=True):
    """One run, as its client knows it."""

    run_id: str
    workflow: str
    n: int
    asked_at_s: float
    accepted: bool = False
    signalled: bool = False
    """The signal was accepted."""
    cancelled: bool = False
    """The wish to cancel was accepted."""
    refused: list[str] = []
    end: RunView | None = None


class Load:
    """Starts runs at a rate of tasks, as long as it is told to; never more than some at a time."""

    def __init__(self, client: Client, chance: random.Random, tasks_per_s: float) -> None:
        self._client = client
        self._chance = chance
        self._tasks_per_s = tasks_per_s
        self._flows = {flow.name: flow for flow in all_flows()}
        self._open = 0
        self.runs: dict[str, Started] = {}
        self.held_back = 0
        """Starts left out because too many were open."""

    async def register(self) -> None:
        for flow in self._flows.values():
            await self._insist(RegisterWorkflow(definition=flow.definition))

    async def run(self, seconds: float) -> None:
        """Returns when the last of the runs has ended; cancel it to give up waiting."""
        flows = [flow for flow in self._flows.values() if not flow.internal]
        ends_at = time.monotonic() + seconds
        next_at = time.monotonic()
        async with anyio.create_task_group() as clients:
            while time.monotonic() < ends_at:
                flow = self._chance.choices(flows, [flow.weight for flow in flows])[0]
                next_at += flow.tasks / self._tasks_per_s
                if self._open < OUTSTANDING_MAX:
                    clients.start_soon(self._live, self._new(flow), flow)
                else:
                    self.held_back += 1
                await anyio.sleep(max(0.0, next_at - time.monotonic()))

    def unfinished(self) -> list[Started]:
        return [run for run in self.runs.values() if run.end is None]

    async def all_ended(self) -> None:
        while True:
            if not self.unfinished():
                return
            await anyio.sleep(0.2)

    def _new(self, flow: Flow) -> Started:
        run = Started(
            run_id=f"{flow.name}-{len(self.runs)}",
            workflow=flow.name,
            n=self._chance.randrange(1000),
            asked_at_s=time.monotonic(),
            refused=[],
        )
        self.runs[run.run_id] = run
        return run

    async def _live(self, run: Started, flow: Flow) -> None:
        self._open += 1
        try:
            await self._start(run)
            if flow.signalled:
                await anyio.sleep(self._chance.uniform(0, 2))
                run.signalled = await self._change(run, self._signal(run))
            if flow.cancelled:
                await anyio.sleep(self._chance.uniform(0, 8))
                run.cancelled = await self._change(run, CancelRun(run_id=run.run_id, reason="load"))
            await self._wait(run)
        except DalsegnoError as error:  # a session that is whole tells of it; others go on
            run.refused.append(f"{type(error).__name__}: {error}")
        finally:
            self._open -= 1

    async def _start(self, run: Started) -> None:
        request = StartRun(run_id=run.run_id, workflow=run.workflow, input=input_of(run.n))
        await self._insist(request)
        run.accepted = True
        if self._chance.random() < REPEATED_SHARE:
            again = await self._insist(request)
            if not isinstance(again, RunAnswer) or again.created:
                run.refused.append("a start that was accepted has made the run once more")

    @staticmethod
    def _signal(run: Started) -> SignalRun:
        data = signal_data(run.n)
        return SignalRun(run_id=run.run_id, name=SIGNAL, id=f"{run.run_id}-told", data=data)

    async def _change(self, run: Started, request: AnyRequest) -> bool:
        """Whether it was accepted; a run that has ended refuses."""
        try:
            await self._insist(request)
        except Rejected as error:
            run.refused.append(f"{type(request).__name__}: {error}")
            return False
        return True

    async def _wait(self, run: Started) -> None:
        while run.end is None:
            try:
                seen = await self._client.await_run(run.run_id, TRY_S)
            except Unavailable:
                continue
            if seen.ended_at is not None:
                run.end = seen

    async def _insist(self, request: AnyRequest) -> object:
        while True:
            try:
                return await self._client.request(request, TRY_S)
            except Unavailable:
                continue
