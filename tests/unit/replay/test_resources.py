"""What nodes have, counted from the log alone."""

from collections.abc import Callable

import pytest

from events.messages import Deferred
from orchestrator.kernel.settling import ABANDONED
from orchestrator.replay.audit.resources import Held, Resources
from tests.builders import Play, started, task, workflow


def deferred(play: Play) -> None:
    play.report(Deferred(attempt=play.attempt("a"), digest="d"))


def given_up(play: Play) -> None:
    play.fail("a")


def waited_for(play: Play) -> None:
    play.halt()
    play.give_back("a")
    play.place("a", "n2")
    play.fail("a", ABANDONED)


@pytest.mark.parametrize("over", [deferred, given_up, waited_for])
def test_what_no_node_has_any_more_is_not_counted(over: Callable[[Play], None]) -> None:
    play = started(workflow(task("a")))
    play.place("a", transactional=over is not deferred)
    resources = Resources(Held())

    def count() -> dict[str, dict[str, int]]:
        resources.held = Held()
        for stored in play.stored():
            assert not list(resources.take(stored))
        return {node: taken for node, taken in resources.held.taken.items() if taken}

    assert count() == {"n1": {"i1": 1}}
    over(play)
    assert count() == {}
