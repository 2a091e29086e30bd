"""The agent's decisions: which attempts to take, to start, to end, to report. Sans IO, see `steps`.

Guarantees, whatever is lost, repeated, delayed or reordered on either side:
- an attempt is started only while the lease of its shard is valid and within its start window, at
  most once, and never after anything final is known of it here;
- attempts of one task never run at the same time here: the next waits until the last has ended;
- every attempt accepted ends in exactly one final report, which is sent again until it is settled;
- no final report leaves before the journal batch that holds it is durable;
- a command is acknowledged only after the records that it led to are written.

One step: due timers, then the inputs in order, then what is startable, then the outputs in an order
that keeps the guarantees when performing them stops anywhere: journal, acknowledgements, the rest.
"""

from collections.abc import Callable, Sequence
from typing import assert_never

from events.facts import HostSample
from events.messages import (
    PROTOCOL,
    Cancel,
    Command,
    Drain,
    Drop,
    Execute,
    Granted,
    Heartbeat,
    Reports,
    Reset,
    Settle,
)
from node_agent.group_commit import GroupCommit
from node_agent.journal import Incarnated
from node_agent.leases import Leases
from node_agent.orders import Orders
from node_agent.outbox import Outbox
from node_agent.roster import Roster
from node_agent.settings import Settings, microseconds
from node_agent.steps import (
    Acknowledge,
    BeatRequested,
    Begin,
    CommandsArrived,
    DrainRequested,
    ExecutionEnded,
    ExecutionProgressed,
    HeartbeatAnswered,
    HostSampled,
    Input,
    JournalSynced,
    NewIncarnation,
    Now,
    OnceKept,
    Output,
    PublishFailed,
    PublishRejected,
    PublishReports,
    ReportsPublished,
    SendHeartbeat,
    Stopped,
    Tick,
)

EAGER_HEARTBEAT_S = 0.25
"""Seconds between heartbeats until a coordinator has answered the first time."""
SETTLE_WAIT_S = 3.0
"""Seconds that a leaving agent waits for the settlement of reports that it has handed over."""
STOP_GRACE_S = 5.0
"""Seconds that a stopping agent waits for its last reports to be handed over, beyond the drain
timeout and the cancellation grace; what could not be sent stays in the journal for the next
start.
"""

Mint = Callable[[int], str]
"""Source of incarnation ids; it is given the wall clock in microseconds."""


class AgentCore:
    """`step` is the whole interface, with `next_due` for when it wants to be called at the
    latest.
    """

    def __init__(self, settings: Settings, mint: Mint) -> None:
        self._settings = settings
        self._mint = mint
        self._leases = Leases(settings.lease_margin_s)
        self._commit = GroupCommit()
        self._outbox = Outbox(
            microseconds(settings.publish_retry_first_s),
            microseconds(settings.publish_retry_max_s),
        )
        self._roster = Roster(settings, self._leases, self._outbox, self._commit)
        self._incarnation = ""
        self._sequence = 0
        self._is_granted = False
        self._beat_due_us = 0
        self._host = HostSample()
        self._refusal = ""
        """Why this process takes nothing new until it ends."""
        self.outdated = ""
        """Why this release cannot work in this cluster, once it has been told so."""
        self._orders = Orders()
        self._drain_due_us: int | None = None
        self._stop_due_us: int | None = None
        self._settle_due_us: int | None = None
        self._is_stopped = False
        self._acknowledgements: list[Output] = []
        self._outputs: list[Output] = []

    @property
    def incarnation(self) -> str:
        return self._incarnation

    def step(self, inputs: Sequence[Input], now: Now) -> list[Output]:
        """Returns what is to be done, in this order. O(inputs + due timers)."""
        if self._is_stopped:
            return []
        self._roster.pass_time(now)
        for one in inputs:
            self._feed(one, now)
        self._roster.start_ready(now)
        self._drain_on(now)
        return self._gather(now)

    def next_due(self) -> int | None:
        """Monotonic microseconds of the next call at the latest; None when nothing is due by
        itself.
        """
        if self._is_stopped:
            return None
        work_due = self.next_work_due()
        return self._beat_due_us if work_due is None else min(self._beat_due_us, work_due)

    def next_work_due(self) -> int | None:
        """The same without the heartbeats, which go on whether there is work or not."""
        if self._is_stopped:
            return None
        dues = (
            self._roster.next_us(),
            self._orders.next_us(),
            self._outbox.next_us(),
            self._drain_due_us,
            self._stop_due_us,
            self._settle_due_us,
        )
        return min((due for due in dues if due is not None), default=None)

    # -- inputs -----------------------------------------------------------------------------------

    def _feed(self, one: Input, now: Now) -> None:  # noqa: C901 -- one arm for each input
        match one:
            case ExecutionEnded():
                self._roster.ended(one.attempt, one.result, now)
            case CommandsArrived():
                self._take_commands(one, now)
            case JournalSynced():
                self._roster.release(self._commit.synced(one.batch), now)
                self._roster.report_once(self._commit.noted(one.batch), now)
            case ReportsPublished() | PublishFailed() | PublishRejected():
                self._hear_of_parcel(one, now)
            case ExecutionProgressed() | OnceKept():
                self._hear_of_handler(one, now)
            case HeartbeatAnswered():
                self._hear(one.answer, now)
            case HostSampled():
                self._host = one.sample
            case DrainRequested():
                self._begin_leaving(one.reason or "the agent is being stopped", now)
            case Begin():
                self._begin(one, now)
            case BeatRequested():
                self._beat_due_us = now.monotonic_us
            case Tick():
                pass
            case _:
                assert_never(one)

    def _hear_of_handler(self, sign: ExecutionProgressed | OnceKept, now: Now) -> None:
        if isinstance(sign, OnceKept):
            self._roster.keep(sign)
        else:
            self._roster.progressed(sign, now)

    def _hear_of_parcel(
        self, answer: ReportsPublished | PublishFailed | PublishRejected, now: Now
    ) -> None:
        match answer:
            case ReportsPublished():
                self._roster.published(self._outbox.sent(answer.number), now)
            case PublishFailed():
                self._outbox.failed(answer.number, now.monotonic_us)
            case PublishRejected():
                if (attempt := self._outbox.rejected(answer.number)) is not None:
                    self._roster.shrink(attempt, now)
            case _:
                assert_never(answer)

    def _take_commands(self, arrived: CommandsArrived, now: Now) -> None:
        self._acknowledgements.append(Acknowledge(arrived.token))
        if arrived.incarnation != self._incarnation:
            return  # meant for what this process was before a reset
        for command in arrived.commands.commands:
            self._obey(command, now)

    def _obey(self, command: Command, now: Now) -> None:
        match command:
            case Execute():
                self._roster.execute(command, self._takes_nothing, now)
            case Settle():
                self._roster.settle(command.attempts)
                self._roster.settle_once(command.once, now)
            case Cancel():
                self._roster.cancel(command, now)
            case Drop():
                self._roster.drop(command.attempts)
            case Drain():
                self._refuse_from_now_on(command.reason or "the node is draining", now)
            case _:
                assert_never(command)

    def _hear(self, answer: Granted | Reset, now: Now) -> None:
        if answer.incarnation != self._incarnation:
            return
        if isinstance(answer, Reset):
            self._reset(now)
        else:
            self._is_granted = True
            self._end_if_outdated(answer, now)
            self._leases.grant(answer)
            self._follow_order(answer, now)
            self._roster.lease_granted(answer.shards, answer.fenced)

    def _end_if_outdated(self, answer: Granted, now: Now) -> None:
        if answer.protocol_min <= PROTOCOL or self.outdated:
            return
        self.outdated = (
            f"coordinator {answer.coordinator} asks for protocol {answer.protocol_min}, this "
            f"agent knows {PROTOCOL}: run the agent of a newer release"
        )
        self._begin_leaving(self.outdated, now)

    # -- incarnations -----------------------------------------------------------------------------

    def _begin(self, begin: Begin, now: Now) -> None:
        self._incarnate(now, is_reset=False)
        for live in begin.live:
            self._roster.restore(live, now)

    def _reset(self, now: Now) -> None:
        """The cluster has given this incarnation up: what it held is fenced, results included."""
        self._roster.reset()
        self._outbox.clear()
        self._commit.forget_unsynced()
        self._leases.clear()
        self._incarnate(now, is_reset=True)

    def _incarnate(self, now: Now, is_reset: bool) -> None:
        self._incarnation = self._mint(now.wall_us)
        self._sequence = 0
        self._orders.begin_incarnation()
        self._is_granted = False
        self._beat_due_us = now.monotonic_us
        self._commit.record(Incarnated(self._incarnation, is_reset))
        self._outputs.append(NewIncarnation(self._incarnation))

    # -- draining ---------------------------------------------------------------------------------
    #
    # An operator's order and the end of the process are one and the same: nothing new is taken,
    # what has not begun is given back, and at the deadline so is what still runs. An order may be
    # lifted, and the process stays; an end may not, and it leaves.

    @property
    def _takes_nothing(self) -> str:
        """Why nothing new is taken, or empty."""
        return self._refusal or self._orders.refusal

    def _follow_order(self, granted: Granted, now: Now) -> None:
        if not self._orders.hear(granted, now.monotonic_us):
            return
        self._beat_due_us = now.monotonic_us  # all coordinators are to hear of it
        if self._orders.refusal and not self._refusal:
            self._roster.refuse_queued(self._orders.refusal)

    def _refuse_from_now_on(self, reason: str, now: Now) -> None:
        if not self._refusal:
            self._refusal = reason
            self._beat_due_us = now.monotonic_us
            self._roster.refuse_queued(reason)

    def _begin_leaving(self, reason: str, now: Now) -> None:
        timeout_us = microseconds(self._settings.drain_timeout_s)
        if self._stop_due_us is not None:
            timeout_us = 0  # asked again: give up on what still runs
        self._refuse_from_now_on(reason, now)
        self._drain_due_us = now.monotonic_us + timeout_us
        grace_us = microseconds(self._settings.cancel_grace_s + STOP_GRACE_S)
        self._stop_due_us = self._drain_due_us + grace_us

    def _drain_on(self, now: Now) -> None:
        if self._orders.take_due(now.monotonic_us):
            self._roster.stop_all("drained", now)
        if self._stop_due_us is None:
            return
        if self._drain_due_us is not None and now.monotonic_us >= self._drain_due_us:
            self._drain_due_us = None
            self._roster.stop_all("drained", now)

    def _may_stop(self, now: Now) -> bool:
        """Once nothing runs and every report is handed over, and either all is settled or its owner
        had time for that: a node that leaves earlier has its last attempts taken for lost.
        """
        if self._stop_due_us is None:
            return False
        if now.monotonic_us >= self._stop_due_us:
            return True
        if not self._is_handed_over:
            self._settle_due_us = None  # it is due to nobody while something is on its way
            return False
        if self._settle_due_us is None:
            self._settle_due_us = now.monotonic_us + microseconds(SETTLE_WAIT_S)
        return self._roster.holdings.is_empty or now.monotonic_us >= self._settle_due_us

    @property
    def _is_handed_over(self) -> bool:
        return (
            not self._roster.holdings.open_count and self._commit.is_idle and self._outbox.is_empty
        )

    # -- outputs ----------------------------------------------------------------------------------

    def _gather(self, now: Now) -> list[Output]:
        outputs: list[Output] = []
        journal = self._commit.flush()
        if journal is not None:
            outputs.append(journal)
        outputs += self._acknowledgements
        outputs += self._outputs
        outputs += self._roster.take_outputs()
        for parcel in self._outbox.take(now.monotonic_us, self._roster.holdings.report_of):
            reports = Reports(
                node=self._settings.node, incarnation=self._incarnation, reports=parcel.reports
            )
            outputs.append(PublishReports(parcel.number, parcel.shard, reports))
        is_leaving = self._may_stop(now)
        if is_leaving or now.monotonic_us >= self._beat_due_us:
            outputs.append(self._beat(now, is_leaving))
        if is_leaving:
            self._is_stopped = True
            outputs.append(Stopped(self._is_handed_over and not self._roster.has_running))
        self._acknowledgements = []
        self._outputs = []
        return outputs

    def _beat(self, now: Now, is_leaving: bool) -> SendHeartbeat:
        settings = self._settings
        interval_s = settings.heartbeat_interval_s
        if not self._is_granted:
            interval_s = min(interval_s, EAGER_HEARTBEAT_S)
        self._beat_due_us = now.monotonic_us + self._leases.in_time(microseconds(interval_s))
        self._sequence += 1
        self._leases.sent(self._sequence, now.monotonic_us)
        held, unsettled = self._roster.holdings.listed()
        takes_more = not self._takes_nothing and not self._roster.holdings.is_full
        beat = Heartbeat(
            node=settings.node,
            incarnation=self._incarnation,
            sequence=self._sequence,
            held=held,
            unsettled=unsettled,
            slots=settings.slots,
            credits=settings.credits if takes_more else 0,
            cordoned=self._orders.cordoned,
            draining=bool(self._takes_nothing),
            refusal=self._takes_nothing or self._orders.reason,
            leaving=is_leaving,
            tasks=tuple(sorted(settings.tasks)),
            labels=settings.labels,
            build_id=settings.build_id,
            capacity=settings.capacity,
            host=self._host,
            weight=settings.weight,
            transactional=tuple(sorted(settings.transactional)),
            at=now.wall_us,
            protocol=PROTOCOL,
            ordered_at_version=self._orders.version,
        )
        return SendHeartbeat(beat)
