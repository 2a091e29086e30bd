"""Liveness, promise 11: how long a fair world may take, from the timers of its workload.

`quiet_s`: the longest that nothing at all may be recorded of any run while one is open. It is the
longest single thing that can be waited for: a delay of a retry policy, a wait, an execution, its
timeout with all that follows. `whole_s`: the longest until every run has ended, when all that its
steps can wait for comes one after the other, and every execution waits for all others.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from events.definition import (
    CallStep,
    ChoiceStep,
    Definition,
    ForEachStep,
    MapStep,
    ParallelStep,
    Step,
    TaskStep,
    UntilStep,
    WaitStep,
    WhileStep,
    WithinStep,
)
from events.policies import Retry, Timeouts
from tests.simulation.executor import EFFECTFUL, STUBBORN_S, number_of
from tests.simulation.policies import delays

SETTLING_S = 60.0
"""For everybody to find each other once the world is fair: boots, leases of 4 s that have to end,
another takeover because of that, nodes that are silent, reports that are sent again after 8 s."""

ROUND_S = 3.0
"""What an attempt takes beside its execution: commits, heartbeats, commands that are sent again."""

SIGNAL_S = 12.0
"""Clients send every signal within 8 s of the start, and ask again until they are answered."""
WAIT_S_MAX = 10.0
ITEMS_MAX = 8
GRACE_S = 2.0
REFUSED_S_MAX = 5.0
OUTSIDE_S = 20.0
"""For third parties to use a token, for a transaction to be settled, for parts to be recorded."""


class Spans(msgspec.Struct):
    """`serial_s`: all of it one after the other; `busy_s`: what of it occupies a slot of a node;
    `longest_s`: the longest single thing."""

    serial_s: float = 0.0
    busy_s: float = 0.0
    longest_s: float = 0.0

    def add(self, other: "Spans", times: int = 1) -> None:
        self.serial_s += other.serial_s * times
        self.busy_s += other.busy_s * times
        self.longest_s = max(self.longest_s, other.longest_s)


class Patience:
    def __init__(self, definitions: Iterable[Definition]) -> None:
        self._definitions: Mapping[str, Definition] = {one.name: one for one in definitions}
        self._spans: dict[str, Spans] = {}

    def quiet_s(self, workflows: Iterable[str]) -> float:
        longest = max((self.of(name).longest_s for name in workflows), default=0.0)
        return SETTLING_S + longest

    def whole_s(self, workflows: Sequence[str]) -> float:
        spans = [self.of(name) for name in workflows]
        serial_s = max((one.serial_s for one in spans), default=0.0)
        return SETTLING_S + serial_s + sum(one.busy_s for one in spans)

    def of(self, workflow: str) -> Spans:
        """Of one run."""
        if workflow not in self._spans:
            definition = self._definitions[workflow]
            self._spans[workflow] = self._steps(definition.steps, definition)
        return self._spans[workflow]

    def _steps(self, steps: Iterable[Step], of: Definition) -> Spans:
        found = Spans()
        for step in steps:
            found.add(self._step(step, of))
            for handler in getattr(step, "on_error", ()):
                found.add(self._steps(handler.steps, of))
        return found

    def _step(self, step: Step, of: Definition) -> Spans:
        found = Spans(serial_s=ROUND_S, longest_s=ROUND_S)
        match step:
            case TaskStep():
                found.add(_task(step, of))
            case MapStep():
                found.add(_task(step, of), ITEMS_MAX)
            case WaitStep():
                wait_s = SIGNAL_S if step.signal else WAIT_S_MAX
                found.add(Spans(serial_s=wait_s, longest_s=wait_s))
            case CallStep():
                found.add(self._call(step, of))
            case ParallelStep():
                found.add(self._steps([one for b in step.branches.values() for one in b], of))
            case ChoiceStep():
                found.add(self._steps([one for c in step.cases for one in c.steps], of))
                found.add(self._steps(step.default, of))
            case WhileStep() | UntilStep() | ForEachStep():
                found.add(self._steps(step.steps, of), step.iterations_max)
            case WithinStep():
                found.add(self._steps(step.steps, of))
            case _:
                pass
        return found

    def _call(self, step: CallStep, of: Definition) -> Spans:
        retry, found = step.retry or of.options.retry or Retry(), Spans()
        found.add(self.of(step.workflow), retry.attempts_max)
        found.add(_delays(retry))
        return found


def _task(step: TaskStep | MapStep, of: Definition) -> Spans:
    """All attempts of a task, each as long as it can be."""
    retry = step.retry or of.options.retry or Retry()
    limits = step.timeouts or of.options.timeouts or Timeouts()
    asked_s = max(number_of(step.inputs, "ms") / 1000, limits.start_to_close_s or 0.0)
    if step.task in EFFECTFUL:
        asked_s += OUTSIDE_S
    silent_s = (limits.heartbeat_s or 0.0) + 1.0
    takes_s = asked_s + silent_s + GRACE_S + (STUBBORN_S if step.task == "stubborn" else 0.0)
    attempt_s = takes_s + ROUND_S + REFUSED_S_MAX
    found = Spans(
        serial_s=attempt_s * retry.attempts_max,
        busy_s=takes_s * retry.attempts_max,
        longest_s=attempt_s,
    )
    found.add(_delays(retry))
    return found


def _delays(retry: Retry) -> Spans:
    """All waits of a policy, each as long as it can be."""
    found, last_s = Spans(), 0.0
    for counted in range(1, retry.attempts_max):
        last_s = delays(retry, counted, last_s)[1]
        found.serial_s += last_s
        found.longest_s = max(found.longest_s, last_s)
    return found
