"""Framing: `Content-Length: n`, an empty line, n bytes of JSON; both ways.

Whatever comes is taken in bounded memory. A body that is too long is passed over and told, so the
session goes on; a header that is none ends it, since nobody can say where the next message begins.
"""

from collections.abc import Iterator

import msgspec

from events.errors import Rejected
from events.limits import DAP_HEADER_BYTES_MAX, DAP_MESSAGE_BYTES_MAX

END = b"\r\n\r\n"
LENGTH = b"content-length"
DIGITS_MAX = 18


class NoFrame(Rejected):
    """What came is no message of the protocol; the connection cannot go on."""

    code = "dap_framing"


class TooLong(msgspec.Struct, frozen=True):
    """A message of so many bytes came and was passed over."""

    size: int


class Framer:
    """Takes bytes as they come and gives the bodies in them."""

    def __init__(self, bytes_max: int = DAP_MESSAGE_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._held = bytearray()
        self._body: int | None = None
        self._skip = 0

    def feed(self, data: bytes) -> Iterator[bytes | TooLong]:
        """The bodies that are whole now. Raises `NoFrame`."""
        data = self._without_skipped(data)
        self._held += data
        while True:
            if self._body is None and not self._header():
                return
            if self._body is None:
                continue
            if self._body > self._bytes_max:
                yield TooLong(self._body)
                self._begin_skip(self._body)
                continue
            if len(self._held) < self._body:
                return
            body = bytes(self._held[: self._body])
            del self._held[: self._body]
            self._body = None
            yield body

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a message has come yet."""
        return not self._held and self._body is None and not self._skip

    def _without_skipped(self, data: bytes) -> bytes:
        passed = min(self._skip, len(data))
        self._skip -= passed
        return data[passed:]

    def _begin_skip(self, size: int) -> None:
        passed = min(size, len(self._held))
        del self._held[:passed]
        self._skip, self._body = size - passed, None

    def _header(self) -> bool:
        """Reads a header if it is whole."""
        end = self._held.find(END, 0, DAP_HEADER_BYTES_MAX + len(END))
        if end < 0:
            if len(self._held) > DAP_HEADER_BYTES_MAX:
                raise NoFrame(
                    f"a header of over {DAP_HEADER_BYTES_MAX} bytes: expected `Content-Length: n` "
                    "and an empty line"
                )
            self._refuse_foreign(bytes(self._held))
            return False
        self._body = _length(bytes(self._held[:end]))
        del self._held[: end + len(END)]
        return True

    @staticmethod
    def _refuse_foreign(begun: bytes) -> None:
        """Another protocol is told so with its first line, and not when its peer has given up."""
        line, ended, _ = begun.partition(b"\r\n")
        if ended and b":" not in line:
            raise NoFrame(_expected(line))


def _length(header: bytes) -> int:
    for line in header.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon:
            raise NoFrame(_expected(line))
        if name.strip().lower() == LENGTH:
            text = value.strip()
            if not text.isdigit() or len(text) > DIGITS_MAX:
                raise NoFrame(_expected(line))
            return int(text)
    raise NoFrame(_expected(header))


def _expected(found: bytes) -> str:
    shown = found[:60].decode("ascii", "replace")
    return (
        f"expected the header `Content-Length: n` of the debug adapter protocol, found {shown!r}: "
        "is the client one for debug adapters?"
    )


def framed(body: bytes) -> bytes:
    """A message as it goes over the wire."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
