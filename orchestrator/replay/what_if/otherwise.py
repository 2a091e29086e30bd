"""Otherwise: how far a run would go by a changed definition, from where it parts from its record.

What was recorded of a task holds wherever the task would begin with the same inputs: its attempts
with their results, in their order. So do signals, and what operators did, each no sooner than it
was recorded. Time passes from one to the next, and timers are due in between. A task that would
begin with other inputs, that another task does, or that never ran, has no result: it is *unknown*,
and so is all that would wait for it. Nothing is made up.

    what was given, in the order of the record
      │  the first that fits the state: its task is ready, or with a node, as it was then
      ▼
    decide ──► … ──► an end, or nothing fits and no timer is left: the run would wait
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from events.errors import DalsegnoError
from events.ids import Attempt
from events.operator_facts import RunRestored
from events.values import Value
from orchestrator.kernel import inputs as i
from orchestrator.kernel.instances import static_of
from orchestrator.kernel.state import RunState, StepState
from orchestrator.replay.what_if.against import Play
from orchestrator.replay.what_if.outcomes import encode

FACTS_MAX = 2_000
"""Facts after a parting, and inputs, up to which it is followed where a run would go."""

Why = Literal["never_ran", "other_inputs", "other_task", "no_result"]
OF_THE_RUN = frozenset({"run", "within", "halt"})
"""Timers that nobody can tell anything of while a task is unknown."""
OF_A_TASK = ("start", "close", "execute", "defer", "retry")


class Unknown(msgspec.Struct, frozen=True, omit_defaults=True):
    """A task, or call, of which nobody can say what it would return, and why."""

    step: str
    why: Why


class Changed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step that would be otherwise than it is recorded: `status` and `was`, "" for one that would
    not be, or was not, reached. `output`: it would have another one."""

    step: str
    status: str = ""
    was: str = ""
    output: bool = False


class Otherwise(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a run would have gone: `status` in the end, or as far as can be told, and `was` as it
    is recorded. `same`: how many steps would be as they are. `unknown`: tasks that have no result.
    `not_taken`: what was given to the run and would not have been allowed. `cut`: it was followed
    no further."""

    status: str
    was: str
    steps: tuple[Changed, ...] = ()
    same: int = 0
    unknown: tuple[Unknown, ...] = ()
    not_taken: tuple[str, ...] = ()
    output: Value = None
    error: str = ""
    cut: bool = False


class Pending(msgspec.Struct, frozen=True):
    """Something that was given: when, in which place, and what; to which attempt of a step that had
    which inputs, if to one."""

    place: int
    at: int
    given: i.RunInput
    step: str = ""
    inputs: Value = None
    attempt: str = ""


def otherwise(play: Play) -> Otherwise:
    """What would have come after the parting of a play; it is of no more use then."""
    return _Rest(play).run()


class _Rest:
    def __init__(self, play: Play) -> None:
        self._play = play
        self._now = max(play.other.updated_at, play.sides().at)
        self._made = self._turns = 0
        self._refused: list[str] = []
        self._unknown: dict[str, Why] = {}
        self._work = play.against.other_work(play.version)
        self._placed = {step: _key(play.other, step) for step in _held(play.other)}
        """Step → the recorded attempt that its attempt is."""
        self._given: dict[str, list[Pending]] = {}
        self._had: dict[str, Value] = {}
        """What steps had been given that something was given to."""
        for one in self._record():
            self._given.setdefault(one.step, []).append(one)
            if one.step:
                self._had.setdefault(one.step, one.inputs)

    def run(self) -> Otherwise:
        while not self._play.other.terminal and not self._is_cut and self._next():
            self._turns += 1
        return self._told()

    @property
    def _is_cut(self) -> bool:
        return self._made >= FACTS_MAX or self._turns >= FACTS_MAX

    def _record(self) -> Iterator[Pending]:
        """The rest of what was given, while its state goes on by it. It ends where the run went
        back: what was given after that was given to a state that there would not be."""
        play, told = self._play, self._play.told
        while play.done < len(told.facts):
            place = play.done
            if isinstance(told.facts[place], RunRestored):
                return
            if place > play.head:
                given = play.given(place)
                if not isinstance(given, i.Due | i.Unplaced):
                    yield _pending(play.recorded, given, place, told.at[place])
            play.fold(place)

    # -- on ---------------------------------------------------------------------------------------

    def _next(self) -> bool:
        """Whether something more has happened."""
        fitting = {step: one for step in self._given if (one := self._fit(step)) is not None}
        self._find_unknown(fitting)
        first = min(fitting.values(), key=lambda one: one.place, default=None)
        due_at = self._next_due()
        if due_at is not None and (first is None or due_at <= max(first.at, self._now)):
            self._due(due_at)
            return True
        if first is None:
            return False
        self._give(first)
        return True

    def _give(self, one: Pending) -> None:
        self._given[one.step].remove(one)
        if isinstance(one.given, i.Place):
            self._placed[one.step] = one.attempt
        self._decide(_now(one, self._play.other), one.at)

    def _due(self, at: int) -> None:
        """Fires timers. What makes nothing is not asked again."""
        if not self._decide(i.Due(), at):
            timers = self._play.other.timers
            for key in [key for key, due_at in timers.items() if due_at <= self._now]:
                del timers[key]

    def _decide(self, given: i.RunInput, at: int) -> int:
        self._now = max(self._now, at)
        try:
            made = len(self._play.decide(given, self._now))
        except DalsegnoError as error:
            self._refused.append(str(error))
            return 0
        self._made += made
        return made

    def _next_due(self) -> int | None:
        state = self._play.other
        if state.undecided:
            return self._now
        if state.paused is not None:
            return None
        skipped = OF_THE_RUN if self._unknown else frozenset[str]()
        due = (at for key, at in state.timers.items() if key.partition(":")[0] not in skipped)
        return min(due, default=None)

    # -- what fits --------------------------------------------------------------------------------

    def _fit(self, step: str) -> Pending | None:
        """The first that was given to a step, or to the run, and may be given now."""
        if not step:
            return next(iter(self._given[step]), None)
        return next((one for one in self._given[step] if self._fits(one)), None)

    def _fits(self, one: Pending) -> bool:
        state, step = self._play.other, one.step
        match one.given:
            case i.Place():
                ready = step in state.ready and state.paused is None and state.halted is None
                return ready and self._is_same(one, state.steps[step])
            case i.Reported() | i.AttemptLost():
                return step in state.outstanding and self._placed.get(step) == one.attempt
            case i.Redeem():
                return step in state.deferred and self._placed.get(step) == one.attempt
            case i.ChildEnded():
                return step in state.calls and self._is_same(one, state.steps[step])
            case _:
                return step in state.steps

    def _is_same(self, one: Pending, step: StepState) -> bool:
        if static_of(one.step) in self._work:
            return False
        return encode(step.inputs) == encode(one.inputs)

    def _find_unknown(self, fitting: dict[str, Pending]) -> None:
        """Tasks and calls of which nothing more is known; their timers stand still."""
        state = self._play.other
        waits = state.ready if state.paused is None else ()
        for step in (*waits, *state.outstanding, *state.calls, *state.deferred):
            if step not in self._unknown and step not in fitting:
                self._unknown[step] = self._why(step)
                for what in OF_A_TASK:
                    state.timers.pop(f"{what}:{step}", None)

    def _why(self, step: str) -> Why:
        if static_of(step) in self._work:
            return "other_task"
        recorded = self._play.recorded.steps.get(step)
        ran = recorded is not None and recorded.attempt > 0
        had = self._had.get(step, recorded.inputs if recorded is not None and ran else None)
        if had is None:
            return "never_ran"
        now = self._play.other.steps[step].inputs
        return "no_result" if encode(had) == encode(now) else "other_inputs"

    # -- what came of it --------------------------------------------------------------------------

    def _told(self) -> Otherwise:
        state, recorded = self._play.other, self._play.recorded
        steps = list(_changed(recorded, state))
        known = sum(1 for name in state.steps if name in recorded.steps and "/" not in name)
        failure = state.failure
        return Otherwise(
            status=state.status,
            was=recorded.status,
            steps=tuple(steps),
            same=known - sum(1 for one in steps if one.status and one.was),
            unknown=tuple(Unknown(step, why) for step, why in self._unknown.items()),
            not_taken=tuple(self._refused),
            output=state.output,
            error="" if failure is None else f"{failure.code}: {failure.message}",
            cut=self._is_cut or self._play.done < len(self._play.told.facts),
        )


def _changed(recorded: RunState, other: RunState) -> Iterator[Changed]:
    for name in dict.fromkeys((*recorded.steps, *other.steps)):
        was, now = recorded.steps.get(name), other.steps.get(name)
        if "/" in name:
            continue
        if was is None or now is None or was.status != now.status:
            status, before = now.status if now else "", was.status if was else ""
            yield Changed(step=name, status=status, was=before)
        elif encode(was.output) != encode(now.output):
            yield Changed(step=name, status=now.status, was=was.status, output=True)


def _held(state: RunState) -> tuple[str, ...]:
    return (*state.outstanding, *state.deferred)


def _key(state: RunState, step: str, ahead: int = 0) -> str:
    """An attempt of a step, whatever the run is called."""
    found = state.steps[step]
    return f"{found.generation}/{found.attempt + ahead}"


def _pending(state: RunState, given: i.RunInput, place: int, at: int) -> Pending:
    step = _step(given)
    if step not in state.steps:
        return Pending(place, at, given)
    ahead = 1 if isinstance(given, i.Place) else 0
    inputs: Value = dict(state.steps[step].inputs)
    return Pending(place, at, given, step, inputs, _key(state, step, ahead))


def _step(given: i.RunInput) -> str:
    match given:
        case i.Place(step=step) | i.ChildEnded(step=step) | i.GiveResult(step=step):
            return step
        case i.Move(step=step):
            return step
        case i.Reported(report=report):
            return report.attempt.step
        case i.AttemptLost(attempt=attempt) | i.Redeem(attempt=attempt):
            return attempt.step
        case _:
            return ""


def _now(one: Pending, state: RunState) -> i.RunInput:
    """The same, given to the attempt or child run that the step has now."""
    given, step = one.given, one.step
    match given:
        case i.Reported(report=report):
            attempt: Attempt = state.attempt_of(step)
            return i.Reported(report=msgspec.structs.replace(report, attempt=attempt))
        case i.AttemptLost():
            return msgspec.structs.replace(given, attempt=state.attempt_of(step))
        case i.Redeem():
            digest = state.steps[step].digest
            return msgspec.structs.replace(given, attempt=state.attempt_of(step), digest=digest)
        case i.ChildEnded():
            return msgspec.structs.replace(given, run_id=state.calls[step])
        case _:
            return given
