"""Counting events: by what they are, whose and where, in bounded memory."""

import pytest

from events.catalogue import Catalogue
from events.envelope import Stamp, Stored
from events.limits import EVENT_GROUPS_MAX
from events.run_facts import RunCompleted
from events.task_facts import TaskCompleted
from orchestrator.insight.counting.counts import OTHERS, Counts
from orchestrator.insight.following.bells import Bells
from orchestrator.insight.following.sieve import Followed, decoded
from tests.feeds import FakeLog
from tests.logs import AT


def some(*facts: RunCompleted | TaskCompleted) -> list[Followed]:
    log = FakeLog("main", Bells())
    for at, fact in enumerate(facts):
        log.add("run:1", fact, Stamp(recorded_at=AT + at * 1_000_000, actor="node:n1"))
    return [decoded("main", one, Catalogue()) for one in log.events]


def test_the_stretch_is_that_of_the_events_where_none_is_given() -> None:
    counts = Counts()
    counts.add(some(TaskCompleted(step="a", attempt=1), TaskCompleted(step="b", attempt=1)))
    counts.add(some(RunCompleted()))
    found = counts.done(None, None)
    assert (found.since, found.until, found.events, found.per_s) == (AT, AT + 1_000_000, 3, 3.0)
    assert [(one.name, one.events) for one in found.types] == [
        ("task.completed", 2),
        ("run.completed", 1),
    ]
    assert [(one.name, one.events) for one in found.nodes] == [("n1", 3)]


def test_nothing_is_nothing() -> None:
    found = Counts().done(AT, None)
    assert (found.events, found.per_s, found.types) == (0, 0.0, ())


def test_what_cannot_be_read_counts_by_its_type() -> None:
    counts = Counts()
    counts.add([decoded("main", Stored("run:1", 1, "task.completed.v1", b"{"), Catalogue())])
    found = counts.done(AT, AT + 1)
    assert (found.events, found.unread, found.types[0].name) == (1, 1, "task.completed")
    assert found.workflows == ()


@pytest.mark.edge("EVENT_GROUPS_MAX")
def test_of_more_groups_the_others_are_counted_together() -> None:
    counts = Counts()
    for number in range(EVENT_GROUPS_MAX + 2):
        stored = Stored("run:1", 1, f"x.t{number}", b"{}")
        counts.add([decoded("main", stored, Catalogue())] * 2)
    found = counts.done(AT, AT + 1)
    assert len(found.types) == EVENT_GROUPS_MAX + 1
    assert (found.types[0].name, found.types[0].events) == (OTHERS, 4)
