"""Timeline: where the time of a run went, from its events alone.

Each step is a row of spans: it was ready and waited for a node (`queued`), was on its way there
(`sent`), was executed (`running`), waited for its next attempt (`retrying`), for a timer or a
signal (`waiting`), for a child run (`child`), for the one who has its token (`deferred`), for what
became of its transaction (`settling`), or held other steps (`inside`).

A span begins and ends where events say so. What a node stamps by its own clock is kept between the
instants at which it was sent and its result was recorded, so that no bar leaves its row. O(events).
"""

from collections.abc import Callable, Iterable, Mapping

from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.envelope import Event
from events.facts import Called, Fact, Flow
from events.net import Loop, Net, Task
from orchestrator.insight.run_view import KINDS
from orchestrator.insight.timelines.spans import Doing, Mark, Row, Span, Timeline
from orchestrator.kernel.instances import static_of


def timeline(run_id: str, events: Iterable[Event], net: Net | None) -> Timeline:
    """The timeline of one run. Of a fork only what it did itself is told: its source had another
    time."""
    line = _Line(run_id, net)
    for event in events:
        line.take(event)
    found = line.line
    found.rows = sorted(line.rows.values(), key=lambda row: row.begun_at)
    return found


class _Line:
    """What is open while the events are gone through."""

    def __init__(self, run_id: str, net: Net | None) -> None:
        self.line = Timeline(run_id=run_id, workflow="")
        self.rows: dict[str, Row] = {}
        self._kinds = _kinds(net)
        self._version = 0

    def take(self, event: Event) -> None:
        fact, at = event.fact, event.header.recorded_at
        self._version = event.header.version
        self.line.begun_at = self.line.begun_at or at
        self.line.until = max(self.line.until, at)
        handler = HANDLERS.get(type(fact))
        if handler is not None:
            handler(self, fact, at)
        flow: Flow | None = getattr(fact, "flow", None)
        if flow is not None:
            self._flow(flow, at)

    # -- rows -------------------------------------------------------------------------------------

    def _row(self, step: str, at: int) -> Row | None:
        """None for what the author did not write."""
        found = self.rows.get(step)
        if found is None and (kind := self._kind(step)):
            found = self.rows[step] = Row(name=step, kind=kind, begun_at=at, spans=[])
        return found

    def _kind(self, step: str) -> str:
        static = static_of(step)
        kind = self._kinds.get(static, "") if self._kinds else ("" if "/" in static else "step")
        holder = step[: step.rfind("[")] if step.endswith("]") else ""
        if holder and kind == "map" and holder in self.rows:
            return "item"
        return kind

    def begin(self, step: str, doing: Doing, at: int, span: Span | None = None) -> None:
        """A span begins, and the one before it ends."""
        row = self._row(step, at)
        if row is None:
            return
        self._close(row, at)
        begun = span or Span(doing=doing, begun_at=at)
        begun.version = self._version
        row.spans.append(begun)
        row.status, row.ended_at = "open", None

    def _close(self, row: Row, at: int, *, failed: bool = False) -> None:
        if row.spans and row.spans[-1].ended_at is None:
            row.spans[-1].ended_at = max(at, row.spans[-1].begun_at)
            row.spans[-1].failed = failed

    def end(self, step: str, status: str, at: int) -> None:
        row = self.rows.get(step)
        if row is None or row.status != "open":
            return
        self._close(row, at, failed=status not in {"completed", "skipped"})
        row.status, row.ended_at = status, max(at, row.begun_at)

    def end_all(self, steps: Iterable[str], status: str, at: int) -> None:
        for step in steps:
            self.end(step, status, at)

    def open_rows(self) -> list[str]:
        return [name for name, row in self.rows.items() if row.status == "open"]

    def mark(self, what: str, at: int) -> None:
        self.line.marks.append(Mark(at=at, version=self._version, what=what))

    # -- attempts ---------------------------------------------------------------------------------

    def dispatched(self, fact: t.TaskDispatched, at: int) -> None:
        sent = Span(doing="sent", begun_at=at, attempt=fact.attempt, node=fact.node)
        self.begin(fact.step, "sent", at, sent)

    def started(self, step: str, at: int) -> None:
        """The node began with what it was sent."""
        row = self.rows.get(step)
        if row is None or not row.spans or row.spans[-1].doing != "sent":
            return
        sent = row.spans[-1]
        began = max(at, sent.begun_at)
        sent.ended_at = began
        row.spans.append(
            Span(
                doing="running",
                begun_at=began,
                version=self._version,
                attempt=sent.attempt,
                node=sent.node,
            )
        )

    def attempt_over(self, fact: "AttemptOver", at: int) -> None:
        """Splits the last span into the way to the node and the work there."""
        if fact.started_at:
            self.started(fact.step, min(fact.started_at, at))
        row = self.rows.get(fact.step)
        ended = getattr(fact, "ended_at", 0)
        if row is not None:
            self._close(row, min(ended, at) if ended else at)

    # -- flow -------------------------------------------------------------------------------------

    def _flow(self, flow: Flow, at: int) -> None:
        for step in flow.entered:
            self.begin(step, "inside", at)
        for step in flow.left:
            self.end(step, "completed", at)
        for enabled in flow.enabled:
            self.begin(enabled.step, "queued", at)
        for waiting in flow.waiting:
            note = f"signal {waiting.signal}" if waiting.signal else "timer"
            self.begin(waiting.step, "waiting", at, Span(doing="waiting", begun_at=at, note=note))
        for looping in flow.loops:
            self.begin(looping.step, "inside", at)
        for mapped in flow.maps:
            self.begin(mapped.step, "inside", at)
        for called in flow.calls:
            self.called(called, at)

    def called(self, call: Called, at: int) -> None:
        note = call.run_id
        span = Span(doing="child", begun_at=at, note=note, attempt=call.attempt)
        self.begin(call.step, "child", at, span)

    def renewed(self, steps: Iterable[r.Renewed], at: int) -> None:
        for one in steps:
            if one.call is not None:
                self.called(one.call, at)
            elif one.start_due_at is not None or self._kinds.get(static_of(one.step)) == "task":
                self.begin(one.step, "queued", at)
            else:
                self.begin(one.step, "waiting", at)

    def ended(self, status: str, at: int, cancelled: Iterable[str] = ()) -> None:
        self.end_all(cancelled, "cancelled", at)
        self.end_all(self.open_rows(), "cancelled", at)
        self.line.status = status


AttemptOver = t.TaskCompleted | t.TaskFailed | t.AttemptFailed | t.TaskDeferred


def _kinds(net: Net | None) -> Mapping[str, str]:
    """The kind of each step that the author named."""
    if net is None:
        return {}
    return {
        step.id: step.action.kind
        if isinstance(step.action, Loop)
        else KINDS.get(type(step.action), type(step.action).__name__.lower())
        for step in net.steps
        if step.name or isinstance(step.action, Task)
    }


def _run_started(line: _Line, fact: r.RunStarted, at: int) -> None:
    line.line.workflow = fact.workflow


def _run_forked(line: _Line, fact: r.RunForked, at: int) -> None:
    found = line.line
    found.workflow = fact.workflow
    found.source, found.source_version = fact.source_run_id, fact.source_version
    line.renewed(fact.renewed, at)


def _task_started(line: _Line, fact: t.TaskStarted, at: int) -> None:
    line.started(fact.step, min(fact.started_at or at, at))


def _task_completed(line: _Line, fact: t.TaskCompleted, at: int) -> None:
    line.attempt_over(fact, at)
    line.end(fact.step, "completed", at)


def _task_failed(line: _Line, fact: t.TaskFailed, at: int) -> None:
    line.attempt_over(fact, at)
    _fail(line, fact.step)
    line.end(fact.step, "failed", at)
    line.end_all(fact.cancelled, "cancelled", at)


def _attempt_failed(line: _Line, fact: t.AttemptFailed, at: int) -> None:
    line.attempt_over(fact, at)
    _fail(line, fact.step)
    note = f"{fact.failure.code}: {fact.why}" if fact.why else fact.failure.code
    line.begin(fact.step, "retrying", at, Span(doing="retrying", begun_at=at, note=note))


def _fail(line: _Line, step: str) -> None:
    row = line.rows.get(step)
    if row is not None and row.spans:
        row.spans[-1].failed = True


def _retry_due(line: _Line, fact: t.TaskRetryDue, at: int) -> None:
    line.begin(fact.step, "queued", at)


def _task_pending(line: _Line, fact: t.TaskPending, at: int) -> None:
    row = line.rows.get(fact.step)
    if row is not None and row.spans:
        row.spans[-1].note = ": ".join(filter(None, (fact.obstacle, fact.detail)))


def _task_deferred(line: _Line, fact: t.TaskDeferred, at: int) -> None:
    line.attempt_over(fact, at)
    line.begin(fact.step, "deferred", at)


def _task_settling(line: _Line, fact: t.TaskSettling, at: int) -> None:
    _fail(line, fact.step)
    line.begin(fact.step, "settling", at)


def _task_settled(line: _Line, fact: t.TaskSettled, at: int) -> None:
    line.begin(fact.step, "queued", at)


def _task_cancelled(line: _Line, fact: t.TaskCancelled, at: int) -> None:
    line.end(fact.step, "cancelled", at)


def _step_over(line: _Line, fact: "StepOver", at: int) -> None:
    line.end(fact.step, "completed", at)


StepOver = r.WaitEnded | r.ChildCompleted | r.MapCompleted | r.MapPartCompleted


def _loop_advanced(line: _Line, fact: r.LoopAdvanced, at: int) -> None:
    if fact.index is None:
        line.end(fact.step, "completed", at)


def _child_called(line: _Line, fact: r.ChildCalled, at: int) -> None:
    line.called(fact.call, at)


def _child_failed(line: _Line, fact: r.ChildFailed, at: int) -> None:
    row = line.rows.get(fact.step)
    if row is not None and row.spans:
        row.spans[-1].failed = True
    line.begin(fact.step, "retrying", at)


def _map_decided(line: _Line, fact: r.MapDecided, at: int) -> None:
    line.end_all((f"{fact.step}[{number}]" for number in fact.cancelled), "cancelled", at)
    if fact.failure is not None:
        line.mark(f"{fact.step} is decided: {fact.failure.code}", at)


def _group_given_up(line: _Line, fact: r.GroupGivenUp, at: int) -> None:
    line.end_all(fact.cancelled, "cancelled", at)
    line.mark(f"{fact.step} is given up: {fact.failure.code}", at)


def _result_given(line: _Line, fact: o.ResultGiven, at: int) -> None:
    line.end(fact.step, fact.status, at)
    line.mark(f"{fact.step} {fact.status} by {fact.by or 'an operator'}", at)


def _task_moved(line: _Line, fact: o.TaskMoved, at: int) -> None:
    line.mark(f"{fact.step} moved to {fact.to or 'another node'}", at)


def _restored(line: _Line, fact: o.RunRestored, at: int) -> None:
    """What was under way is none of the run's any more."""
    line.end_all(line.open_rows(), "cancelled", at)
    line.mark(f"restored to version {fact.version}", at)
    line.renewed(fact.renewed, at)


def _signal(line: _Line, fact: r.SignalReceived, at: int) -> None:
    line.mark(f"signal {fact.name}", at)


def _update(line: _Line, fact: r.UpdateAccepted, at: int) -> None:
    line.mark(f"update {fact.name}", at)


def _paused(line: _Line, fact: r.RunPaused, at: int) -> None:
    line.mark("paused", at)


def _resumed(line: _Line, fact: r.RunResumed, at: int) -> None:
    line.mark("resumed", at)


def _closing(line: _Line, fact: r.RunClosing, at: int) -> None:
    line.end_all(fact.cancelled, "cancelled", at)
    line.mark(f"ending as {fact.status}", at)


def _run_completed(line: _Line, fact: r.RunCompleted, at: int) -> None:
    line.ended("completed", at)


def _run_failed(line: _Line, fact: r.RunFailed, at: int) -> None:
    _blame(line, fact.step, at)
    line.ended("failed", at, fact.cancelled)


def _blame(line: _Line, step: str, at: int) -> None:
    """A step that failed without being a task of a node."""
    if step:
        line.end(step, "failed", at)


def _run_cancelled(line: _Line, fact: r.RunCancelled, at: int) -> None:
    line.ended("cancelled", at, fact.cancelled)


def _run_timed_out(line: _Line, fact: r.RunTimedOut, at: int) -> None:
    line.ended("timed_out", at, fact.cancelled)


HANDLERS: Mapping[type[Fact], Callable[..., None]] = {
    r.RunStarted: _run_started,
    r.RunForked: _run_forked,
    t.TaskDispatched: _Line.dispatched,
    t.TaskPending: _task_pending,
    t.TaskStarted: _task_started,
    t.TaskCompleted: _task_completed,
    t.TaskFailed: _task_failed,
    t.AttemptFailed: _attempt_failed,
    t.TaskRetryDue: _retry_due,
    t.TaskDeferred: _task_deferred,
    t.TaskSettling: _task_settling,
    t.TaskSettled: _task_settled,
    t.TaskCancelled: _task_cancelled,
    r.WaitEnded: _step_over,
    r.ChildCompleted: _step_over,
    r.MapCompleted: _step_over,
    r.MapPartCompleted: _step_over,
    r.LoopAdvanced: _loop_advanced,
    r.ChildCalled: _child_called,
    r.ChildFailed: _child_failed,
    r.MapDecided: _map_decided,
    r.GroupGivenUp: _group_given_up,
    o.ResultGiven: _result_given,
    o.TaskMoved: _task_moved,
    o.RunRestored: _restored,
    r.SignalReceived: _signal,
    r.UpdateAccepted: _update,
    r.RunPaused: _paused,
    r.RunResumed: _resumed,
    r.RunClosing: _closing,
    r.RunCompleted: _run_completed,
    r.RunFailed: _run_failed,
    r.RunCancelled: _run_cancelled,
    r.RunTimedOut: _run_timed_out,
}
PASSED: frozenset[type[Fact]] = frozenset(
    {
        t.TaskProgressed,
        t.OnceRecorded,
        t.TaskRecalled,
        t.TaskDeadLettered,
        r.MapAdvanced,
        r.RunPinned,
        o.RunHalted,
    }
)
"""Facts that begin and end nothing but what their flow says."""
