"""Cursors: where a page ended, as a text that clients hand back unread."""

import base64
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from orchestrator.api.errors import InvalidRequest
from orchestrator.api.shapes import Page

T = TypeVar("T")


def cursor(place: tuple[int | str, ...]) -> str:
    text = base64.urlsafe_b64encode(msgspec.json.encode(place))
    return text.rstrip(b"=").decode()


def after_name(text: str) -> str:
    """What a list by name goes on after. Raises `InvalidRequest`."""
    return place(text, tuple[str])[0] if text else ""


def names_page(found: Sequence[T], limit: int, name: Callable[[T], str]) -> Page[T]:
    """The first page of what follows in a list by name."""
    items = tuple(found[:limit])
    return Page(items=items, next=cursor((name(items[-1]),)) if len(found) > limit else None)


def place(text: str, kind: type[T]) -> T:
    """Raises `InvalidRequest` for what is no cursor of this list."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, msgspec.MsgspecError):
        raise InvalidRequest(
            f"cursor is {text[:40]!r}: expected the `next` of the page before, as it was answered"
        ) from None
