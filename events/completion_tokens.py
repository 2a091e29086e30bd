"""Tokens by which somebody else completes a task's attempt, after its handler has ended.

    dst1.<run, step, generation, number as base64url JSON>.<secret>

Who has the token may complete that attempt and nothing else. The log has a digest of the secret
only, so a token follows from nothing that is stored, and a made-up one fits no digest.
"""

import base64
import binascii
import hashlib

import msgspec

from events.errors import Rejected
from events.ids import Attempt
from events.limits import TOKEN_CHARS_MAX

VERSION = "dst1"


class Token(msgspec.Struct, frozen=True):
    """What a token says: which attempt, and the digest that its secret has."""

    attempt: Attempt
    digest: str


def digest_of(secret: str) -> str:
    return _text(hashlib.sha256(secret.encode()).digest())


def token_of(attempt: Attempt, secret: str) -> str:
    """`secret`: letters, digits, `-` and `_`, with 128 bits of entropy at the least."""
    return f"{VERSION}.{_text(msgspec.json.encode(attempt))}.{secret}"


def read_token(text: str) -> Token:
    """Raises `Rejected` for what is no token."""
    version, _, rest = text.strip().partition(".")
    named, _, secret = rest.partition(".")
    if len(text) <= TOKEN_CHARS_MAX and version == VERSION and secret:
        try:
            padded = named + "=" * (-len(named) % 4)
            attempt = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=Attempt)
            return Token(attempt, digest_of(secret))
        except (binascii.Error, ValueError, msgspec.MsgspecError):
            pass
    raise Rejected(
        f"this is no completion token: expected one as ctx.completion_token() makes it, {VERSION}.…"
    )


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
