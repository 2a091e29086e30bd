"""Workloads: random definitions, and the runs that clients want of them.

A definition is *steady* when nothing in it can race: no chance, no timeout. Its runs must come out
as an undisturbed run does, unless somebody cancels them.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Literal

import msgspec

from events.api import AnyRequest
from events.definition import (
    CallStep,
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
    Update,
    WaitStep,
    WhileStep,
    WithinStep,
)
from events.policies import PINNED, Needs, Retry, RunOptions, Timeouts
from events.references import Chunk, ListReference, Payload, as_value
from events.values import Value
from tests.simulation.executor import EFFECTFUL
from tests.simulation.mistakes import mistake
from tests.simulation.operators import SAME_END, Act, drawn

RETRY_KINDS: tuple[Literal["fixed", "linear", "exponential", "decorrelated"], ...] = (
    "fixed",
    "linear",
    "exponential",
    "decorrelated",
)
CODES = ("E1", "E2", "E3")
CHUNKS = (Payload.of(b"[2,3]"), Payload.of(b"[4,5,6]"))
"""Stored before anything begins."""
LARGE = as_value(
    ListReference(
        count=5,
        bytes=12,
        chunks=(Chunk(count=2, hash=CHUNKS[0].hash), Chunk(count=3, hash=CHUNKS[1].hash)),
    )
)
FAILURES = (1, 1, 1, 2, 2, 9)
SECRET = "a secret of"
"""What the log must not have as it is."""
PERSONAL = 0.15
"""Share of the runs that are personal."""
OPERATED = 0.25
"""Share of the runs to which operators do something."""
REFUSED = "bad"
"""What no update is accepted with."""
LATEST_US = 20_000_000
"""So long after the horizon no message of before is under way any more."""


class Wanted(msgspec.Struct):
    """A run that a client wants, and what it does to it afterwards."""

    run_id: str
    workflow: str
    input: Value
    at: int
    steady: bool
    cancel_at: int | None = None
    fork_at: int | None = None
    pause_at: int | None = None
    repin_at: int | None = None
    build: str = ""
    subject: str = ""
    """Whose values it has, if it is personal."""
    acts: tuple[Act, ...] = ()
    """What operators do to it."""


class Steering(msgspec.Struct):
    """What an operator does to a node, and for how long; the node may not exist."""

    at: int
    node: str
    drain_s: float | None
    """None: it is cordoned only."""
    for_us: int


class Draft:
    """Draws one definition. `uneasy`: chance and timeouts may be in it."""

    def __init__(self, rng: Random, name: str, uneasy: bool, callees: Sequence[str] = ()) -> None:
        self._callees = callees
        self._rng = rng
        self._name = name
        self._uneasy = uneasy
        self._count = 0
        self.signals: list[str] = []
        """Names of the signals that its steps wait for."""

    def definition(self) -> Definition:
        rng = self._rng
        options = RunOptions(
            error_policy=rng.choice(("fail_fast", "finish_others")),
            retry=self._retry() if rng.random() < 0.3 else None,
            timeouts=Timeouts(start_to_close_s=4.0) if self._lucky(0.1) else None,
            timeout_s=rng.choice((1.0, 4.0, 12.0)) if self._lucky(0.2) else None,
            concurrency_max=rng.choice((1, 2)) if rng.random() < 0.15 else None,
            build=rng.choice(("b1", "b2", PINNED)) if rng.random() < 0.2 else "",
        )
        steps = self._steps(rng.randint(2, 5), depth=0)
        note = Update(accept=f"update != '{REFUSED}'", variables={"noted": "${ update }"})
        return Definition(name=self._name, steps=steps, options=options, updates={"note": note})

    def _lucky(self, share: float) -> bool:
        return self._uneasy and self._rng.random() < share

    def _id(self) -> str:
        self._count += 1
        return f"s{self._count}"

    def _steps(self, count: int, depth: int) -> tuple[Step, ...]:
        steps: list[Step] = []
        is_graph = self._rng.random() < 0.4
        for _ in range(count):
            ids = [step.id for step in steps]
            depends: tuple[str, ...] | None = None
            if is_graph and ids:
                depends = tuple(self._rng.sample(ids, self._rng.randint(0, min(2, len(ids)))))
            tasks = [step.id for step in steps if isinstance(step, TaskStep)]
            steps.append(self._step(depends, tasks, depth))
        return tuple(steps)

    def _step(self, depends: tuple[str, ...] | None, tasks: list[str], depth: int) -> Step:
        drawn = self._rng.random()
        step_id = self._id()
        if depth < 2 and drawn < 0.12:
            return self._together(step_id, depends, depth)
        if depth < 2 and drawn < 0.24:
            cases = (Case(when=self._condition(), steps=self._steps(1, depth + 1)),)
            default = self._steps(self._rng.randint(0, 1), depth + 1)
            return ChoiceStep(id=step_id, depends_on=depends, cases=cases, default=default)
        if drawn < 0.3:
            variable = f"v{step_id}"
            return SetStep(id=step_id, depends_on=depends, variables={variable: "${ input.n }"})
        if 0.7 < drawn < 0.84:
            is_call = self._callees and drawn < 0.76
            return self._call(step_id, depends) if is_call else self._map(step_id, depends, depth)
        if depth < 2 and 0.84 < drawn < 0.92:
            return self._loop(step_id, depends, depth)
        if drawn > 0.92:
            return self._wait(step_id, depends, depth)
        if depth and drawn < 0.32:
            return FailStep(id=step_id, depends_on=depends, code="E3", message="as written")
        return self._task(step_id, depends, tasks, depth)

    def _together(
        self, step_id: str, depends: tuple[str, ...] | None, depth: int
    ) -> ParallelStep | WithinStep:
        """A parallel, or a group that may not be over in time."""
        rng = self._rng
        if self._lucky(0.5):
            return WithinStep(
                id=step_id,
                depends_on=depends,
                timeout_s=rng.choice((0.3, 1.0, 4.0)),
                steps=self._steps(rng.randint(2, 3), depth + 1),
                on_error=(Handler(),) if rng.random() < 0.6 else (),
            )
        branches = {name: self._steps(rng.randint(1, 2), depth + 1) for name in "ab"}
        return ParallelStep(id=step_id, depends_on=depends, branches=branches)

    def _call(self, step_id: str, depends: tuple[str, ...] | None) -> CallStep:
        rng = self._rng
        return CallStep(
            id=step_id,
            depends_on=depends,
            workflow=rng.choice(self._callees),
            input={"n": "${ input.n }", "large": "${ input.large }"},
            retry=self._retry() if rng.random() < 0.6 else None,
            on_error=(Handler(),) if rng.random() < 0.4 else (),
        )

    def _map(self, step_id: str, depends: tuple[str, ...] | None, depth: int) -> MapStep:
        """What is done early races, so only where something may. No task that blocks its slot: so
        many of them take longer than a world lasts."""
        rng = self._rng
        task = self._task(step_id, depends, [], 2)
        if task.task in {"stuck", "stubborn"}:
            task = msgspec.structs.replace(task, task="chance")
        rule, number = rng.choice((("all", 0.0), ("collect", 0.0)))
        if self._lucky(0.5):
            rules = (("any", 0.0), ("fail_fast", 0.0), ("count", 2.0), ("percent", 60.0))
            rule, number = rng.choice(rules)
        step = MapStep(
            id=step_id,
            depends_on=depends,
            items=self._items(depth),
            task=task.task,
            inputs={**task.inputs, "item": "${ iteration.item }", "i": "${ iteration.index }"},
            concurrency=rng.choice((1, 3, 1000)),
            batch=rng.choice((None, None, 1, 2)),
            number=number,
            retry=task.retry,
            timeouts=task.timeouts,
            on_error=(Handler(),) if rng.random() < 0.4 else (),
        )
        return msgspec.structs.replace(step, complete_when=rule)

    def _items(self, depth: int) -> Value:
        """Some are more than a map does in one run; some are stored, and named by a reference."""
        count = self._rng.choice((0, 1, 2) if depth else (0, 1, 3, 5, 8))
        if self._rng.random() >= 0.3:
            return ["${ input.n }"] * count
        return "${ input.large }" if count == 5 else count

    def _loop(self, step_id: str, depends: tuple[str, ...] | None, depth: int) -> LoopStep:
        rng = self._rng
        steps = self._steps(rng.randint(1, 2), depth + 1)
        most = rng.choice((2, 5, 5))
        times = rng.choice((0, 1, 3))
        kind = rng.choice(("while", "until", "for_each"))
        if kind == "for_each":
            items: list[Value] = ["${ input.n }"] * times
            return ForEachStep(
                id=step_id, depends_on=depends, items=items, steps=steps, iterations_max=most
            )
        loop, sign = (WhileStep, "<") if kind == "while" else (UntilStep, ">=")
        made: WhileStep | UntilStep = loop(
            id=step_id,
            depends_on=depends,
            condition=f"iteration.index {sign} {times}",
            steps=steps,
            iterations_max=most,
        )
        return made

    def _wait(self, step_id: str, depends: tuple[str, ...] | None, depth: int) -> WaitStep:
        """Clients send every signal sooner or later, so only patience can race; for a step that may
        be inside of two loops, as often as it may be reached."""
        rng = self._rng
        if rng.random() < 0.5:
            seconds = rng.choice((0.0, 0.3, 5.0, "${ input.n }"))
            return WaitStep(id=step_id, depends_on=depends, duration=seconds)
        handled = rng.random() < 0.7
        self.signals += [step_id] * (25 if depth else 1)
        return WaitStep(
            id=step_id,
            depends_on=depends,
            signal=step_id,
            correlation="${ run.workflow }" if rng.random() < 0.3 else None,
            timeout_s=rng.choice((0.5, 6.0)) if self._lucky(0.3) else None,
            on_error=(Handler(codes=("signal_timeout",)),) if handled else (),
        )

    def _condition(self) -> str:
        return f"input.n > {self._rng.randint(0, 10)}"

    def _task(
        self, step_id: str, depends: tuple[str, ...] | None, tasks: list[str], depth: int
    ) -> TaskStep:
        rng = self._rng
        task = "work" if rng.random() < 0.6 else rng.choice(("flaky", "flaky", *EFFECTFUL))
        if self._lucky(0.35):
            task = rng.choice(("chance", "stuck", "stubborn", "beats", "bulky"))
        retry = self._retry() if task != "work" and rng.random() < 0.9 else None
        inputs: dict[str, Value] = {"ms": rng.choice((1, 20, 200, 1500)), "of": step_id}
        if task != "work":
            inputs["fails"] = rng.choice((0, 0, 1, 2, 9) if task in EFFECTFUL else FAILURES)
            inputs["code"] = rng.choice(CODES)
        if tasks and rng.random() < 0.4 and depends is None:
            inputs["from"] = f"${{ steps.{tasks[-1]}.output }}"
        handlers: tuple[Handler, ...] = ()
        if task != "work" and depth < 2 and rng.random() < 0.3:
            codes = (rng.choice(CODES),) if rng.random() < 0.5 else ()
            handlers = (Handler(codes=codes, steps=self._steps(1, 2)),)
        labels: dict[str, str] = {"zone": "a"} if rng.random() < 0.1 else {}
        needs = Needs(cpu=2.0) if task != "beats" and not labels and rng.random() < 0.1 else None
        return TaskStep(
            id=step_id,
            depends_on=depends,
            task=task,
            inputs=inputs,
            labels=labels,
            needs=needs,
            retry=retry,
            timeouts=self._timeouts(task),
            on_error=handlers,
        )

    def _retry(self) -> Retry:
        rng = self._rng
        return Retry(
            kind=rng.choice(RETRY_KINDS),
            attempts_max=rng.choice((2, 3, 4, 6)),
            initial_s=rng.choice((0.05, 0.5, 2.0, 6.0)),
            cap_s=8.0,
            permanent_codes=("E2",) if rng.random() < 0.2 else (),
            retryable_codes=("E1", "start_to_close_timeout") if rng.random() < 0.1 else (),
        )

    def _timeouts(self, task: str) -> Timeouts | None:
        rng = self._rng
        if task in {"stuck", "stubborn"}:
            total_s = 6.0 if rng.random() < 0.4 else None
            return Timeouts(start_to_close_s=rng.choice((0.5, 2.0)), schedule_to_close_s=total_s)
        if task == "beats":
            return Timeouts(heartbeat_s=1.0)
        if not self._lucky(0.25):
            return None
        return Timeouts(
            schedule_to_start_s=rng.choice((None, 0.3, 2.0)),
            start_to_close_s=rng.choice((None, 1.0)),
            schedule_to_close_s=rng.choice((None, 3.0, 10.0)),
        )


class Workload:
    """What the clients of a world want."""

    def __init__(self, seed: int, runs: int, horizon_us: int) -> None:
        rng = Random(f"workload {seed}")
        self.definitions: list[Definition] = []
        steady: dict[str, bool] = {}
        self.signals: dict[str, list[str]] = {}
        for number in range(3):
            uneasy = rng.random() < 0.5
            callees = [
                name
                for name, is_steady in steady.items()
                if not self.signals[name] and (is_steady or uneasy)
            ]
            draft = Draft(rng, f"w{number}", uneasy, callees)
            definition = draft.definition()
            self.definitions.append(definition)
            self.signals[definition.name] = draft.signals
            steady[definition.name] = not uneasy
        self.runs: list[Wanted] = [
            Wanted(
                run_id=f"r{number}",
                workflow=(name := rng.choice(self.definitions).name),
                input={"n": rng.randint(0, 10), "large": LARGE},
                at=int(rng.random() * horizon_us * 0.7),
                steady=steady[name],
            )
            for number in range(runs)
        ]
        for wanted in self.runs:
            if rng.random() < 0.12:
                wanted.cancel_at = wanted.at + int(rng.random() * 4_000_000)
                wanted.steady = False
            elif rng.random() < 0.1:
                wanted.fork_at = wanted.at + int(rng.random() * 3_000_000)
            if rng.random() < 0.2:
                wanted.pause_at = wanted.at + int(rng.random() * 3_000_000)
            if rng.random() < 0.15:
                wanted.repin_at = wanted.at + int(rng.random() * 3_000_000)
                wanted.build = rng.choice(("", "b1", "b2"))
        self._seal(Random(f"subjects {seed}"))
        self._operate(Random(f"operators {seed}"))
        self.mistakes = list(_mistakes(Random(f"mistakes {seed}"), horizon_us))
        """Requests that are to be refused, and when they are made."""
        self.calm_us = horizon_us + LATEST_US
        count = rng.choice((0, 0, 1, 3, 6))
        self.steerings = [_steering(rng, horizon_us) for _ in range(count)]

    def _seal(self, rng: Random) -> None:
        """Some runs are personal, of one subject or another."""
        for wanted in self.runs:
            if rng.random() < PERSONAL and isinstance(wanted.input, dict):
                wanted.subject = rng.choice(("ada", "bob"))
                wanted.input = {**wanted.input, "name": f"{SECRET} {wanted.subject}"}

    def _operate(self, rng: Random) -> None:
        """To some runs something is done; half of those that are steady stay so."""
        for wanted in self.runs:
            if rng.random() < OPERATED:
                wanted.acts = drawn(rng, wanted.at, wanted.steady and rng.random() < 0.5)
                wanted.steady = wanted.steady and all(one.kind in SAME_END for one in wanted.acts)


def _mistakes(rng: Random, horizon_us: int) -> Iterator[tuple[int, AnyRequest]]:
    for _ in range(rng.choice((0, 3, 10))):
        yield int(rng.random() * horizon_us), mistake(rng, rng.choice(("r1", "r2", "r3")))


def _steering(rng: Random, horizon_us: int) -> Steering:
    return Steering(
        at=int(rng.random() * horizon_us * 0.8),
        node=rng.choice(("n1", "n1", "n2", "n3", "n9")),
        drain_s=rng.choice((None, 0.0, 0.5, 3.0)),
        for_us=int(rng.random() * 8_000_000),
    )


def tasks_of(steps: tuple[Step, ...]) -> Iterator[TaskStep]:
    """All task steps, those inside others included."""
    for step in steps:
        match step:
            case TaskStep():
                yield step
                for handler in step.on_error:
                    yield from tasks_of(handler.steps)
            case ChoiceStep():
                for case in step.cases:
                    yield from tasks_of(case.steps)
                yield from tasks_of(step.default)
            case WhileStep() | UntilStep() | ForEachStep():
                yield from tasks_of(step.steps)
            case ParallelStep():
                for branch in step.branches.values():
                    yield from tasks_of(branch)
            case _:
                pass
