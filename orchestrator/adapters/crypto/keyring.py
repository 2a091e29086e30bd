"""The keyring: AES-256-GCM with keys that have ids.

A keyring is lines of text, `ID KEY` with 32 bytes as base 64 each; the last one is current unless
another is named. Master keys seal few large things under random nonces: with 2^32 of them under one
key the chance of a nonce twice is still below one in 2^32 (NIST SP 800-38D), and `keys new` begins
anew.

Data keys seal many small things, and where they do nothing may be left to chance: the nonce is made
from the key, the place and the plain bytes (RFC 8452 does it so). The same value at the same place
gives the same bytes; any other gives another nonce.
"""

import base64
import binascii
import hmac
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from events.sealing import MAGIC, NoKeys, check_key_id, key_of, missing
from orchestrator.errors import Corrupt, Misconfigured, MissingKey

KEY_BYTES = 32
NONCE_BYTES = 12
EXAMPLE = "a line such as `2026-11 BASE64`, with 32 bytes as base 64; `dalsegno keys new` makes one"


class Keys:
    """Implements `Keyring`; immutable."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._current = current

    @property
    def current(self) -> str:
        return self._current

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._ciphers)

    def seal(self, plain: bytes, bound: bytes) -> bytes:
        name = self._current.encode()
        nonce = os.urandom(NONCE_BYTES)
        head = MAGIC + bytes([len(name)]) + name
        return head + nonce + self._ciphers[self._current].encrypt(nonce, plain, head + bound)

    def open(self, stored: bytes, bound: bytes) -> bytes:
        if not stored.startswith(MAGIC):
            return stored
        key_id = key_of(stored)
        if key_id not in self._ciphers:
            raise MissingKey(missing(key_id))
        start = len(MAGIC) + 1 + len(key_id)
        nonce, sealed = stored[start : start + NONCE_BYTES], stored[start + NONCE_BYTES :]
        try:
            return self._ciphers[key_id].decrypt(nonce, sealed, stored[:start] + bound)
        except (InvalidTag, ValueError) as error:
            raise Corrupt(
                f"bytes sealed with key {key_id} were changed, or belong elsewhere"
            ) from error

    def new_data_key(self) -> bytes:
        return new_key()

    def cipher(self, data_key: bytes) -> "DataKey":
        return DataKey(data_key)


class DataKey:
    """A key of its own for what one person's runs say. Pure: the same in, the same out."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, bound: bytes) -> bytes:
        nonce = hmac.digest(self._key, bound + b"\0" + plain, "sha256")[:NONCE_BYTES]
        return nonce + self._cipher.encrypt(nonce, plain, bound)

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        """Raises `Corrupt`."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
        except (InvalidTag, ValueError) as error:
            raise Corrupt("sealed values were changed, or belong elsewhere") from error


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)


def key_line(key_id: str, key: bytes) -> str:
    """A line of a keyring. Raises `Misconfigured`."""
    check_key_id(key_id)
    return f"{key_id} {base64.b64encode(key).decode()}"


def keyring(text: str, current: str, source: str) -> Keys | NoKeys:
    """The keyring that a text has. Raises `Misconfigured` naming `source` and the line, never the
    key."""
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        where = f"{source}, line {number}"
        if len(words) != 2:
            raise Misconfigured(f"{where}: expected {EXAMPLE}")
        key_id, key = words[0], _decoded(words[1], where)
        check_key_id(key_id)
        if keys.get(key_id, key) != key:
            raise Misconfigured(f"{where}: there is another key with the id {key_id}")
        keys[key_id] = key
    if current and current not in keys:
        raise Misconfigured(
            f"keys.current is {current!r}, which {source} does not have: expected one of "
            f"{', '.join(keys) or 'no keys at all'}"
        )
    return Keys(keys, current or list(keys)[-1]) if keys else NoKeys()


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Misconfigured(f"{where}: the key is not base 64; expected {EXAMPLE}") from None
    if len(key) != KEY_BYTES:
        raise Misconfigured(f"{where}: the key has {len(key)} bytes; expected {EXAMPLE}")
    return key
