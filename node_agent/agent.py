"""The agent's edge: performs what the core decides, and feeds back what came of it.

    bus, answers, signals, executions, disk ──► inbox ──► core.step ──► outputs performed in order

One turn takes everything that has gathered since the last. Journal records are written inside the
turn, before anything after them in the outputs; whatever waits for somebody else (disk, bus,
handlers) goes on beside it and comes back as an input. A failure of the journal ends the agent: it
could not keep its promises any more.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol, assert_never

import anyio
import anyio.abc
import msgspec

from events.errors import Misconfigured, Rejected, Unavailable
from events.facts import HostSample
from node_agent.core import AgentCore
from node_agent.executors.execution import Executions, Surroundings
from node_agent.inbox import Inbox
from node_agent.journal import JournalPort, Live
from node_agent.ports import Bus, Delivery
from node_agent.steps import (
    FENCING,
    Acknowledge,
    Begin,
    CancelExecution,
    CommandsArrived,
    HeartbeatAnswered,
    HostSampled,
    Journal,
    JournalSynced,
    NewIncarnation,
    OnceSettled,
    Output,
    PublishFailed,
    PublishRejected,
    PublishReports,
    ReportsPublished,
    SendHeartbeat,
    StartExecution,
    Stopped,
)

SUBSCRIBE_AGAIN_S = 1.0
HOST_SAMPLE_INTERVAL_S = 5.0
LATE_US_MIN = 1_000_000

log = logging.getLogger("dalsegno.agent")


class HostSampler(Protocol):
    def sample(self) -> HostSample:
        """Returns the host's state now; quick."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent is made of. `inbox` is the one that `surroundings` feed."""

    core: AgentCore
    inbox: Inbox
    bus: Bus
    journal: JournalPort
    surroundings: Surroundings
    host: HostSampler


class _Hands(msgspec.Struct, frozen=True):
    """Who performs: `services` go on for ever, `errands` end by themselves. Errands and executions
    are plain tasks: there are several for each attempt."""

    services: anyio.abc.TaskGroup
    errands: asyncio.TaskGroup
    executions: Executions


class Agent:
    """Runs until the core has stopped, or the journal has failed."""

    def __init__(self, parts: Parts, on_leaving: Callable[[], None] | None = None) -> None:
        """`on_leaving` is called when no more is decided; handlers that ignore their cancellation
        may still hold `run` up after it.
        """
        self._core = parts.core
        self._inbox = parts.inbox
        self._bus = parts.bus
        self._journal = parts.journal
        self._clock = parts.surroundings.clock
        self._surroundings = parts.surroundings
        self._host = parts.host
        self._on_leaving = on_leaving
        self._commands_scope: anyio.CancelScope | None = None
        self._stopped: Stopped | None = None

    async def run(self, live: tuple[Live, ...]) -> bool:
        """Begins with what the journal held; returns whether everything ended well.

        Raises `Unavailable` (in a group) when the journal cannot be written, and `Misconfigured`
        after it has drained when coordinators ask for a newer release.
        """
        self._inbox.open()
        self._inbox.put(HostSampled(self._host.sample()))
        self._inbox.put(Begin(live))
        async with anyio.create_task_group() as services:
            services.start_soon(self._hear_answers)
            services.start_soon(self._sample_host)
            async with asyncio.TaskGroup() as group:
                await self._drive(_Hands(services, group, Executions(self._surroundings, group)))
            services.cancel_scope.cancel()
        if self._core.outdated:
            raise Misconfigured(self._core.outdated)
        return self._stopped is not None and self._stopped.clean

    async def _drive(self, hands: _Hands) -> None:
        due_us: int | None = self._clock.now().monotonic_us
        try:
            while self._stopped is None:
                await self._inbox.wait(self._seconds_until(due_us))
                self._complain_if_late(due_us, hands)
                due_us = self._turn(hands)
        finally:
            hands.executions.cancel_all()
            if self._on_leaving is not None:
                self._on_leaving()

    def _turn(self, hands: _Hands) -> int | None:
        """Returns when the next turn is due, whatever else happens."""
        for output in self._core.step(self._inbox.take(), self._clock.now()):
            self._perform(output, hands)
        return self._core.next_due()

    def _seconds_until(self, due_us: int | None) -> float | None:
        if due_us is None:
            return None
        return max(0, due_us - self._clock.now().monotonic_us) / 1_000_000

    def _complain_if_late(self, due_us: int | None, hands: _Hands) -> None:
        """A handler that blocks the event loop costs heartbeats, and so the node its leases."""
        late_us = 0 if due_us is None else self._clock.now().monotonic_us - due_us
        if late_us > LATE_US_MIN:
            log.warning(
                "the event loop stood still for %.1f s, maybe in one of: %s; a handler that "
                "computes for long or waits without await must be a plain function",
                late_us / 1_000_000,
                ", ".join(hands.executions.some_names()) or "nothing",
            )

    def _perform(self, output: Output, hands: _Hands) -> None:
        match output:
            case StartExecution():
                hands.executions.start(output)
            case Journal():
                self._write(output, hands)
            case PublishReports() | Acknowledge() | SendHeartbeat():
                hands.errands.create_task(self._send(output))
            case CancelExecution():
                self._cancel(output, hands)
            case OnceSettled():
                self._surroundings.keeper.settled(output.attempt, output.name)
            case NewIncarnation():
                self._subscribe(output.incarnation, hands.services)
            case Stopped():
                self._stopped = output
            case _:
                assert_never(output)

    def _cancel(self, output: CancelExecution, hands: _Hands) -> None:
        if output.why in FENCING:
            log.warning(
                "attempt %s is fenced (%s): its handler is cancelled, its result is not reported",
                output.attempt,
                output.why,
            )
        hands.executions.cancel(output.attempt, output.why)

    def _write(self, output: Journal, hands: _Hands) -> None:
        if output.records:
            self._journal.append(output.records)
        if output.sync:
            hands.errands.create_task(self._sync(output.batch))

    # -- what waits for somebody else -------------------------------------------------------------

    async def _sync(self, batch: int) -> None:
        await self._journal.sync()
        self._inbox.put(JournalSynced(batch))

    async def _send(self, output: PublishReports | Acknowledge | SendHeartbeat) -> None:
        if isinstance(output, PublishReports):
            await self._publish(output)
            return
        try:
            if isinstance(output, SendHeartbeat):
                await self._bus.heartbeat(output.beat)
            elif isinstance(output.token, Delivery):
                await self._bus.acknowledge(output.token)
        except Unavailable as error:
            log.debug("not sent, repetition makes up for it: %s", error)

    async def _publish(self, output: PublishReports) -> None:
        answer: ReportsPublished | PublishFailed | PublishRejected
        try:
            await self._bus.publish_reports(output.shard, output.reports)
            answer = ReportsPublished(output.number)
        except Unavailable as error:
            log.info("reports of shard %d wait: %s", output.shard, error)
            answer = PublishFailed(output.number)
        except Rejected as error:
            log.warning("%s", error)
            answer = PublishRejected(output.number)
        self._inbox.put(answer)

    # -- what comes in ----------------------------------------------------------------------------

    def _subscribe(self, incarnation: str, services: anyio.abc.TaskGroup) -> None:
        log.info("this is incarnation %s", incarnation)
        if self._commands_scope is not None:
            self._commands_scope.cancel()
        self._commands_scope = anyio.CancelScope()
        services.start_soon(self._take_commands, incarnation, self._commands_scope)

    async def _take_commands(self, incarnation: str, scope: anyio.CancelScope) -> None:
        with scope:
            while True:
                try:
                    async for delivery in self._bus.commands(incarnation):
                        taken = CommandsArrived(incarnation, delivery.commands, delivery)
                        self._inbox.put(taken)
                except Unavailable as error:
                    log.warning("no commands: %s", error)
                await anyio.sleep(SUBSCRIBE_AGAIN_S)

    async def _hear_answers(self) -> None:
        while True:
            try:
                async for answer in self._bus.answers():
                    self._inbox.put(HeartbeatAnswered(answer))
            except Unavailable as error:
                log.warning("no answers to heartbeats: %s", error)
            await anyio.sleep(SUBSCRIBE_AGAIN_S)

    async def _sample_host(self) -> None:
        while True:
            await anyio.sleep(HOST_SAMPLE_INTERVAL_S)
            self._inbox.put(HostSampled(self._host.sample()))
