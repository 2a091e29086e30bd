"""Reading what comes over the wire: one reader for each kind of message, made once."""

from typing import Generic, TypeVar

import msgspec

from events.api import AnyAnswer, AnyRequest
from events.errors import Corrupt
from events.messages import Commands, Heartbeat, HeartbeatAnswer, Reports

T = TypeVar("T")


class Reader(Generic[T]):
    """Decodes messages of one kind, which may be a union; `what` names it in errors."""

    __slots__ = ("_decoder", "_what")

    def __init__(self, kind: object, what: str) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)
        self._what = what

    def read(self, data: bytes) -> T:
        """Raises `Corrupt`."""
        try:
            return self._decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Corrupt(f"this is not {self._what}: {error}") from error


COMMANDS: Reader[Commands] = Reader(Commands, "a batch of commands")
REPORTS: Reader[Reports] = Reader(Reports, "a batch of reports")
HEARTBEAT: Reader[Heartbeat] = Reader(Heartbeat, "a heartbeat")
HEARTBEAT_ANSWER: Reader[HeartbeatAnswer] = Reader(HeartbeatAnswer, "an answer to a heartbeat")
REQUEST: Reader[AnyRequest] = Reader(AnyRequest, "a request")
ANSWER: Reader[AnyAnswer] = Reader(AnyAnswer, "an answer")
