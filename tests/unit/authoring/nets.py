"""A token game over nets, and definitions by the thousand, for tests."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from hypothesis import strategies as st

from events.definition import (
    Case,
    ChoiceStep,
    Definition,
    FailStep,
    ForEachStep,
    Handler,
    LoopStep,
    MapStep,
    ParallelStep,
    SetStep,
    Step,
    TaskStep,
    UntilStep,
    WaitStep,
    WhileStep,
)
from events.limits import Limits
from events.net import Arc, Choice, End, Loop, Map, Net, NetStep, Start, Task, Wait
from events.policies import Needs, Retry, RunOptions, Timeouts
from events.values import Value
from orchestrator.authoring.shapes import Rule

T = TypeVar("T")
Pick = Callable[[Sequence[T]], T]


class Game:
    """Plays a net with choices made by `pick`; a failing step goes on like any other."""

    def __init__(self, net: Net, pick: "Callable[[Sequence[object]], object]") -> None:
        self._steps = {step.id: step for step in net.steps}
        self._incoming = {
            step.id: [a for a in net.arcs if a.target == step.id] for step in net.steps
        }
        self._outgoing = {
            step.id: [a for a in net.arcs if a.source == step.id] for step in net.steps
        }
        self._pick = pick
        self.tokens: Counter[str] = Counter()
        self.most_on_an_arc = 0
        self.fired: list[str] = []
        self.taken: set[str] = set()

    def play(self) -> None:
        start = next(s for s in self._starts() if not s.scope)
        self._fire(start)
        self._play_on()

    def _play_on(self) -> None:
        while ready := [step for step in self._steps.values() if self._is_ready(step)]:
            step = self._pick(ready)
            assert isinstance(step, NetStep)
            self._take(step)
            self._fire(step)

    def scope_of(self, step_id: str) -> str:
        return self._steps[step_id].scope

    def _starts(self) -> list[NetStep]:
        return [step for step in self._steps.values() if isinstance(step.action, Start)]

    def _repeat(self, loop: NetStep) -> None:
        """So often as it is picked; what is inside plays by itself and must leave nothing."""
        start = next(step for step in self._starts() if step.scope == loop.id)
        outside = self.tokens
        while self._pick([True, False, False]):
            self.tokens = Counter()
            before = len(self.fired)
            self._fire(start)
            self._play_on()
            ended = [self._steps[step_id] for step_id in self.fired[before:]]
            assert [s.scope for s in ended if isinstance(s.action, End)].count(loop.id) == 1
            assert not self.left_over
        self.tokens = outside

    @property
    def ends(self) -> int:
        ends = [self._steps[step_id] for step_id in self.fired]
        return sum(isinstance(step.action, End) and not step.scope for step in ends)

    @property
    def left_over(self) -> dict[str, int]:
        return {arc: count for arc, count in self.tokens.items() if count}

    def _is_ready(self, step: NetStep) -> bool:
        marked = [self.tokens[arc.id] > 0 for arc in self._incoming[step.id]]
        if not marked:
            return False
        return any(marked) if step.join == "any" else all(marked)

    def _take(self, step: NetStep) -> None:
        marked = [arc for arc in self._incoming[step.id] if self.tokens[arc.id]]
        for arc in marked[:1] if step.join == "any" else marked:
            self.tokens[arc.id] -= 1

    def _fire(self, step: NetStep) -> None:
        self.fired.append(step.id)
        if isinstance(step.action, Loop):
            self._repeat(step)
        for arc in self._chosen(step):
            self.taken.add(arc.id)
            self.tokens[arc.id] += 1
            self.most_on_an_arc = max(self.most_on_an_arc, self.tokens[arc.id])

    def _chosen(self, step: NetStep) -> list[Arc]:
        arcs = self._outgoing[step.id]
        normal = [arc for arc in arcs if arc.kind == "normal"]
        errors = [arc for arc in arcs if arc.kind == "error"]
        if isinstance(step.action, Choice):
            return [self._one(arcs)]
        if isinstance(step.action, Task | Wait | Loop | Map) and errors:
            ways: list[list[Arc]] = [normal, *([arc] for arc in errors)]
            way = self._pick(ways)
            assert isinstance(way, list)
            return way
        return normal

    def _one(self, arcs: list[Arc]) -> Arc:
        arc = self._pick(arcs)
        assert isinstance(arc, Arc)
        return arc


# -- definitions ----------------------------------------------------------------------------------

CONDITIONS = ("input.n > 3", "has(input.x)", "true", "run.id == 'a' || input.xs.exists(x, x > 1)")
WAITS = (
    WaitStep(id="w", duration=1.5),
    WaitStep(id="w", duration="${ input.n }s"),
    WaitStep(id="w", until="2026-12-24T18:00:00+01:00"),
    WaitStep(id="w", signal="go", correlation={"n": ["${ input.n }"]}, timeout_s=60.0),
    WaitStep(id="w", signal="go", on_error=(Handler(codes=("signal_timeout",)),)),
)
RULES: tuple[tuple[Rule, float], ...] = (
    ("all", 0.0),
    ("any", 0.0),
    ("fail_fast", 0.0),
    ("collect", 0.0),
    ("count", 3.0),
    ("percent", 12.5),
)
TEXTS = st.text(max_size=8)
VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | TEXTS
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=3,
)
CODES = st.lists(st.sampled_from(["timeout", "lost", "bad"]), max_size=2, unique=True).map(tuple)
DURATIONS = st.none() | st.floats(0.001, 1e6)


def constants(value: Value) -> Value:
    """`value` with every `${` taken out, so that nothing in it is an expression."""
    match value:
        case str():
            return value.replace("${", "")
        case list():
            return [constants(item) for item in value]
        case dict():
            return {key.replace("${", ""): constants(item) for key, item in value.items()}
        case _:
            return value


class _Writer:
    """Draws a definition that a check accepts. `readable` are tasks that a step may read."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._count = 0

    def steps(self, depth: int, readable: tuple[str, ...], least: int = 0) -> tuple[Step, ...]:
        found: list[Step] = []
        for _ in range(self._draw(st.integers(least, 3))):
            tasks = tuple(step.id for step in found if isinstance(step, TaskStep))
            siblings = tuple(step.id for step in found)
            found.append(self._step(depth, readable + tasks, siblings))
        return tuple(found)

    def _step(self, depth: int, readable: tuple[str, ...], siblings: tuple[str, ...]) -> Step:
        flat = ["task", "set", "fail", "wait", "map"]
        kinds = [*flat, "choice", "parallel", "while", "until", "for_each"] if depth else flat
        kind = self._draw(st.sampled_from(kinds))
        self._count += 1
        id_ = f"s{self._count}"
        depends_on = self._draw(
            st.none() | st.lists(st.sampled_from(siblings), unique=True, max_size=3).map(tuple)
            if siblings
            else st.sampled_from([None, ()])
        )
        when = self._draw(st.none() | st.sampled_from(CONDITIONS))
        match kind:
            case "task":
                return self._task(id_, depends_on, when, depth, readable)
            case "set":
                values = {"v": self._read(readable), "w": self._draw(VALUES.map(constants))}
                return SetStep(id=id_, depends_on=depends_on, when=when, variables=values)
            case "while" | "until" | "for_each":
                loop = self._loop(kind, depth, readable)
                return msgspec.structs.replace(loop, id=id_, depends_on=depends_on, when=when)
            case "map":
                found = self._map(depth, readable)
                return msgspec.structs.replace(found, id=id_, depends_on=depends_on, when=when)
            case "wait":
                wait = self._draw(st.sampled_from(WAITS))
                return msgspec.structs.replace(wait, id=id_, depends_on=depends_on, when=when)
            case "fail":
                return FailStep(id=id_, depends_on=depends_on, when=when, code="bad", message="m")
            case "choice":
                cases = tuple(
                    Case(when=condition, steps=self.steps(depth - 1, readable))
                    for condition in self._draw(
                        st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=3)
                    )
                )
                return ChoiceStep(
                    id=id_,
                    depends_on=depends_on,
                    when=when,
                    cases=cases,
                    default=self.steps(depth - 1, readable),
                )
            case _:
                names = self._draw(
                    st.lists(st.sampled_from(["a", "b", "c-d"]), min_size=1, unique=True)
                )
                branches = {name: self.steps(depth - 1, readable, least=1) for name in names}
                return ParallelStep(id=id_, depends_on=depends_on, when=when, branches=branches)

    def _map(self, depth: int, readable: tuple[str, ...]) -> MapStep:
        lists: list[Value] = ["${ input.xs }", [1, "${ input.n }", None], []]
        items = ["${ iteration.item }", "${ iteration.index }", self._read(readable)]
        rule, number = self._draw(st.sampled_from(RULES))
        handlers: tuple[Handler, ...] = ()
        if depth and self._draw(st.booleans()):
            handlers = (Handler(codes=("lost",), steps=self.steps(depth - 1, readable)),)
        return MapStep(
            id="",
            items=self._draw(st.sampled_from(lists)),
            task="demo.work",
            inputs={"a": self._draw(st.sampled_from(items))},
            concurrency=self._draw(st.sampled_from([1, 7, 1_000])),
            batch=self._draw(st.none() | st.integers(1, 10_000)),
            complete_when=rule,
            number=number,
            retry=self._draw(st.none() | _RETRIES),
            timeouts=self._draw(st.none() | _TIMEOUTS),
            needs=self._draw(st.none() | _NEEDS),
            on_error=handlers,
        )

    def _loop(self, kind: str, depth: int, readable: tuple[str, ...]) -> LoopStep:
        steps = self.steps(depth - 1, readable, least=1)
        most = self._draw(st.integers(1, 10_000))
        handlers = self._draw(st.sampled_from([(), (Handler(codes=("too_many_iterations",)),)]))
        last = steps[-1]
        condition = self._draw(st.sampled_from([*CONDITIONS, "iteration.index > 2"]))
        if isinstance(last, TaskStep) and self._draw(st.booleans()):
            condition = f"steps.{last.id}.output == null"
        lists: list[Value] = ["${ input.xs }", [1, "${ input.n }", None]]
        items = self._draw(st.sampled_from(lists))
        if kind == "for_each":
            return ForEachStep(
                id="", items=items, steps=steps, iterations_max=most, on_error=handlers
            )
        if kind == "while":
            return WhileStep(
                id="", condition=condition, steps=steps, iterations_max=most, on_error=handlers
            )
        return UntilStep(
            id="", condition=condition, steps=steps, iterations_max=most, on_error=handlers
        )

    def _task(
        self,
        id_: str,
        depends_on: tuple[str, ...] | None,
        when: str | None,
        depth: int,
        readable: tuple[str, ...],
    ) -> TaskStep:
        handlers: tuple[Handler, ...] = ()
        if depth and self._draw(st.booleans()):
            handlers = tuple(
                Handler(codes=self._draw(CODES), steps=self.steps(depth - 1, (*readable, id_)))
                for _ in range(self._draw(st.integers(1, 2)))
            )
        return TaskStep(
            id=id_,
            depends_on=depends_on,
            when=when,
            task="demo.work",
            inputs={"a": self._read(readable), "b": self._draw(VALUES.map(constants))},
            retry=self._draw(st.none() | _RETRIES),
            timeouts=self._draw(st.none() | _TIMEOUTS),
            needs=self._draw(st.none() | _NEEDS),
            on_error=handlers,
        )

    def _read(self, readable: tuple[str, ...]) -> str:
        if not readable:
            return "${ input.n }"
        step_id = self._draw(st.sampled_from(readable))
        return self._draw(
            st.sampled_from(
                [f"${{ steps.{step_id}.output }}", f"x ${{ size(steps.{step_id}.output.x) }} y"]
            )
        )


_RETRIES = st.builds(
    Retry,
    kind=st.sampled_from(["fixed", "linear", "exponential", "decorrelated"]),
    attempts_max=st.integers(1, Limits().attempts_max),
    initial_s=st.floats(0, 10),
    factor=st.floats(1, 10),
    cap_s=st.floats(10, 100),
    retryable_codes=CODES,
)
_TIMEOUTS = st.builds(Timeouts, start_to_close_s=DURATIONS, heartbeat_s=DURATIONS)
_NEEDS = st.builds(
    Needs, cpu=st.floats(0, 64), memory_bytes=st.integers(0, 2**40), gpu=st.integers(0, 8)
)
_OPTIONS = st.builds(
    RunOptions,
    timeout_s=DURATIONS,
    error_policy=st.sampled_from(["fail_fast", "finish_others"]),
    retry=st.none() | _RETRIES,
    priority=st.integers(-1000, 1000),
    tags=st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=2),
    attributes=st.dictionaries(
        TEXTS.filter(bool), st.one_of(st.booleans(), st.integers(-9, 9), TEXTS), max_size=2
    ),
    concurrency_max=st.none() | st.integers(1, 100),
    build=st.sampled_from(("", "b7", "pinned")),
    personal=st.booleans(),
)


@st.composite
def definitions(draw: st.DrawFn, depth: int = 2) -> Definition:
    """Definitions of every form that a check accepts."""
    return Definition(
        name="random",
        description=draw(TEXTS),
        steps=_Writer(draw).steps(depth, (), least=1),
        output=draw(VALUES.map(constants)),
        options=draw(_OPTIONS),
    )
