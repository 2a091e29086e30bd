"""The agent's core under commands, duplicates, cancels, settlements, resets and crashes in any
order.

A world that plays everybody else and keeps books of its own; at every output it checks what the
core's module text promises. Disk and bus answer late, never, or in any order; the process is
killed, the host loses power.
"""

from collections.abc import Sequence

import hypothesis.strategies as st
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from events.facts import Failure
from events.ids import Attempt
from events.messages import (
    PROTOCOL,
    Cancel,
    Command,
    Commands,
    Completed,
    Drain,
    Drop,
    Execute,
    Failed,
    Granted,
    Heartbeat,
    Report,
    Reset,
    Returned,
    Settle,
)
from node_agent.adapters.memory_journal import MemoryJournal
from node_agent.attempts import Key, key_of
from node_agent.core import AgentCore
from node_agent.journal import Forgot, Live
from node_agent.outcomes import FULL, OVER
from node_agent.settings import Settings
from node_agent.steps import (
    Begin,
    Broke,
    Ceased,
    CommandsArrived,
    Done,
    DrainRequested,
    ExecutionEnded,
    ExecutionProgressed,
    HeartbeatAnswered,
    Input,
    Journal,
    JournalSynced,
    NewIncarnation,
    NotBegun,
    Now,
    Output,
    PublishFailed,
    PublishRejected,
    PublishReports,
    ReportsPublished,
    Result,
    SendHeartbeat,
    StartExecution,
    Stopped,
    Tick,
)

SETTINGS = Settings(
    node="n", tasks=frozenset({"t"}), slots=2, credits=3, cancel_grace_s=2.0, drain_timeout_s=5.0
)
LEASE_TTL_S = 5.0
LEASE_TTL_US = 5_000_000
LOOKS_MAX = 1_000
"""Far more than a core wants to look at its timers in the longest wait."""
PASSING = (OVER, FULL)
FINAL = (Completed, Failed, Returned)

numbers = st.integers(min_value=0, max_value=10_000)
results = st.sampled_from([Done(output=1), Broke(Failure(code="boom")), Ceased(), NotBegun()])
publish_outcomes = st.sampled_from([ReportsPublished, PublishFailed, PublishRejected])
maybe_seconds = st.sampled_from([None, 0.5, 3.0])


class World(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now_us = 1_000_000
        self.minted = 0
        self.highest: dict[Key, int] = {}
        self.journal = MemoryJournal()
        self.sent: list[tuple[str, Command]] = []
        self.begun: set[Attempt] = set()
        self.forgotten: set[Attempt] = set()
        self.begin(())

    def begin(self, live: Sequence[Live]) -> None:
        """A new process: it has nothing but what the journal gives it."""
        self.core = AgentCore(SETTINGS, self.mint)
        self.running: dict[Attempt, StartExecution] = {}
        self.beats_us: dict[int, int] = {}
        self.leases_us: dict[int, int] = {}
        self.received_us: dict[Attempt, int] = {}
        self.batches: dict[int, int] = {}
        self.syncing: int | None = None
        self.parcels: dict[int, PublishReports] = {}
        self.published: dict[Attempt, Report] = {}
        self.is_stopped = False
        self.feed(Begin(tuple(live)))

    def mint(self, at: int) -> str:
        self.minted += 1
        return f"i{self.minted}"

    # -- what the core does, and what it must not -------------------------------------------------

    def feed(self, *inputs: Input) -> None:
        outputs = self.core.step(inputs, Now(self.now_us, self.now_us))
        kinds = [type(output) for output in outputs]
        if Journal in kinds:
            assert kinds.index(Journal) == 0, "something is done before the journal is written"
        for output in outputs:
            self.perform(output)

    def perform(self, output: Output) -> None:
        match output:
            case Journal():
                self.write(output)
            case StartExecution():
                self.start(output)
            case PublishReports():
                self.publish(output)
            case SendHeartbeat():
                self.beats_us[output.beat.sequence] = self.now_us
                self.check_heartbeat(output.beat)
            case NewIncarnation():
                self.beats_us.clear()
                self.leases_us.clear()
                self.published.clear()
            case Stopped():
                self.is_stopped = True
            case _:
                assert not self.is_stopped

    def write(self, journal: Journal) -> None:
        self.journal.append(journal.records)
        self.batches[journal.batch] = self.journal.written
        if journal.sync:
            assert self.syncing is None, "two syncs under way"
            self.syncing = journal.batch
        for record in journal.records:
            if isinstance(record, Forgot):
                self.forgotten.update(record.attempts)

    def start(self, start: StartExecution) -> None:
        attempt = start.execute.attempt
        assert attempt not in self.begun, "started twice"
        assert attempt not in self.forgotten, "started after it was settled or dropped"
        key = key_of(attempt)
        known = [one for one in self.journal.read() if key_of(one.attempt) == key]
        assert not any(one.attempt == attempt and one.report for one in known), "has ended"
        assert all(one.attempt.number <= attempt.number for one in known), "a later one is known"
        assert key not in map(key_of, self.running), "two attempts at the same time"
        assert len(self.running) < SETTINGS.slots, "no slot"
        assert self.now_us < start.lease_until_us <= self.leases_us[start.execute.shard], "no lease"
        if start.execute.start_within_s is not None:
            window_us = round(start.execute.start_within_s * 1_000_000)
            assert self.now_us < self.received_us[attempt] + window_us, "too late"
        self.begun.add(attempt)
        self.running[attempt] = start

    def publish(self, parcel: PublishReports) -> None:
        assert parcel.number not in self.parcels
        assert parcel.shard not in {other.shard for other in self.parcels.values()}
        durable = {live.attempt: live.report for live in self.journal.read_durable()}
        for report in parcel.reports.reports:
            if not isinstance(report, FINAL):
                continue
            if isinstance(report, Returned) and report.message in PASSING:
                continue
            if report.attempt not in self.forgotten:
                assert durable.get(report.attempt) == report, "published before it was durable"
        self.parcels[parcel.number] = parcel

    def check_heartbeat(self, beat: Heartbeat) -> None:
        """The journal and the heartbeat tell the same."""
        live = self.journal.read()
        assert set(beat.held) == {one.attempt for one in live if one.report is None}
        assert set(beat.unsettled) == {one.attempt for one in live if one.report is not None}

    # -- commands ---------------------------------------------------------------------------------

    def send(self, command: Command, incarnation: str = "") -> None:
        tag = incarnation or self.core.incarnation
        if tag == self.core.incarnation and isinstance(command, Execute):
            held = {one.attempt for one in self.journal.read()}
            if command.attempt not in held:
                self.received_us[command.attempt] = self.now_us
        self.sent.append((tag, command))
        self.feed(CommandsArrived(tag, Commands(coordinator="c", commands=(command,)), object()))

    @rule(
        step=st.sampled_from("abc"),
        shard=st.integers(0, 1),
        within=maybe_seconds,
        longest=maybe_seconds,
        silence=maybe_seconds,
    )
    def execute(
        self,
        step: str,
        shard: int,
        within: float | None,
        longest: float | None,
        silence: float | None,
    ) -> None:
        key = ("r", step, 0)
        number = self.highest[key] = self.highest.get(key, 0) + 1
        self.send(
            Execute(
                attempt=Attempt(*key, number),
                shard=shard,
                task="t",
                start_within_s=within,
                start_to_close_s=longest,
                heartbeat_s=silence,
            )
        )

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(0, 8))
    def deliver_again(self, back: int) -> None:
        incarnation, command = self.sent[max(0, len(self.sent) - 1 - back)]
        if not isinstance(command, (Settle, Drain)):
            self.send(command, incarnation)

    @rule(step=st.sampled_from("abc"), back=st.integers(-1, 2), shard=st.integers(0, 1))
    def cancel(self, step: str, back: int, shard: int) -> None:
        self.send(Cancel(attempt=self.some(step, back), shard=shard))

    @rule(step=st.sampled_from("abc"), back=st.integers(-1, 2))
    def drop(self, step: str, back: int) -> None:
        attempt = self.some(step, back)
        self.send(Drop(attempts=(attempt, attempt)))
        self.forgotten.add(attempt)

    @rule(step=st.sampled_from("abc"), back=st.integers(-1, 2))
    def settle(self, step: str, back: int) -> None:
        attempt = self.some(step, back)
        self.send(Settle(attempts=(attempt, attempt)))

    def some(self, step: str, back: int) -> Attempt:
        """An attempt that was sent, or one whose command is on its way and will come later."""
        key = ("r", step, 0)
        highest = self.highest.get(key, 0)
        attempt = Attempt(*key, max(1, highest - back))
        if attempt.number > highest:
            self.highest[key] = attempt.number
            late = Execute(attempt=attempt, shard=0, task="t")
            self.sent.append((self.core.incarnation, late))
        return attempt

    # -- handlers, disk, bus, time ----------------------------------------------------------------

    @precondition(lambda self: self.running)
    @rule(which=numbers, result=results)
    def end(self, which: int, result: Result) -> None:
        attempt = list(self.running)[which % len(self.running)]
        del self.running[attempt]
        if isinstance(result, NotBegun):
            self.begun.discard(attempt)
        self.feed(ExecutionEnded(attempt, result))

    @precondition(lambda self: self.running)
    @rule(which=numbers, has_details=st.booleans())
    def progress(self, which: int, has_details: bool) -> None:
        attempt = list(self.running)[which % len(self.running)]
        self.feed(ExecutionProgressed(attempt, "mark", has_details, 4))

    @precondition(lambda self: self.syncing is not None)
    @rule()
    def sync(self) -> None:
        batch, self.syncing = self.syncing, None
        assert batch is not None
        self.journal.sync_now(self.batches[batch])
        self.feed(JournalSynced(batch))

    @precondition(lambda self: self.parcels)
    @rule(
        which=numbers, outcome=st.sampled_from([ReportsPublished, PublishFailed, PublishRejected])
    )
    def hear_of_parcel(
        self,
        which: int,
        outcome: type[ReportsPublished] | type[PublishFailed] | type[PublishRejected],
    ) -> None:
        number = list(self.parcels)[which % len(self.parcels)]
        parcel = self.parcels.pop(number)
        if outcome is ReportsPublished:
            finals = (r for r in parcel.reports.reports if isinstance(r, FINAL))
            self.published |= {report.attempt: report for report in finals}
        self.feed(outcome(number))

    @precondition(lambda self: self.beats_us)
    @rule(back=st.integers(0, 5), shards=st.sampled_from([(0,), (1,), (0, 1)]))
    def grant(self, back: int, shards: tuple[int, ...]) -> None:
        sequence = max(1, max(self.beats_us) - back)
        for shard in shards:
            until_us = self.beats_us[sequence] + LEASE_TTL_US
            self.leases_us[shard] = max(until_us, self.leases_us.get(shard, 0))
        answer = Granted(
            protocol=PROTOCOL,
            coordinator="c",
            sequence=sequence,
            incarnation=self.core.incarnation,
            shards=shards,
            lease_ttl_s=LEASE_TTL_S,
        )
        self.feed(HeartbeatAnswered(answer))

    @rule(by_s=st.sampled_from([0.01, 0.3, 1.0, 4.0, 30.0]), looks=st.booleans())
    def wait(self, by_s: float, looks: bool) -> None:
        """Time passes, with or without steps meanwhile (the host may stand still)."""
        until_us = self.now_us + round(by_s * 1_000_000)
        steps = 0
        while looks and (due_us := self.core.next_due()) is not None and due_us < until_us:
            self.now_us = max(self.now_us, due_us)
            self.feed(Tick())
            steps += 1
            assert steps < LOOKS_MAX, "what is due stays due, and the agent spins"
        self.now_us = until_us
        self.feed(Tick())

    # -- catastrophes -----------------------------------------------------------------------------

    @rule(
        kind=st.sampled_from(["reset", "kill", "lose power", "drain"]), surviving=st.integers(0, 3)
    )
    def catastrophe(self, kind: str, surviving: int) -> None:
        match kind:
            case "reset":
                incarnation = self.core.incarnation
                answer = Reset(coordinator="c", sequence=1, incarnation=incarnation)
                self.parcels.clear()
                self.feed(HeartbeatAnswered(answer))
            case "drain":
                self.feed(DrainRequested())
            case "lose power":
                self.journal.lose_power(surviving)
                self.begin(self.journal.open())
            case _:
                self.begin(self.journal.open())

    def teardown(self) -> None:
        """Undisturbed from now on, everything that was taken is reported, and nothing is left
        over.
        """
        live = {}
        for _ in range(400):
            self.go_on()
            live = {one.attempt: one.report for one in self.journal.read()}
            if self.is_stopped or live == {one: self.published.get(one) for one in live}:
                return
        raise AssertionError(f"never told: {live}, but {self.published}")

    def go_on(self) -> None:
        """Half a second in which everybody does what is asked of them."""
        while self.syncing is not None:
            self.sync()
        while self.parcels:
            self.hear_of_parcel(0, ReportsPublished)
        while self.running:
            self.end(0, Done(output=2))
        if not self.is_stopped:
            self.grant(0, (0, 1))
            self.wait(0.5, True)


World.TestCase.settings = hypothesis_settings(stateful_step_count=60, max_examples=150)
TestAgentCore = World.TestCase
