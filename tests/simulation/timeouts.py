"""No task is given up for its time before that is over.

Promise 4, an end that could have been reached undisturbed: what the timeouts of a task allow is
reckoned here from the instants of its events and from what its author wrote. What an agent measures
by its own clock is not looked at.
"""

from collections.abc import Callable, Iterator

from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.envelope import Event
from events.facts import Fact, Flow
from events.policies import Timeouts
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.state import RunState

US = 1_000_000
ROUNDING_US = 2
KINDS = {
    "schedule_to_start_timeout": "start",
    "start_to_close_timeout": "execute",
    "schedule_to_close_timeout": "close",
}
OF_ATTEMPT = ("start", "execute")
ENDS = (
    t.TaskCompleted,
    t.AttemptFailed,
    t.TaskFailed,
    t.TaskCancelled,
    t.TaskSettling,
    o.ResultGiven,
)


class TaskTimeouts:
    """Of one run. `state` is the run's fold after the event."""

    def __init__(self, net: Callable[[str, str], NetIndex]) -> None:
        self._net = net
        self._due: dict[tuple[str, str], int] = {}
        """Kind and step → the instant before which it is not over."""
        self._outstanding: set[str] = set()
        self._paused_at: int | None = None

    def take(self, event: Event, state: RunState) -> Iterator[str]:
        fact, at = event.fact, event.header.recorded_at
        if self._paused_at is not None and not isinstance(fact, r.RunResumed):
            at = self._paused_at  # the run's own clock stands still
        yield from self._early(fact, at)
        match fact:
            case r.RunForked() | o.RunRestored():
                self._begin_anew(state)
            case r.RunPaused():
                self._paused_at = at
            case r.RunResumed():
                self._paused_at = None
                self._due = {key: due + fact.shift_us for key, due in self._due.items()}
            case _ if isinstance(fact, ENDS):
                self._over(fact.step, at, fact, state)
            case _:
                self._attempt(fact, at, state)
        flow = getattr(fact, "flow", None)
        for enabled in flow.enabled if isinstance(flow, Flow) else ():
            limits = self._limits(enabled.step, state)
            self._set("close", enabled.step, at, limits.schedule_to_close_s)
            self._set("start", enabled.step, at, limits.schedule_to_start_s)

    def _begin_anew(self, state: RunState) -> None:
        """What the source, or the earlier version, had left of its times is another story."""
        self._outstanding.clear()
        found = ((key.partition(":"), due) for key, due in state.timers.items())
        self._due = {(what, step): due for (what, _, step), due in found}

    def _set(self, what: str, step: str, at: int, limit_s: float | None) -> None:
        self._due.pop((what, step), None)
        if limit_s is not None:
            self._due[what, step] = at + int(limit_s * US) - ROUNDING_US

    def _attempt(self, fact: Fact, at: int, state: RunState) -> None:
        match fact:
            case t.TaskDispatched():
                self._outstanding.add(fact.step)
            case t.TaskStarted():
                limits = self._limits(fact.step, state)
                self._set("start", fact.step, at, None)
                self._set("execute", fact.step, at, limits.start_to_close_s)
            case t.TaskRetryDue() | t.TaskSettled():
                self._outstanding.discard(fact.step)
                limits = self._limits(fact.step, state)
                self._set("start", fact.step, at, limits.schedule_to_start_s)
            case t.TaskDeferred():
                self._outstanding.discard(fact.step)
                self._set("execute", fact.step, fact.due_at or at, 0.0)
            case t.TaskRecalled():
                self._forget(fact.step, OF_ATTEMPT)
            case o.TaskMoved() if fact.attempt:
                self._forget(fact.step, OF_ATTEMPT)
            case _:
                pass

    def _over(self, step: str, at: int, fact: Fact, state: RunState) -> None:
        self._outstanding.discard(step)
        goes_on = isinstance(fact, t.AttemptFailed | t.TaskSettling)
        self._forget(step, OF_ATTEMPT if goes_on else (*OF_ATTEMPT, "close"))
        if isinstance(fact, t.AttemptFailed) and fact.next_attempt_at <= at:
            self._set("start", step, at, self._limits(step, state).schedule_to_start_s)

    def _forget(self, step: str, kinds: tuple[str, ...]) -> None:
        for what in kinds:
            self._due.pop((what, step), None)

    def _early(self, fact: Fact, at: int) -> Iterator[str]:
        """A coordinator's own verdict: it asks an attempt back, or ends what is with no node."""
        match fact:
            case t.TaskRecalled():
                step, code = fact.step, fact.code
            case t.AttemptFailed() | t.TaskFailed() if fact.kind == "timed_out":
                if fact.step in self._outstanding:
                    return
                step, code = fact.step, fact.failure.code
            case _:
                return
        if code in KINDS:
            due = self._due.get((KINDS[code], step))
            if due is None:
                yield f"{step} is given up for {code}, and no such time runs for it"
            elif at < due:
                yield f"{step} is given up for {code} {due - at} us early"

    def _limits(self, step: str, state: RunState) -> Timeouts:
        task = self._net(state.workflow, state.workflow_version).task(step)
        return task.timeouts or state.options.timeouts or Timeouts()
