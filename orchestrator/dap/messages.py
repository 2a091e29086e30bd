"""Messages: requests as they come, and the answers and events that go out.

Arguments are read strictly as to types and leniently as to what is unknown: clients of later
versions of the protocol send more than today's, and what they send beside it means nothing here.
"""

from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec

from events.errors import DalsegnoError
from orchestrator.dap.refusals import DapRefused, Malformed

A = TypeVar("A", bound="Arguments")
Body = dict[str, object]


class Request(msgspec.Struct, frozen=True):
    """`seq` is 0 where the client gave none that could be read."""

    seq: int
    command: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class Arguments(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of arguments; what is null is not there."""


class _Envelope(msgspec.Struct, frozen=True):
    seq: int
    type: str
    command: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _Numbered(msgspec.Struct, frozen=True):
    seq: int = 0
    command: str = ""


def read_request(body: bytes) -> Request | None:
    """The request in a body; None for what needs no answer, a response of the client's. Raises
    `Malformed`, with the number to answer under if it can be told."""
    try:
        found = msgspec.json.decode(body, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotARequest(body, f"no request of the protocol: {error}") from error
    if found.type == "response":
        return None
    if found.type != "request" or not found.command:
        raise NotARequest(body, f"a message of type {found.type[:40]!r}: expected a request")
    return Request(found.seq, found.command, found.arguments)


class NotARequest(Malformed):
    """A body that is no request; `seq` and `command` are what could be read of it."""

    def __init__(self, body: bytes, message: str) -> None:
        super().__init__(message)
        try:
            found = msgspec.json.decode(body, type=_Numbered)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = _Numbered()
        self.seq, self.command = found.seq, found.command


def arguments_of(request: Request, kind: type[A]) -> A:
    """The arguments, checked. Raises `Malformed` naming what is wrong with which of them."""
    try:
        given = msgspec.json.decode(request.arguments)
        if isinstance(given, dict):
            given = {name: value for name, value in given.items() if value is not None}
        return msgspec.convert({} if given is None else given, kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise Malformed(f"the arguments of `{request.command}`: {error}") from error


class Outbox:
    """Numbers what goes out, in order."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._seq = 0

    def respond(self, request: Request, body: object = None) -> None:
        self._answer(request.seq, request.command, body)

    def refuse(self, seq: int, command: str, error: DalsegnoError) -> None:
        """An error response; `message` is for programs, the body for people."""
        number = error.id_ if isinstance(error, DapRefused) else DapRefused.id_
        # `{name}` is a placeholder of the format, so braces of ours go in as a variable.
        told = {"id": number, "format": "{text}", "variables": {"text": str(error)}}
        body = {"error": {**told, "showUser": True}}
        response: Body = {
            "type": "response",
            "request_seq": seq,
            "success": False,
            "command": command,
            "message": str(error),
            "body": body,
        }
        self._put(response)

    def _answer(self, seq: int, command: str, body: object) -> None:
        response: Body = {
            "type": "response",
            "request_seq": seq,
            "success": True,
            "command": command,
        }
        if body is not None:
            response["body"] = body
        self._put(response)

    def event(self, name: str, body: object = None) -> None:
        told: Body = {"type": "event", "event": name}
        if body is not None:
            told["body"] = body
        self._put(told)

    def tell(self, text: str, category: Literal["console", "important"] = "console") -> None:
        """A line in the client's console."""
        self.event("output", {"category": category, "output": f"{text}\n"})

    def _put(self, message: Body) -> None:
        self._seq += 1
        self._send(msgspec.json.encode({"seq": self._seq, **message}))
