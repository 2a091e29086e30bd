"""Whatever operators do, and whenever: the run is sound, its history gives its state, no task key
is executed after its completion, and it reaches an end."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from events import definition as d
from events import operator_facts as o
from events import task_facts as t
from events.errors import Rejected
from events.facts import Called, Fact, Flow
from events.ids import Attempt
from events.values import Value
from orchestrator.adapters.cel import CelExpressions
from orchestrator.kernel.snapshot import restore as restored
from orchestrator.kernel.state import serialise
from tests.builders import Play, index, task
from tests.worlds import INPUT, Chooser, Drawn, World, chance, definitions, pick, setting_of

EXPRESSIONS = CelExpressions()
NODES = ("n1", "n2", "n3")


class Operated(World):
    """Operators do things in between, some of which are not allowed then."""

    def __init__(self, play: Play, choose: Chooser) -> None:
        super().__init__(play, choose)
        deeds: tuple[Callable[[], object], ...] = (
            self._give_result,
            self._give_result,
            self._move,
            self._restore,
        )
        self._deeds = [*self._deeds, *deeds * 12, self._terminate]

    def _some_step(self) -> str:
        steps = list(self.play.state.steps)
        return pick(self._choose, steps) if steps else "nowhere"

    def _try(self, deed: Callable[[], list[Fact]]) -> None:
        """What is refused changes nothing."""
        before = serialise(self.play.state)
        try:
            deed()
        except Rejected:
            assert serialise(self.play.state) == before

    def _give_result(self) -> None:
        step, kind = self._some_step(), self._choose.number(0, 2)
        play = self.play
        if kind == 0:
            outputs: tuple[Value, ...] = (None, {"n": 1})
            self._try(lambda: play.skip(step, pick(self._choose, outputs)))
        elif kind == 1:
            self._try(lambda: play.complete_for(step, {"n": 2}))
        else:
            self._try(lambda: play.fail_for(step, pick(self._choose, ("x", "y", "z"))))

    def _move(self) -> None:
        step, node = self._some_step(), pick(self._choose, NODES)
        if chance(self._choose, 50):
            self._try(lambda: self.play.move(step, to=node))
        else:
            self._try(lambda: self.play.move(step, off=(node,)))

    def _restore(self) -> None:
        version = self._choose.number(1, max(1, self.play.state.version))
        self._try(lambda: self.play.restore(version))

    def _terminate(self) -> None:
        self._try(self.play.terminate)


@st.composite
def histories(draw: st.DrawFn) -> Play:
    definition = draw(definitions())
    play = Play(index(definition, EXPRESSIONS), setting_of(definition), EXPRESSIONS)
    play.start(INPUT)
    world = Operated(play, Drawn(draw))
    world.act(draw(st.integers(0, 60)))
    world.settle_down()
    return play


@given(play=histories())
def test_a_run_reaches_an_end_and_keys_are_completed_once(play: Play) -> None:
    assert play.state.terminal
    check_keys(play)
    play.check_replay()


def check_keys(play: Play) -> None:
    """Nothing is dispatched under a key that is completed, or another time as the same attempt."""
    completed, dispatched = set[str](), set[Attempt]()
    generations: dict[str, int] = {}
    for version, fact in enumerate(play.facts, start=1):
        if isinstance(fact, t.TaskDispatched):
            attempt = Attempt("run-1", fact.step, fact.generation, fact.attempt)
            assert attempt not in dispatched
            assert attempt.task_key not in completed
            dispatched.add(attempt)
            generations[fact.step] = fact.generation
        elif isinstance(fact, t.TaskCompleted):
            attempt = Attempt("run-1", fact.step, generations[fact.step], fact.attempt)
            assert attempt in dispatched
            assert attempt.task_key not in completed
            completed.add(attempt.task_key)
        elif isinstance(fact, o.ResultGiven) and fact.failure is None:
            before = restored(play.states[version - 2])
            generation = fact.generation or before.steps[fact.step].generation
            completed.add(Attempt("run-1", fact.step, generation, 0).task_key)


@given(play=histories(), data=st.data())
def test_a_snapshot_at_any_version_and_what_follows_is_the_whole_history(
    play: Play, data: st.DataObject
) -> None:
    version = data.draw(st.integers(1, len(play.facts)), label="version")
    tail = Play(play.net, play.setting, play.expressions)
    tail.base = restored(play.states[version - 1])
    tail.before, tail.states = play.states[:version], play.states[version:]
    tail.facts, tail.instants = play.facts[version:], play.instants[version:]
    tail.check_replay()


CALLING = d.Definition(
    name="calling",
    steps=(
        task("a"),
        d.CallStep(id="one", workflow="other"),
        d.ForEachStep(id="l", items=[1, 2], steps=(d.CallStep(id="two", workflow="other"),)),
    ),
    updates={"note": d.Update(accept="update > 3", variables={"noted": "${update}"})},
)


@given(data=st.data())
def test_no_child_run_is_called_twice_by_one_name(data: st.DataObject) -> None:
    play = Play(index(CALLING, EXPRESSIONS), setting_of(CALLING), EXPRESSIONS)
    play.start(INPUT)
    Operated(play, Drawn(data.draw)).act(data.draw(st.integers(0, 60)))
    called = [one.run_id for fact in play.facts for one in _called(fact)]
    assert len(called) == len(set(called))
    play.check_replay()


def _called(fact: Fact) -> list[Called]:
    if isinstance(fact, o.RunRestored):
        return [one.call for one in fact.renewed if one.call is not None]
    flow = getattr(fact, "flow", None)
    return list(flow.calls) if isinstance(flow, Flow) else []
