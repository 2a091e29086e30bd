"""Framing: messages come in pieces, in bounded memory, and what is none ends the connection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.limits import DAP_HEADER_BYTES_MAX, DAP_MESSAGE_BYTES_MAX
from orchestrator.dap.framing import Framer, NoFrame, TooLong, framed


@given(st.lists(st.binary(max_size=300)), st.integers(1, 70))
def test_messages_come_out_as_they_went_in_however_they_are_cut(
    bodies: list[bytes], size: int
) -> None:
    wire = b"".join(framed(body) for body in bodies)
    framer, found = Framer(), list[bytes | TooLong]()
    for start in range(0, len(wire), size):
        found += framer.feed(wire[start : start + size])
    assert found == bodies


def test_other_header_lines_are_passed_over() -> None:
    wire = b"Content-Type: application/vscode-jsonrpc\r\nCONTENT-length:  2\r\n\r\n{}"
    assert list(Framer().feed(wire)) == [b"{}"]


@given(st.integers(11, 500), st.integers(1, 70))
def test_a_message_that_is_too_long_is_passed_over_and_the_next_one_is_read(
    length: int, size: int
) -> None:
    wire = framed(b"x" * length) + framed(b"next")
    framer, found = Framer(bytes_max=10), list[bytes | TooLong]()
    for start in range(0, len(wire), size):
        found += framer.feed(wire[start : start + size])
    assert found == [TooLong(length), b"next"]


@pytest.mark.edge("DAP_MESSAGE_BYTES_MAX")
def test_the_longest_message_is_read_and_one_byte_more_is_not() -> None:
    framer = Framer()
    longest = b"x" * DAP_MESSAGE_BYTES_MAX
    assert list(framer.feed(framed(longest))) == [longest]
    too_long = b"Content-Length: %d\r\n\r\n" % (DAP_MESSAGE_BYTES_MAX + 1)
    assert list(framer.feed(too_long)) == [TooLong(DAP_MESSAGE_BYTES_MAX + 1)]


@pytest.mark.edge("DAP_HEADER_BYTES_MAX")
def test_a_header_that_does_not_end_is_none() -> None:
    framer = Framer()
    assert list(framer.feed(b"a: " + b"x" * (DAP_HEADER_BYTES_MAX - 3))) == []
    with pytest.raises(NoFrame, match="a header of over"):
        list(framer.feed(b"x"))


@pytest.mark.parametrize(
    "wire",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\n",
        b"Content-Length: -3\r\n\r\n",
        b"Content-Length: many\r\n\r\n",
        b"Content-Length: 99999999999999999999999\r\n\r\n",
        b"Host: somewhere\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_another_protocol_is_told_so(wire: bytes) -> None:
    with pytest.raises(NoFrame, match="expected the header `Content-Length: n`"):
        list(Framer().feed(wire))
