"""A coordinator in a world of twins: its core, and a twin of the edge around it.

The twin carries out each output as the edge does: every one on its own, none waits for another. It
can be told to die between any two of them.
"""

from collections.abc import Callable, Coroutine
from typing import TypeVar

from dalsegno.testing.twins.bus import BusTwin, Reader, Stream
from dalsegno.testing.twins.process import Clocks, Process
from dalsegno.testing.twins.scheduler import Scheduler
from dalsegno.testing.twins.store import StoreTwin
from events.api import AnyAnswer, AnyRequest
from events.catalogue import Catalogue
from events.errors import Unavailable
from events.messages import Execute, Heartbeat, HeartbeatAnswer, Reports
from orchestrator.adapters.memory.store import MemoryStore
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.core import Coordinator
from orchestrator.coordinator.engine import Engine
from orchestrator.coordinator.loading import Loader
from orchestrator.coordinator.memory import Identity
from orchestrator.coordinator.ports import AppendOutcome, Batch, Lease, ReportDelivery
from orchestrator.coordinator.settings import Settings
from orchestrator.replay.routing import ReadableLog

T = TypeVar("T")
RETRY_US = 200_000
LOOK_US_MIN = 1000

AnswerHeartbeat = Callable[[str, str, HeartbeatAnswer], None]
AnswerClient = Callable[[str, str, AnyAnswer], None]


class Surroundings:
    """What a coordinator finds in its world. `shards` is how many there are; `own` those in its
    store, empty: all; `logs` how many stores there are, and `cluster` reads all of them."""

    def __init__(self, scheduler: Scheduler, bus: BusTwin, store: StoreTwin, shards: int) -> None:
        self.scheduler = scheduler
        self.bus = bus
        self.store = store
        self.shards = shards
        self.own: frozenset[int] = frozenset()
        self.logs = 1
        self.cluster: ReadableLog | None = None
        self.catalogue = Catalogue()
        self.answer_heartbeat: AnswerHeartbeat = lambda *_: None
        self.answer_client: AnswerClient = lambda *_: None


class Kind:
    """What coordinators of a world have in common."""

    def __init__(self, settings: Settings, engine: Engine, record_hashes: bool = False) -> None:
        self.settings = settings
        self.engine = engine
        self.record_hashes = record_hashes


def finish(coroutine: Coroutine[object, None, T]) -> T:
    """The result of a coroutine over twins, which never suspend."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("a twin has suspended")


class ReportAcks:
    """Which report messages may be acknowledged: those before which nothing is waiting.

    One acknowledgement covers all before it, whatever the shard. Numbers that go out never repeat,
    also when the stream begins anew.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[int, int]] = {}
        self._done = 0
        self._number = 0

    def begin_anew(self) -> None:
        self._waiting.clear()
        self._done = 0

    def delivered(self, sequence: int, shard: int) -> int:
        self._number += 1
        self._waiting[self._number] = (sequence, shard)
        return self._number

    def done(self, upto: dict[int, int]) -> int | None:
        """Shards are done up to these numbers; returns the sequence to acknowledge, if any."""
        for number, (sequence, shard) in list(self._waiting.items()):
            if number <= upto.get(shard, 0):
                self._done = max(self._done, sequence)
                del self._waiting[number]
        first = min((sequence for sequence, _ in self._waiting.values()), default=self._done + 1)
        return self._done if self._done and first > self._done else None


class CoordinatorTwin(Process):
    """By itself it takes no time for anything."""

    def __init__(self, world: Surroundings, name: str, clocks: Clocks, kind: Kind) -> None:
        super().__init__(world.scheduler, name, clocks)
        self.shards: frozenset[int] = frozenset()
        self.world = world
        self._kind = kind
        store = MemoryStore(world.store.log)
        self._loader = Loader(store, world.catalogue, name, cluster=world.cluster)
        self._inbox: list[s.CoordinatorInput] = []
        self._reader: Reader | None = None
        self._acks = ReportAcks()
        self._generation = 0
        self._core: Coordinator | None = None

    def boot(self) -> None:
        self.begin_life()
        identity = Identity(
            name=self.name,
            seed=f"{self.name}/{self.life}",
            shards=self.world.shards,
            own=self.world.own,
            logs=self.world.logs,
            record_hashes=self._kind.record_hashes,
        )
        self._core = Coordinator(identity, self._kind.settings, self._kind.engine)
        self._inbox = []
        self._acks = ReportAcks()
        self.shards = frozenset()
        self.wake(0)

    # -- how it goes about it ---------------------------------------------------------------------

    def gathers(self) -> int:
        """Microseconds from an arrival to the turn that takes it."""
        return 0

    def hesitates(self) -> int:
        """Microseconds from a decision to its append."""
        return 0

    def next_turn(self, core: Coordinator, now: s.Now) -> int | None:
        """Microseconds until the next turn at the latest."""
        return max(LOOK_US_MIN, core.next_look_at - now.monotonic)

    def commit(self, batch: Batch) -> AppendOutcome:
        return self.world.store.log.append(batch)

    def acquire(self, output: s.AcquireLeases) -> list[Lease]:
        log = self.world.store.log
        return log.acquire(output.shards, self.name, output.ttl_s, output.most)

    def renew(self, output: s.RenewLeases) -> list[Lease]:
        return self.world.store.log.renew(output.leases, self.name, output.ttl_s)

    def died(self) -> None:
        self.shards = frozenset()
        if self._reader is not None:
            self._reader.open = False
        self._reader = self._core = None

    # -- inputs -----------------------------------------------------------------------------------

    def hear(self, given: s.CoordinatorInput) -> None:
        if self.alive:
            self._inbox.append(given)
            self.wake(self.gathers())

    def stop(self) -> None:
        """Asked to end in good order."""
        self.hear(s.StopRequested())

    def request(self, request: AnyRequest, reply_to: str) -> None:
        self.hear(s.RequestArrived(request=request, reply_to=reply_to))

    def heartbeat(self, beat: Heartbeat, reply_to: str) -> None:
        self.hear(s.HeartbeatArrived(beat=beat, reply_to=reply_to))

    def turn(self) -> None:
        core = self._core
        if core is None:
            return
        inputs, self._inbox = self._inbox, []
        now = s.Now(self.monotonic, self.wall)
        for output in core.step(inputs, now):
            if self._dies_before(output):
                return
            self.carry_out(output)
        next_turn = self.next_turn(core, now) if self.alive else None
        if next_turn is not None:
            self.wake(next_turn)

    def _dies_before(self, output: s.CoordinatorOutput) -> bool:
        if self.reached("outputs"):
            return True
        match output:
            case s.Publish(commands=commands):
                executes = any(isinstance(one, Execute) for one in commands.commands)
                return executes and self.reached("publish")
            case s.AcknowledgeReports():
                return self.reached("acknowledge")
            case s.Answer():
                return self.reached("answer")
            case _:
                return False

    # -- outputs ----------------------------------------------------------------------------------

    def carry_out(self, output: s.CoordinatorOutput) -> None:  # noqa: C901, PLR0912
        match output:
            case s.Append():
                wait_us = max(output.not_before - self.monotonic, self.hesitates())
                self.soon(wait_us, f"{self.name} writes", lambda: self._append(output))
            case s.AskLanded():
                self._at(output.not_before, lambda: self._ask_landed(output))
            case s.Publish():
                self._publish(output)
            case s.Answer(reply_to=reply_to, answer=answer):
                self.world.answer_client(self.name, reply_to, answer)
            case s.AnswerHeartbeat(reply_to=reply_to, answer=granted):
                self.world.answer_heartbeat(self.name, reply_to, granted)
            case s.AcknowledgeReports(deliveries=deliveries):
                self._acknowledge(deliveries)
            case s.Attend(ttl_s=ttl_s):
                self._attend(ttl_s)
            case s.AcquireLeases() | s.RenewLeases() | s.ReleaseLeases():
                self._leases(output)
            case s.KeepPayload():
                self._keep(output)
            case s.SaveSnapshot(snapshot=snapshot):
                log = self.world.store.log
                self._ask("snapshot", lambda: log.save_snapshot(snapshot), lambda _: None)
            case s.Serve(leases=leases):
                self._serve(leases)
            case s.Stopped():
                self.crash("stopped as asked")
            case s.Announce() | s.RunEnded() | s.RecordHashes() | s.Strange():
                pass
            case _:
                self._load(output)

    def _at(self, not_before: int, action: Callable[[], None]) -> None:
        if not_before:
            self.soon(not_before - self.monotonic, f"{self.name} waited", action)
        else:
            action()

    def _ask(
        self, label: str, work: Callable[[], T], answer: Callable[[T | Unavailable], None]
    ) -> None:
        self.world.store.ask(self, label, work, answer)

    def _keep(self, output: s.KeepPayload) -> None:
        log, payload = self.world.store.log, output.payload

        def answer(outcome: Unavailable | None) -> None:
            trouble = str(outcome) if isinstance(outcome, Unavailable) else ""
            kept = s.PayloadKept(hash=payload.hash, reply_to=output.reply_to, trouble=trouble)
            self.hear(kept)

        self._ask("payload", lambda: log.put_payloads((payload,)), answer)

    def _append(self, output: s.Append) -> None:
        batch = output.batch

        def answer(outcome: AppendOutcome | Unavailable) -> None:
            if self.reached("append"):
                return
            if isinstance(outcome, Unavailable):
                self.hear(s.AppendFailed(batch_id=batch.id, unknown=outcome.unknown))
            else:
                self.hear(s.AppendDone(batch_id=batch.id, outcome=outcome))

        def append() -> AppendOutcome:
            self.world.store.log.put_payloads(batch.payloads)
            for snapshot in batch.snapshots:
                self.world.store.log.save_snapshot(snapshot)
            return self.commit(batch)

        self._ask(f"appends {batch.id}", append, answer)

    def _ask_landed(self, output: s.AskLanded) -> None:
        batch, log = output.batch, self.world.store.log

        def answer(outcome: bool | Unavailable) -> None:
            landed = None if isinstance(outcome, Unavailable) else outcome
            self.hear(s.LandedKnown(batch_id=batch.id, landed=landed))

        self._ask("asks landed", lambda: log.landed(batch), answer)

    def _publish(self, output: s.Publish) -> None:
        bus = self.world.bus
        subject = f"{output.node}.{output.incarnation}"
        bus.publish(self, bus.commands, subject, output.commands, lambda _: None)

    def _attend(self, ttl_s: float) -> None:
        def answer(outcome: list[str] | Unavailable) -> None:
            if isinstance(outcome, Unavailable):
                self.hear(s.LeasesUnknown())
            else:
                self.hear(s.AttendanceTold(names=tuple(outcome)))

        self._ask("attends", lambda: self.world.store.log.attend(self.name, ttl_s), answer)

    def _leases(self, output: s.AcquireLeases | s.RenewLeases | s.ReleaseLeases) -> None:
        log, asked_at = self.world.store.log, self.monotonic

        def work() -> list[Lease]:
            match output:
                case s.AcquireLeases():
                    return self.acquire(output)
                case s.RenewLeases():
                    return self.renew(output)
                case s.ReleaseLeases(leases=leases, leaving=leaving):
                    log.release(leases, self.name)
                    if leaving:
                        log.leave(self.name)
                    return []

        def answer(outcome: list[Lease] | Unavailable) -> None:
            if isinstance(outcome, Unavailable):
                self.hear(s.LeasesUnknown())
            elif isinstance(output, s.AcquireLeases):
                self.hear(s.LeasesAcquired(leases=tuple(outcome), asked_at=asked_at))
            elif isinstance(output, s.RenewLeases):
                kept = tuple(outcome)
                self.hear(s.LeasesRenewed(asked=output.leases, leases=kept, asked_at=asked_at))

        self._ask("leases", work, answer)

    def _load(self, output: s.Load) -> None:
        def answer(outcome: s.CoordinatorInput | Unavailable) -> None:
            if isinstance(outcome, Unavailable):
                failed = s.LoadFailed(output=output)
                self.soon(RETRY_US, "load again", lambda: self.hear(failed))
            else:
                self.hear(outcome)

        self._ask("loads", lambda: self._loaded(output), answer)

    def _loaded(self, output: s.Load) -> s.CoordinatorInput | Unavailable:
        """Another log may be away while ours answers."""
        try:
            return finish(self._loader.load(output))
        except Unavailable as error:
            return error

    # -- reports ----------------------------------------------------------------------------------

    def _serve(self, leases: tuple[Lease, ...]) -> None:
        if self._reader is not None:
            self._reader.open = False
            self._reader = None
        self.shards = frozenset(lease.shard for lease in leases)
        self._acks.begin_anew()
        if not leases:
            return
        bus = self.world.bus
        name = " ".join(f"{lease.shard}@{lease.epoch}" for lease in leases)
        self._reader = Reader(
            process=self,
            consumer=f"{self.name} {name}",
            subjects=frozenset(str(shard) for shard in self.shards),
            deliver=self._reports,
            declared=self._declared,
        )
        bus.read(self._reader, bus.reports)

    def _declared(self) -> None:
        generation = self.world.bus.reports.generation
        if generation != self._generation:
            self._generation = generation
            self._acks.begin_anew()

    def _reports(self, stream: Stream, sequence: int, subject: str, body: object) -> None:
        if stream.generation != self._generation or not isinstance(body, Reports):
            return
        shard = int(subject)
        known = self._acks.delivered(sequence, shard)
        self.hear(s.ReportsArrived(deliveries=(ReportDelivery(shard, known, body),)))

    def _acknowledge(self, deliveries: tuple[ReportDelivery, ...]) -> None:
        upto = {delivery.shard: delivery.sequence for delivery in deliveries}
        sequence = self._acks.done(upto)
        if sequence is not None and self._reader is not None:
            bus = self.world.bus
            bus.acknowledge(self._reader, bus.reports, sequence)
