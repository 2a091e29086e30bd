"""The diagrams of runs and steps are what histories do: no arrow is missing, none is invented."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from events.policies import Timeouts
from orchestrator.kernel.snapshot import restore
from tests.builders import Play, started, task, workflow
from tests.golden.scenes import SCENES
from tests.property.test_kernel_runs import history
from tests.worlds import Author, Rolled

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


def plays() -> Iterator[Play]:
    for scene in SCENES.values():
        yield scene()
    yield out_of_patience()
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
        for stored in play.states:
            state = restore(stored)
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
