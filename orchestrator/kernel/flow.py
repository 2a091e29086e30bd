"""Token game: from a step that was left to the tasks that became ready.

A `Walk` plays over a state without changing it and remembers the net change, which then travels in
a fact. It runs to quiescence: every step that can act at once (start, set, choice, split, join)
acts; tasks are enabled; the end of the root scope is noticed. Order is that of arcs in the net, so
it is the same everywhere. A step whose values cannot be evaluated, or are too large, is stuck, and
what follows from that is for the next fact.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping

import msgspec

from events import net as n
from events.codec import encode
from events.facts import (
    Called,
    Choice,
    Enabled,
    Failure,
    Flow,
    Limited,
    Looping,
    Mapped,
    Moved,
    Stuck,
    Waiting,
)
from events.ids import child_run
from events.policies import Timeouts
from events.values import Value
from orchestrator.kernel.bounds import FlowBudget, bounded
from orchestrator.kernel.env import Env
from orchestrator.kernel.expressions import ExpressionFailed, consult, describe
from orchestrator.kernel.instances import index_of, inside, outside, static_of, suffix_of
from orchestrator.kernel.mapcuts import mapped, shared_out
from orchestrator.kernel.netindex import NetIndex, StepIndex
from orchestrator.kernel.scope import Scope
from orchestrator.kernel.state import RunState
from orchestrator.kernel.waiting import waiting


class TooManyIterations(ExpressionFailed):
    """A loop would go beyond its limit."""

    code = "too_many_iterations"

    def __init__(self, loop_id: str, most: int) -> None:
        super().__init__(f"{loop_id} needs more than {most} iterations, its limit")


class Walk:
    """One token game. `outputs` and `failures`: what the decision under way is about to record.

    `_suffix` and `_scope` belong to the step that acts: the iterations that it is in, and what it
    sees from there.
    """

    def __init__(
        self,
        net: NetIndex,
        state: RunState,
        env: Env,
        outputs: dict[str, Value] | None = None,
        failures: dict[str, Failure] | None = None,
    ) -> None:
        self._net = net
        self._state = state
        self._env = env
        self._variables: dict[str, Value] = {}
        self._root = Scope(state, outputs or {}, failures or {}, self._variables, depths=net.depths)
        self._scope = self._root
        self._suffix = ""
        self._tokens: dict[str, int] = {}
        self._fresh: deque[tuple[n.Arc, str]] = deque()
        self._enabled: list[Enabled] = []
        self._choices: list[Choice] = []
        self._entered: list[str] = []
        self._left: list[str] = []
        self._skipped: list[str] = []
        self._stuck: list[Stuck] = []
        self._waiting: list[Waiting] = []
        self._loops: list[Looping] = []
        self._turned: list[str] = []
        self._maps: list[Mapped] = []
        self._moved: list[Moved] = []
        self._calls: list[Called] = []
        self._limited: list[Limited] = []
        self._ended = False
        self._budget = FlowBudget(env.limits)
        self._variable_bytes = 0

    def begin(self) -> "Walk":
        """Enters the root scope."""
        self._act(self._net.steps[self._net.start])
        return self._run()

    def enter(self, loop_id: str, index: int) -> "Walk":
        """Begins an iteration of a loop."""
        self._go(inside(suffix_of(loop_id), index))
        self._act(self._net.steps[self._net.starts[static_of(loop_id)]])
        return self._run()

    def leave(self, step_id: str) -> "Walk":
        """The step is done: a token on each normal outgoing arc, and onward."""
        self._go(suffix_of(step_id))
        self._put(self._net.step(step_id).normal)
        return self._run()

    def follow(self, arc: n.Arc, step_id: str) -> "Walk":
        """A token on this arc (an error arc) of a step, and onward."""
        self._go(suffix_of(step_id))
        self._put((arc,))
        return self._run()

    def vacate(self, group_id: str) -> "Walk":
        """Takes away the tokens that are inside a group: nothing of it goes on."""
        for place, tokens in self._state.tokens.items():
            target = self._net.arcs[static_of(place)].target + suffix_of(place)
            if self._net.is_inside(target, group_id):
                self._tokens[place] = self._tokens.get(place, 0) - tokens
        return self

    def turn(self, step_id: str) -> "Walk":
        """It is to be decided what follows for a step."""
        self._turned.append(step_id)
        return self

    def flow(self) -> Flow:
        """The net change so far."""
        return Flow(
            tokens={arc: change for arc, change in self._tokens.items() if change},
            enabled=tuple(self._enabled),
            choices=tuple(self._choices),
            variables=self._variables,
            entered=tuple(self._entered),
            left=tuple(self._left),
            skipped=tuple(self._skipped),
            stuck=tuple(self._stuck),
            waiting=tuple(self._waiting),
            loops=tuple(self._loops),
            turned=tuple(self._turned),
            maps=tuple(self._maps),
            moved=tuple(self._moved),
            calls=tuple(self._calls),
            limited=tuple(self._limited),
            ended=self._ended,
        )

    # -- tokens -----------------------------------------------------------------------------------

    def _put(self, arcs: Iterable[n.Arc]) -> None:
        suffix = self._suffix
        for arc in arcs:
            place = arc.id + suffix
            self._tokens[place] = self._tokens.get(place, 0) + 1
            self._fresh.append((arc, suffix))

    def _take(self, arc_id: str) -> None:
        arc_id += self._suffix
        self._tokens[arc_id] = self._tokens.get(arc_id, 0) - 1

    def _has(self, arc_id: str) -> bool:
        arc_id += self._suffix
        return self._state.tokens.get(arc_id, 0) + self._tokens.get(arc_id, 0) > 0

    def _run(self) -> "Walk":
        while self._fresh:
            arc, self._suffix = self._fresh.popleft()
            target = self._net.steps[arc.target]
            if not self._has(arc.id):
                continue
            if target.step.join == "any":
                self._take(arc.id)
            elif self._is_met(target, arc.id):
                for arc_id in target.incoming:
                    self._take(arc_id)
            else:
                continue
            self._act(target)
        return self

    def _is_met(self, step: StepIndex, arc_id: str) -> bool:
        """Whether a token waits on every incoming arc, as one does on `arc_id`. Looks at the
        neighbours of that one first: where branches end one after the other, one of the two is
        still empty, and a join of n branches does not cost n each time.
        """
        incoming, place = step.incoming, step.places[arc_id]
        if len(incoming) == 1:
            return True
        if not self._has(incoming[place - 1]):
            return False
        count = len(incoming)
        return all(self._has(incoming[(place + by) % count]) for by in range(1, count))

    # -- steps ------------------------------------------------------------------------------------

    def _go(self, suffix: str) -> None:
        """To these iterations."""
        self._suffix = suffix

    def _see(self, step: StepIndex) -> None:
        """What the step that acts sees from where it is."""
        suffix = self._suffix
        if self._scope.suffix == suffix:
            return
        self._scope = self._root
        if suffix:
            loop = self._net.loops[step.step.scope] + outside(suffix)
            self._scope = msgspec.structs.replace(
                self._root, suffix=suffix, loop=loop, index=index_of(suffix)
            )

    def _act(self, step: StepIndex) -> None:
        self._see(step)
        try:
            self._perform(step)
        except ExpressionFailed as error:
            self._stick(step, Failure(code=error.code, message=str(error)))

    def _stick(self, step: StepIndex, failure: Failure) -> None:
        self._stuck.append(Stuck(step=step.step.id + self._suffix, failure=failure))

    def _perform(self, step: StepIndex) -> None:
        ACTS[type(step.step.action)](self, step, step.step.action)

    def _begin(self, step: StepIndex, _: n.Start) -> None:
        self._put(step.normal)

    def _end(self, step: StepIndex, _: n.End) -> None:
        if step.step.scope:
            self._turned.append(step.step.scope + outside(self._suffix))
        else:
            self._ended = True

    def _join(self, step: StepIndex, join: n.Join) -> None:
        if join.closes:
            self._left.append(join.closes + self._suffix)
        self._put(step.normal)

    def _split(self, step: StepIndex, _: n.Split) -> None:
        self._enter(step)
        self._put(step.normal)

    def _within(self, step: StepIndex, _: n.Within) -> None:
        group_id = step.step.id
        self._enter(step)
        due_at = self._env.after(self._net.limits[group_id])
        self._limited.append(Limited(step=group_id + self._suffix, due_at=due_at))
        self._put(step.normal)

    def _fail(self, step: StepIndex, fail: n.Fail) -> None:
        message = self._render(step)
        self._stick(step, Failure(code=fail.code, message=str(message or "")))

    def _render(self, step: StepIndex) -> Value:
        if step.template is None:
            return None
        value = step.template.render(self._scope.resolve, self._env.expressions)
        if not step.template.constant:
            self._budget.take(value, f"what {step.step.id} is given")
        return value

    def _enable(self, step: StepIndex, task: n.Task) -> None:
        self._ready(step.step.id + self._suffix, task, self._render(step))

    def _ready(self, instance: str, task: n.Task, inputs: Value) -> None:
        limits = timeouts(task, self._state)
        self._enabled.append(
            Enabled(
                step=instance,
                inputs=inputs if isinstance(inputs, dict) else {},
                start_due_at=_due(self._env, limits.schedule_to_start_s),
                close_due_at=_due(self._env, limits.schedule_to_close_s),
            )
        )

    def _wait(self, step: StepIndex, wait: n.Wait) -> None:
        values = self._render(step)
        values = values if isinstance(values, dict) else {}
        self._waiting.append(waiting(step.step.id + self._suffix, wait, values, self._env))

    def _loop(self, step: StepIndex, loop: n.Loop) -> None:
        """Reaching it is all; whether an iteration begins is a decision of its own."""
        loop_id = step.step.id + self._suffix
        items = self._render(step)
        if loop.kind != "for_each":
            self._loops.append(Looping(step=loop_id))
            return
        if not isinstance(items, list):
            raise ExpressionFailed(f"{loop_id} goes through {describe(items)}: expected a list")
        if len(items) > loop.iterations_max:
            raise TooManyIterations(loop_id, loop.iterations_max)
        self._loops.append(Looping(step=loop_id, items=items))

    def _map(self, step: StepIndex, action: n.Map) -> None:
        """Reaching it is all, as for a loop."""
        limits, options = self._env.limits, self._state.options
        found = mapped(step.step.id + self._suffix, self._render(step), limits)
        if found.cut is not None:
            values = self._read_beside(step)
            cut = shared_out(found.cut, action, options.concurrency_max, values, limits)
            found = msgspec.structs.replace(found, cut=cut)
        self._maps.append(found)

    def _read_beside(self, step: StepIndex) -> dict[str, Value]:
        """What the items of a map are given beside themselves."""
        paths = step.body.paths(self._env.expressions) if step.body is not None else ()
        beside = [path for path in paths if path.split(".")[0] != "iteration"]
        values: Value = {path: self._scope.resolve(path) for path in beside}
        self._budget.take(values, f"what the items of {step.step.id} are given beside themselves")
        return values if isinstance(values, dict) else {}

    def _call(self, step: StepIndex, call: n.Call) -> None:
        step_id, values = step.step.id + self._suffix, self._render(step)
        self._calls.append(
            Called(
                step=step_id,
                run_id=child_run(self._state.run_id, step_id, self._state.generation, 1),
                workflow=call.workflow,
                workflow_version=call.version,
                input=values["input"] if isinstance(values, dict) else None,
            )
        )

    def _assign(self, step: StepIndex, _: n.Set) -> None:
        values = self._render(step)
        if isinstance(values, dict):
            self._bound_variables(values)
            self._variables.update(values)
        self._left.append(step.step.id + self._suffix)
        self._put(step.normal)

    def _bound_variables(self, values: dict[str, Value]) -> None:
        """Counts what is added, and all exactly only once that sum is over the limit."""
        if not self._variable_bytes:
            self._variable_bytes = len(encode(self._state.variables))
        self._variable_bytes += len(encode(values))
        if self._variable_bytes > self._env.limits.payload_bytes_max:
            together = {**self._state.variables, **self._variables, **values}
            self._variable_bytes = bounded(together, self._env.limits, "the set of all variables")

    def _enter(self, step: StepIndex) -> None:
        if step.step.name:
            self._entered.append(step.step.name + self._suffix)

    def _choose(self, step: StepIndex, action: n.Choice) -> None:
        arc, when, values = self._decide(step)
        self._budget.take(values, f"what the conditions of {step.step.id} read")
        self._enter(step)
        self._choices.append(
            Choice(step=step.step.id + self._suffix, arc=arc.id, when=when, values=values)
        )
        self._skipped.extend(name + self._suffix for name in action.skips.get(arc.id, ()))
        self._put((arc,))

    def _decide(self, step: StepIndex) -> tuple[n.Arc, str, dict[str, Value]]:
        """The first arc whose condition holds, else the default; with all values that were read."""
        values: dict[str, Value] = {}
        for arc in step.conditional:
            held, read = consult(arc.when, self._env.expressions, self._scope.resolve)
            values.update(read)
            if not isinstance(held, bool):
                raise ExpressionFailed(
                    f"{arc.when!r} is {held!r}: a condition must be true or false"
                )
            if held:
                return arc, arc.when, values
        if step.default is None:
            raise ExpressionFailed("no condition holds and there is no default")
        return step.default, "", values


ACTS: Mapping[type[n.Action], Callable[..., None]] = {
    n.Start: Walk._begin,
    n.End: Walk._end,
    n.Task: Walk._enable,
    n.Set: Walk._assign,
    n.Choice: Walk._choose,
    n.Split: Walk._split,
    n.Join: Walk._join,
    n.Fail: Walk._fail,
    n.Wait: Walk._wait,
    n.Loop: Walk._loop,
    n.Map: Walk._map,
    n.Call: Walk._call,
    n.Within: Walk._within,
}
"""What a step does when it acts, by its action; a test holds it complete."""


def timeouts(task: n.Task, state: RunState) -> Timeouts:
    """The task's timeouts, or else the run's."""
    return task.timeouts or state.options.timeouts or NO_TIMEOUTS


NO_TIMEOUTS = Timeouts()


def _due(env: Env, seconds: float | None) -> int | None:
    return None if seconds is None else env.after(seconds)
