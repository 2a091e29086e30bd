"""Reports of agents with mistakes: the bad one is refused alone, and ends its attempt."""

import re

import pytest

from events.codec import encode
from events.errors import Corrupt
from events.facts import Failure
from events.ids import Attempt
from events.limits import INTEGER_MAX, VALUE_DEPTH_MAX
from events.messages import Completed, Failed, Progressed, Report, Reports, Returned, Started
from events.reports import BAD_REPORT, Received, read_reports
from events.task_facts import Emitted, Said
from events.values import INTEGER_MIN, Value

BAD = Attempt("run", "bad", 0, 1)
GOOD = Attempt("run", "good", 0, 2)


def batch(*reports: bytes) -> bytes:
    return b'{"node":"n","incarnation":"i","reports":[%s]}' % b",".join(reports)


def completed(output: bytes, attempt: Attempt = BAD, kind: bytes = b"completed") -> bytes:
    field = b"details" if kind == b"progressed" else b"output"
    return b'{"type":"%s","attempt":%s,"%s":%s}' % (kind, encode(attempt), field, output)


def good(report: Report) -> bytes:
    """As one of our agents writes it."""
    return encode(report)


def nested(levels: int) -> Value:
    value: Value = 1
    for _ in range(levels):
        value = [value]
    return value


def only(received: Received) -> Report:
    (report,) = received.reports.reports
    return report


OTHERS: tuple[Report, ...] = (
    Started(attempt=GOOD, started_at=1),
    Completed(
        attempt=GOOD,
        output={"n": INTEGER_MAX, "least": INTEGER_MIN, "x": [1.5, "é", None, True]},
        started_at=1_700_000_000_000_000,
        ended_at=1_700_000_000_000_001,
        said=Said(notes=("n",), emitted=(Emitted(name="e", data={"a": 1}),)),
    ),
    Failed(attempt=GOOD, failure=Failure(code="c", details=[1]), kind="timed_out"),
    Returned(attempt=GOOD, reason="recalled", started=True),
    Progressed(attempt=GOOD, details=nested(VALUE_DEPTH_MAX), fraction=1, sequence=4),
)


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (b"NaN", "JSON has no word for"),
        (b"[1,-Infinity]", r"output\[1\] is -inf"),
        (b"1e999", "JSON has no word for"),
        (b'{"a":[18446744073709551616]}', r"output\.a\[0\] is an integer of 65 bits, over 64"),
        (b"9223372036854775808", "over 64"),
        (b"-9223372036854775809", "over 64"),
        (b'"\\ud800"', "not Unicode"),
        (b'"\xff"', "not Unicode"),
        (b"[" * 70 + b"18446744073709551616" + b"]" * 70, "nested deeper"),
    ],
)
def test_a_bad_value_fails_its_attempt_and_nobody_elses(output: bytes, problem: str) -> None:
    received = read_reports(batch(*map(good, OTHERS), completed(output), *map(good, OTHERS)))
    before, after = (
        received.reports.reports[: len(OTHERS)],
        received.reports.reports[-len(OTHERS) :],
    )
    assert before == after == OTHERS
    failed = received.reports.reports[len(OTHERS)]
    assert isinstance(failed, Failed)
    assert (failed.attempt, failed.failure.code, failed.retryable) == (BAD, BAD_REPORT, False)
    assert failed.failure.message.startswith("node n sent a report that cannot be stored: ")
    (refused,) = received.refused
    assert (refused.attempt, refused.ends) == (BAD, True)
    assert re.search(problem, refused.problem)


@pytest.mark.parametrize(
    "report",
    [
        b'{"type":"completed","attempt":["run","bad",0,1],"started_at":"noon"}',
        b'{"type":"completed","attempt":["run","bad",0,1],"ended_at":18446744073709551616}',
        b'{"type":"failed","attempt":["run","bad",0,1]}',
        b'{"type":"failed","attempt":["run","bad",0,1],"failure":{"code":1}}',
        b'{"type":"finished","attempt":["run","bad",0,1]}',
        b'{"attempt":["run","bad",0,1],"output":1}',
        b'{"type":"completed","attempt":["run","bad",0,1],"usage":{"wall_s":1e999}}',
    ],
)
def test_a_field_of_another_type_fails_the_attempt_too(report: bytes) -> None:
    failed = only(read_reports(batch(report)))
    assert isinstance(failed, Failed)
    assert (failed.attempt, failed.failure.code) == (BAD, BAD_REPORT)


@pytest.mark.parametrize("kind", [b"started", b"progressed"])
def test_a_bad_word_on_the_way_is_left_out(kind: bytes) -> None:
    """The attempt goes on; what ends it is still to come."""
    bad = completed(b"NaN", kind=kind)
    received = read_reports(batch(good(OTHERS[0]), bad))
    assert received.reports.reports == OTHERS[:1]
    assert [(one.attempt, one.ends) for one in received.refused] == [(BAD, False)]


@pytest.mark.parametrize(
    "deep",
    [
        Progressed(attempt=BAD, details=nested(VALUE_DEPTH_MAX + 1)),
        Failed(attempt=BAD, failure=Failure(code="c", details=nested(VALUE_DEPTH_MAX + 1))),
        Completed(attempt=BAD, said=Said(emitted=(Emitted(name="e", data=nested(100)),))),
    ],
)
def test_values_that_nobody_looks_at_later_are_not_nested_too_deep(deep: Report) -> None:
    received = read_reports(batch(encode(deep), good(OTHERS[1])))
    assert received.reports.reports[-1] == OTHERS[1]
    assert [one.attempt for one in received.refused] == [BAD]


@pytest.mark.parametrize(
    "report", [b"1", b"{}", b'{"type":"completed"}', b'{"attempt":["run",1e999,0,1]}']
)
def test_a_report_of_nothing_is_left_out(report: bytes) -> None:
    received = read_reports(batch(report, good(OTHERS[0])))
    assert received.reports.reports == OTHERS[:1]
    assert [one.attempt for one in received.refused] == [None]


def test_long_numbers_in_text_are_no_integers() -> None:
    report = Completed(attempt=GOOD, output={"id": "9" * 40, "x": 0.1234567890123456789})
    received = read_reports(encode(Reports(node="n", incarnation="i", reports=(report,))))
    assert only(received) == report
    assert received.refused == ()


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"garbage", b"\xff", b"[" * 100_000, b'{"node":"n","reports":[]}']
)
def test_what_is_no_batch_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt, match="this is not a batch of reports"):
        read_reports(data)


@pytest.mark.parametrize("attempt", [Attempt("r\0n", "s", 0, 1), Attempt("run", "s\0", 0, 1)])
def test_a_report_of_what_cannot_be_named_is_left_out(attempt: Attempt) -> None:
    received = read_reports(batch(completed(b"1", attempt), good(OTHERS[0])))
    assert received.reports.reports == (OTHERS[0],)
    (refused,) = received.refused
    assert refused.attempt is None
    assert "NUL" in refused.problem


def test_a_nul_in_an_output_is_text_as_any_other() -> None:
    report = Completed(attempt=GOOD, output="a\0b")
    assert read_reports(batch(good(report))).reports.reports == (report,)


def test_a_batch_of_a_node_that_cannot_be_named_is_refused() -> None:
    with pytest.raises(Corrupt, match="has a NUL"):
        read_reports(encode(Reports(node="n\0", incarnation="i", reports=(OTHERS[0],))))
