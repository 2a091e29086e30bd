"""NetIndex: a net with what decisions look up, made once per workflow version and never stored."""

from collections.abc import Collection

import msgspec

from events.facts import Failure
from events.net import Arc, Call, Fail, Loop, Map, Net, NetStep, Set, Start, Task, Wait
from orchestrator.kernel.instances import static_of, suffix_of
from orchestrator.kernel.templates import Template, compile_template
from orchestrator.kernel.waiting import template_of


class StepIndex(msgspec.Struct, frozen=True):
    """A step with its arcs in the net's order, and its templates parsed."""

    step: NetStep
    incoming: tuple[str, ...]
    places: dict[str, int]
    """Where each arc is in `incoming`."""
    normal: tuple[Arc, ...]
    conditional: tuple[Arc, ...]
    default: Arc | None
    errors: tuple[Arc, ...]
    template: Template | None
    body: Template | None = None
    """What each item of a map is given."""

    def error_arc(self, failure: Failure) -> Arc | None:
        """The first error arc that takes this failure's code, or None."""
        matching = (arc for arc in self.errors if not arc.codes or failure.code in arc.codes)
        return next(matching, None)


class UpdateIndex(msgspec.Struct, frozen=True):
    """An update with its template parsed."""

    accept: str
    template: Template


class NetIndex:
    """Immutable after construction; shared by all runs of a workflow version."""

    def __init__(self, net: Net) -> None:
        self.net = net
        incoming: dict[str, list[Arc]] = {step.id: [] for step in net.steps}
        outgoing: dict[str, list[Arc]] = {step.id: [] for step in net.steps}
        for arc in net.arcs:
            incoming[arc.target].append(arc)
            outgoing[arc.source].append(arc)
        self.steps = {
            step.id: _index(step, incoming[step.id], outgoing[step.id]) for step in net.steps
        }
        self.arcs = {arc.id: arc for arc in net.arcs}
        self.start = next(s.id for s in net.steps if not (incoming[s.id] or s.scope))
        self.starts = {s.scope: s.id for s in net.steps if isinstance(s.action, Start)}
        """Where each scope begins."""
        repetitions = _repetitions(net)
        self.depths = {s.id: depth for s in net.steps if (depth := repetitions[s.scope])}
        """In how many repetitions a step is, for those in any."""
        self.loops = _loops(net)
        """The loop that a scope is in, itself included, for those in any."""
        self.limits = {s.id: s.timeout_s for s in net.scopes if s.timeout_s and not s.repeats}
        """Seconds within which a group of steps is to be over."""
        self.groups = _groups(net, self.limits)
        """The groups that a step is in, innermost first, for those in any."""
        self.sizes = _sizes(net)
        """How many named steps are in each scope, those of scopes inside it included."""
        actions = (step.action for step in net.steps)
        waits = (action.signal for action in actions if isinstance(action, Wait) and action.signal)
        self.signals = tuple(dict.fromkeys(waits))
        """Names of the signals that some step waits for."""
        self.updates = {
            name: UpdateIndex(one.accept, compile_template(dict(one.variables)))
            for name, one in net.updates.items()
        }
        self.output = None if net.output is None else compile_template(net.output)

    def step(self, instance: str) -> StepIndex:
        """The step of an instance; raises KeyError when there is none."""
        return self.steps.get(instance) or self.steps[static_of(instance)]

    def task(self, step_id: str) -> Task:
        """What a node does for an instance: a task, or that of a map for each of its items; raises
        KeyError when the step is none."""
        action = self.step(step_id).step.action
        if isinstance(action, Map):
            action = action.body
        if not isinstance(action, Task):
            raise KeyError(step_id)
        return action

    def is_inside(self, instance: str, group_id: str) -> bool:
        """Whether an instance is one of a group's; the group is not."""
        groups = self.groups.get(static_of(instance), ())
        return static_of(group_id) in groups and suffix_of(instance).startswith(suffix_of(group_id))

    def call(self, step_id: str) -> Call:
        """The action of a step that calls; raises KeyError when it does not."""
        action = self.step(step_id).step.action
        if not isinstance(action, Call):
            raise KeyError(step_id)
        return action

    def map(self, step_id: str) -> Map:
        """The action of a map's instance; raises KeyError when it is none."""
        action = self.step(step_id).step.action
        if not isinstance(action, Map):
            raise KeyError(step_id)
        return action


def _repetitions(net: Net) -> dict[str, int]:
    """How many repetitions each scope is in, itself included; outer scopes come first in a net."""
    found: dict[str, int] = {}
    for scope in net.scopes:
        found[scope.id] = found.get(scope.parent or "", 0) + scope.repeats
    return found


def _loops(net: Net) -> dict[str, str]:
    found: dict[str, str] = {}
    for scope in net.scopes:
        loop = scope.id if scope.repeats else found.get(scope.parent or "")
        if loop is not None:
            found[scope.id] = loop
    return found


def _groups(net: Net, limits: Collection[str]) -> dict[str, tuple[str, ...]]:
    if not limits:
        return {}
    around: dict[str, tuple[str, ...]] = {}
    for scope in net.scopes:
        own = (scope.id,) if scope.id in limits else ()
        around[scope.id] = own + around.get(scope.parent or "", ())
    return {step.id: groups for step in net.steps if (groups := around[step.scope])}


def _sizes(net: Net) -> dict[str, int]:
    parents = {scope.id: scope.parent for scope in net.scopes}
    found = dict.fromkeys(parents, 0)
    for step in net.steps:
        scope: str | None = step.scope
        while step.name and scope is not None:
            found[scope] += 1
            scope = parents[scope]
    return found


def _index(step: NetStep, incoming: list[Arc], outgoing: list[Arc]) -> StepIndex:
    def of(kind: str) -> tuple[Arc, ...]:
        return tuple(arc for arc in outgoing if arc.kind == kind)

    return StepIndex(
        step=step,
        incoming=tuple(arc.id for arc in incoming),
        places={arc.id: place for place, arc in enumerate(incoming)},
        normal=of("normal"),
        conditional=of("conditional"),
        default=next(iter(of("default")), None),
        errors=of("error"),
        template=_template(step),
        body=_body(step),
    )


def _body(step: NetStep) -> Template | None:
    if not isinstance(step.action, Map):
        return None
    return compile_template(dict(step.action.body.inputs))


def _template(step: NetStep) -> Template | None:
    match step.action:
        case Task(inputs=inputs):
            return compile_template(dict(inputs))
        case Set(variables=variables):
            return compile_template(dict(variables))
        case Fail(message=message):
            return compile_template(message)
        case Loop(items=items) | Map(items=items):
            return compile_template(items)
        case Call(input=value):
            return compile_template({"input": value})
        case Wait() as wait:
            return compile_template(template_of(wait))
        case _:
            return None
