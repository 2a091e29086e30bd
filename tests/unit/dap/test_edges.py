"""What a client may get wrong, and how much there may be of all: an answer, never a crash."""

import json
import random

import pytest

from events.limits import (
    DAP_BREAKPOINTS_MAX,
    DAP_RUNS_OPEN_MAX,
    DAP_TARGETS_MAX,
    DAP_THREADS_MAX,
)
from orchestrator.authoring import read_yaml
from orchestrator.dap.framing import TooLong
from orchestrator.dap.requests import HANDLERS
from tests.builders import started, task, workflow
from tests.debugging import FILE, DebugClient, Message, Refused, client

SOURCE = {"path": FILE}


def answers(one: DebugClient) -> list[Message]:
    return [row for row in one.said if row["type"] == "response"]


@pytest.mark.parametrize(
    ("body", "seq", "why"),
    [
        (b"{", 0, "no request of the protocol"),
        (b"", 0, "no request of the protocol"),
        (b"\xff\xfe", 0, "no request of the protocol"),
        (b"[1]", 0, "no request of the protocol"),
        (b'{"seq": 4}', 4, "missing required field `type`"),
        (b'{"seq": 5, "type": "event"}', 5, "expected a request"),
        (b'{"seq": 6, "type": "request"}', 6, "expected a request"),
        (b'{"seq": "7", "type": "request", "command": "threads"}', 0, "Expected `int`"),
        (b'{"seq": 8, "type": "request", "command": 9}', 0, "Expected `str`"),
        (b"[" * 100_000, 0, "no request of the protocol"),
    ],
)
def test_what_is_no_request_is_answered(body: bytes, seq: int, why: str) -> None:
    one = client()
    one.raw(body)
    (answer,) = answers(one)
    assert (answer["success"], answer["request_seq"]) == (False, seq)
    assert why in str(answer["message"])
    assert one.begin()["reason"] == "entry"


def test_responses_of_a_client_need_no_answer_and_long_messages_are_told() -> None:
    one = client()
    one.raw(b'{"seq": 1, "type": "response", "request_seq": 1, "success": true, "command": "x"}')
    assert one.said == []
    one.raw(TooLong(77))
    assert "a message of 77 bytes, over" in str(answers(one)[0]["message"])


@pytest.mark.parametrize("command", sorted(set(HANDLERS) - {"initialize", "disconnect", "cancel"}))
def test_requests_before_their_time_say_what_comes_first(command: str) -> None:
    one = client()
    with pytest.raises(Refused, match="send `initialize` first"):
        one.ask(command)
    one.ask("initialize")
    if command not in {"attach", "launch"}:
        with pytest.raises(Refused, match="send `attach` first"):
            one.ask(command)


def test_an_unknown_request_is_told_with_the_nearest() -> None:
    with pytest.raises(Refused, match="there is no request `stackTraces` here; did you mean"):
        client().ask("stackTraces")


@pytest.mark.parametrize(
    ("command", "arguments", "why"),
    [
        ("initialize", {"pathFormat": "uri"}, "expected `path`"),
        ("attach", {}, "what to attach to is missing"),
        ("attach", {"run": 7}, r"Expected `str`, got `int` - at `\$.run`"),
        ("attach", {"run": "run-1", "at": "middle"}, "expected start, end, failure or a version"),
        ("attach", {"run": "run-1", "at": 0}, "no version 0: they are 1 to 28"),
        ("attach", {"run": "nobody"}, "there is no run nobody"),
        ("attach", {"run": "run-1", "stepping": "lines"}, "Invalid enum value 'lines'"),
    ],
)
def test_arguments_that_are_wrong_are_named(
    command: str, arguments: dict[str, object], why: str
) -> None:
    one = client()
    if command != "initialize":
        one.ask("initialize")
    with pytest.raises(Refused, match=why):
        one.ask(command, **arguments)
    if command != "initialize":
        one.ask("attach", run="run-1")


def test_null_means_that_nothing_was_given() -> None:
    one = client()
    one.ask("initialize", clientName=None)
    one.ask("attach", run="run-1", file=None, definition=None)


NAMES = (
    *("threadId", "frameId", "variablesReference", "expression", "source", "line", "column"),
    *("name", "value", "targetId", "start", "count", "text", "filters", "levels", "breakpoints"),
)
INSIDE = ("path", "line", "name", "condition", "dataId", "filterId")
LEAVES = (None, True, 0, 1, -1, 2**70, 1.5, "", "total", FILE, "vars.total", "1 +", ":to 3", "vars")


def anything(dice: random.Random, depth: int = 2) -> object:
    kind = dice.random()
    if depth and kind < 0.2:
        return [anything(dice, depth - 1) for _ in range(dice.randint(0, 2))]
    if depth and kind < 0.4:
        return {name: anything(dice, depth - 1) for name in dice.sample(INSIDE, 2)}
    return dice.choice(LEAVES)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_asked_there_is_one_answer_and_the_session_goes_on(seed: int) -> None:
    one, dice = client(), random.Random(seed)
    one.begin()
    for number in range(1_000, 1_060):
        command = dice.choice(sorted(set(HANDLERS) - {"disconnect"}))
        arguments = {name: anything(dice) for name in dice.sample(NAMES, dice.randint(0, 4))}
        request = {"seq": number, "type": "request", "command": command, "arguments": arguments}
        one.raw(json.dumps(request).encode())
        assert [row["request_seq"] for row in answers(one)].count(number) == 1, request
    one.ask("restart")
    assert one.stopped["reason"] == "entry"


@pytest.mark.edge("DAP_BREAKPOINTS_MAX")
def test_breakpoints_of_a_kind_are_bounded() -> None:
    one = client()
    one.begin()
    most: list[object] = [{"line": 5}] * DAP_BREAKPOINTS_MAX
    found = one.ask("setBreakpoints", source=SOURCE, breakpoints=most)["breakpoints"]
    assert isinstance(found, list)
    assert len(found) == DAP_BREAKPOINTS_MAX
    with pytest.raises(Refused, match=f"over {DAP_BREAKPOINTS_MAX}: set fewer"):
        one.ask("setBreakpoints", source=SOURCE, breakpoints=[*most, {"line": 5}])
    with pytest.raises(Refused, match="set fewer"):
        one.ask("setFunctionBreakpoints", breakpoints=[{"name": "a"}] * (DAP_BREAKPOINTS_MAX + 1))


WIDE = """\
workflow: workflow
steps:
  - id: each
    map: {items: "${ input.items }", task: work}
"""


@pytest.mark.edge("DAP_THREADS_MAX")
def test_a_wide_map_lists_its_first_items_as_threads() -> None:
    definition = read_yaml(WIDE).definition
    play = started(definition, value={"items": list(range(DAP_THREADS_MAX + 50))})
    while play.state.undecided:
        play.due()
    one = DebugClient((play, definition))
    one.begin(at="end")
    threads = one.ask("threads")["threads"]
    assert isinstance(threads, list)
    assert len(threads) == DAP_THREADS_MAX


@pytest.mark.edge("DAP_TARGETS_MAX")
def test_the_first_places_of_a_line_are_offered() -> None:
    text = WIDE.replace("map: {items", "for_each: ${ input.items }\n    steps: [{id: one, set: {n")
    text = text.replace(': "${ input.items }", task: work}', ": 1}}]\n")
    definition = read_yaml(text).definition
    play = started(definition, value={"items": list(range(DAP_TARGETS_MAX + 1))}).finish()
    one = DebugClient((play, definition), text=text)
    one.begin()
    targets = one.ask("gotoTargets", source=SOURCE, line=5)["targets"]
    assert isinstance(targets, list)
    assert len(targets) == DAP_TARGETS_MAX


@pytest.mark.edge("DAP_RUNS_OPEN_MAX")
def test_so_many_runs_are_open_inside_each_other() -> None:
    definition = workflow(task("work"))
    one = DebugClient((started(definition), definition))
    one.begin()
    one.session.levels.extend(one.session.levels * (DAP_RUNS_OPEN_MAX - 1))
    one.session.top.replica.cursor.state.calls["work"] = "child"
    one.ask("stepIn", thread_id=1)
    assert f"{DAP_RUNS_OPEN_MAX} runs are open inside each other" in one.told
    assert len(one.session.levels) == DAP_RUNS_OPEN_MAX
