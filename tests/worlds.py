"""Random definitions and random worlds around a run, from any source of choices.

A `Chooser` is either Hypothesis, which shrinks what it finds, or a seeded generator, which gives
the same history in another process. A `World` is a cluster that does to a run whatever a real one
could: places tasks, reports in any order and more than once, loses, refuses, is late, and lets time
jump.
"""

import random
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import msgspec
from hypothesis import strategies as st

from events import definition as d
from events import messages as m
from events.errors import Rejected
from events.facts import Failure, LossReason
from events.limits import Limits
from events.policies import Retry, RunOptions, Timeouts
from events.values import Value
from orchestrator.kernel import inputs as i
from orchestrator.kernel.durations import as_text
from orchestrator.kernel.env import MICROSECONDS
from tests.builders import NOW, Play, Setting

T = TypeVar("T")
CODES = ("x", "y", "z")
SIGNALS = ("go", "stop")
PAST, SOON = "2020-02-29T12:00:00Z", as_text(NOW + 20 * MICROSECONDS)


class Chooser(Protocol):
    def number(self, low: int, high: int) -> int:
        """An integer between both, the lower one being the simplest."""
        ...


class Drawn:
    """Choices of Hypothesis."""

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        self._draw = draw

    def number(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))


class Rolled:
    """Choices of a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)


def pick(choose: Chooser, items: Sequence[T]) -> T:
    return items[choose.number(0, len(items) - 1)]


def chance(choose: Chooser, percent: int) -> bool:
    return choose.number(1, 100) > 100 - percent


# -- definitions ----------------------------------------------------------------------------------


class Author:
    """Writes definitions. A `calm` one has no failure that is not retried or handled, so that no
    two failures race; an untimed one has no timeouts, so that nothing depends on how long it takes.
    """

    def __init__(
        self, choose: Chooser, *, calm: bool = False, timed: bool = True, steps_max: int = 24
    ) -> None:
        self._choose = choose
        self._calm = calm
        self._timed = timed and not calm
        self._left = steps_max
        self._count = 0

    def write(self) -> d.Definition:
        steps = self._steps((), 0)
        options = RunOptions()
        if not self._calm:
            times = (None, None, None, None, 30.0, 600.0) if self._timed else (None,)
            options = RunOptions(
                timeout_s=pick(self._choose, times),
                error_policy="finish_others" if chance(self._choose, 40) else "fail_fast",
                retry=self._retry() if chance(self._choose, 20) else None,
                timeouts=self._timeouts() if self._timed and chance(self._choose, 20) else None,
            )
        note = d.Update(accept="update > 3", variables={"noted": "${update}"})
        return d.Definition(name="workflow", steps=steps, options=options, updates={"note": note})

    def _steps(self, before: tuple[str, ...], depth: int) -> tuple[d.Step, ...]:
        """A list of steps; `before` are tasks that are over when it begins."""
        made: list[d.Step] = []
        for _ in range(self._choose.number(0 if depth else 3, 2 if depth else 9)):
            if self._left <= 0:
                break
            self._left -= 1
            made.append(self._step(made, before, depth))
        return tuple(made)

    def _step(self, siblings: list[d.Step], before: tuple[str, ...], depth: int) -> d.Step:
        self._count += 1
        name = f"s{self._count}"
        after = self._after(siblings)
        readable = before
        if after is None:
            readable += tuple(s.id for s in siblings[-1:] if isinstance(s, d.TaskStep))
        else:
            readable += tuple(s.id for s in siblings if s.id in after and isinstance(s, d.TaskStep))
        when = self._condition(readable) if chance(self._choose, 15) else None
        step = self._kind(name, readable, depth)
        return msgspec.structs.replace(step, depends_on=after, when=when)

    def _after(self, siblings: list[d.Step]) -> tuple[str, ...] | None:
        if not chance(self._choose, 35):
            return None
        return tuple(step.id for step in siblings if chance(self._choose, 40))

    def _kind(self, name: str, readable: tuple[str, ...], depth: int) -> d.Step:
        kind = self._choose.number(0, 19)
        if kind <= 6 or depth >= 3:
            return self._task(name, readable, depth)
        if kind == 7:
            return d.SetStep(id=name, variables={f"v_{name}": self._value(readable)})
        if kind == 8 and not self._calm and chance(self._choose, 30):
            return d.FailStep(id=name, code=pick(self._choose, CODES), message="${run.id}")
        if kind <= 9:
            cases = tuple(
                d.Case(when=self._condition(readable), steps=self._steps(readable, depth + 1))
                for _ in range(self._choose.number(1, 2))
            )
            return d.ChoiceStep(id=name, cases=cases, default=self._steps(readable, depth + 1))
        if kind >= 18:
            return self._map(name, readable, depth)
        if kind >= 15 and depth < 2:
            return self._loop(name, readable, depth)
        if kind >= 13 and depth < 3:
            return self._wait(name)
        return self._together(name, readable, depth)

    def _together(self, name: str, readable: tuple[str, ...], depth: int) -> d.Step:
        if self._timed and chance(self._choose, 60):
            return self._within(name, readable, depth)
        branches = {
            f"b{k}": self._steps(readable, depth + 1) for k in range(self._choose.number(1, 4))
        }
        return d.ParallelStep(id=name, branches=branches)

    def _within(self, name: str, readable: tuple[str, ...], depth: int) -> d.WithinStep:
        handlers = (d.Handler(steps=self._steps(readable, depth + 1)),)
        return d.WithinStep(
            id=name,
            timeout_s=pick(self._choose, (1.0, 5.0, 60.0)),
            steps=self._steps(readable, depth + 1),
            on_error=handlers if chance(self._choose, 60) else (),
        )

    def _map(self, name: str, readable: tuple[str, ...], depth: int) -> d.MapStep:
        """Where the order of reports must not matter, every item is tried."""
        choose = self._choose
        lists: tuple[Value, ...] = ([1, "${input.n}", 3], [], "${[input.n, 2, 3, 4, 5]}")
        inputs: dict[str, Value] = {"x": "${iteration.item}", "n": self._value(readable)}
        if not self._calm and chance(choose, 5):
            inputs["bad"] = "${iteration.item.nope}"
        step = d.MapStep(
            id=name,
            items=pick(choose, lists),
            task="work",
            inputs=inputs,
            concurrency=pick(choose, (1, 2, 1000)),
            batch=pick(choose, (None, None, 1, 2)),
            complete_when=pick(choose, ("all", "collect")),
            retry=self._retry() if chance(choose, 50) else None,
            timeouts=self._timeouts() if self._timed and chance(choose, 20) else None,
            on_error=self._handlers(readable, depth) if chance(choose, 30) else (),
        )
        if self._timed and chance(choose, 60):
            rule, number = pick(
                choose, (("any", 0), ("fail_fast", 0), ("count", 2), ("percent", 60))
            )
            step = msgspec.structs.replace(step, complete_when=rule, number=float(number))
        return step

    def _loop(self, name: str, readable: tuple[str, ...], depth: int) -> d.LoopStep:
        kind = self._choose.number(0, 2)
        most = 3 if self._calm else self._choose.number(1, 3)
        steps = self._steps(readable, depth + 1)
        handlers: tuple[d.Handler, ...] = ()
        if chance(self._choose, 30):
            handlers = (d.Handler(steps=self._steps(readable, depth + 1)),)
        if kind == 0:
            lists: tuple[Value, ...] = ([], [1, "${input.n}"], "${[input.n, 2, 3]}")
            items = pick(self._choose, lists)
            return d.ForEachStep(
                id=name, items=items, steps=steps, iterations_max=most, on_error=handlers
            )
        if kind == 1:
            condition = pick(self._choose, ("iteration.index < 2", "false"))
            return d.WhileStep(
                id=name, condition=condition, steps=steps, iterations_max=most, on_error=handlers
            )
        condition = pick(self._choose, ("iteration.index >= 1", "true"))
        return d.UntilStep(
            id=name, condition=condition, steps=steps, iterations_max=most, on_error=handlers
        )

    def _wait(self, name: str) -> d.WaitStep:
        """Signals only where the world sends some."""
        durations: tuple[Value, ...] = (0.0, 3.0, "2s", "${input.n}")
        duration = pick(self._choose, durations)
        if not self._timed or chance(self._choose, 30):
            return d.WaitStep(id=name, duration=duration)
        if chance(self._choose, 30):
            return d.WaitStep(id=name, until=pick(self._choose, (PAST, SOON)))
        return d.WaitStep(
            id=name,
            signal=pick(self._choose, SIGNALS),
            correlation="${input.n}" if chance(self._choose, 30) else None,
            timeout_s=pick(self._choose, (None, None, 5.0)),
            on_error=(d.Handler(codes=("signal_timeout",)),) if chance(self._choose, 60) else (),
        )

    def _task(self, name: str, readable: tuple[str, ...], depth: int) -> d.TaskStep:
        handlers = self._handlers(readable, depth) if chance(self._choose, 30) else ()
        takes_all = any(not handler.codes for handler in handlers)
        inputs: dict[str, Value] = {"x": self._value(readable)}
        if chance(self._choose, 20 if takes_all else 3) and (takes_all or not self._calm):
            inputs["bad"] = "${input.nope.nope}"
        return d.TaskStep(
            id=name,
            task="work",
            inputs=inputs,
            on_error=handlers,
            retry=self._retry() if chance(self._choose, 50) else None,
            timeouts=self._timeouts() if self._timed and chance(self._choose, 20) else None,
        )

    def _handlers(self, readable: tuple[str, ...], depth: int) -> tuple[d.Handler, ...]:
        first = (
            d.Handler(codes=(pick(self._choose, CODES),), steps=self._steps(readable, depth + 1)),
        )
        last = (d.Handler(steps=self._steps(readable, depth + 1)),)
        if self._calm:
            return last
        return pick(self._choose, (last, first, first + last))

    def _retry(self) -> Retry:
        kinds: tuple[str, ...] = ("fixed", "linear", "exponential", "decorrelated")
        return msgspec.structs.replace(
            Retry(),
            kind=pick(self._choose, kinds),
            attempts_max=self._choose.number(1, 4),
            initial_s=pick(self._choose, (0.0, 0.5, 3.0)),
            cap_s=10.0,
            permanent_codes=("z",) if chance(self._choose, 30) and not self._calm else (),
        )

    def _timeouts(self) -> Timeouts:
        limits = (None, None, None, 2.0, 9.0, pick(self._choose, (60.0, 0.0)))
        return Timeouts(
            schedule_to_start_s=pick(self._choose, limits),
            start_to_close_s=pick(self._choose, limits),
            schedule_to_close_s=pick(self._choose, (*limits, 60.0)),
        )

    def _condition(self, readable: tuple[str, ...]) -> str:
        conditions = ["true", "false", "input.flag", "input.n > 3"]
        if readable:
            conditions.append(f"steps.{readable[-1]}.output == null")
            if not self._calm:
                conditions.append(f"steps.{readable[-1]}.output.n > 3")
        if not self._calm and chance(self._choose, 4):
            conditions = ["input.n", "input.nope"]
        return pick(self._choose, conditions)

    def _value(self, readable: tuple[str, ...]) -> Value:
        values: list[Value] = [1, "${input.n}", {"deep": ["text ${run.id}", None]}]
        values += [f"${{steps.{name}.output}}" for name in readable[-2:]]
        return pick(self._choose, values)


def definitions(*, calm: bool = False, timed: bool = True) -> st.SearchStrategy[d.Definition]:
    @st.composite
    def written(draw: st.DrawFn) -> d.Definition:
        return Author(Drawn(draw), calm=calm, timed=timed).write()

    return written()


INPUT: dict[str, Value] = {"n": 5, "flag": True}


# -- worlds ---------------------------------------------------------------------------------------

LIMITS = Limits(losses_max=4, start_to_close_margin_s=1.0, refused_delay_s=0.5)


def setting_of(definition: d.Definition, run_id: str = "run-1") -> Setting:
    return Setting(options=definition.options, limits=LIMITS, jitter_seed="seed", run_id=run_id)


class World:
    """Does one thing after the other to a run, whatever comes to its mind."""

    def __init__(self, play: Play, choose: Chooser) -> None:
        self.play = play
        self._choose = choose
        self._sent: list[m.Report] = []
        deeds: list[tuple[int, Callable[[], object]]] = [
            (90, self._place),
            (90, self._end),
            (30, self._again),
            (15, self._say),
            (15, self._lose),
            (10, self._give_back),
            (20, self._jump),
            (10, self._linger),
            (8, self._obstruct),
            (8, self._forge),
            (20, self._signal),
            (6, self._pause),
            (6, self._update),
            (9, self._resume),
            (1, self._cancel),
        ]
        self._deeds = [deed for weight, deed in deeds for _ in range(weight)]

    def act(self, times: int) -> None:
        for _ in range(times):
            pick(self._choose, self._deeds)()

    def settle_down(self) -> None:
        """The world turns fair: the run must reach its end."""
        self.play.finish()
        for report in self._sent:
            assert self.play.report(report) == [], "a report after the end"

    # -- deeds ------------------------------------------------------------------------------------

    def _place(self) -> None:
        if self.play.state.ready:
            step = pick(self._choose, list(self.play.state.ready))
            self.play.place(step, f"n{self._choose.number(1, 3)}")

    def _outstanding(self) -> str | None:
        held = list(self.play.state.outstanding)
        return pick(self._choose, held) if held else None

    def _send(self, report: m.Report) -> None:
        self._sent.append(report)
        self.play.report(report)

    def _end(self) -> None:
        """A handler is done, well or badly."""
        step = self._outstanding()
        if step is None:
            return
        attempt = self.play.attempt(step)
        if chance(self._choose, 15):
            failure = Failure(code=pick(self._choose, CODES))
            retryable = not chance(self._choose, 10)
            self._send(m.Failed(attempt=attempt, failure=failure, retryable=retryable))
        else:
            self._send(m.Completed(attempt=attempt, output={"n": self._choose.number(0, 9)}))

    def _again(self) -> None:
        if self._sent:
            self.play.report(pick(self._choose, self._sent))

    def _say(self) -> None:
        step = self._outstanding()
        if step is not None:
            attempt = self.play.attempt(step)
            started = m.Started(attempt=attempt, started_at=self.play.now)
            details: Value = {"at": self._choose.number(0, 9)}
            sequence = self._choose.number(0, 9)
            progressed = m.Progressed(attempt=attempt, details=details, sequence=sequence)
            self._send(started if chance(self._choose, 50) else progressed)

    def _lose(self) -> None:
        step = self._outstanding()
        if step is not None:
            reasons: tuple[LossReason, ...] = ("node_lost", "node_restarted", "node_reset")
            self.play.lose(step, pick(self._choose, reasons))

    def _give_back(self) -> None:
        step = self._outstanding()
        if step is not None:
            reason: LossReason = "refused" if chance(self._choose, 50) else "recalled"
            attempt, started = self.play.attempt(step), chance(self._choose, 50)
            self._send(m.Returned(attempt=attempt, reason=reason, started=started))

    def _jump(self) -> None:
        """To the next timer, or a little beyond."""
        due_at = self.play.state.next_due_at
        only_the_end = set(self.play.state.timers) == {"run"} and not chance(self._choose, 5)
        if due_at is not None and not only_the_end:
            late = self._choose.number(0, 2) * MICROSECONDS
            self.play.now = max(self.play.now, due_at) + late
            assert self.play.due() or self.play.state.terminal, "due, and nothing follows"

    def _linger(self) -> None:
        self.play.due(self._choose.number(0, 3) / 2)

    def _obstruct(self) -> None:
        if self.play.state.ready:
            step = pick(self._choose, list(self.play.state.ready))
            self.play.give(i.Unplaced(step=step, obstacle="no_slot", detail="full"))

    def _forge(self) -> None:
        """A report of an attempt that was never given out."""
        steps = list(self.play.state.steps)
        if steps:
            attempt = self.play.attempt(pick(self._choose, steps))
            number = attempt.number + 1
            wrong = msgspec.structs.replace(attempt, number=number)
            before = self.play.state.version
            self.play.report(m.Completed(attempt=wrong, output="forged"))
            assert self.play.state.version == before

    def _signal(self) -> None:
        """One that some step may wait for, now or later, or that came before."""
        state, names = self.play.state, self.play.net.signals
        if names and self._is_steerable():
            signal_id = f"s{self._choose.number(0, 9)}"
            known = signal_id in state.signals_seen
            correlation: Value = pick(self._choose, (5, None))
            facts = self.play.signal(pick(self._choose, names), "data", signal_id, correlation)
            assert bool(facts) != known

    def _update(self) -> None:
        if not self._is_steerable():
            return
        update_id, data = f"u{self._choose.number(0, 4)}", self._choose.number(0, 9)
        known = update_id in self.play.state.updates_seen
        try:
            assert bool(self.play.update("note", data, update_id)) != known
        except Rejected:
            assert data <= 3
            assert not known

    def _is_steerable(self) -> bool:
        return not self.play.state.terminal and self.play.state.closing is None

    def _pause(self) -> None:
        if self._is_steerable():
            was_paused = self.play.state.paused is not None
            assert bool(self.play.pause("because")) != was_paused

    def _resume(self) -> None:
        if self._is_steerable():
            was_paused = self.play.state.paused is not None
            assert bool(self.play.resume()) == was_paused

    def _cancel(self) -> None:
        if not self.play.state.terminal:
            self.play.cancel("because")
