"""Traces: which events set a variable, and which said something of a step.

One pass over the facts of a recording, made when it is first asked for; afterwards an answer costs
the logarithm of how often the thing was touched.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.facts import Fact, Flow
from orchestrator.replay.lineage import lineage

if TYPE_CHECKING:
    from orchestrator.replay.recording import Recording


class Place(msgspec.Struct, frozen=True, gc=False):
    """An event of a run: of another one than was asked about, where that is a fork."""

    run_id: str
    version: int


class Traces:
    """Of one recording; each source has its own."""

    def __init__(self, recording: "Recording") -> None:
        self.recording = recording
        self._upto = 0
        self._variables: dict[str, array[int]] = {}
        self._steps: dict[str, array[int]] = {}

    def step(self, step: str, version: int) -> list[Place]:
        """The events that say something of a step instance, as it is at a version, oldest first."""
        found: list[Place] = []
        for stretch in lineage(self.recording, version):
            known = stretch.recording.traces.steps.get(step, ())
            inside = [one for one in known if stretch.first <= one <= stretch.last]
            found += (Place(stretch.recording.run_id, one) for one in reversed(inside))
        return found[::-1]

    def variable(self, name: str, version: int) -> Place | None:
        """The event that set a variable last, as it is at a version."""
        for stretch in lineage(self.recording, version):
            known = stretch.recording.traces.variables.get(name)
            at = bisect_right(known, stretch.last) if known else 0
            if known and at and known[at - 1] >= stretch.first:
                return Place(stretch.recording.run_id, known[at - 1])
        return None

    @property
    def variables(self) -> dict[str, "array[int]"]:
        self._read()
        return self._variables

    @property
    def steps(self) -> dict[str, "array[int]"]:
        self._read()
        return self._steps

    def _read(self) -> None:
        while self._upto < self.recording.last:
            self._upto += 1
            fact = self.recording.fact(self._upto)
            for name in variables_of(fact):
                self._variables.setdefault(name, array("q")).append(self._upto)
            for name in dict.fromkeys(steps_of(fact)):
                self._steps.setdefault(name, array("q")).append(self._upto)


def variables_of(fact: Fact) -> Iterator[str]:
    """The variables that a fact sets."""
    flow = getattr(fact, "flow", None)
    if flow is not None and flow.variables:
        yield from flow.variables
    if isinstance(fact, r.RunForked | r.UpdateAccepted):
        yield from fact.variables


def steps_of(fact: Fact) -> Iterator[str]:
    """The step instances that a fact says something of; one may come more than once."""
    step = getattr(fact, "step", "")
    if step:
        yield step
    flow = getattr(fact, "flow", None)
    if flow is not None:
        yield from steps_of_flow(flow)
    match fact:
        case r.ChildCalled():
            yield fact.call.step
        case r.RunForked() | o.RunRestored():
            yield from (one.step for one in fact.renewed)
        case r.RunClosing() | r.RunFailed() | r.RunCancelled() | r.RunTimedOut() | t.TaskFailed():
            yield from fact.cancelled
        case r.GroupGivenUp():
            yield from fact.recalled
            yield from fact.cancelled
        case r.MapDecided():
            yield from (f"{fact.step}[{number}]" for number in fact.recalled)
            yield from (f"{fact.step}[{number}]" for number in fact.cancelled)
        case _:
            pass


def steps_of_flow(flow: Flow) -> Iterator[str]:
    """Those that were reached, entered, left or passed by."""
    yield from (one.step for one in flow.enabled)
    yield from (one.step for one in flow.choices)
    yield from (one.step for one in flow.waiting)
    yield from (one.step for one in flow.loops)
    yield from (one.step for one in flow.maps)
    yield from (one.step for one in flow.calls)
    yield from (one.step for one in flow.stuck)
    yield from flow.entered
    yield from flow.left
    yield from flow.skipped
