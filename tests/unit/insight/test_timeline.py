"""Where the time of a run went."""

from events import messages as m
from events import operator_facts, run_facts, task_facts
from events.catalogue import Catalogue
from events.definition import CallStep, Definition, ForEachStep, MapStep, WaitStep
from events.envelope import unseal
from events.facts import Fact
from events.policies import Retry
from events.values import Value
from orchestrator.insight.timelines.spans import Row, Timeline, fewer
from orchestrator.insight.timelines.timeline import HANDLERS, PASSED, timeline
from orchestrator.kernel import inputs as i
from orchestrator.kernel.env import MICROSECONDS
from tests.builders import NOW, Play, parallel, started, task, workflow


def line_of(play: Play) -> Timeline:
    catalogue = Catalogue()
    events = (unseal(stored, catalogue) for stored in play.stored())
    return timeline("run-1", events, play.net.net)


def play_of(definition: Definition, value: Value = None) -> Play:
    return started(definition, value=value)


def spans(row: Row) -> list[tuple[str, float, float | None]]:
    return [
        (
            one.doing,
            (one.begun_at - NOW) / MICROSECONDS,
            None if one.ended_at is None else (one.ended_at - NOW) / MICROSECONDS,
        )
        for one in row.spans
    ]


def row_of(found: Timeline, name: str) -> Row:
    return next(row for row in found.rows if row.name == name)


def test_a_task_waits_for_a_node_is_sent_and_is_done() -> None:
    play = play_of(workflow(task("a")))
    play.wait(2.0).place("a", node="north")
    play.wait(3.0).complete("a")
    found = line_of(play)
    (row,) = found.rows
    assert spans(row) == [("queued", 0, 2), ("sent", 2, 5)]
    assert (row.status, found.status) == ("completed", "completed")
    assert row.spans[1].node == "north"
    assert (row.spans[0].version, row.spans[1].version) == (1, 2)
    assert row.spent("queued", found.until) == 2 * MICROSECONDS


def test_a_failed_attempt_is_followed_by_the_wait_for_the_next() -> None:
    retry = Retry(attempts_max=2, kind="fixed", initial_s=4.0, cap_s=4.0)
    play = play_of(workflow(task("a", retry=retry)))
    play.place("a")
    play.wait(1.0).fail("a")
    play.due(4.0)
    play.place("a")
    play.wait(1.0).fail("a")
    (row,) = line_of(play).rows
    assert spans(row) == [
        ("queued", 0, 0),
        ("sent", 0, 1),
        ("retrying", 1, 5),
        ("queued", 5, 5),
        ("sent", 5, 6),
    ]
    assert [one.failed for one in row.spans] == [False, True, False, False, True]
    assert [one.attempt for one in row.spans] == [0, 1, 0, 0, 2]
    assert row.status == "failed"


def test_what_a_nodes_clock_says_stays_between_sending_and_recording() -> None:
    play = play_of(workflow(task("a")))
    play.wait(1.0).place("a")
    attempt = play.attempt("a")
    play.wait(4.0)
    early, late = NOW - 50 * MICROSECONDS, NOW + 50 * MICROSECONDS
    play.report(m.Completed(attempt=attempt, output=1, started_at=early, ended_at=late))
    (row,) = line_of(play).rows
    assert spans(row) == [("queued", 0, 1), ("sent", 1, 1), ("running", 1, 5)]


def test_groups_waits_children_and_items_have_rows_of_their_own() -> None:
    definition = workflow(
        parallel(left=task("a"), right=WaitStep(id="w", duration="10s")),
        MapStep(id="m", items=[1, 2], task="t"),
        CallStep(id="c", workflow="other"),
        ForEachStep(id="l", items=[1, 2], steps=(task("x"),)),
    )
    play = play_of(definition)
    play.run("a")
    play.due(10.0)
    play.run("m[0]", "m[1]")
    child = play.state.calls["c"]
    play.wait(1.0).give(i.ChildEnded(step="c", run_id=child, status="completed", output=1))
    play.run("x[0]", "x[1]")
    found = line_of(play)
    kinds = {row.name: (row.kind, row.spans[0].doing, row.status) for row in found.rows}
    assert kinds == {
        "p": ("parallel", "inside", "completed"),
        "a": ("task", "queued", "completed"),
        "w": ("wait", "waiting", "completed"),
        "m": ("map", "inside", "completed"),
        "m[0]": ("item", "queued", "completed"),
        "m[1]": ("item", "queued", "completed"),
        "c": ("call", "child", "completed"),
        "l": ("for_each", "inside", "completed"),
        "x[0]": ("task", "queued", "completed"),
        "x[1]": ("task", "queued", "completed"),
    }
    assert spans(row_of(found, "p")) == [("inside", 0, 10)]
    assert row_of(found, "c").spans[0].note == child


def test_what_is_under_way_has_no_end() -> None:
    play = play_of(workflow(task("a"), task("b")))
    play.place("a")
    found = line_of(play)
    assert [(row.name, row.status, row.ended_at) for row in found.rows] == [("a", "open", None)]
    assert found.status == "running"


def test_a_restore_ends_what_was_open_and_begins_it_again() -> None:
    play = play_of(workflow(task("a"), task("b")))
    play.run("a")
    back = play.state.version
    play.place("b")
    play.wait(1.0).restore(back)
    found = line_of(play)
    assert spans(row_of(found, "b")) == [("queued", 0, 0), ("sent", 0, 1), ("queued", 1, None)]
    assert [one.what for one in found.marks] == [f"restored to version {back}"]


def test_of_many_rows_the_quick_items_go_first() -> None:
    play = play_of(workflow(MapStep(id="m", items=[1, 2, 3, 4], task="t", complete_when="collect")))
    play.run("m[0]")
    play.place("m[1]")
    play.fail("m[1]", retryable=False)
    play.place("m[2]")
    play.wait(5.0).complete("m[2]")
    play.run("m[3]")
    found = line_of(play)
    assert len(found.rows) == 5
    kept = fewer(found, 3)
    assert sorted(row.name for row in kept.rows) == ["m", "m[1]", "m[2]"]
    assert kept.hidden == 2
    assert fewer(found, 5) is found


def test_every_fact_of_a_run_is_told_or_passed_on_purpose() -> None:
    rooms = (operator_facts, run_facts, task_facts)
    facts = {
        one
        for room in rooms
        for one in vars(room).values()
        if isinstance(one, type) and issubclass(one, Fact) and one is not Fact
    }
    assert facts == set(HANDLERS) | PASSED
    assert not set(HANDLERS) & PASSED
