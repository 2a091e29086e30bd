"""Results and failures as values: the door for outputs, and codes for exceptions."""

import datetime as dt
import math
import re
from dataclasses import dataclass
from enum import Enum

import msgspec
import pytest

from events.facts import Usage
from events.limits import EMITTED_MAX, LINE_CHARACTERS_MAX, LOG_LINES_MAX, NOTES_MAX
from events.task_facts import Emitted
from node_agent import Outcome, TaskError
from node_agent.handling import admit_output, broke, code_of
from node_agent.speech import Speech


class Colour(Enum):
    RED = "red"


class Pair(msgspec.Struct):
    left: int
    right: tuple[int, ...]


@dataclass
class Record:
    at: dt.date


@pytest.mark.parametrize(
    ("returned", "value"),
    [
        (None, None),
        ({"a": (1, 2)}, {"a": [1, 2]}),
        (Pair(1, (2, 3)), {"left": 1, "right": [2, 3]}),
        ([Record(dt.date(2024, 1, 2))], [{"at": "2024-01-02"}]),
        ({"c": Colour.RED}, {"c": "red"}),
    ],
)
def test_outputs_become_json_data(returned: object, value: object) -> None:
    admitted = admit_output(returned, 1000)
    assert admitted.value == value
    assert admitted.size == len(msgspec.json.encode(value))


def test_a_named_outcome_carries_its_output() -> None:
    admitted = admit_output(Outcome("too_late", {"by": 3}), 1000)
    assert (admitted.outcome, admitted.value) == ("too_late", {"by": 3})


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ({"a": [1, math.nan]}, r"output\.a\[1\] is nan"),
        ({"big": 2**64}, r"output\.big is .* over 64"),
        ({1: "x"}, "output has a key"),
        ({"deep": {"x": object()}}, r"output\.deep\.x is a object"),
        ("\ud800", "output has text that is not Unicode"),
    ],
)
def test_what_is_not_json_data_is_refused_with_its_path(returned: object, message: str) -> None:
    with pytest.raises(TaskError, match=message) as caught:
        admit_output(returned, 1000)
    assert (caught.value.failure_code, caught.value.retryable) == ("invalid_output", False)


def test_a_large_output_is_refused() -> None:
    with pytest.raises(TaskError, match="the output has 1002 bytes, 1000 are allowed") as caught:
        admit_output("x" * 1000, 1000)
    assert caught.value.failure_code == "payload_too_large"


def test_a_cyclic_output_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(TaskError, match="nested deeper"):
        admit_output(loop, 1000)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectionResetError(), "connection_reset_error"),
        (KeyError("x"), "key_error"),
        (OSError(), "os_error"),
        (type("HTTPStatusError", (Exception,), {})(), "http_status_error"),
        (type("Bad", (Exception,), {})(), "bad"),
        (SystemExit(3), "system_exit"),
    ],
)
def test_an_exception_is_named_by_its_class(error: BaseException, code: str) -> None:
    assert code_of(error) == code


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 -- to give it a traceback
        return caught


def test_an_exception_brings_message_and_a_short_traceback() -> None:
    result = broke(raised(ValueError("no good")), Usage(), None)
    assert (result.failure.code, result.failure.message) == ("value_error", "no good")
    assert result.retryable
    assert re.search(r"test_handling\.py:\d+ raised", str(result.failure.details))


def test_a_task_error_brings_its_own_code() -> None:
    error = TaskError("card_declined", "no money", {"until": dt.date(2024, 1, 2)}, retryable=False)
    result = broke(raised(error), Usage(), None)
    assert result.failure.code == "card_declined"
    assert result.failure.details == {"until": "2024-01-02"}
    assert not result.retryable


def test_details_that_are_not_json_data_do_not_hide_the_failure() -> None:
    result = broke(TaskError("c", details={"x": math.inf}), Usage(), None)
    assert result.failure.code == "c"
    assert result.failure.details == {
        "invalid_details": "details.x is inf, which JSON has no word for: use null or text"
    }


def test_a_secret_that_was_handed_out_does_not_show_in_a_failure() -> None:
    speech = Speech()
    speech.hide("hunter2")
    result = broke(ValueError("login hunter2 failed"), Usage(), None, speech.shown)
    assert result.failure.message == "login *** failed"


@pytest.mark.edge("LINE_CHARACTERS_MAX")
def test_long_and_broken_messages_are_cut() -> None:
    result = broke(ValueError("\ud800" + "x" * 10_000), Usage(), None)
    assert len(result.failure.message) == LINE_CHARACTERS_MAX + 1
    msgspec.json.encode(result.failure)


# -- what a task says -----------------------------------------------------------------------------


def test_silence_is_nothing() -> None:
    assert Speech().said() is None


@pytest.mark.edge("LOG_LINES_MAX")
@pytest.mark.edge("NOTES_MAX")
def test_what_is_said_is_bounded() -> None:
    speech = Speech()
    for number in range(LOG_LINES_MAX + 5):
        speech.line(f"line {number}")
        speech.note(f"note {number}")
    said = speech.said()
    assert said is not None
    assert said.log[0] == "(5 earlier lines dropped)"
    assert said.log[-1] == f"line {LOG_LINES_MAX + 4}"
    assert len(said.log) == LOG_LINES_MAX + 1
    assert len(said.notes) == NOTES_MAX


def test_secrets_are_masked_from_then_on() -> None:
    speech = Speech()
    speech.hide("hunter2")
    speech.line("password is hunter2!")
    said = speech.said()
    assert said is not None
    assert said.log == ("password is ***!",)


def test_events_are_emitted_within_limits() -> None:
    speech = Speech()
    speech.emit("seen", {"n": 1})
    said = speech.said()
    assert said is not None
    assert said.emitted == (Emitted(name="seen", data={"n": 1}),)
    with pytest.raises(TaskError, match=r"data of event 'bad' is nan"):
        speech.emit("bad", math.nan)
    with pytest.raises(TaskError, match="one may have"):
        speech.emit("large", "x" * 100_000)
    for _ in range(EMITTED_MAX - 1):
        speech.emit("more", None)
    with pytest.raises(TaskError, match=f"an attempt may emit {EMITTED_MAX} events"):
        speech.emit("more", None)
