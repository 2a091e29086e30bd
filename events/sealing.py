"""Sealed bytes: their form, and what is needed of a keyring to make and to open them.

    DSK1 | length of the key's id | the key's id | nonce, 12 bytes | ciphertext and tag

So bytes say themselves whether they are encrypted and with which key: plain ones, which an older
release or a process without keys has written, are never taken for sealed ones, and a new key needs
no change of what is stored. `bound` is said again when they are opened, so that sealed bytes that
were copied to another place do not open there.
"""

from typing import Protocol

import msgspec

from events.errors import Misconfigured, MissingKey, Rejected

MAGIC = b"DSK1"
KEY_ID_MAX = 40
HEAD_BYTES = len(MAGIC) + 1 + KEY_ID_MAX
"""Of stored bytes, enough to see what they are sealed with."""


class Cipher(Protocol):
    """A data key. Pure: the same in, the same out, so that it may be used in decisions."""

    def seal(self, plain: bytes, bound: bytes) -> bytes: ...

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        """Raises `Corrupt`."""


class EventKey(msgspec.Struct, frozen=True):
    """The data key that a run's events are written with, and its id."""

    id: str
    cipher: Cipher


class Keyring(Protocol):
    """Keys by id; one of them is for new bytes."""

    @property
    def current(self) -> str:
        """The id of the key for new bytes; empty: they stay plain."""

    @property
    def ids(self) -> tuple[str, ...]: ...

    def seal(self, plain: bytes, bound: bytes) -> bytes:
        """With the current key; the same bytes when there is none."""

    def open(self, stored: bytes, bound: bytes) -> bytes:
        """Plain bytes come back as they are. Raises `MissingKey`, and `Corrupt` for bytes that were
        changed or sealed for another place."""

    def new_data_key(self) -> bytes:
        """By chance. Raises `Rejected` when there is no key that it could be sealed with."""

    def cipher(self, data_key: bytes) -> Cipher: ...


class NoKeys:
    """The keyring of who has none: writes plain, reads plain."""

    current = ""
    ids: tuple[str, ...] = ()

    def seal(self, plain: bytes, bound: bytes) -> bytes:
        return plain

    def open(self, stored: bytes, bound: bytes) -> bytes:
        if key_id := key_of(stored):
            raise MissingKey(missing(key_id))
        return stored

    def new_data_key(self) -> bytes:
        raise Rejected(
            "personal runs need a key, and none is configured: make one with `dalsegno keys new`, "
            "and set keys.file for every coordinator"
        )

    def cipher(self, data_key: bytes) -> Cipher:
        raise MissingKey("no keys are configured")


def key_of(stored: bytes) -> str:
    """The id of the key that stored bytes, or their first `HEAD_BYTES`, are sealed with; "" when
    they are plain."""
    if stored[: len(MAGIC)] != MAGIC or len(stored) <= len(MAGIC):
        return ""
    start = len(MAGIC) + 1
    return stored[start : start + stored[start - 1]].decode("ascii", "replace")


def missing(key_id: str) -> str:
    return (
        f"key {key_id} is needed and not configured: put it into the keyring again "
        "(`dalsegno keys list` shows which keys are in use)"
    )


def check_key_id(key_id: str) -> None:
    """Raises `Misconfigured`."""
    known = key_id.isascii() and key_id.replace("-", "").replace("_", "").replace(".", "").isalnum()
    if not known or len(key_id) > KEY_ID_MAX:
        raise Misconfigured(
            f"{key_id[:KEY_ID_MAX]!r} is no id of a key: expected at most {KEY_ID_MAX} letters, "
            "digits, `.`, `_` and `-`"
        )
