"""Reports twice and in any order: the same end, the same output, the same set of results.

What an attempt does is fixed beforehand by an `Oracle`, as it is for handlers that are functions of
their inputs. What is left to chance is when each report arrives, how often, and which task goes
first.
"""

from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from events import messages as m
from events.definition import Definition, TaskStep
from events.facts import Failure
from events.net import Task
from events.values import Value
from orchestrator.adapters.cel import CelExpressions
from tests.builders import Play, index
from tests.worlds import CODES, INPUT, Chooser, Drawn, chance, definitions, pick, setting_of

EXPRESSIONS = CelExpressions()
Results = dict[str, tuple[str, Value, int]]


class Oracle:
    """What each attempt of each task will do, whoever runs it and whenever. A gentle one lets no
    task fail for good unless something handles every failure of it."""

    def __init__(self, play: Play, seed: int, *, gentle: bool) -> None:
        self._play = play
        self._seed = seed
        self._gentle = gentle

    def report(self, step: str) -> m.Report:
        attempt = self._play.attempt(step)
        number = crc32(f"{self._seed}/{step}/{attempt.number}".encode())
        if number % 3 == 0 and (not self._gentle or self._may_fail(step, attempt.number)):
            return m.Failed(attempt=attempt, failure=Failure(code=pick_code(number)))
        return m.Completed(attempt=attempt, output={"n": number // 3 % 10})

    def _may_fail(self, step: str, number: int) -> bool:
        found = self._play.net.step(step)
        if any(not arc.codes for arc in found.errors):
            return True
        action = found.step.action
        retry = action.retry if isinstance(action, Task) else None
        return retry is not None and number < retry.attempts_max


def pick_code(number: int) -> str:
    return CODES[number // 3 % len(CODES)]


def begun(definition: Definition) -> Play:
    play = Play(index(definition, EXPRESSIONS), setting_of(definition), EXPRESSIONS)
    play.start(INPUT)
    return play


def orderly(definition: Definition, seed: int, *, gentle: bool) -> Play:
    """Every report once, first come first served."""
    play = begun(definition)
    oracle = Oracle(play, seed, gentle=gentle)
    while not play.state.terminal:
        play.place_all()
        for step in list(play.state.outstanding):
            if step in play.state.outstanding:
                play.report(answer(play, oracle, step))
        pass_time(play)
    return play


def scrambled(definition: Definition, seed: int, choose: Chooser, *, gentle: bool) -> Play:
    """Every report twice, at any time after the attempt has begun, in any order."""
    play = begun(definition)
    oracle = Oracle(play, seed, gentle=gentle)
    under_way: list[m.Report] = []
    while not play.state.terminal:
        if play.state.ready and (not under_way or chance(choose, 60)):
            step = pick(choose, list(play.state.ready))
            play.place(step)
            under_way += [oracle.report(step)] * 2
        elif under_way:
            play.report(under_way.pop(choose.number(0, len(under_way) - 1)))
        elif play.state.outstanding:
            for step in list(play.state.outstanding):
                play.report(answer(play, oracle, step))
        pass_time(play)
    for report in under_way:
        assert play.report(report) == []
    return play


def answer(play: Play, oracle: Oracle, step: str) -> m.Report:
    if play.state.closing is not None:
        return m.Returned(attempt=play.attempt(step), reason="recalled")
    return oracle.report(step)


def pass_time(play: Play) -> None:
    state = play.state
    if not (state.terminal or state.ready or state.outstanding):
        assert state.next_due_at is not None
        play.now = max(play.now, state.next_due_at)
        play.due()


def results(play: Play) -> Results:
    """What every step came to, whatever the order."""
    return {
        name: (step.status, step.output, step.counted) for name, step in play.state.steps.items()
    }


@given(definition=definitions(calm=True), seed=st.integers(0, 999), data=st.data())
def test_without_racing_failures_the_order_of_reports_does_not_matter(
    definition: Definition, seed: int, data: st.DataObject
) -> None:
    straight = orderly(definition, seed, gentle=True)
    mixed = scrambled(definition, seed, Drawn(data.draw), gentle=True)
    assert straight.state.status == "completed"
    assert mixed.state.status == "completed"
    assert mixed.state.output == straight.state.output
    assert mixed.state.variables == straight.state.variables
    assert results(mixed) == results(straight)
    assert set(mixed.state.order) == set(straight.state.order)


@given(definition=definitions(timed=False), seed=st.integers(0, 999), data=st.data())
def test_with_racing_failures_the_run_ends_as_an_undisturbed_one_could(
    definition: Definition, seed: int, data: st.DataObject
) -> None:
    straight = orderly(definition, seed, gentle=False)
    mixed = scrambled(definition, seed, Drawn(data.draw), gentle=False)
    assert mixed.state.status == straight.state.status
    everyone_finished = definition.options.error_policy == "finish_others"
    if straight.state.status == "completed" or everyone_finished:
        assert results(mixed) == results(straight)
        assert mixed.state.output == straight.state.output
    else:
        failed = {name for name, step in mixed.state.steps.items() if step.status == "failed"}
        assert mixed.state.failed_step in failed


def test_the_comparison_can_fail() -> None:
    """A guard of the properties above: another oracle is another set of results."""
    definition = Definition(name="w", steps=tuple(TaskStep(id=f"s{k}", task="t") for k in range(5)))
    one, other = (orderly(definition, seed, gentle=True) for seed in (1, 2))
    assert results(one) != results(other)


@given(st.permutations([*range(1, 6), *range(1, 6)]))
def test_details_in_any_order_and_twice_are_never_older_than_what_came(order: list[int]) -> None:
    play = begun(Definition(name="one", steps=(TaskStep(id="a", task="t"),)))
    play.place_all()
    attempt = play.attempt("a")
    for arrived, sequence in enumerate(order, start=1):
        play.report(m.Progressed(attempt=attempt, details=sequence, sequence=sequence))
        assert play.step("a").details == max(order[:arrived])
