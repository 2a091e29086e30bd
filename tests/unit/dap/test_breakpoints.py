"""Breakpoints: by lines, names, failures and data; conditions, hits and messages; both ways."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.dap.breakpoints import times_of
from tests.debugging import FILE, DebugClient, Message, Refused, client

SOURCE = {"path": FILE}


def armed(at: int | str = "start", **breakpoint_: object) -> DebugClient:
    """A client that stands at the beginning, with one breakpoint in a line."""
    one = client()
    one.begin(at=at)
    one.ask("setBreakpoints", source=SOURCE, breakpoints=[breakpoint_])
    return one


def rows(answer: Message, name: str = "breakpoints") -> list[Message]:
    found = answer[name]
    assert isinstance(found, list)
    return found


def stops(one: DebugClient, motion: str = "continue") -> list[str]:
    """Where it stops until either end."""
    found: list[str] = []
    while one.go(motion) and not str(one.stopped["description"]).startswith("the "):
        found.append(one.where)
    return found


PAGES = ["pages[0]: page:18 @13", "pages[1]: page:18 @16"]


def test_a_line_stops_at_each_iteration_from_either_side() -> None:
    one = armed(line=19)
    assert stops(one) == PAGES
    assert stops(one, "reverseContinue") == PAGES[::-1]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("iteration.item == 6", PAGES[1:]),
        ("vars.total == 5", PAGES[1:]),
        ("iteration.index < 1", PAGES[:1]),
        ("steps.fetch.output.x == 1 && run.status == 'running'", PAGES),
        ("event.type.startsWith('loop')", PAGES),
        ("step.status == 'ready'", PAGES),
    ],
)
def test_conditions_see_what_the_step_sees(condition: str, found: list[str]) -> None:
    one = armed(line=18, condition=condition)
    assert stops(one) == found
    assert stops(one, "reverseContinue") == found[::-1]


def test_a_condition_without_a_value_does_not_hold_and_is_told_once() -> None:
    one = armed(line=18, condition="vars.nothing > 1")
    assert stops(one) == []
    assert one.told.count("`vars.nothing` is not set yet") == 1
    one = armed(line=18, condition="vars.total")
    assert stops(one) == []
    assert "is 0: expected true or false" in one.told


@pytest.mark.parametrize(
    ("hits", "found"),
    [("2", PAGES[1:]), ("== 1", PAGES[:1]), (">=1", PAGES), ("% 2", PAGES[1:]), (">2", [])],
)
def test_hits_are_counted_from_the_beginning_of_the_history(hits: str, found: list[str]) -> None:
    assert stops(armed(line=18, hitCondition=hits)) == found
    assert stops(armed("end", line=18, hitCondition=hits), "reverseContinue") == found[::-1]


@given(st.text(max_size=6))
def test_no_hit_count_is_taken_for_another(text: str) -> None:
    with suppress(ValueError):
        found = times_of(text)
        assert found is None or text.strip().lstrip("=<>%").strip().isdecimal()


def test_a_message_is_told_and_nothing_stops() -> None:
    one = armed(line=18, logMessage="{iteration.item} of {{all}}: {steps.fetch.output} {1/0}")
    assert stops(one) == []
    lines = [line for line in one.told.splitlines() if "of {all}" in line]
    told = 'of {all}: {"x": 1} <divi'
    assert [line[: len(told) + 2] for line in lines] == [f"5 {told}", f"6 {told}"]


def test_lines_are_those_of_steps_and_say_where_they_went() -> None:
    one = client()
    one.begin()
    answer = one.ask(
        "setBreakpoints",
        source=SOURCE,
        breakpoints=[
            {"line": 1},
            {"line": 26},
            {"line": 7, "condition": "1 +"},
            {"line": 7, "hitCondition": "often"},
            {"line": 7, "logMessage": "{1 +}"},
        ],
    )
    found = rows(answer)
    assert [(row["verified"], row.get("line")) for row in found[:2]] == [(True, 3), (True, 26)]
    assert found[1]["message"] == "where an item of scale begins"
    assert [row["verified"] for row in found[2:]] == [False] * 3
    assert "is no hit count" in str(found[3]["message"])
    assert stops(one) == ["scale[0]:26 @20", "scale[1]:26 @20"]
    other = one.ask("setBreakpoints", source={"path": "/other.yaml"}, lines=[3])
    assert rows(other)[0]["reason"] == "pending"
    locations = one.ask("breakpointLocations", source=SOURCE, line=1, endLine=9)
    assert [row["line"] for row in rows(locations)] == [3, 5, 8]
    assert rows(one.ask("breakpointLocations", source={"path": "/other.yaml"}, line=1)) == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("page", PAGES),
        ("page[1]", PAGES[1:]),
        ("pa*", ["workflow: pages:15 @12", *PAGES]),
        ("page.fetch", ["workflow: fetch:5 @1"]),
        ("scale", ["workflow: scale:23 @19", "scale[0]:26 @20", "scale[1]:26 @20"]),
        ("scale[*]", ["scale[0]:26 @20", "scale[1]:26 @20"]),
        ("image.scale", ["workflow: scale:23 @19", "scale[0]:26 @20", "scale[1]:26 @20"]),
        ("event:map.*", ["workflow: scale:23 @20", "workflow: scale:23 @25"]),
    ],
)
def test_names_are_those_of_steps_instances_tasks_and_events(name: str, found: list[str]) -> None:
    one = client()
    one.begin()
    answer = one.ask("setFunctionBreakpoints", breakpoints=[{"name": name}])
    assert rows(answer)[0]["verified"] is True
    assert stops(one) == found
    assert stops(one, "reverseContinue") == found[::-1]


def test_a_name_that_no_step_has_is_told() -> None:
    one = client()
    one.begin()
    found = rows(one.ask("setFunctionBreakpoints", breakpoints=[{"name": "pagez"}]))
    assert "no step of the workflow is called `pagez`" in str(found[0]["message"])


def test_failures_stop_by_their_kind_and_condition() -> None:
    one = client()
    one.begin()
    one.ask("setExceptionBreakpoints", filters=["attempt_failed", "step_failed", "run_failed"])
    assert stops(one) == ["workflow: fetch:5 @3"]
    one.go("reverseContinue")
    assert (one.stopped["reason"], one.stopped["text"]) == ("exception", "busy: ")
    assert one.ask("exceptionInfo", thread_id=1)["exceptionId"] == "busy"
    assert one.ask("evaluate", expression="error.code")["result"] == '"busy"'
    option = {"filterId": "attempt_failed", "condition": "error.code == 'timeout'"}
    one.ask("setExceptionBreakpoints", filters=[], filterOptions=[option])
    one.ask("restart")
    assert stops(one) == []
    found = rows(one.ask("setExceptionBreakpoints", filters=["all"]))
    assert "expected one of attempt_failed, step_failed, run_failed" in str(found[0]["message"])
    with pytest.raises(Refused, match="nothing has failed here"):
        one.ask("exceptionInfo", thread_id=1)


def test_data_stops_where_it_is_set() -> None:
    one = client()
    one.begin()
    scopes = rows(one.ask("scopes", frame_id=one.frames()[0]["id"]), "scopes")
    variables = next(row for row in scopes if row["name"] == "Variables")["variablesReference"]
    info = one.ask("dataBreakpointInfo", variables_reference=variables, name="total")
    assert info["dataId"] == "vars.total"
    assert one.ask("dataBreakpointInfo", name="event.type")["dataId"] is None
    answer = one.ask(
        "setDataBreakpoints",
        breakpoints=[
            {"dataId": "vars.total", "condition": "vars.total > 0"},
            {"dataId": "steps.fetch.output"},
            {"dataId": "run.id"},
        ],
    )
    assert [row["verified"] for row in rows(answer)] == [True, True, False]
    assert [place.rpartition("@")[2] for place in stops(one)] == ["6", "15", "18"]


def test_all_breakpoints_at_one_place_are_named() -> None:
    one = client()
    one.begin()
    first = rows(one.ask("setBreakpoints", source=SOURCE, breakpoints=[{"line": 18}]))
    second = rows(one.ask("setFunctionBreakpoints", breakpoints=[{"name": "page"}]))
    one.go("continue")
    assert one.stopped["hitBreakpointIds"] == [first[0]["id"], second[0]["id"]]


def test_breakpoints_are_met_on_the_way_of_every_move() -> None:
    one = armed(12, line=21)
    assert one.where == "workflow: pages:15 @12"
    assert one.go("next") == "pages[0]: add:21 @15"
    assert one.stopped["reason"] == "breakpoint"
    one.ask("evaluate", expression=":to 19", context="repl")
    one.ask("setBreakpoints", source=SOURCE, breakpoints=[{"line": 14}])
    one.ask("evaluate", expression=":to 12", context="repl")
    assert one.go("stepBack") == "both/right: c:14 @6"
