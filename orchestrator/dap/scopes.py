"""Scopes: what a client shows of a frame, each a row of rows, made when it is opened.

Variables tell which event has set them last, since that is what one looks for.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from events.codec import plain
from events.errors import Rejected
from events.values import Value
from orchestrator.dap.looking import Look
from orchestrator.dap.replica import Replica
from orchestrator.dap.values import Row, below
from orchestrator.kernel.expressions import PathMissing
from orchestrator.kernel.state import RunState, StepState
from orchestrator.replay.attempts import AttemptAt, attempts_of
from orchestrator.replay.differences import Change
from orchestrator.replay.why.reasons import Link, why_event

MICROSECONDS = 1_000_000
INSTANTS = frozenset({"at", "since"})


class ScopeOf(msgspec.Struct, frozen=True):
    """One scope of a frame. `hint` is the protocol's."""

    name: str
    rows: Callable[[], Sequence[Row]]
    hint: str = ""
    expensive: bool = False
    path: str = ""


class Scopes:
    """Those of a frame that stands at an instance; empty: at the run itself."""

    def __init__(self, replica: Replica, instance: str, look: Look) -> None:
        self._replica = replica
        self._cursor = replica.cursor
        self._instance = instance
        self._look = look

    def all(self) -> list[ScopeOf]:
        """In the order in which they are shown. None is made before it is opened."""
        found: list[ScopeOf] = []
        if self._instance in self._cursor.state.steps:
            found.append(ScopeOf(f"Step {self._instance}", self._step, "locals"))
        if self._look.is_inside:
            found.append(ScopeOf("Iteration", self._iteration, path="iteration"))
        found += (
            ScopeOf("Variables", self._variables, "locals", path="vars"),
            ScopeOf("Input", self._input, "arguments", path="input"),
            ScopeOf("Outputs", self._outputs, path="steps"),
            ScopeOf("Event", self._event, path="event"),
            ScopeOf("Changes", self._changes, expensive=True),
            ScopeOf("Why", self._why, expensive=True),
            ScopeOf("Run", self._run),
        )
        return found

    # -- values of the user -----------------------------------------------------------------------

    def _variables(self) -> list[Row]:
        state = self._cursor.state
        return [
            Row(name=name, value=value, path=below("vars", name), note=self._set_by(name))
            for name, value in state.variables.items()
        ]

    def _set_by(self, name: str) -> str:
        """Which event has set a variable last, and which step."""
        place = self._cursor.recording.traces.variable(name, self._cursor.version)
        if place is None:
            return ""
        if place.run_id != self._replica.run_id:
            return f"set at version {place.version} of run {place.run_id}"
        return f"set at version {place.version}{self._setter(name, place.version)}"

    def _setter(self, name: str, version: int) -> str:
        """The step that sets it, of those that ended there."""
        told = self._replica.told(version)
        for instance in told.begun:
            if name in self._replica.layout.sets(instance):
                return f" by {instance}"
        return ""

    def _input(self) -> list[Row]:
        value = self._cursor.state.input
        if isinstance(value, dict):
            return [Row(name=key, value=value[key], path=below("input", key)) for key in value]
        return [Row(name="input", value=value, path="input")]

    def _iteration(self) -> list[Row]:
        found: list[Row] = []
        for name in ("index", "item"):
            path = f"iteration.{name}"
            try:
                found.append(Row(name=name, value=self._look.resolve(path), path=path))
            except PathMissing:
                continue
        return found

    def _outputs(self) -> list[Row]:
        steps = self._cursor.state.steps
        return [_outcome(name, step) for name, step in steps.items() if _has_outcome(step)]

    # -- the step ---------------------------------------------------------------------------------

    def _step(self) -> list[Row]:
        step = self._cursor.state.steps[self._instance]
        told = _fields(step)
        rows = [
            _row(name, value)
            for name, value in told.items()
            if name not in {"map", "loop", "kills"} and value not in ("", None, {}, [])
        ]
        attempts = attempts_of(self._cursor.recording, self._instance, self._cursor.version)
        if attempts:
            label = f"{len(attempts)}, the last one {attempts[-1].outcome or 'under way'}"
            rows.append(Row(name="attempts", label=label, rows=lambda: [*map(_attempt, attempts)]))
        return [*rows, *self._inside(step)]

    def _inside(self, step: StepState) -> Iterator[Row]:
        """How far a loop or a map is, and which run a call has."""
        if step.loop is not None:
            items = step.loop.items
            of = "" if items is None else f" of {len(items)}"
            yield Row(name="iteration", label=f"{step.loop.index}{of}")
        if step.map is not None:
            one = step.map
            told = f"{one.completed} completed, {one.failed} failed, {one.open} under way"
            yield Row(name="items", label=f"{one.count}: {told}")
        if run_id := self._cursor.state.calls.get(self._instance):
            yield Row(name="run", value=run_id)

    # -- the event --------------------------------------------------------------------------------

    def _event(self) -> list[Row]:
        told = self._look.resolve("event")
        found = told if isinstance(told, dict) else {}
        return [
            _row(name, value, below("event", name))
            for name, value in found.items()
            if value not in ("", None)
        ]

    def _changes(self) -> list[Row]:
        """What the event made of the state."""
        return [_change(one) for one in self._cursor.changed()]

    def _why(self) -> list[Row]:
        """What the event rests on: what set it off, the record of the decision, causes, effects."""
        if not self._cursor.version:
            return []
        reason = why_event(self._cursor.recording, self._cursor.version)
        set_off = (reason.trigger.kind, reason.trigger.by, reason.trigger.what)
        rows = [
            Row(name="why", label=reason.sentence),
            Row(name="set off by", label=", ".join(filter(None, set_off))),
            *(Row(name=name, value=value) for name, value in reason.decision.items()),
        ]
        for name, links in (("causes", reason.causes), ("effects", reason.effects)):
            if links:
                rows.append(_listed(name, [_link(one) for one in links]))
        return rows

    # -- the run ----------------------------------------------------------------------------------

    def _run(self) -> list[Row]:
        state, cursor = self._cursor.state, self._cursor
        rows = [
            Row(name="id", value=state.run_id, path="run.id"),
            Row(name="status", value=state.status, path="run.status"),
            Row(name="version", label=f"{cursor.version} of {cursor.last}"),
            Row(name="workflow", value=state.workflow, path="run.workflow"),
            Row(name="workflow_version", value=state.workflow_version),
            _row("started_at", state.started_at),
        ]
        if state.failure is not None:
            rows.append(Row(name="failure", value=plain(state.failure)))
        if state.output is not None:
            rows.append(Row(name="output", value=state.output))
        return [*rows, *_waiting(state)]


def _waiting(state: RunState) -> Iterator[Row]:
    """What the run waits for, each where there is some."""
    timers = state.timers
    if timers:
        yield _listed("timers", [Row(name=key, label=instant(at)) for key, at in timers.items()])
    if state.awaiting:
        yield Row(name="waits for signals", value=dict(state.awaiting))
    if state.signals:
        yield Row(name="signals not taken", value=plain(state.signals))
    if state.outstanding:
        rows = [_lease(name, state.steps[name]) for name in state.outstanding]
        yield _listed("outstanding attempts", rows)
    if state.calls:
        yield Row(name="child runs", value=dict(state.calls))
    if state.tokens:
        yield Row(name="tokens", value=dict(state.tokens))
    yield Row(name="origin", value=plain(state.origin))


def _lease(name: str, step: StepState) -> Row:
    asked = f", asked back: {step.recalled}" if step.recalled else ""
    return Row(name=name, label=f"attempt {step.attempt} on {step.node}{asked}")


def _listed(name: str, rows: list[Row]) -> Row:
    return Row(name=name, label=str(len(rows)), rows=lambda: rows)


def _has_outcome(step: StepState) -> bool:
    return step.output is not None or step.failure is not None


def _outcome(name: str, step: StepState) -> Row:
    """A step's output, or what it failed with."""
    path = f"steps.{name}.output" if "[" not in name else ""
    if step.status == "failed" and step.failure is not None:
        return Row(name=name, label=f"failed: {step.failure.code}", rows=lambda: _failure(step))
    return Row(name=name, value=step.output, path=path, note=step.status)


def _failure(step: StepState) -> list[Row]:
    failure = step.failure
    if failure is None:
        return []
    rows = [Row(name="code", value=failure.code), Row(name="message", value=failure.message)]
    return rows if failure.details is None else [*rows, Row(name="details", value=failure.details)]


def _attempt(attempt: AttemptAt) -> Row:
    told = _fields(attempt)
    label = f"on {attempt.node}: {attempt.outcome or 'under way'}, from version {attempt.version}"
    rows = [_row(name, value) for name, value in told.items() if name != "number"]
    return Row(name=str(attempt.number), label=label, rows=lambda: rows)


def _fields(value: object) -> dict[str, Value]:
    told = plain(value)
    return told if isinstance(told, dict) else {}


def _link(link: Link) -> Row:
    of = f" of run {link.run_id}" if link.run_id else ""
    return Row(name=f"version {link.version}{of}", label=link.sentence)


def _change(change: Change) -> Row:
    rows = [Row(name="before", value=change.before), Row(name="after", value=change.after)]
    return Row(name=change.path, label=change.kind, rows=lambda: rows)


def _row(name: str, value: Value, path: str = "") -> Row:
    """Instants are shown as such."""
    is_instant = name.endswith("_at") or name in INSTANTS
    if is_instant and isinstance(value, int) and value > MICROSECONDS:
        return Row(name=name, value=value, label=instant(value), path=path)
    return Row(name=name, value=value, path=path)


def instant(at: int) -> str:
    """Microseconds since the epoch as an RFC 3339 text."""
    try:
        return datetime.fromtimestamp(at / MICROSECONDS, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError) as error:
        raise Rejected(f"{at} is no instant") from error
