"""A session steps through a run: its commands, and what each answers."""

import pytest

from events import definition as d
from events.errors import Rejected
from events.limits import (
    CHANGES_SHOWN_MAX,
    COMMAND_CHARS_MAX,
    EVENTS_SHOWN_MAX,
    STOPS_MAX,
)
from orchestrator.adapters.cel import CelExpressions
from orchestrator.insight.stepping.answers import (
    AtMoment,
    Changed,
    Drawn,
    Ended,
    Explained,
    Helped,
    Here,
    Lasting,
    Listed,
    Part,
    Stopping,
    Whole,
)
from orchestrator.insight.stepping.branches import SHOWN_MAX, branches_of
from orchestrator.insight.stepping.language import SPECS, parse
from orchestrator.insight.stepping.session import ANSWERS, Session
from tests.builders import Play, started, task, workflow
from tests.recordings import recorded

DEFINITION = workflow(
    task("a"),
    d.SetStep(id="keep", variables={"total": "${ steps.a.output }"}),
    task("b", inputs={"n": "${ vars.total }"}),
    task("c"),
)


def played() -> Play:
    """Nine events, a second apart: a and b complete, c fails."""
    play = started(DEFINITION, value={"password": "hunter2"})
    for step in ("a", "b"):
        play.wait(1).place(step, node="north")
        play.wait(1).complete(step, 40 if step == "a" else "declined")
    play.wait(1).place("c")
    play.wait(1).fail("c", code="broken", retryable=False)
    return play


@pytest.fixture
def session() -> Session:
    return Session(recorded(played()), CelExpressions())


def here(session: Session, line: str) -> Here:
    found = session.do(line)
    assert isinstance(found, Here), found
    return found


def test_each_command_has_an_answer_and_a_word_of_its_own() -> None:
    assert set(ANSWERS) == {spec.name for spec in SPECS}
    words = [word for spec in SPECS for word in (spec.name, spec.short) if word]
    assert len(words) == len(set(words))


def test_it_goes_on_and_back_and_stays_at_the_ends(session: Session) -> None:
    assert [here(session, line).version for line in ("step", "s 3", "back", "b 2")] == [1, 4, 3, 1]
    assert here(session, "back").stopped == ""
    assert here(session, "back").stopped == "the start"
    assert here(session, "goto end").version == session.last
    end = here(session, "step")
    assert (end.version, end.stopped) == (session.last, "the end")


def test_it_goes_to_a_version_and_to_a_time(session: Session) -> None:
    assert here(session, "goto 4").version == 4
    assert here(session, "goto start").version == 0
    assert here(session, "time +2s").version == 3
    assert here(session, "time 2023-11-14T22:13:21Z").version == 2
    assert here(session, "time 22:13:22").version == 3
    assert here(session, "time 22:13").version == session.last, "so early it is the next day"


def test_it_stops_where_it_is_told_to(session: Session) -> None:
    session.do("break step b")
    session.do("break error")
    session.do("break when vars.total > 30")
    found = [here(session, "continue") for _ in range(5)]
    assert [(one.version, one.stopped) for one in found] == [
        (3, "breakpoint 1: step b"),
        (4, "breakpoint 1: step b"),
        (5, "breakpoint 1: step b"),
        (7, "breakpoint 2: error"),
        (8, "breakpoint 2: error"),
    ]
    session.do("clear 1")
    assert here(session, "continue").stopped == "the end"
    assert [here(session, "rewind").version for _ in range(3)] == [7, 3, 0]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("break event task.*", "event task.*"),
        ("break event task.failed when event.step == 'c'", "event task.failed and when event.step"),
        ("break step b when vars.total > 3", "step b and when vars.total > 3"),
        ("break error broken", "error broken"),
        ("break error when vars.total > 3", "error and when vars.total > 3"),
        ("break when state.status == 'failed'", "when state.status == 'failed'"),
    ],
)
def test_breakpoints_in_words(session: Session, line: str, text: str) -> None:
    found = session.do(line)
    assert isinstance(found, Stopping)
    assert found.stops[1].startswith(text)


@pytest.mark.parametrize("line", ["break", "break here", "break event", "break step", "break when"])
def test_what_is_no_breakpoint_is_refused_with_what_would_be(session: Session, line: str) -> None:
    with pytest.raises(Rejected, match="is no breakpoint: expected"):
        session.do(line)


def test_watches_are_told_after_each_move(session: Session) -> None:
    session.do("watch vars.total + 2")
    before, after = here(session, "step"), here(session, "step 2")
    assert before.watches[0].error == "`vars.total` is not set yet"
    assert after.watches[0].value == 42
    session.do("unwatch")
    assert here(session, "step").watches == ()


def test_it_finds_texts_in_any_case_and_again(session: Session) -> None:
    assert here(session, "find DECLINED").version == 5
    with pytest.raises(Rejected, match="no event after 5 has 'DECLINED' in it"):
        session.do("find")
    assert session.version == 5
    assert here(session, "find broken").version == 7
    assert here(session, "findback north").version == 4
    assert here(session, "findback").version == 2
    with pytest.raises(Rejected, match="nothing to find"):
        Session(recorded(played()), CelExpressions()).do("find")


def test_it_tells_what_is_so_here(session: Session) -> None:
    session.do("goto 5")
    state, part = session.do("state"), session.do("state vars.total")
    assert isinstance(state, AtMoment)
    assert state.moment.variables["total"].version == 3
    assert part == Part(text="vars.total", value=40)
    for path in ("vars", "steps", "steps.b", "steps.b.output", "status", "run", "input"):
        assert isinstance(session.do(f"state {path}"), Part), path
    assert session.do("print vars") == Part(text="vars", value={"total": 40})


def test_it_tells_what_an_event_has_changed(session: Session) -> None:
    session.do("goto 3")
    found = session.do("changes")
    assert isinstance(found, Changed)
    assert ("variables.total", 40) in [(one.path, one.after) for one in found.changes]
    session.do("goto 0")
    assert session.do("changes") == Changed(version=0, changes=())


def test_it_lists_events_around_the_place_or_those_named(session: Session) -> None:
    session.do("goto 7")
    around, some = session.do("events"), session.do("events 2 4")
    assert isinstance(around, Listed)
    assert isinstance(some, Listed)
    assert [row.version for row in around.rows] == list(range(2, session.last + 1))
    assert [row.version for row in some.rows] == [2, 3, 4]
    assert some.rows[0].sentence.startswith("attempt 1 of a was given to north")


def test_it_explains_events_and_steps_with_their_values(session: Session) -> None:
    session.do("goto 7")
    event, step = session.do("why"), session.do("why b")
    assert isinstance(event, Explained)
    assert isinstance(step, Explained)
    assert event.reason is not None
    assert event.reason.type == "task.failed.v1"
    assert step.values is not None
    assert step.values.origins[0].what == "vars.total"
    session.do("goto 0")
    with pytest.raises(Rejected, match="nothing has happened yet"):
        session.do("why")


def test_graph_timeline_event_and_help_have_their_answers(session: Session) -> None:
    session.do("goto 3")
    assert isinstance(session.do("graph"), Drawn)
    lasting, whole = session.do("timeline"), session.do("event")
    assert isinstance(lasting, Lasting)
    assert [row.name for row in lasting.timeline.rows] == ["a", "b"]
    assert isinstance(whole, Whole)
    assert whole.event["type"] == "task.completed.v1"
    everything, one = session.do("help"), session.do("help break")
    assert isinstance(everything, Helped)
    assert isinstance(one, Helped)
    assert (len(everything.commands), len(one.commands)) == (len(SPECS), 1)
    assert isinstance(session.do("q"), Ended)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("setp", "there is no command 'setp' .did you mean step"),
        ("step x", "N is 'x': expected a whole number from 1"),
        ("goto", "the version is '': expected a whole number from 0"),
        ("goto 99", "has no version 99"),
        ("time noon", "'noon' is no time: expected an instant"),
        ("graph please", "`graph` takes nothing, and 'please' follows it"),
        ("clear 4", "there is no breakpoint 4"),
        ("unwatch 4", "there is no watch 4"),
        ("help me", "there is no command 'me'"),
        ("print", "nothing to print"),
        ("watch", "nothing to watch"),
        ("watch (", "at line 1"),
        ("why nobody", "has no step 'nobody'"),
    ],
)
def test_what_cannot_be_is_refused_with_its_mend(session: Session, line: str, said: str) -> None:
    session.do("step")
    with pytest.raises(Rejected, match=said):
        session.do(line)
    assert session.version == 1, "a refusal moves nothing"


def test_empty_lines_and_comments_are_passed_over(session: Session) -> None:
    assert [session.do(line) for line in ("", "   ", "# a comment")] == [None, None, None]


@pytest.mark.edge("COMMAND_CHARS_MAX")
def test_a_command_without_end_is_refused() -> None:
    assert parse("print " + "1" * (COMMAND_CHARS_MAX - 6)) is not None
    with pytest.raises(Rejected, match=f"expected at most {COMMAND_CHARS_MAX}"):
        parse("print " + "1" * COMMAND_CHARS_MAX)


@pytest.mark.edge("STOPS_MAX")
def test_breakpoints_and_watches_are_so_many_at_the_most(session: Session) -> None:
    for number in range(STOPS_MAX):
        session.do("watch vars" if number % 2 else "break error")
    with pytest.raises(Rejected, match=f"there are {STOPS_MAX} breakpoints and watches"):
        session.do("break error")
    session.do("clear 1")
    session.do("break error")


@pytest.mark.edge("EVENTS_SHOWN_MAX")
def test_of_very_many_events_some_are_listed() -> None:
    play = started(workflow(d.ForEachStep(id="l", items=list(range(400)), steps=(task("x"),))))
    play.finish()
    found = Session(recorded(play), CelExpressions()).do("events 1")
    assert isinstance(found, Listed)
    assert len(found.rows) == EVENTS_SHOWN_MAX
    assert found.more == len(play.facts) - EVENTS_SHOWN_MAX > 0


def test_of_very_many_steps_a_glimpse_has_the_open_ones_the_touched_and_the_newest() -> None:
    loop = d.ForEachStep(id="l", items=list(range(SHOWN_MAX + 50)), steps=(task("x"),))
    play = started(workflow(loop, task("last")))
    play.run("x[0]")
    session = Session(recorded(play), CelExpressions())
    early, none = session.glimpse()
    assert (early, none) == (session.moment(), 0), "few are all there"
    session = Session(recorded(play.finish()), CelExpressions())
    session.goto(next(v for v in range(1, session.last) if "x[3]" in session.row(v).sentence))
    at_third = session.glimpse()[0]
    assert "x[3]" in {one.name for one in at_third.tasks}
    session.goto(session.last - 2)
    moment, left_out = session.glimpse()
    names = [one.name for one in (*moment.tasks, *moment.steps)]
    assert len(names) == SHOWN_MAX
    assert left_out == len(session.cursor.state.steps) - SHOWN_MAX > 0
    assert {"last", f"x[{SHOWN_MAX + 49}]"} <= set(names)
    shown = branches_of(moment, left_out)
    assert [one.note for one in shown if one.name == "…"] == [
        f"{left_out} steps more that are over"
    ]
    assert all(len(one.branches) <= SHOWN_MAX + 1 for one in branches_of(session.moment()))


@pytest.mark.edge("CHANGES_SHOWN_MAX")
def test_of_very_many_changes_some_are_told() -> None:
    names = [f"v{number}" for number in range(CHANGES_SHOWN_MAX + 5)]
    keep = d.SetStep(id="keep", variables=dict.fromkeys(names, 1))
    session = Session(recorded(started(workflow(keep, task("a")))), CelExpressions())
    session.do("step")
    found = session.do("changes")
    assert isinstance(found, Changed)
    assert len(found.changes) == CHANGES_SHOWN_MAX
    assert found.more >= 5
