"""Cursors: where a page ended, as a text that clients hand back unread."""

import base64
from typing import TypeVar

import msgspec

from orchestrator.api.errors import InvalidRequest

T = TypeVar("T")


def cursor(place: tuple[int | str, ...]) -> str:
    text = base64.urlsafe_b64encode(msgspec.json.encode(place))
    return text.rstrip(b"=").decode()


def place(text: str, kind: type[T]) -> T:
    """Raises `InvalidRequest` for what is no cursor of this list."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, msgspec.MsgspecError):
        raise InvalidRequest(
            f"cursor is {text[:40]!r}: expected the `next` of the page before, as it was answered"
        ) from None
