"""What a run says, as things that another run says too: its input, what each step was given and
what came of it, choices, iterations, variables, its end.

Of the events only those count that made the state the run has at the end: those of a fork's source
are among them, those that a restore went back behind are not. Times, nodes and numbers of attempts
are no things: they differ from run to run without meaning anything.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import msgspec

from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.envelope import Event
from events.facts import Fact, Failure, Flow
from events.net import Choice, Net, NetStep, Set
from events.values import Value
from orchestrator.kernel.instances import static_of
from orchestrator.kernel.state import RunState
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.lineage import lineage
from orchestrator.replay.recording import Recording

Kind = Literal[
    "input",
    "inputs",
    "choice",
    "iteration",
    "skipped",
    "outcome",
    "output",
    "variable",
    "end",
    "result",
]
PATH = frozenset({"choice", "iteration", "skipped", "outcome", "end"})
"""Kinds that say which way a run went; the others say with what."""


class Key(NamedTuple):
    """`name`: the step instance or the variable. `number`: which of several settings of a variable,
    which decision of a loop."""

    kind: Kind
    name: str = ""
    number: int = 0


def name_of(key: Key) -> str:
    """As expressions call it."""
    match key.kind:
        case "input":
            return "input"
        case "variable":
            return f"vars.{key.name}"
        case "output":
            return f"steps.{key.name}.output"
        case "inputs":
            return f"steps.{key.name}.inputs"
        case "end":
            return "the run"
        case "result":
            return "output"
        case _:
            return key.name


class Thing(msgspec.Struct, kw_only=True):
    """`ordinal`: which of the things of its run it is. `version`, `run_id`: the event that says it.
    `values`: what a condition read, path → value. `by`: the step that set a variable, or the choice
    that skipped a step. `note`: how it came about where that is not the workflow."""

    key: Key
    value: Value = None
    ordinal: int = 0
    version: int = 0
    run_id: str = ""
    values: Mapping[str, Value] = {}
    by: str = ""
    note: str = ""
    failure: Failure | None = None


class Told(msgspec.Struct, kw_only=True):
    """`things` in the order in which they were said. `kinds`: what each step of the net is."""

    recording: Recording
    state: RunState
    things: dict[Key, Thing] = {}
    settings: dict[str, list[Thing]] = {}
    steps: dict[str, NetStep] = {}
    nodes: dict[str, str] = {}
    """The node of the last attempt of a step."""

    def of(self, kind: Kind, name: str = "", number: int = 0) -> Thing | None:
        return self.things.get(Key(kind, name, number))


def tell(recording: Recording, at: int | None = None) -> Told:
    """What a run says up to a version, its last one by default. O(events). Raises as a cursor."""
    version = recording.last if at is None else at
    teller = _Teller(recording, version)
    for stretch in reversed(list(lineage(recording, version))):
        for event in stretch.recording.events(stretch.first, stretch.last):
            teller.take(event, stretch.recording.run_id)
    teller.gathered()
    return teller.told


class _Teller:
    def __init__(self, recording: Recording, version: int) -> None:
        net = recording.net
        steps = {} if net is None else {step.id: step for step in net.steps}
        state = Cursor(recording).to(version).state
        self.told = Told(recording=recording, state=state, steps=steps)
        self._arcs = _arcs(net)
        self._setters = _setters(steps)
        self._left: Mapping[str, str] = {}
        """Variables that are set now, and the steps that do."""
        self._ordinal = 0
        self._iterations: dict[str, int] = {}
        self._version = 0
        self._run_id = ""

    def take(self, event: Event, run_id: str) -> None:
        self._version, self._run_id = event.header.version, run_id
        fact = event.fact
        handler = HANDLERS.get(type(fact))
        if handler is not None:
            handler(self, fact)
        flow: Flow | None = getattr(fact, "flow", None)
        if flow is not None:
            self._flow(flow)

    def say(self, key: Key, value: Value = None) -> Thing:
        """A later word for the same thing takes the place of the earlier one."""
        self.told.things.pop(key, None)
        thing = Thing(
            key=key,
            value=value,
            ordinal=self._ordinal,
            version=self._version,
            run_id=self._run_id,
        )
        self._ordinal += 1
        self.told.things[key] = thing
        return thing

    def iteration(self, loop: str) -> int:
        """Which decision of a loop this is."""
        number = self._iterations[loop] = self._iterations.get(loop, -1) + 1
        return number

    def outcome(self, step: str, status: str, failure: Failure | None = None) -> Thing:
        """The way it went with a step: its status, and the code of its failure."""
        value: dict[str, Value] = {"status": status}
        if failure is not None:
            value["code"] = failure.code
        thing = self.say(Key("outcome", step), value)
        thing.failure = failure
        return thing

    def output(self, step: str, value: Value) -> None:
        if value is not None:
            self.say(Key("output", step), value)

    def variables(self, given: Mapping[str, Value], note: str = "", by: str = "") -> None:
        for name, value in given.items():
            known = self.told.settings.setdefault(name, [])
            thing = self.say(Key("variable", name, len(known)), value)
            thing.note = note
            thing.by = by or self._left.get(name, "")
            known.append(thing)

    def _flow(self, flow: Flow) -> None:
        for one in flow.choices:
            thing = self.say(Key("choice", one.step), self._arcs.get(static_of(one.arc), one.arc))
            thing.values = one.values
        for step in flow.skipped:
            self.say(Key("skipped", step), True).by = self._chooser(step, flow)
        self._left = {
            name: step for step in flow.left for name in self._setters.get(static_of(step), ())
        }
        self.variables(flow.variables)
        for step in flow.left:
            self._left_step(step)
        for enabled in flow.enabled:
            self.say(Key("inputs", enabled.step), enabled.inputs)
        for called in flow.calls:
            self.say(Key("inputs", called.step), called.input)
        for looping in flow.loops:
            self.say(Key("inputs", looping.step), looping.items)
        for mapped in flow.maps:
            self.say(Key("inputs", mapped.step), mapped.items)
        for stuck in flow.stuck:
            self.outcome(stuck.step, "failed", stuck.failure)

    def _chooser(self, step: str, flow: Flow) -> str:
        """The choice that passed a step by."""
        for one in flow.choices:
            found = self.told.steps.get(static_of(one.step))
            action = None if found is None else found.action
            if isinstance(action, Choice):
                skipped = action.skips.get(static_of(one.arc), ())
                if static_of(step) in skipped:
                    return one.step
        return flow.choices[0].step if flow.choices else ""

    def _left_step(self, step: str) -> None:
        if self.told.of("outcome", step) is None:
            self.outcome(step, "completed")

    def gathered(self) -> None:
        """Outputs that no fact says, because they were gathered from others: those of maps and
        loops."""
        for name, step in self.told.state.steps.items():
            done = self.told.of("outcome", name)
            known = self.told.of("output", name) is not None
            if done is None or known or step.output is None:
                continue
            self._version, self._run_id = done.version, done.run_id
            self.say(Key("output", name), step.output).ordinal = done.ordinal


def _arcs(net: Net | None) -> dict[str, str]:
    """What an arc is called: the step that it leads to, of a default one that it is that."""
    if net is None:
        return {}
    names = {step.id: step.name for step in net.steps}
    found: dict[str, str] = {}
    for arc in net.arcs:
        target = names.get(arc.target, "")
        found[arc.id] = target or ("default" if arc.kind == "default" else arc.target)
    return found


def _setters(steps: Mapping[str, NetStep]) -> dict[str, tuple[str, ...]]:
    return {
        step_id: tuple(step.action.variables)
        for step_id, step in steps.items()
        if isinstance(step.action, Set)
    }


# -- facts -----------------------------------------------------------------------------------------


def _run_started(teller: _Teller, fact: r.RunStarted) -> None:
    teller.say(Key("input"), fact.input)


def _run_forked(teller: _Teller, fact: r.RunForked) -> None:
    teller.variables(fact.variables, note="set by the fork")


def _updated(teller: _Teller, fact: r.UpdateAccepted) -> None:
    teller.variables(fact.variables, note=f"set by update {fact.name}")


def _dispatched(teller: _Teller, fact: t.TaskDispatched) -> None:
    teller.told.nodes[fact.step] = fact.node


def _task_completed(teller: _Teller, fact: t.TaskCompleted) -> None:
    thing = teller.outcome(fact.step, "completed")
    if fact.outcome:
        thing.value = {"status": "completed", "outcome": fact.outcome}
    teller.output(fact.step, fact.output)


def _task_failed(teller: _Teller, fact: t.TaskFailed) -> None:
    teller.outcome(fact.step, "failed", fact.failure).note = "handled" if fact.handled else ""


def _task_cancelled(teller: _Teller, fact: t.TaskCancelled) -> None:
    teller.outcome(fact.step, "cancelled")


def _result_given(teller: _Teller, fact: o.ResultGiven) -> None:
    thing = teller.outcome(fact.step, fact.status, fact.failure)
    thing.note = f"given by {fact.by or 'an operator'}"
    teller.output(fact.step, fact.output)


def _wait_ended(teller: _Teller, fact: r.WaitEnded) -> None:
    thing = teller.outcome(fact.step, "completed")
    thing.note = "by its signal" if fact.signal else "by its timer"
    teller.output(fact.step, fact.output)


def _loop_advanced(teller: _Teller, fact: r.LoopAdvanced) -> None:
    went: Value = "left" if fact.index is None else fact.index
    key = Key("iteration", fact.step, teller.iteration(fact.step))
    teller.say(key, went).values = fact.values
    if fact.index is None:
        teller.outcome(fact.step, "completed")


def _child_completed(teller: _Teller, fact: r.ChildCompleted) -> None:
    teller.outcome(fact.step, "completed").note = f"run {fact.run_id}"
    teller.output(fact.step, fact.output)


def _map_completed(teller: _Teller, fact: r.MapCompleted) -> None:
    teller.outcome(fact.step, "completed")
    teller.output(fact.step, fact.output)


def _map_part_completed(teller: _Teller, fact: r.MapPartCompleted) -> None:
    teller.outcome(fact.step, "completed")


def _group_given_up(teller: _Teller, fact: r.GroupGivenUp) -> None:
    teller.outcome(fact.step, "failed", fact.failure)


def _end(status: str) -> Callable[[_Teller, Fact], None]:
    def ended(teller: _Teller, fact: Fact) -> None:
        failure: Failure | None = getattr(fact, "failure", None)
        step: str = getattr(fact, "step", "")
        if step and failure is not None and teller.told.of("outcome", step) is None:
            teller.outcome(step, "failed", failure)
        value: dict[str, Value] = {"status": status}
        if failure is not None:
            value["code"] = failure.code
        thing = teller.say(Key("end"), value)
        thing.by, thing.failure = step, failure
        if isinstance(fact, r.RunCompleted):
            teller.say(Key("result"), fact.output)

    return ended


HANDLERS: Mapping[type[Fact], Callable[..., None]] = {
    r.RunStarted: _run_started,
    r.RunForked: _run_forked,
    r.UpdateAccepted: _updated,
    t.TaskDispatched: _dispatched,
    t.TaskCompleted: _task_completed,
    t.TaskFailed: _task_failed,
    t.TaskCancelled: _task_cancelled,
    o.ResultGiven: _result_given,
    r.WaitEnded: _wait_ended,
    r.LoopAdvanced: _loop_advanced,
    r.ChildCompleted: _child_completed,
    r.MapCompleted: _map_completed,
    r.MapPartCompleted: _map_part_completed,
    r.GroupGivenUp: _group_given_up,
    r.RunCompleted: _end("completed"),
    r.RunFailed: _end("failed"),
    r.RunCancelled: _end("cancelled"),
    r.RunTimedOut: _end("timed_out"),
}
