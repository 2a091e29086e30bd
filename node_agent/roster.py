"""The attempts that this node holds: taking, starting, ending, forgetting. Part of the core.

    Execute ─► queued ─► running ─► ended ─► forgotten
                 │          │ cancel, timeout, drop, reset
                 │          ▼
                 └──────► ending ─► ended (by itself, or the grace is over: then it is a *stray*)

An attempt that was given up while its execution goes on is a stray: it keeps slot and task key
until it has really ended (see `slots`), and its late result is dropped.
"""

from typing import assert_never

import msgspec

from events.codec import encode
from events.errors import InvariantViolation
from events.facts import LossReason
from events.ids import Attempt
from events.messages import (
    ONCE_PROTOCOL,
    Cancel,
    Completed,
    Execute,
    Once,
    Progressed,
    Returned,
    Started,
)
from node_agent import outcomes
from node_agent.attempts import Held, State
from node_agent.group_commit import GroupCommit, Note
from node_agent.holdings import Holdings
from node_agent.journal import Begun, Final, Forgot, Live
from node_agent.leases import Leases
from node_agent.outbox import Outbox
from node_agent.settings import Settings, microseconds
from node_agent.slots import Slots
from node_agent.steps import (
    CancelExecution,
    ExecutionProgressed,
    NotBegun,
    Now,
    OnceKept,
    OnceSettled,
    Output,
    Result,
    StartExecution,
    Why,
)
from node_agent.timers import Timers


class Roster:
    def __init__(
        self, settings: Settings, leases: Leases, outbox: Outbox, commit: GroupCommit
    ) -> None:
        self._settings = settings
        self._leases = leases
        self._outbox = outbox
        self._commit = commit
        self._timers = Timers()
        self._slots = Slots(settings.slots, leases)
        self._outputs: list[Output] = []
        self.holdings = Holdings(settings.credits)

    # -- what the core asks -----------------------------------------------------------------------

    @property
    def has_running(self) -> bool:
        """Whether any execution is under way, strays included."""
        return bool(self._slots.running)

    def next_us(self) -> int | None:
        return self._timers.next_us()

    def take_outputs(self) -> list[Output]:
        taken, self._outputs = self._outputs, []
        return taken

    # -- commands ---------------------------------------------------------------------------------

    def execute(self, command: Execute, refusal: str, now: Now) -> None:
        """Takes the attempt, or answers for it; `refusal` is why nothing new is taken, or empty."""
        attempt = command.attempt
        entry = self.holdings.get(attempt)
        if entry is not None and _is_namesake(entry, command):
            self.drop((attempt,))
            self._take(command, now)
        elif entry is not None:
            self._send_again(entry, now)
        elif self.holdings.is_over(attempt):
            self._answer_over(command, "refused")
        elif self.holdings.is_full:
            self.holdings.remember(attempt)
            report = outcomes.refused(attempt, outcomes.FULL)
            self._outbox.add_passing(command.shard, report)
        elif refusal or command.task not in self._settings.tasks:
            why = refusal or f"no task {command.task!r} is registered on this node"
            self._take_ended(command.shard, outcomes.refused(attempt, why), now)
        else:
            self._take(command, now)

    def cancel(self, command: Cancel, now: Now) -> None:
        entry = self.holdings.get(command.attempt)
        if entry is None and self.holdings.is_over(command.attempt):
            self._answer_over(command, "recalled")
        elif entry is None:
            report = Returned(attempt=command.attempt, reason="recalled", message=command.reason)
            self._take_ended(command.shard, report, now)
        elif entry.state is State.ENDED:
            self._send_again(entry, now)
        else:
            self._stop(entry, "recalled", now)

    def settle(self, attempts: tuple[Attempt, ...]) -> None:
        """Forgets those that have ended; a settlement of anything else is out of date."""
        known = self.holdings.some(attempts)
        self._forget([entry for entry in known if entry.state is State.ENDED])

    def drop(self, attempts: tuple[Attempt, ...]) -> None:
        """Cancels and forgets; those not known are remembered, should their command still come."""
        for attempt in attempts:
            if self._slots.is_running(attempt):
                self._outputs.append(CancelExecution(attempt, "dropped"))
            if self.holdings.get(attempt) is None:
                self.holdings.remember(attempt)
        self._forget(self.holdings.some(attempts))

    # -- executions -------------------------------------------------------------------------------

    def start_ready(self, now: Now) -> None:
        """Starts what may start: a slot, a valid lease, the window open, the task not running."""
        while (entry := self._slots.take(now.monotonic_us)) is not None:
            if _is_due(entry.start_due_us, now):
                self._expire(entry)
            else:
                self._start(entry, now)

    def lease_granted(self, shards: tuple[int, ...], fenced: tuple[Attempt, ...]) -> None:
        """What has not begun of the fenced never does; the rest of them is dropped by command."""
        self._forget([one for one in self.holdings.some(fenced) if one.state is State.QUEUED])
        self._slots.granted(shards)

    def progressed(self, sign: ExecutionProgressed, now: Now) -> None:
        entry = self.holdings.get(sign.attempt)
        if entry is None or entry.execute is None or not self._slots.is_running(sign.attempt):
            return
        if entry.state is State.QUEUED:
            return  # what runs is a namesake, and a stray
        self._alive(entry, now)
        if sign.has_details or sign.fraction is not None:
            self._note_progress(entry, sign)
            earliest_us = now.monotonic_us
            if entry.progress_sent_us is not None:
                interval_us = microseconds(self._settings.progress_interval_s)
                earliest_us = max(earliest_us, entry.progress_sent_us + interval_us)
            entry.progress_due_us = earliest_us
            if earliest_us <= now.monotonic_us:
                self._send_progress(entry, now)
        self._schedule(entry)

    def ended(self, attempt: Attempt, result: Result, now: Now) -> None:
        """An execution is over: its slot and key are free, its result is reported if still
        wanted.
        """
        self._slots.release(attempt)
        entry = self.holdings.get(attempt)
        if entry is None or entry.state in {State.ENDED, State.QUEUED}:
            return
        if isinstance(result, NotBegun):
            entry.started_at = 0
            if entry.verdict is None:
                self._requeue(entry)
                return
        report = outcomes.final_of(entry, result, now)
        if entry.progress_due_us is not None and not isinstance(report, Completed):
            self._send_progress(entry, now)  # the next attempt is given the last details
        self._end(entry, report)

    def stop_all(self, why: Why, now: Now) -> None:
        """Asks everything that runs to end, and gives back what does not."""
        for entry in self.holdings.all_in(State.QUEUED, State.RUNNING):
            self._stop(entry, why, now)

    def refuse_queued(self, why: str) -> None:
        """Gives back all that has not begun."""
        for entry in self.holdings.all_in(State.QUEUED):
            self._end(entry, outcomes.refused(entry.attempt, why))

    # -- reports ----------------------------------------------------------------------------------

    def release(self, entries: list[Held], now: Now) -> None:
        """Their reports are durable and may go."""
        for entry in entries:
            if self.holdings.get(entry.attempt) is entry:
                self._hand_over(entry, now)

    def published(self, attempts: tuple[Attempt, ...], now: Now) -> None:
        """Sends each again after a while, longer each time, unless it is settled before."""
        for attempt in attempts:
            entry = self.holdings.ended(attempt)
            if entry is None:
                continue
            first_us = microseconds(self._settings.resend_first_s)
            longest_us = microseconds(self._settings.resend_max_s)
            entry.resend_delay_us = min(max(first_us, 2 * entry.resend_delay_us), longest_us)
            entry.resend_due_us = now.monotonic_us + entry.resend_delay_us
            self._schedule(entry)

    def shrink(self, attempt: Attempt, now: Now) -> None:
        """Its report is larger than any message: says that instead."""
        entry = self.holdings.ended(attempt)
        if entry is not None:
            report = outcomes.too_large(entry, now)
            report = msgspec.structs.replace(report, dispatched_at=entry.dispatched_at)
            self.holdings.end(entry, report)
            self._commit.end(entry, report)

    # -- what is done once per task ---------------------------------------------------------------

    def keep(self, kept: OnceKept) -> None:
        """A part of a handler is done: its value is reported once it is durable here."""
        entry = self.holdings.get(kept.attempt)
        if entry is not None and entry.state in {State.RUNNING, State.ENDING}:
            once = Once(
                attempt=kept.attempt,
                name=kept.name,
                value=kept.value,
                dispatched_at=entry.dispatched_at,
            )
            self._commit.note(entry, once, kept.size)

    def report_once(self, noted: list[Note], now: Now) -> None:
        """These values are durable; each is sent again until its owner has recorded it."""
        for note in noted:
            entry = note.held
            if self.holdings.get(entry.attempt) is entry:
                entry.once[note.once.name] = note.once, note.size
                self._tell(entry, note.once, note.size)
                entry.once_due_us = now.monotonic_us + microseconds(self._settings.resend_first_s)
                self._schedule(entry)

    def settle_once(self, settled: tuple[tuple[Attempt, str], ...], now: Now) -> None:
        """The handlers go on with these values."""
        for attempt, name in settled:
            entry = self.holdings.get(attempt)
            if entry is None or entry.once.pop(name, None) is None:
                continue
            self._outputs.append(OnceSettled(attempt, name))
            if not entry.once:
                entry.once_due_us = None
                self._alive(entry, now)

    def _tell(self, entry: Held, once: Once, size: int) -> None:
        """Later, if the shard's owner is of a release that does not know what this is."""
        if self._leases.is_told(entry.shard, ONCE_PROTOCOL):
            self._outbox.add_passing(entry.shard, once, size)

    def _send_once(self, entry: Held, now: Now) -> None:
        for once, size in entry.once.values():
            self._tell(entry, once, size)
        entry.once_due_us = now.monotonic_us + microseconds(self._settings.resend_max_s)

    # -- time, beginnings -------------------------------------------------------------------------

    def pass_time(self, now: Now) -> None:
        for wake_us, attempt in self._timers.pop(now.monotonic_us):
            entry = self.holdings.get(attempt)
            if entry is not None and entry.wake_us == wake_us:
                entry.wake_us = None
                self._attend(entry, now)
                self._schedule(entry)

    def restore(self, live: Live, now: Now) -> None:
        """Takes over what an earlier process left: its reports, and word of what it cut short."""
        if live.report is not None:
            entry = self._take_over(live.attempt, live.shard, now)
            self.holdings.end(entry, live.report)
            entry.dispatched_at = live.report.dispatched_at
            entry.durable = True
        else:
            report = Returned(
                attempt=live.attempt,
                reason="node_restarted",
                message="the agent was restarted before the attempt had ended",
                started=live.started_at > 0,
            )
            entry = self._take_ended(live.shard, report, now)
        for once in live.once:
            size = len(encode(once.value))
            entry.once[once.name] = once, size
            self._tell(entry, once, size)
        if entry.durable:
            self._hand_over(entry, now)

    def reset(self) -> None:
        """Drops everything; what runs is cancelled and keeps slot and key until it has ended."""
        for attempt in self._slots.running:
            self._outputs.append(CancelExecution(attempt, "reset"))
        self.holdings.forget_all()
        self._slots.forget_waiting()
        self._timers.clear()

    # -- inside -----------------------------------------------------------------------------------

    def _take(self, command: Execute, now: Now) -> None:
        attempt = command.attempt
        other = self.holdings.newest_of_task(attempt)
        if other is not None and other.number > attempt.number:
            report = outcomes.refused(
                attempt, f"attempt {other.number} of the task is here already"
            )
            self._take_ended(command.shard, report, now)
            return
        entry = self._take_over(attempt, command.shard, now)
        entry.execute = command
        entry.dispatched_at = command.dispatched_at
        entry.epoch, entry.beat = command.epoch, self._leases.next_beat
        self.holdings.open_count += 1
        if command.start_within_s is not None:
            entry.start_due_us = now.monotonic_us + microseconds(command.start_within_s)
            self._schedule(entry)
        self._commit.accept(entry)
        self._slots.add(entry)

    def _take_over(self, attempt: Attempt, shard: int, now: Now) -> Held:
        """Holds it from now on; an earlier attempt of its task is fenced by it."""
        entry, superseded = self.holdings.add(attempt, shard)
        if superseded is not None:
            self._stop(superseded, "superseded", now)
        return entry

    def _take_ended(self, shard: int, report: Final, now: Now) -> Held:
        entry = self._take_over(report.attempt, shard, now)
        self.holdings.end(entry, report)
        self._commit.end(entry, report)
        return entry

    def _start(self, entry: Held, now: Now) -> None:
        execute = entry.execute
        if execute is None:
            raise InvariantViolation(f"{entry.attempt} is queued without its command")
        now_us = now.monotonic_us
        entry.state = State.RUNNING
        if entry.is_recorded:
            self._commit.record(Begun(entry.attempt, now.wall_us))
        entry.started_at = now.wall_us
        entry.started_report_due_us = now_us + microseconds(self._settings.started_report_after_s)
        if (limit_s := self._limit_s(execute)) is not None:
            entry.close_due_us = now_us + microseconds(limit_s)
        if execute.heartbeat_s is not None:
            entry.beat_due_us = now_us + microseconds(execute.heartbeat_s)
        self._slots.occupy(entry.attempt)
        until_us = self._leases.until(entry.shard)
        self._outputs.append(StartExecution(execute, now.wall_us, until_us))
        self._schedule(entry)

    def _alive(self, entry: Held, now: Now) -> None:
        """The handler shows that it lives, or cannot as long as it waits for the cluster."""
        if entry.execute is not None and entry.execute.heartbeat_s is not None:
            entry.beat_due_us = now.monotonic_us + microseconds(entry.execute.heartbeat_s)

    def _limit_s(self, execute: Execute) -> float | None:
        """How long it may run: what the definition or the task itself allows, whichever is less."""
        limits = (execute.start_to_close_s, self._settings.timeouts_s.get(execute.task))
        return min((limit for limit in limits if limit is not None), default=None)

    def _requeue(self, entry: Held) -> None:
        entry.state = State.QUEUED
        entry.close_due_us = entry.beat_due_us = entry.started_report_due_us = None
        self._slots.add_first(entry)
        self._schedule(entry)

    def _expire(self, entry: Held) -> None:
        why = "the attempt could not be started within its window: no valid lease or no free slot"
        self._end(entry, outcomes.refused(entry.attempt, why))

    def _stop(self, entry: Held, why: Why, now: Now) -> None:
        if entry.state is State.QUEUED:
            entry.verdict = why
            self._end(entry, outcomes.returned(entry))
        elif entry.state is State.RUNNING:
            entry.verdict = why
            entry.state = State.ENDING
            entry.grace_due_us = now.monotonic_us + microseconds(self._settings.cancel_grace_s)
            self._outputs.append(CancelExecution(entry.attempt, why))
            self._schedule(entry)

    def _attend(self, entry: Held, now: Now) -> None:
        match entry.state:
            case State.QUEUED:
                if _is_due(entry.start_due_us, now):
                    self._expire(entry)
            case State.RUNNING:
                self._attend_running(entry, now)
            case State.ENDING:
                if _is_due(entry.grace_due_us, now):
                    self._give_up(entry, now)
            case State.ENDED:
                if _is_due(entry.resend_due_us, now):
                    self._send_again(entry, now)
            case _:
                assert_never(entry.state)

    def _attend_running(self, entry: Held, now: Now) -> None:
        if _is_due(entry.progress_due_us, now):
            self._send_progress(entry, now)
        if _is_due(entry.once_due_us, now):
            self._send_once(entry, now)
        if _is_due(entry.started_report_due_us, now):
            entry.started_report_due_us = None
            started = Started(
                attempt=entry.attempt,
                started_at=entry.started_at,
                dispatched_at=entry.dispatched_at,
            )
            self._outbox.add_passing(entry.shard, started)
        if _is_due(entry.close_due_us, now):
            self._stop(entry, "start_to_close_timeout", now)
        elif entry.once and _is_due(entry.beat_due_us, now):
            self._alive(entry, now)
        elif _is_due(entry.beat_due_us, now):
            self._stop(entry, "heartbeat_timeout", now)

    def _give_up(self, entry: Held, now: Now) -> None:
        """The handler ignores its cancellation: report without it; it stays as a stray."""
        if entry.verdict in {"start_to_close_timeout", "heartbeat_timeout"}:
            self._end(entry, outcomes.timed_out(entry, now))
        else:
            self._end(entry, outcomes.returned(entry))

    def _end(self, entry: Held, report: Final) -> None:
        self.holdings.open_count -= 1
        report = msgspec.structs.replace(report, dispatched_at=entry.dispatched_at)
        self.holdings.end(entry, report)
        self._commit.end(entry, report)

    def _forget(self, entries: list[Held]) -> None:
        for entry in entries:
            self.holdings.forget(entry)
        if entries:
            self._commit.record(Forgot(tuple(entry.attempt for entry in entries)))

    def _send_again(self, entry: Held, now: Now) -> None:
        entry.resend_due_us = None
        if entry.durable:
            for once, size in entry.once.values():
                self._tell(entry, once, size)
            self._hand_over(entry, now)

    def _hand_over(self, entry: Held, now: Now) -> None:  # later, if it is not known there
        if self._leases.is_known(entry.shard, entry.report):
            self._outbox.add_final(entry.shard, entry.attempt)
            return
        entry.resend_due_us = now.monotonic_us + microseconds(self._settings.resend_first_s)
        self._schedule(entry)

    def _answer_over(self, command: Execute | Cancel, reason: LossReason) -> None:
        report = Returned(
            attempt=command.attempt,
            reason=reason,
            message=outcomes.OVER,
            started=True,
        )
        self._outbox.add_passing(command.shard, report)

    def _note_progress(self, entry: Held, sign: ExecutionProgressed) -> None:
        known = Progressed(attempt=entry.attempt, dispatched_at=entry.dispatched_at)
        last = entry.progress or known
        entry.progress = Progressed(
            attempt=entry.attempt,
            details=sign.details if sign.has_details else last.details,
            fraction=last.fraction if sign.fraction is None else sign.fraction,
            sequence=last.sequence + 1,
            dispatched_at=entry.dispatched_at,
        )
        if sign.has_details:
            entry.progress_bytes = sign.details_bytes

    def _send_progress(self, entry: Held, now: Now) -> None:
        entry.progress_due_us = None
        entry.progress_sent_us = now.monotonic_us
        if entry.progress is not None:
            self._outbox.add_passing(entry.shard, entry.progress, entry.progress_bytes)

    def _schedule(self, entry: Held) -> None:
        due_us = entry.next_due_us()
        if due_us is not None and (entry.wake_us is None or due_us < entry.wake_us):
            entry.wake_us = self._timers.add(due_us, entry.attempt)


def _is_namesake(entry: Held, command: Execute) -> bool:
    """Whether the log has dispatched another attempt under this name, after a restore from a
    backup: what is known here of the first is nobody's any more."""
    return 0 < entry.dispatched_at < command.dispatched_at


def _is_due(due_us: int | None, now: Now) -> bool:
    return due_us is not None and due_us <= now.monotonic_us
