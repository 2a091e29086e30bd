"""Reading what comes over the wire."""

import pytest

from events import api
from events import messages as m
from events.codec import encode
from events.errors import Corrupt
from events.ids import Attempt
from events.reading import ANSWER, COMMANDS, HEARTBEAT, HEARTBEAT_ANSWER, REPORTS, REQUEST, Reader

ATTEMPT = Attempt("r", "s", 0, 1)
READERS: list[Reader[object]] = [
    COMMANDS,  # type: ignore[list-item]
    REPORTS,  # type: ignore[list-item]
    HEARTBEAT,  # type: ignore[list-item]
    HEARTBEAT_ANSWER,  # type: ignore[list-item]
    REQUEST,  # type: ignore[list-item]
    ANSWER,  # type: ignore[list-item]
]


def test_members_of_a_union_are_told_apart_by_their_tag() -> None:
    reports = m.Reports(
        node="n",
        incarnation="i",
        reports=(m.Started(attempt=ATTEMPT, started_at=1), m.Completed(attempt=ATTEMPT)),
    )
    assert REPORTS.read(encode(reports)) == reports
    assert REQUEST.read(encode(api.Hello())) == api.Hello()
    assert REQUEST.read(encode(api.ListNodes())) == api.ListNodes()


def test_a_heartbeat_has_no_integer_that_cannot_be_stored() -> None:
    labels = {"serial": "9" * 30}
    beat = m.Heartbeat(node="n", incarnation="i", sequence=2**63 - 1, labels=labels)
    assert HEARTBEAT.read(encode(beat)) == beat
    with pytest.raises(Corrupt, match="slots is an integer of 70 bits"):
        HEARTBEAT.read(encode(m.Heartbeat(node="n", incarnation="i", sequence=1, slots=2**69)))


def test_a_heartbeat_of_a_node_that_cannot_be_named_is_refused() -> None:
    with pytest.raises(Corrupt, match="there is a NUL in it"):
        HEARTBEAT.read(encode(m.Heartbeat(node="n\0", incarnation="i", sequence=1)))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"type":"nope"}', b"[" * 100_000]
)
def test_anything_else_is_corrupt_and_says_what_was_expected(
    reader: Reader[object], data: bytes
) -> None:
    with pytest.raises(Corrupt, match="this is not a"):
        reader.read(data)
