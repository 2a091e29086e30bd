"""Causes: which events led to an event, and which ones it led to.

An envelope says what came from outside (a report, a request, a child run); what lies between two
events of a run says their content. A result follows from the dispatch of its attempt, a dispatch
from what made the task ready, an iteration from the end of the one before, a join from each token
that it took, the end from what left the root scope. What somebody asked for has no cause among the
events: it is an origin.

One pass over the facts notes who did last what others follow from. A restore goes on with what was
noted at the version that it went back to, a fork with what its source had.
"""

from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.facts import Fact, Flow
from orchestrator.replay.traces import Place

if TYPE_CHECKING:
    from orchestrator.replay.recording import Recording

REMARKS = (t.TaskPending, t.TaskStarted, t.TaskProgressed, t.OnceRecorded, t.TaskDeadLettered)
"""What is said of a step and changes nothing that follows."""
ASKED = (
    r.RunStarted,
    r.SignalReceived,
    r.UpdateAccepted,
    r.RunPaused,
    o.ResultGiven,
    o.TaskMoved,
    o.RunHalted,
    o.RunRestored,
)
"""What comes from outside."""
ENDS = (r.RunCompleted, r.RunFailed, r.RunCancelled, r.RunTimedOut)
MANY = -1


class Standing(msgspec.Struct):
    """Who did last what others follow from. `run`: other things than steps, arcs and signals: what
    set the run's own timer, a pause, a pin, the end of the root scope, the closing."""

    steps: dict[str, Place] = {}
    arcs: dict[str, Place] = {}
    signals: dict[str, Place] = {}
    run: dict[str, Place] = {}

    def copy(self) -> "Standing":
        return Standing(dict(self.steps), dict(self.arcs), dict(self.signals), dict(self.run))


class Causes:
    """Of one recording; each source has its own."""

    def __init__(self, recording: "Recording") -> None:
        self._recording = recording
        self._standing = Standing()
        self._kept: dict[int, Standing] = {}
        self._first = array("q")
        """The cause of each version in the same run; 0: none, `MANY`: see `_several`."""
        self._several: dict[int, tuple[Place, ...]] = {}
        self._effects: dict[int, list[int]] = {}

    def of(self, version: int) -> tuple[Place, ...]:
        """The events that an event followed from, the one that set it off first; none of what came
        from outside. O(1) after the first time."""
        self._read()
        cause = self._first[version - 1]
        if cause == MANY:
            return self._several[version]
        return (Place(self._recording.run_id, cause),) if cause else ()

    def effects(self, version: int) -> tuple[int, ...]:
        """The versions of this run's events that followed from one of it."""
        self._read()
        return tuple(self._effects.get(version, ()))

    def chain(self, version: int) -> Iterator[Place]:
        """From an event back to its origin: what set each one off."""
        recording, place = self._recording, Place(self._recording.run_id, version)
        while True:
            yield place
            found = recording.of(place.run_id).causes.of(place.version)
            if not found:
                return
            place = found[0]

    def standing(self) -> Standing:
        """What holds after the last event."""
        self._read()
        return self._standing

    def _read(self) -> None:
        recording = self._recording
        for version in range(len(self._first) + 1, recording.last + 1):
            fact = recording.fact(version)
            self._note(version, tuple(dict.fromkeys(self._found(version, fact))))
            self._take(Place(recording.run_id, version), fact)
            if version in recording.targets:
                self._kept[version] = self._standing.copy()

    def _note(self, version: int, causes: tuple[Place, ...]) -> None:
        run_id = self._recording.run_id
        if not causes:
            self._first.append(0)
        elif len(causes) == 1 and causes[0].run_id == run_id:
            self._first.append(causes[0].version)
        else:
            self._first.append(MANY)
            self._several[version] = causes
        for cause in causes:
            if cause.run_id == run_id:
                self._effects.setdefault(cause.version, []).append(version)

    # -- what it follows from ---------------------------------------------------------------------

    def _found(self, version: int, fact: Fact) -> Iterator[Place]:
        standing = self._standing
        if isinstance(fact, r.RunForked):
            yield Place(fact.source_run_id, fact.source_version)
            return
        if isinstance(fact, ASKED):
            return
        yield from self._set_off_by(version, fact)
        flow = getattr(fact, "flow", None)
        for arc, change in flow.tokens.items() if flow is not None else ():
            if change < 0 and arc in standing.arcs:
                yield standing.arcs[arc]

    def _set_off_by(self, version: int, fact: Fact) -> Iterator[Place]:
        standing, before = self._standing, Place(self._recording.run_id, version - 1)
        match fact:
            case r.WaitEnded() if fact.signal in standing.signals:
                found = (standing.signals[fact.signal], standing.steps.get(fact.step, before))
                yield from sorted(found, key=self._age, reverse=True)
            case r.ChildCalled():
                yield standing.steps.get(fact.call.step, before)
            case r.RunResumed():
                yield standing.run.get("paused", before)
            case r.RunPinned():
                yield standing.run.get("begun", before)
            case r.RunClosing() | r.RunCompleted() | r.RunFailed() | r.RunTimedOut():
                yield from self._of_the_end(fact, before)
            case r.RunCancelled():
                if "closing" in standing.run:
                    yield from (standing.run["closing"], before)
            case _:
                yield standing.steps.get(getattr(fact, "step", ""), before)

    def _of_the_end(
        self, fact: r.RunClosing | r.RunCompleted | r.RunFailed | r.RunTimedOut, before: Place
    ) -> Iterator[Place]:
        """A run that was closing ends as was decided then, once the last has come back."""
        run, step = self._standing.run, getattr(fact, "step", "")
        if "closing" in run:
            yield from (run["closing"], before)
        elif isinstance(fact, r.RunCompleted):
            yield run.get("ended", before)
        elif isinstance(fact, r.RunTimedOut) or getattr(fact, "status", "") == "timed_out":
            yield run.get("begun", before)
        elif step:
            yield self._standing.steps.get(step, before)
        elif fact.failure is not None and not _is_asked(fact):
            yield before

    def _age(self, place: Place) -> tuple[bool, int]:
        return place.run_id == self._recording.run_id, place.version

    # -- what follows from it ---------------------------------------------------------------------

    def _take(self, here: Place, fact: Fact) -> None:
        self._begin(here, fact)
        standing = self._standing
        step = getattr(fact, "step", "")
        if step and not isinstance(fact, REMARKS):
            standing.steps[step] = here
        match fact:
            case r.SignalReceived():
                standing.signals[fact.id] = here
            case r.ChildCalled():
                standing.steps[fact.call.step] = here
            case r.RunPaused():
                standing.run["paused"] = here
            case r.RunClosing():
                standing.run["closing"] = here
            case r.MapDecided():
                numbers = (*fact.recalled, *fact.cancelled)
                standing.steps.update((f"{fact.step}[{number}]", here) for number in numbers)
            case r.GroupGivenUp():
                standing.steps.update((one, here) for one in (*fact.recalled, *fact.cancelled))
            case _:
                pass
        flow = getattr(fact, "flow", None)
        if flow is not None:
            self._take_flow(here, flow)

    def _begin(self, here: Place, fact: Fact) -> None:
        """What a run begins with, or goes back to."""
        if isinstance(fact, r.RunForked) and self._recording.source is not None:
            self._standing = self._recording.source.causes.standing().copy()
            self._standing.run.clear()
        elif isinstance(fact, o.RunRestored):
            run = self._standing.run
            self._standing = self._kept.get(fact.version, Standing()).copy()
            self._standing.signals.update((one.id, here) for one in fact.signals)
            if "paused" in run:
                self._standing.run["paused"] = run["paused"]
        if isinstance(fact, r.RunStarted | r.RunForked | o.RunRestored):
            self._standing.run["begun"] = here
        if isinstance(fact, r.RunForked | o.RunRestored):
            self._standing.steps.update((one.step, here) for one in fact.renewed)

    def _take_flow(self, here: Place, flow: Flow) -> None:
        standing = self._standing
        for arc, change in flow.tokens.items():
            if change > 0:
                standing.arcs[arc] = here
        reached = (flow.enabled, flow.waiting, flow.loops, flow.maps, flow.calls, flow.stuck)
        for some in reached:
            for one in some:
                standing.steps[one.step] = here
        for name in (*flow.entered, *flow.turned):
            standing.steps[name] = here
        if flow.ended:
            standing.run["ended"] = here


def _is_asked(fact: Fact) -> bool:
    failure = getattr(fact, "failure", None)
    return failure is not None and failure.code == "terminated"
