"""The thin edge around the coordinator's step machine: carries out its intentions, brings results
back.

No decision is made here. One loop calls `step`; every output that waits for somebody runs as a task
of its own and ends in an input.
"""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Protocol

import anyio
import msgspec
from anyio.abc import TaskGroup, TaskStatus

from events.api import RunView
from events.errors import DalsegnoError, Unavailable
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.core import Coordinator
from orchestrator.coordinator.inbox import Inbox
from orchestrator.coordinator.loading import Loader
from orchestrator.coordinator.ports import Bus, Store
from orchestrator.kernel.env import MICROSECONDS

log = logging.getLogger("dalsegno.coordinator")

RETRY_S = 0.2

IN_ORDER = (
    s.Answer,
    s.AnswerHeartbeat,
    s.AcknowledgeReports,
    s.Announce,
    s.ReleaseLeases,
    s.Stopped,
)
ROUNDS_TO_SOCKET = 3
"""Of the event loop, until a message is written: its task, the client library's flusher, the
system."""


class Clock(Protocol):
    def now(self) -> s.Now: ...


class HashSink(Protocol):
    """Test mode: where state hashes go."""

    def record(self, hashes: tuple[tuple[str, int, str], ...]) -> None: ...


class Telemetry(Protocol):
    """Where ended runs are told; must not wait."""

    def ended(self, run: RunView, traceparent: str) -> None: ...


class Observers(msgspec.Struct, frozen=True):
    """Who is told what happened, without a say in it; None: nobody."""

    hashes: HashSink | None = None
    telemetry: Telemetry | None = None


class _Hands(msgspec.Struct, frozen=True):
    """Who performs: `services` go on for ever, `errands` end by themselves. Errands are plain
    tasks: there are some for each turn."""

    services: TaskGroup
    errands: asyncio.TaskGroup


class Edge:
    """Runs one coordinator over a store and a bus until it has stopped."""

    def __init__(
        self,
        core: Coordinator,
        store: Store,
        bus: Bus,
        loader: Loader,
        clock: Clock,
        *,
        observers: Observers = Observers(),
    ) -> None:
        self._core = core
        self._store = store
        self._bus = bus
        self._loader = loader
        self._clock = clock
        self._observers = observers
        self._inbox = Inbox()
        self._serving: anyio.CancelScope | None = None
        self._sent = False
        self._outdated = False
        self._stopped = anyio.Event()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Returns after a stop was requested and the leases are released."""
        async with anyio.create_task_group() as services, asyncio.TaskGroup() as errands:
            hands = _Hands(services, errands)
            services.start_soon(self._connection)
            services.start_soon(self._heartbeats)
            task_status.started()
            while not self._stopped.is_set():
                await self._inbox.wait(self._seconds_left())
                self._carry_out(hands, self._core.hear(self._inbox.take(), self._clock.now()))
                await self._let_go()
                self._carry_out(hands, self._core.decide())
            services.cancel_scope.cancel()

    async def stop(self) -> None:
        if not self._stopped.is_set():
            await self._inbox.put(s.StopRequested())

    def _seconds_left(self) -> float:
        """Until the core wants to look, whatever happens."""
        return max(0, self._core.next_look_at - self._clock.now().monotonic) / MICROSECONDS

    async def _let_go(self) -> None:
        """Lets what was just carried out reach the socket: agents and clients go on with it while
        the next turn is decided here."""
        for _ in range(ROUNDS_TO_SOCKET if self._sent else 0):
            await asyncio.sleep(0)
        self._sent = False

    # -- outputs ----------------------------------------------------------------------------------

    def _carry_out(self, hands: _Hands, outputs: Sequence[s.CoordinatorOutput]) -> None:
        """What nobody waits for goes one after the other, commands before it, and the end after it;
        the rest is a task each."""
        in_order: list[s.CoordinatorOutput] = []
        for output in outputs:
            if isinstance(output, IN_ORDER):
                in_order.append(output)
            else:
                self._carry_out_one(hands, output)
        if in_order:
            self._sent = True
            hands.errands.create_task(self._perform_all(in_order))

    async def _perform_all(self, outputs: Sequence[s.CoordinatorOutput]) -> None:
        for output in outputs:
            await self._perform(output)

    def _carry_out_one(self, hands: _Hands, output: s.CoordinatorOutput) -> None:
        match output:
            case s.Serve():
                self._serve(hands.services, output)
            case s.RecordHashes():
                if self._observers.hashes is not None:
                    self._observers.hashes.record(output.hashes)
            case s.Strange():
                _tell_of_strange(output)
            case s.RunEnded():
                if self._observers.telemetry is not None:
                    self._observers.telemetry.ended(output.run, output.traceparent)
            case _:
                hands.errands.create_task(self._perform(output))

    async def _perform(self, output: s.CoordinatorOutput) -> None:  # noqa: C901, PLR0912
        """One output; a failure of the outside becomes an input or, where nothing depends on it, a
        line in the log."""
        match output:
            case s.Append():
                await self._append(output)
            case s.AskLanded():
                await self._ask_landed(output)
            case s.Answer():
                await self._try(self._bus.answer(output.reply_to, output.answer))
            case s.Publish():
                await self._try(self._bus.publish(output.node, output.incarnation, output.commands))
            case s.AcknowledgeReports():
                await self._try(self._bus.acknowledge(output.deliveries))
            case s.AnswerHeartbeat():
                await self._try(self._bus.answer_heartbeat(output.reply_to, output.answer))
            case s.Announce():
                await self._try(self._bus.announce(self._loader.log_name, output.position))
            case s.Attend() | s.AcquireLeases() | s.RenewLeases() | s.ReleaseLeases():
                await self._leases(output)
            case s.KeepPayload():
                await self._keep(output)
            case s.SaveSnapshot():
                await self._try(self._store.save_snapshot(output.snapshot))
            case (
                s.LoadRun()
                | s.FindPast()
                | s.LoadDefinition()
                | s.LoadNode()
                | s.LoadHead()
                | s.LoadPayload()
                | s.LoadKey()
                | s.FindActive()
                | s.FindDue()
            ):
                await self._load(output)
            case s.Stopped():
                self._stopped.set()
            case s.Serve() | s.RecordHashes() | s.RunEnded() | s.Strange():
                pass

    async def _try(self, effect: Awaitable[None]) -> None:
        """Best effort: whatever is lost here is derived and sent again by reconciliation."""
        try:
            await effect
        except Unavailable as error:
            log.info("not delivered: %s", error)
        except DalsegnoError as error:
            log.warning("not delivered: %s", error)

    async def _until(self, not_before: int) -> None:
        await anyio.sleep(max(0, not_before - self._clock.now().monotonic) / MICROSECONDS)

    async def _append(self, output: s.Append) -> None:
        if output.not_before:
            await self._until(output.not_before)
        try:
            if output.batch.payloads:
                await self._store.put_payloads(output.batch.payloads)
            for snapshot in output.batch.snapshots:
                await self._store.save_snapshot(snapshot)
            outcome = await self._store.append(output.batch)
        except Unavailable as error:
            log.warning("append failed: %s", error)
            failed = s.AppendFailed(batch_id=output.batch.id, unknown=error.unknown)
            await self._inbox.put(failed)
            return
        await self._inbox.put(s.AppendDone(batch_id=output.batch.id, outcome=outcome))

    async def _keep(self, output: s.KeepPayload) -> None:
        trouble = ""
        try:
            await self._store.put_payloads((output.payload,))
        except Unavailable as error:
            log.warning("a chunk was not stored: %s", error)
            trouble = str(error)
        name = output.payload.hash
        await self._inbox.put(s.PayloadKept(hash=name, reply_to=output.reply_to, trouble=trouble))

    async def _ask_landed(self, output: s.AskLanded) -> None:
        await self._until(output.not_before)
        landed: bool | None = None
        try:
            landed = await self._store.landed(output.batch)
        except Unavailable as error:
            log.warning("outcome of an append not known yet: %s", error)
        await self._inbox.put(s.LandedKnown(batch_id=output.batch.id, landed=landed))

    async def _leases(self, output: s.Leasing) -> None:
        asked_at = self._clock.now().monotonic
        holder = self._loader.coordinator
        answer: s.CoordinatorInput
        try:
            match output:
                case s.Attend(ttl_s=ttl_s):
                    names = await self._store.attend(holder, ttl_s)
                    self._complain_if_outdated(holder, names)
                    answer = s.AttendanceTold(names=tuple(names))
                case s.AcquireLeases(shards=shards, ttl_s=ttl_s, most=most):
                    taken = await self._store.acquire(shards, holder, ttl_s, most)
                    answer = s.LeasesAcquired(leases=tuple(taken), asked_at=asked_at)
                case s.RenewLeases(leases=asked, ttl_s=ttl_s):
                    kept = await self._store.renew(asked, holder, ttl_s)
                    answer = s.LeasesRenewed(asked=asked, leases=tuple(kept), asked_at=asked_at)
                case s.ReleaseLeases(leases=leases):
                    await self._store.release(leases, holder)
                    if output.leaving:
                        await self._store.leave(holder)
                    return
        except Unavailable as error:
            log.warning("leases not renewed: %s", error)
            answer = s.LeasesUnknown()
        await self._inbox.put(answer)

    def _complain_if_outdated(self, holder: str, names: Sequence[str]) -> None:
        outdated = holder not in names
        if outdated and not self._outdated:
            log.warning(
                "a newer release has changed the log so that this one must not own shards any "
                "more: it hands over what it has; replace it by the newer release"
            )
        self._outdated = outdated

    async def _load(self, output: s.Load) -> None:
        try:
            answer = await self._loader.load(output)
        except Unavailable as error:
            log.warning("not loaded: %s", error)
            await anyio.sleep(RETRY_S)
            answer = s.LoadFailed(output=output)
        await self._inbox.put(answer)

    # -- what arrives -----------------------------------------------------------------------------

    def _serve(self, group: TaskGroup, output: s.Serve) -> None:
        """Requests and reports for exactly these shards, from now on."""
        if self._serving is not None:
            self._serving.cancel()
        self._serving = scope = anyio.CancelScope()
        group.start_soon(self._serve_until, scope, output)

    async def _serve_until(self, scope: anyio.CancelScope, output: s.Serve) -> None:
        with scope:
            async with anyio.create_task_group() as group:
                group.start_soon(self._requests, tuple(lease.shard for lease in output.leases))
                if output.leases:
                    group.start_soon(self._reports, output)

    async def _requests(self, shards: tuple[int, ...]) -> None:
        async for request, reply_to in self._bus.requests(shards):
            await self._inbox.put(s.RequestArrived(request=request, reply_to=reply_to))

    async def _reports(self, output: s.Serve) -> None:
        async for deliveries in self._bus.reports(output.leases):
            await self._inbox.put(s.ReportsArrived(deliveries=tuple(deliveries)))

    async def _connection(self) -> None:
        async for connected in self._bus.connection():
            await self._inbox.put(s.BusChanged(connected=connected))

    async def _heartbeats(self) -> None:
        async for beat, reply_to in self._bus.heartbeats():
            await self._inbox.put(s.HeartbeatArrived(beat=beat, reply_to=reply_to))


def _tell_of_strange(found: s.Strange) -> None:
    log.warning(
        "node %s reports attempt %s, which the log does not know (%s); nothing of it is recorded "
        "(%d so far): was the database restored from a backup?",
        found.node,
        found.attempt,
        found.why,
        found.number,
    )
