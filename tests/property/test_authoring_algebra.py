"""The laws of the algebra, and what combined steps do, against an interpreter of a few lines."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from events.codec import encode
from events.definition import Definition
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import Steps, Workflow, check, compile_net, dump, read_yaml, steps
from orchestrator.authoring.algebra import Catch, Choice, Loop, Parallel, Sequence, Within
from orchestrator.authoring.steps import Task
from orchestrator.kernel.instances import static_of
from tests.builders import Setting, started

EXPRESSIONS = CelExpressions()
CODES = ("gone", "late")
ROUNDS = 2
"""Iterations of every loop here."""


class _Writer:
    """Draws expressions; every task has an id of its own."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._count = 0

    def expression(self, depth: int) -> Steps:
        if not depth:
            return self._task()
        return self._draw(st.sampled_from([self._task, *self._combinations(depth - 1)]))()

    def _combinations(self, depth: int) -> list[Callable[[], Steps]]:
        def inner() -> Steps:
            return self.expression(depth)

        return [
            lambda: inner().then(inner()),
            lambda: inner().then(inner(), inner()),
            lambda: inner().par_with(inner()),
            lambda: inner().par_with(inner(), inner()),
            lambda: inner().when(self._draw(st.sampled_from(["true", "false"])), inner()),
            lambda: inner().on_error(inner(), *self._codes()),
            lambda: inner().on_error(inner(), *self._codes()).on_error(inner(), *self._codes()),
            lambda: inner().repeat_while(f"iteration.index < {ROUNDS}"),
            lambda: inner().repeat_until(f"iteration.index >= {ROUNDS - 1}"),
            lambda: inner().for_each(list(range(ROUNDS))),
            lambda: inner().with_timeout("1h"),
        ]

    def _codes(self) -> list[str]:
        return self._draw(st.lists(st.sampled_from(CODES), unique=True, max_size=2))

    def _task(self) -> Steps:
        self._count += 1
        made = steps.task(f"t{self._count}", "work")
        return made.when("true") if self._draw(st.booleans()) else made


@st.composite
def expressions(draw: st.DrawFn, count: int = 1, depth: int = 3) -> tuple[Steps, ...]:
    """So many expressions that share no step."""
    writer = _Writer(draw)
    return tuple(writer.expression(depth) for _ in range(count))


def task(id_: str) -> Task:
    return steps.task(id_, "work")


THREE = task("t1").then(task("t2"), task("t3"))
BRANCHES = task("t1").then(task("t2")).par_with(task("t3").then(task("t4"))).then(task("t5"))


FAILURES = st.dictionaries(
    st.integers(1, 6).map(lambda number: f"t{number}"), st.sampled_from(CODES), max_size=4
)
one = expressions(1)
handling_one = one.map(lambda found: (found[0].on_error(task("t90")).then(task("t91")),))
three = expressions(3, depth=2)


def defined(expression: Steps) -> Definition:
    flow = Workflow("w")
    flow.add(expression)
    flow.output(None)
    return flow.definition()


# -- laws: equal by construction, and so with equal nets -------------------------------------------


@given(found=three)
def test_then_is_associative(found: tuple[Steps, ...]) -> None:
    a, b, c = found
    assert a.then(b).then(c) == a.then(b.then(c)) == a.then(b, c) == steps.sequence(a, b, c)
    assert net(a.then(b).then(c)) == net(a.then(b.then(c)))


@given(found=three)
def test_par_with_is_associative(found: tuple[Steps, ...]) -> None:
    a, b, c = found
    assert a.par_with(b).par_with(c) == a.par_with(b.par_with(c)) == steps.together(a, b, c)
    assert net(a.par_with(b).par_with(c)) == net(a.par_with(b.par_with(c)))


@given(found=one)
def test_nothing_is_neutral(found: tuple[Steps, ...]) -> None:
    (a,) = found
    assert steps.nothing.then(a) == a == a.then(steps.nothing)
    assert steps.nothing.par_with(a) == a == a.par_with(steps.nothing)
    assert steps.nothing.on_error(a) == steps.nothing
    assert steps.sequence() == steps.together() == steps.nothing


def net(expression: Steps) -> bytes:
    return encode(compile_net(defined(expression), EXPRESSIONS))


# -- laws of outcomes ------------------------------------------------------------------------------


@settings(deadline=None)
@given(found=three, failures=FAILURES)
def test_par_with_is_commutative(found: tuple[Steps, ...], failures: dict[str, str]) -> None:
    """Where all is well or handled; of several failures that are not, one is the run's."""
    a, b, c = found
    first = carried_out(a.par_with(b, c), failures)
    second = carried_out(c.par_with(a, b), failures)
    assert first.has_failed == second.has_failed
    assert first.has_failed or first.done == second.done


@settings(deadline=None)
@given(found=expressions(2, depth=2), failures=FAILURES, holds=st.booleans())
def test_a_condition_and_its_opposite(
    found: tuple[Steps, ...], failures: dict[str, str], holds: bool
) -> None:
    a, b = found
    condition, opposite = ("true", "!true") if holds else ("false", "!false")
    first = carried_out(a.when(condition, b), failures)
    assert first == carried_out(b.when(opposite, a), failures)
    assert first == carried_out(a if holds else b, failures)


# -- meaning ---------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=400)
@given(found=handling_one, failures=FAILURES)
@example(found=(THREE.on_error(task("t9")),), failures={"t1": "gone"})
@example(found=(THREE.on_error(task("t9")),), failures={"t2": "gone"})
@example(found=(BRANCHES.on_error(task("t9")),), failures={"t1": "gone", "t3": "late"})
@example(found=(BRANCHES.on_error(task("t9"), "late"),), failures={"t1": "gone", "t3": "late"})
@example(found=(task("t0").then(BRANCHES).on_error(task("t9")),), failures={"t0": "gone"})
@example(found=(THREE.for_each([1, 2]).on_error(task("t9")),), failures={"t3": "late"})
def test_combined_steps_do_what_they_say(
    found: tuple[Steps, ...], failures: dict[str, str]
) -> None:
    """Against `meant`: which tasks are executed how often, and whether the run completes."""
    (expression,) = found
    done: Counter[str] = Counter()
    left = meant(expression, failures, done)
    outcome = carried_out(expression, failures)

    assert outcome.has_failed == bool(left)
    assert outcome.has_failed or outcome.done == done


@given(found=one)
def test_combined_steps_are_a_definition_like_any_other(found: tuple[Steps, ...]) -> None:
    definition = defined(found[0])

    assert check(definition, EXPRESSIONS).problems == ()
    assert read_yaml(dump(definition)).definition == definition


class Outcome(NamedTuple):
    done: Counter[str]
    """How often each task was executed."""
    has_failed: bool


def carried_out(expression: Steps, failures: Mapping[str, str]) -> Outcome:
    """The run of it, decided by the kernel."""
    play = started(defined(expression), Setting())
    done: Counter[str] = Counter()
    while play.state.ready:
        step = next(iter(play.state.ready))
        task = static_of(step)
        done[task] += 1
        play.place(step)
        if task in failures:
            play.fail(step, failures[task], retryable=False)
        else:
            play.complete(step)
    while play.state.outstanding:  # asked back, as the run has failed
        play.give_back(next(iter(play.state.outstanding)))
    assert play.state.status in {"completed", "failed"}
    return Outcome(done, play.state.status == "failed")


def meant(expression: Steps, failures: Mapping[str, str], done: Counter[str]) -> list[str]:
    """What an expression means: counts what it executes, returns the codes that nobody handled."""

    def inner(one: Steps) -> list[str]:
        return meant(one, failures, done)

    match expression:
        case Task(step=step, handlers=handlers):
            done[step.id] += 1
            code = failures.get(step.id)
            return handled([code], handlers, inner) if code else []
        case Sequence(parts=parts):
            return next((left for part in parts if (left := inner(part))), [])
        case Parallel(branches=branches):
            return [code for _, branch in branches for code in inner(branch)]
        case Choice(cases=cases, default=default):
            return inner(next((way for when, way in cases if when == "true"), default))
        case Loop(body=body):
            return next((left for _ in range(ROUNDS) if (left := inner(body))), [])
        case Within(body=body):
            return inner(body)
        case Catch(body=body, clauses=clauses):
            return handled(inner(body), clauses, inner)
        case _:
            raise AssertionError(f"no meaning for {expression}")


def handled(
    codes: list[str],
    clauses: tuple[tuple[tuple[str, ...], Steps], ...],
    inner: Callable[[Steps], list[str]],
) -> list[str]:
    """What is left of failures with these codes: if all can be handled, the first of them is."""
    ways = {
        code: next((way for taken, way in clauses if not taken or code in taken), None)
        for code in codes
    }
    unhandled = [code for code in codes if ways[code] is None]
    first = next(filter(None, ways.values()), None)
    return unhandled if unhandled or first is None else inner(first)
