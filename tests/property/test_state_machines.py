"""The diagrams of runs and steps are what histories do: no arrow is missing, none is invented."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from events import messages as m
from events.definition import CallStep
from events.operator_facts import RunRestored
from events.policies import Retry, Timeouts
from orchestrator.kernel.snapshot import restore
from tests.builders import Play, index, started, task, workflow
from tests.golden.scenes import SCENES
from tests.property.test_kernel_runs import EXPRESSIONS, history
from tests.property.test_operators import Operated
from tests.worlds import INPUT, Author, Rolled, setting_of

PAGE = Path(__file__).parents[2] / "docs/explanation/state-machines.md"
NEW = "[*]"
SEEDS = 200

Arrow = tuple[str, str]


def out_of_patience() -> Play:
    """The time for all attempts ends while a task that a node refused waits for another place."""
    play = started(workflow(task("a", timeouts=Timeouts(schedule_to_close_s=0.1))))
    play.place("a")
    play.give_back("a", "refused")
    play.due(0.1)
    return play


def called_off() -> Play:
    """An operator lets a run go on without one that it has started."""
    play = started(workflow(CallStep(id="call", workflow="other"), task("a")))
    play.skip("call")
    return play


def helped_out() -> Iterator[Play]:
    """An operator gives a task its result: while it runs, or is about to be tried once more."""
    gives: tuple[Callable[[Play], object], ...] = (
        lambda play: play.complete_for("a"),
        lambda play: play.skip("a"),
    )
    for give in gives:
        for fails in (False, True):
            play = started(workflow(task("a", retry=Retry(attempts_max=2, initial_s=60.0))))
            play.place("a")
            play.report(m.Started(attempt=play.attempt("a"), started_at=play.now))
            if fails:
                play.fail("a")
            give(play)
            yield play


def helped(seed: int) -> Play:
    """Operators do what comes to their mind."""
    choose = Rolled(seed)
    definition = Author(choose).write()
    play = Play(index(definition, EXPRESSIONS), setting_of(definition), EXPRESSIONS)
    play.start(INPUT)
    Operated(play, choose).act(60)
    return play


def plays() -> Iterator[Play]:
    for scene in SCENES.values():
        yield scene()
    yield out_of_patience()
    yield called_off()
    yield from helped_out()
    for seed in range(SEEDS // 4):
        yield helped(seed)
    for seed in range(SEEDS):
        choose = Rolled(seed)
        yield history(Author(choose).write(), choose, 60)


@cache
def taken() -> tuple[frozenset[Arrow], frozenset[Arrow]]:
    """The arrows that runs took, and steps."""
    runs: set[Arrow] = set()
    steps: set[Arrow] = set()
    for play in plays():
        run, known = NEW, dict[str, str]()
        for fact, stored in zip(play.facts, play.states, strict=True):
            state = restore(stored)
            if isinstance(fact, RunRestored):  # each step is what it was then
                run = state.status
                known = {name: step.status for name, step in state.steps.items()}
            is_closing = state.closing is not None and not state.terminal
            status = "closing" if is_closing else state.status
            runs.add((run, status))
            run = status
            steps |= {(known.get(name, NEW), step.status) for name, step in state.steps.items()}
            known |= {name: step.status for name, step in state.steps.items()}
    return frozenset(runs), frozenset(steps)


def drawn(title: str) -> dict[Arrow, set[Arrow]]:
    """Each arrow of a diagram; one from or to a group stands for one from or to each inside it."""
    section = PAGE.read_text("utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    diagram = section.partition("```mermaid")[2].partition("```")[0]
    groups = {
        name: set(re.findall(r"\w+", " ".join(re.findall(r"(\w+) -->", inside))))
        for name, inside in re.findall(r"state (\w+) \{(.*?)\}", diagram, re.DOTALL)
    }
    return {
        (one, other): {
            (start, end) for start in groups.get(one, {one}) for end in groups.get(other, {other})
        }
        for one, other in re.findall(r"(\S+) --> ([\w*\[\]]+)", diagram)
    }


@pytest.mark.parametrize(("title", "whose"), [("A run", 0), ("A step", 1)])
def test_a_diagram_is_what_histories_do(title: str, whose: int) -> None:
    seen = {arrow for arrow in taken()[whose] if arrow[0] != arrow[1]}
    meant = drawn(title)
    assert seen <= set().union(*meant.values()), "taken, not drawn"
    never = [arrow for arrow, stands_for in meant.items() if not stands_for & seen]
    assert not never, "drawn, never taken"
