"""What an agent does at its limits."""

import msgspec
import pytest

from events.facts import Usage
from events.ids import Attempt
from events.limits import (
    ATTEMPTS_KNOWN_MAX,
    DETAILS_BYTES_MAX,
    EMITTED_BYTES_MAX,
    EMITTED_MAX,
    FRAME_BYTES_MAX,
    HELD_PER_CREDIT_MAX,
    HTTP_EXCERPT_BYTES,
    HTTP_RESPONSE_BYTES_MAX,
    HTTP_TIMEOUT_S_MAX,
    KEY_CHARS_MAX,
    PUBLISHES_IN_FLIGHT_MAX,
    REMEMBERED_MAX,
    REPORTS_PER_MESSAGE_MAX,
    TRACEBACK_FRAMES_MAX,
    UNSETTLED_BYTES_MAX,
)
from events.messages import Completed, Report, Started
from node_agent.errors import TaskError
from node_agent.frames import HEAD_BYTES, frame, read_segment
from node_agent.handling import broke
from node_agent.holdings import Holdings
from node_agent.journal import Accepted
from node_agent.outbox import Outbox
from node_agent.outcomes import REPORT_OVERHEAD_BYTES, size_of
from node_agent.speech import Speech
from node_agent.web.answer import bytes_wanted
from node_agent.web.request import Attempted, Request, sending

A_LOT = ATTEMPTS_KNOWN_MAX


def attempt(number: int, step: str = "s") -> Attempt:
    return Attempt("run", step, 0, number)


def held(holdings: Holdings, *numbers: int) -> None:
    for number in numbers:
        holdings.add(attempt(number), 0)


@pytest.mark.edge("ATTEMPTS_KNOWN_MAX")
def test_a_node_that_knows_so_many_attempts_takes_no_more() -> None:
    holdings = Holdings(credit=A_LOT)
    held(holdings, *range(ATTEMPTS_KNOWN_MAX - 1))
    assert not holdings.is_full

    held(holdings, ATTEMPTS_KNOWN_MAX)
    assert holdings.is_full


@pytest.mark.edge("HELD_PER_CREDIT_MAX")
def test_a_node_holds_so_many_attempts_for_a_credit() -> None:
    holdings = Holdings(credit=1)
    holdings.open_count = HELD_PER_CREDIT_MAX - 1
    assert not holdings.is_full

    holdings.open_count += 1
    assert holdings.is_full


@pytest.mark.edge("UNSETTLED_BYTES_MAX")
def test_a_node_with_so_many_unsettled_bytes_takes_no_more() -> None:
    holdings = Holdings(credit=A_LOT)
    entry, _ = holdings.add(attempt(1), 0)
    most = UNSETTLED_BYTES_MAX - REPORT_OVERHEAD_BYTES
    for output_bytes, is_full in ((most - 1, False), (most, True)):
        report = Completed(attempt=attempt(1), usage=Usage(output_bytes=output_bytes))
        holdings.end(entry, report)
        assert holdings.is_full is is_full


@pytest.mark.edge("REMEMBERED_MAX")
def test_a_node_remembers_so_many_attempts() -> None:
    holdings = Holdings(credit=1)
    for number in range(REMEMBERED_MAX + 1):
        holdings.remember(attempt(number))
    assert holdings.is_over(attempt(0)), "it is in the older generation"

    for number in range(REMEMBERED_MAX + 1, 2 * REMEMBERED_MAX + 1):
        holdings.remember(attempt(number))
    assert not holdings.is_over(attempt(0))
    assert holdings.is_over(attempt(REMEMBERED_MAX))


def found(one: Attempt) -> tuple[Report, int]:
    return Completed(attempt=one), 1


@pytest.mark.edge("REPORTS_PER_MESSAGE_MAX")
def test_a_message_has_so_many_reports() -> None:
    outbox = Outbox(1, 1)
    for number in range(REPORTS_PER_MESSAGE_MAX + 1):
        outbox.add_final(0, attempt(number))
    sizes = []
    for _ in range(2):
        (parcel,) = outbox.take(0, found)
        sizes.append(parcel.count)
        outbox.sent(parcel.number)
    assert sizes == [REPORTS_PER_MESSAGE_MAX, 1]


@pytest.mark.edge("PUBLISHES_IN_FLIGHT_MAX")
def test_so_many_messages_are_under_way() -> None:
    outbox = Outbox(1, 1)
    for shard in range(PUBLISHES_IN_FLIGHT_MAX + 1):
        outbox.add_passing(shard, Started(attempt=attempt(1), started_at=1))
    first = outbox.take(0, found)
    assert len(first) == PUBLISHES_IN_FLIGHT_MAX
    assert outbox.take(0, found) == []

    outbox.sent(first[0].number)
    assert len(outbox.take(0, found)) == 1


@pytest.mark.edge("FRAME_BYTES_MAX")
def test_a_frame_that_says_it_is_longer_is_none() -> None:
    def framed(length: int) -> bytes:
        """A frame whose checked part has this length."""
        bare = len(frame((Accepted(attempt(1, ""), 0),), 0)) - HEAD_BYTES + 8
        return frame((Accepted(attempt(1, "x" * (length - bare)), 0),), 0)

    assert len(read_segment(framed(FRAME_BYTES_MAX), "s").frames) == 1
    assert read_segment(framed(FRAME_BYTES_MAX + 1), "s").frames == []


@pytest.mark.edge("TRACEBACK_FRAMES_MAX")
@pytest.mark.parametrize("more", [0, 5])
def test_of_a_traceback_the_innermost_frames_are_kept(more: int) -> None:
    def fall(depth: int) -> None:
        if depth == 1:
            raise ValueError(more)
        fall(depth - 1)

    with pytest.raises(ValueError, match=str(more)) as fell:
        fall(TRACEBACK_FRAMES_MAX - 1 + more)
    details = broke(fell.value, Usage(), None).failure.details
    assert isinstance(details, dict)
    (kept,) = details.values()
    assert isinstance(kept, list)
    assert len(kept) == TRACEBACK_FRAMES_MAX


@pytest.mark.edge("DETAILS_BYTES_MAX")
def test_details_of_a_failure_have_bounds() -> None:
    for size, kept in ((DETAILS_BYTES_MAX, True), (DETAILS_BYTES_MAX + 1, False)):
        error = TaskError("c", details="x" * (size - 2))
        details = broke(error, Usage(), None).failure.details
        assert (details == "x" * (size - 2)) is kept
        assert kept or "details_too_large" in str(details)


@pytest.mark.edge("EMITTED_MAX")
def test_an_attempt_emits_so_many_events() -> None:
    speech = Speech()
    for _ in range(EMITTED_MAX):
        speech.emit("seen", None)

    with pytest.raises(TaskError, match=str(EMITTED_MAX)):
        speech.emit("seen", None)


@pytest.mark.edge("EMITTED_BYTES_MAX")
def test_what_an_attempt_emits_has_bounds_together() -> None:
    speech = Speech()
    half = EMITTED_BYTES_MAX // 2 - len('{"name":"n","data":""}')
    speech.emit("n", "x" * half)
    speech.emit("n", "x" * half)

    with pytest.raises(TaskError, match=str(EMITTED_BYTES_MAX)):
        speech.emit("n", None)


@pytest.mark.edge("HTTP_RESPONSE_BYTES_MAX")
@pytest.mark.edge("HTTP_TIMEOUT_S_MAX")
@pytest.mark.parametrize(
    ("field", "most"),
    [("response_bytes_max", HTTP_RESPONSE_BYTES_MAX), ("timeout_s", HTTP_TIMEOUT_S_MAX)],
)
def test_a_request_may_ask_for_so_much(field: str, most: float) -> None:
    msgspec.convert({"url": "http://h/", field: most}, Request)

    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert({"url": "http://h/", field: most + 1}, Request)


@pytest.mark.edge("HTTP_EXCERPT_BYTES")
def test_of_a_failure_s_body_a_part_is_read() -> None:
    assert bytes_wanted(Request(url="http://h/"), 500) == HTTP_EXCERPT_BYTES
    assert bytes_wanted(Request(url="http://h/"), 200) > HTTP_EXCERPT_BYTES


@pytest.mark.edge("KEY_CHARS_MAX")
@pytest.mark.parametrize(
    ("size", "sent"), [(KEY_CHARS_MAX, KEY_CHARS_MAX), (KEY_CHARS_MAX + 1, 64)]
)
def test_a_long_key_is_hashed(size: int, sent: int) -> None:
    attempted = Attempted(idempotency_key="k" * size, traceparent="", secret=str)
    headers = dict(sending(Request(url="http://h/"), attempted).headers)

    assert len(headers["Idempotency-Key"]) == sent


def test_the_size_of_a_report_counts_its_output() -> None:
    report = Completed(attempt=attempt(1), usage=Usage(output_bytes=7))

    assert size_of(report) == REPORT_OVERHEAD_BYTES + 7
