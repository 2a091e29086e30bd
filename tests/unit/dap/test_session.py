"""Sessions: moving through a run in both directions, by threads, into runs that it calls."""

import pytest

from events.definition import CallStep, Case, ChoiceStep, SetStep
from orchestrator.authoring import read_yaml
from tests.builders import Setting, started, task, workflow
from tests.debugging import DebugClient, Refused, client, played

ALONG = [
    "workflow: first:3 @1",
    "workflow: fetch:5 @1",
    "workflow: both:8 @6",
    "workflow: pages:15 @12",
    "workflow: scale:23 @19",
    "workflow: last:28 @25",
]
"""The steps of the run itself, over which `next` goes."""


def test_next_goes_from_step_to_step_and_over_what_is_inside() -> None:
    one = client()
    assert one.begin()["reason"] == "entry"
    found = [one.where, *(one.go("next") for _ in ALONG[1:])]
    assert found == ALONG
    one.go("next")
    assert one.stopped["description"] == "the end of the history: run.completed.v1"


def test_step_back_comes_to_where_steps_began_also_inside_a_loop() -> None:
    one = client()
    one.begin(at="end")
    found = [one.go("stepBack") for _ in range(9)]
    inside = ["pages[1]: add:21 @18", "pages[1]: page:18 @16"]
    inside += ["pages[0]: add:21 @15", "pages[0]: page:18 @13"]
    assert found == [*ALONG[:-3:-1], *inside, *ALONG[3::-1]][:9]
    assert one.go("stepBack") == ALONG[0]
    one.go("stepBack")
    assert one.stopped["description"] == "the beginning of the history"


def test_step_in_goes_through_every_event_and_back_the_same_way() -> None:
    one = client()
    one.begin()
    there = [one.where]
    while "the end" not in str(one.stopped["description"]):
        there.append(one.go("stepIn"))
    versions = [int(place.rpartition("@")[2]) for place in there]
    assert set(versions) == set(range(1, 29))
    assert versions == sorted(versions)
    back = [one.go("stepBack", granularity="instruction") for _ in there[1:]]
    assert back == [*there[-3::-1], there[0]]


def test_steps_by_events_if_the_client_wants_it_so() -> None:
    one = client()
    one.begin(stepping="events", at=4)
    assert [one.go("next"), one.go("stepBack"), one.version] == [
        "workflow: fetch:5 @5",
        "workflow: fetch:5 @4",
        4,
    ]


def test_step_out_leaves_a_loop_and_a_branch() -> None:
    one = client()
    one.begin(at=16)
    assert one.go("stepOut") == "workflow: scale:23 @19"
    one = client()
    one.begin(at=10)
    assert one.where == "both/left: b:12 @10"
    assert one.go("stepOut") == "both/left: b:12 @12"
    assert one.stopped["text"] == "the branch both/left is over"
    assert one.go("next") == "workflow: pages:15 @12"


def test_next_in_a_branch_stays_in_it_until_it_is_over() -> None:
    one = client()
    one.begin(at=6)
    one.go("next")  # over the parallel would be version 12
    one = client()
    one.begin(at=7)
    assert one.where == "both/left: a:11 @7"
    assert one.go("next") == "both/left: b:12 @10"
    assert one.go("stepBack") == "both/left: a:11 @6"
    assert one.go("stepBack") == "workflow: both:8 @6"


def test_threads_are_branches_and_items_and_keep_their_numbers() -> None:
    one = client()
    one.begin(at=7)
    threads = one.ask("threads")["threads"]
    assert isinstance(threads, list)
    assert {row["name"]: row["id"] for row in threads} == {
        "workflow run-1": 1,
        "both/left": 2,
        "both/right": 3,
    }
    assert [frame["name"] for frame in one.frames(3)] == ["both/right: c", "workflow: both"]
    assert [frame["name"] for frame in one.frames(1)] == ["workflow: both"]
    one.ask("evaluate", expression=":to 20", context="repl")
    threads = one.ask("threads")["threads"]
    assert isinstance(threads, list)
    assert [row["name"] for row in threads] == ["workflow run-1", "scale[0]", "scale[1]"]


@pytest.mark.parametrize(
    ("at", "where"),
    [
        ("start", "workflow: first:3 @1"),
        ("end", "workflow: last:28 @28"),
        (18, "pages[1]: add:21 @18"),
        ("failure", "workflow: last:28 @28"),
    ],
)
def test_a_client_begins_where_it_wants(at: int | str, where: str) -> None:
    one = client()
    one.begin(at=at)
    assert one.where == where


def test_what_failed_is_where_a_client_may_begin() -> None:
    definition = read_yaml("workflow: workflow\nsteps:\n  - {id: bad, task: work}\n").definition
    play = started(definition)
    play.place("bad")
    play.fail("bad", "boom", retryable=False)
    one = DebugClient((play, definition))
    one.begin(at="failure")
    assert one.where.startswith("workflow: bad:")
    info = one.ask("exceptionInfo", thread_id=1)
    assert info["exceptionId"] == "boom"


def test_without_a_stop_on_entry_it_runs_to_the_first_breakpoint() -> None:
    one = client().attach(stopOnEntry=False)
    one.ask("setFunctionBreakpoints", breakpoints=[{"name": "first"}])
    one.ask("configurationDone")
    assert (one.where, one.stopped["reason"]) == (ALONG[0], "function breakpoint")
    one.go("continue")
    assert one.where == "workflow: last:28 @28"


def test_a_run_that_goes_on_is_followed_until_somebody_pauses() -> None:
    play = played(last=False)
    one = client(play).attach(at="end", stopOnEntry=False)
    one.ask("setFunctionBreakpoints", breakpoints=[{"name": "event:task.completed.*"}])
    one.ask("configurationDone")
    assert "stopped" not in one.events
    with pytest.raises(Refused, match="it moves: send `pause`, or wait for `stopped`"):
        one.ask("stackTrace", thread_id=1)
    play.place("last")
    one.grow(play)
    assert "stopped" not in one.events
    play.complete("last")
    one.grow(play)
    assert one.where == "workflow: last:28 @27"
    one.ask("continue", thread_id=1)
    assert "the end" in str(one.stopped["description"])


def test_a_pause_stands_at_the_last_event_that_is_known() -> None:
    one = client(played(last=False))
    one.begin()
    one.ask("continue", thread_id=1)
    assert one.events.count("stopped") == 1
    one.ask("pause", thread_id=1)
    assert (one.stopped["reason"], one.version) == ("pause", 25)


def test_goto_and_restart_frame_and_restart() -> None:
    one = client()
    one.begin()
    source = one.frames()[0]["source"]
    targets = one.ask("gotoTargets", source=source, line=22)["targets"]
    assert isinstance(targets, list)
    assert [str(row["label"]).split(",")[0] for row in targets] == [
        "add[0] at version 15",
        "add[1] at version 18",
    ]
    one.ask("goto", thread_id=1, target_id=targets[1]["id"])
    assert (one.where, one.stopped["reason"]) == ("pages[1]: add:21 @18", "goto")
    with pytest.raises(Refused, match="ask for `gotoTargets` again"):
        one.ask("goto", thread_id=1, target_id=targets[0]["id"])
    outer = one.frames()[1]
    one.ask("restartFrame", frame_id=outer["id"])
    assert (one.where, one.stopped["reason"]) == ("workflow: pages:15 @12", "restart")
    one.ask("restart")
    assert one.where == ALONG[0]


def test_stepping_into_a_run_that_was_called_and_out_again() -> None:
    inner = (task("work"), SetStep(id="done", variables={"n": 1}))
    again = CallStep(id="call", workflow="workflow", input={"inner": True})
    definition = workflow(
        ChoiceStep(id="which", cases=(Case(when="input.inner", steps=inner),), default=(again,)),
        task("after"),
    )
    parent = started(definition, value={"inner": False})
    run_id = parent.state.calls["call"]
    child = started(definition, Setting(run_id=run_id), value={"inner": True})
    child.run("work", "after")
    parent.end_child("call", child.state)
    parent.run("after")
    one = DebugClient((parent, definition), (child, definition))
    one.begin()
    assert one.go("next").startswith("workflow: call:")
    assert one.go("stepIn").startswith("workflow: which:")
    assert [frame["name"] for frame in one.frames()] == ["workflow: which", "workflow: call"]
    assert one.session.top.replica.run_id == run_id
    assert one.go("next").startswith("workflow: work:")
    assert one.go("next").startswith("workflow: done:")
    assert one.scope("Variables")["n"]["value"] == "1"
    for where in ("work", "which", "call"):
        assert one.go("stepBack").startswith(f"workflow: {where}:")
    assert one.session.top.replica.run_id == "run-1"
    one.go("stepIn")
    assert one.go("stepOut").startswith("workflow: after:")
    assert one.session.top.replica.run_id == "run-1"
    one.go("stepBack")
    one.go("stepIn")
    one.go("continue")
    assert "the end" in str(one.stopped["description"])
    assert one.session.top.replica.run_id == "run-1"


def test_a_called_run_that_is_not_in_the_file_is_stepped_over() -> None:
    outer = workflow(CallStep(id="call", workflow="workflow"), task("after"))
    one = DebugClient((started(outer), outer))
    one.begin()
    one.ask("stepIn", thread_id=1)
    assert "cannot be stepped into: there is no run" in one.told


def test_a_client_that_counts_from_zero() -> None:
    one = client()
    one.ask("initialize", adapterID="x", linesStartAt1=False, columnsStartAt1=False)
    one.ask("attach", run="run-1")
    source = {"path": "/flows/workflow.yaml"}
    found = one.ask("setBreakpoints", source=source, breakpoints=[{"line": 17}])["breakpoints"]
    assert isinstance(found, list)
    assert (found[0]["line"], found[0]["verified"]) == (17, True)
    one.ask("configurationDone")
    one.go("continue")
    assert one.frames()[0]["line"] == 17


def test_ending() -> None:
    one = client()
    one.begin()
    one.ask("terminate")
    assert one.events[-1] == "terminated"
    one.ask("disconnect", terminate_debuggee=True)
    assert "the run is not touched: `dalsegno run cancel run-1` cancels it" in one.told
    with pytest.raises(Refused, match="connect anew"):
        one.ask("threads")
