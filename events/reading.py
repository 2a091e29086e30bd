"""Reading what comes over the wire: one reader for each kind of message, made once."""

import json
from typing import Generic, TypeVar

import msgspec

from events.api import AnyAnswer, AnyRequest
from events.errors import Corrupt, InvalidValue
from events.limits import INTEGER_MAX
from events.messages import Commands, Heartbeat, HeartbeatAnswer, Reports
from events.values import admit

T = TypeVar("T")

DIGITS = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
"""Every digit as 0, everything else as a space."""
LONG = b"0" * len(str(INTEGER_MAX))
"""No integer with fewer digits leaves 64 bits."""


NUL = b"\\u0000"
"""As JSON has it; nothing else in JSON stands for it."""


def has_long_number(data: bytes) -> bool:
    """Whether there may be an integer over 64 bits in it; text with many digits looks the same."""
    return LONG in data.translate(DIGITS)


class Reader(Generic[T]):
    """Decodes messages of one kind, which may be a union; `what` names it in errors. `stored`:
    parts of it become facts and streams with no further look, so integers over 64 bits and NULs are
    refused here."""

    __slots__ = ("_decoder", "_stored", "_what")

    def __init__(self, kind: object, what: str, *, stored: bool = False) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)
        self._what = what
        self._stored = stored

    def read(self, data: bytes) -> T:
        """Raises `Corrupt`."""
        try:
            if self._stored and NUL in data:
                raise InvalidValue("there is a NUL in it")
            if self._stored and has_long_number(data):
                admit(json.loads(data), self._what)
            return self._decoder.decode(data)
        except (msgspec.MsgspecError, InvalidValue, ValueError, RecursionError) as error:
            raise Corrupt(f"this is not {self._what}: {error}") from error


COMMANDS: Reader[Commands] = Reader(Commands, "a batch of commands")
REPORTS: Reader[Reports] = Reader(Reports, "a batch of reports")
HEARTBEAT: Reader[Heartbeat] = Reader(Heartbeat, "a heartbeat", stored=True)
HEARTBEAT_ANSWER: Reader[HeartbeatAnswer] = Reader(HeartbeatAnswer, "an answer to a heartbeat")
REQUEST: Reader[AnyRequest] = Reader(AnyRequest, "a request")
ANSWER: Reader[AnyAnswer] = Reader(AnyAnswer, "an answer")
