"""What authors and operators were promised about time, order and reasons, kept from events alone.

Promise 4, an end that could have been reached undisturbed: attempts as often and as late as the
retry policy says, timers not early, steps not before those that they depend on. Promise 7, every
decision with its reason. The arithmetic is written down here once more, from the documentation of
the policies and not from the kernel.
"""

from collections.abc import Callable, Iterator
from typing import get_args

import msgspec

from events import cluster_facts as c
from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.definition import Definition, Step
from events.envelope import Event
from events.facts import Fact, Flow
from events.policies import Retry
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.state import RunState

US = 1_000_000
ROUNDING_US = 2
LOSSES_MAX = 20
TIMEOUTS = frozenset({"start_to_close_timeout", "schedule_to_start_timeout", "heartbeat_timeout"})
OWN_CODES = frozenset({"E1", "E2", "E3"}) | TIMEOUTS
"""Of failures that nothing but the retry policy decides on."""
OPERATED = (r.RunPaused, r.RunResumed, r.RunCancelled, c.NodeCordoned, c.NodeUncordoned)
Outcome = (
    t.AttemptFailed
    | t.TaskSettling
    | t.TaskSettled
    | t.TaskFailed
    | t.TaskCompleted
    | t.TaskCancelled
)
OUTCOMES = get_args(Outcome)
OVER = frozenset({"completed", "failed", "cancelled", "skipped", "left"})


class Policies:
    """Of one run. `state` is the run's fold after the event."""

    def __init__(
        self, net: Callable[[str, str], NetIndex], definition: Callable[[str], Definition | None]
    ) -> None:
        self._net = net
        self._definition = definition
        self._counted: dict[str, int] = {}
        self._losses: dict[str, int] = {}
        self._delays: dict[str, float] = {}
        self._due: dict[str, int] = {}
        """Wait or retry → the instant before which it is not over."""
        self._settling: dict[str, str] = {}
        """Steps of which it is being settled what became of them, and the code that they fail with.
        """
        self._run_due: int | None = None
        self._paused_at: int | None = None

    def take(self, event: Event, state: RunState) -> Iterator[str]:
        fact, at = event.fact, event.header.recorded_at
        if self._paused_at is not None and not isinstance(fact, r.RunResumed):
            at = self._paused_at  # the run's own clock stands still
        yield from unexplained(fact, event.header.actor)
        match fact:
            case r.RunStarted() if fact.options.timeout_s is not None:
                self._run_due = at + int(fact.options.timeout_s * US)
            case r.RunForked() | o.RunRestored():
                self._forked(state)
            case r.RunPaused() | r.RunResumed():
                yield from self._paused(fact, at)
            case _ if isinstance(fact, OUTCOMES):
                yield from self._missed(fact, at, state)
            case t.TaskRetryDue():
                yield from self._early(f"retry {fact.step}", at, "is ready again")
            case r.WaitEnded() if not fact.signal:
                yield from self._early(f"wait {fact.step}", at, "is over")
            case _:
                yield from self._ended(fact, at)
        if isinstance(fact, r.RunClosing):
            self._paused_at = None
        flow = getattr(fact, "flow", None)
        if isinstance(flow, Flow):
            yield from self._moved(flow, at, state)

    # -- time -------------------------------------------------------------------------------------

    def _forked(self, state: RunState) -> None:
        """What the source, or the earlier version, had counted counts on; its waits begin anew or
        go on."""
        self._due.clear()
        self._settling.clear()
        self._counted = {name: step.counted for name, step in state.steps.items()}
        self._losses = {name: step.losses for name, step in state.steps.items()}
        self._delays = {name: step.delay_s for name, step in state.steps.items()}
        for key, due in state.timers.items():
            what, _, step = key.partition(":")
            if what in {"wait", "until", "retry"}:
                self._due[f"{'retry' if what == 'retry' else 'wait'} {step}"] = due
        self._run_due = state.timers.get("run")

    def _paused(self, fact: r.RunPaused | r.RunResumed, at: int) -> Iterator[str]:
        """All waits last as much longer as it was paused."""
        if isinstance(fact, r.RunPaused):
            self._paused_at = at
            return
        if self._paused_at is not None and fact.shift_us != at - self._paused_at:
            yield f"it was paused for {at - self._paused_at} us, its timers move by {fact.shift_us}"
        self._paused_at = None
        self._due = {key: due + fact.shift_us for key, due in self._due.items()}
        if self._run_due is not None:
            self._run_due += fact.shift_us

    def _early(self, key: str, at: int, what: str) -> Iterator[str]:
        due = self._due.pop(key, None)
        if due is not None and at < due:
            yield f"{key} {what} {due - at} us early"

    def _ended(self, fact: Fact, at: int) -> Iterator[str]:
        if isinstance(fact, r.RunTimedOut) or (
            isinstance(fact, r.RunClosing) and fact.status == "timed_out"
        ):
            if self._run_due is None:
                yield "it has timed out without a timeout"
            elif at < self._run_due and isinstance(fact, r.RunClosing):
                yield f"it has timed out {self._run_due - at} us early"

    def _moved(self, flow: Flow, at: int, state: RunState) -> Iterator[str]:
        for one in flow.waiting:
            if one.due_at is None:
                continue
            self._due[f"wait {one.step}"] = one.due_at
            seconds = self._duration(one.step, state)
            if seconds is not None and one.due_at != at + int(seconds * US):
                yield f"{one.step} waits for {(one.due_at - at) / US:g} s instead of {seconds:g}"
        for name in (*(one.step for one in flow.enabled), *(one.step for one in flow.waiting)):
            yield from self._joined(name, state)

    def _duration(self, step: str, state: RunState) -> float | None:
        action = self._net(state.workflow, state.workflow_version).step(step).step.action
        found = getattr(action, "duration", None)
        return float(found) if isinstance(found, int | float) else None

    # -- order ------------------------------------------------------------------------------------

    def _joined(self, step: str, state: RunState) -> Iterator[str]:
        """Whatever a step of the top comes after is over."""
        definition = self._definition(state.workflow_version)
        if definition is None or "[" in step or state.part is not None:
            return
        for name in _before(definition.steps, step):
            found = state.steps.get(name)
            if found is not None and found.status not in OVER:
                yield f"{step} begins while {name} before it is {found.status}"

    # -- retries ----------------------------------------------------------------------------------

    def _retry(self, step: str, state: RunState) -> Retry:
        task = self._net(state.workflow, state.workflow_version).task(step)
        return task.retry or state.options.retry or Retry()

    def _missed(self, fact: Outcome, at: int, state: RunState) -> Iterator[str]:
        match fact:
            case t.AttemptFailed():
                yield from self._again(fact, at, state)
            case t.TaskSettling():
                self._settling[fact.step] = fact.failure.code
            case t.TaskSettled() | t.TaskCompleted() | t.TaskCancelled():
                self._settling.pop(fact.step, None)
            case _ if fact.step in self._settling:
                if fact.failure.code != (code := self._settling.pop(fact.step)):
                    yield f"{fact.step} was to fail with {code}, it does with {fact.failure.code}"
            case _:
                if fact.attempt:
                    yield from self._failed(fact, state)

    def _again(self, fact: t.AttemptFailed, at: int, state: RunState) -> Iterator[str]:
        step, retry = fact.step, self._retry(fact.step, state)
        if step in self._settling:
            if fact.counted:
                yield f"{step} is being settled, and an attempt to do so counts"
            self._due.pop(f"retry {step}", None)  # it may be asked sooner
            return
        self._due[f"retry {step}"] = fact.next_attempt_at
        if not fact.counted:
            is_lost = fact.loss not in {None, "refused"}  # a task that was moved is not
            self._losses[step] = self._losses.get(step, 0) + is_lost
            if fact.kind != "lost":
                yield f"a {fact.kind} attempt of {step} does not count"
            return
        counted = self._counted[step] = self._counted.get(step, 0) + 1
        if refuses(retry, fact.failure.code, counted):
            yield f"{step} goes on after {fact.failure.code}, attempt {counted}"
        low, high = delays(retry, counted, self._delays.get(step, 0.0))
        waits = fact.next_attempt_at - at
        if not low * US - ROUNDING_US <= waits <= high * US + ROUNDING_US:
            yield f"{step} waits for {waits} us, its policy says {low:g} to {high:g} s"
        self._delays[step] = waits / US

    def _failed(self, fact: t.TaskFailed, state: RunState) -> Iterator[str]:
        """It is given up only when the policy says so, or it has a limit for all its attempts."""
        step, retry = fact.step, self._retry(fact.step, state)
        task = self._net(state.workflow, state.workflow_version).task(step)
        limits = task.timeouts or state.options.timeouts
        if fact.kind == "lost":
            if self._losses.get(step, 0) < LOSSES_MAX:
                yield f"{step} is given up after {self._losses.get(step, 0)} lost attempts"
        elif fact.failure.code in OWN_CODES and not (limits and limits.schedule_to_close_s):
            counted = self._counted.get(step, 0) + 1
            if not refuses(retry, fact.failure.code, counted):
                yield f"{step} is given up after {counted} of {retry.attempts_max} attempts"


def refuses(retry: Retry, code: str, counted: int) -> bool:
    """Whether the policy wants no attempt after so many that failed."""
    if counted >= retry.attempts_max or code in retry.permanent_codes:
        return True
    return bool(retry.retryable_codes) and code not in retry.retryable_codes


def delays(retry: Retry, counted: int, last_s: float) -> tuple[float, float]:
    """The least and the most that the policy lets the next attempt wait, in seconds."""
    first = retry.initial_s
    low = high = {
        "fixed": first,
        "linear": first * counted,
        "exponential": first * retry.factor ** (counted - 1),
        "decorrelated": first,
    }[retry.kind]
    if retry.kind == "decorrelated":
        high = 3 * max(first, last_s)
    return min(low, retry.cap_s), min(high, retry.cap_s)


def _before(steps: tuple[Step, ...], wanted: str) -> tuple[str, ...]:
    """The steps that a step of the top comes after: those that it names, else the one before."""
    last: str | None = None
    for step in steps:
        if step.id == wanted:
            if step.depends_on is not None:
                return step.depends_on
            return () if last is None else (last,)
        last = step.id
    return ()


def unexplained(fact: Fact, actor: str) -> Iterator[str]:
    """Promise 7: why, and who."""
    if not (actor and all(_reasons(fact))):
        yield f"{fact.TYPE} by {actor!r} does not say why: {msgspec.to_builtins(fact)}"


def _reasons(fact: Fact) -> tuple[str, ...]:
    """What must not be empty."""
    match fact:
        case t.TaskDispatched():
            return (fact.node, fact.incarnation, "candidates" * fact.placement.candidates)
        case t.AttemptFailed() | t.TaskFailed():
            return (fact.failure.code, fact.why)
        case t.TaskPending() | t.TaskRecalled():
            return (fact.obstacle if isinstance(fact, t.TaskPending) else fact.code,)
        case t.TaskCancelled():
            return (fact.why,)
        case r.RunClosing() if fact.status == "failed" and fact.failure:
            return (fact.failure.code,)
        case r.RunFailed() | r.RunTimedOut():
            return (fact.failure.code,)
        case _ if isinstance(fact, OPERATED):
            return (fact.reason,)
        case _:
            return ("nothing more to say",)
