"""Keys of a world, for personal runs: every seed has its own, and nothing is by chance.

What they do is no cryptography, but as strict: bytes open with the key that has sealed them, in the
place that they were sealed for, unchanged, and not otherwise.
"""

import hashlib

from events.sealing import MAGIC, Cipher
from orchestrator.errors import Corrupt

TAG_BYTES = 16
KEY_ID = "world"


class TwinCipher:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, plain: bytes, bound: bytes) -> bytes:
        return self._tag(plain, bound) + self._veiled(plain, bound)

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        plain = self._veiled(sealed[TAG_BYTES:], bound)
        if sealed[:TAG_BYTES] != self._tag(plain, bound):
            raise Corrupt("sealed bytes do not open here: they were changed, or sealed elsewhere")
        return plain

    def _veiled(self, data: bytes, bound: bytes) -> bytes:
        stream = hashlib.shake_256(self._key + b"|" + bound).digest(len(data))
        return bytes(a ^ b for a, b in zip(data, stream, strict=True))

    def _tag(self, plain: bytes, bound: bytes) -> bytes:
        key = hashlib.sha256(self._key).digest()
        return hashlib.blake2b(bound + b"|" + plain, key=key, digest_size=TAG_BYTES).digest()


class TwinKeyring:
    """One key; data keys are numbered."""

    current = KEY_ID
    ids = (KEY_ID,)

    def __init__(self, seed: int) -> None:
        self._key = f"key of world {seed}".encode()
        self._made = 0

    def seal(self, plain: bytes, bound: bytes) -> bytes:
        head = MAGIC + bytes([len(KEY_ID)]) + KEY_ID.encode()
        return head + TwinCipher(self._key).seal(plain, bound)

    def open(self, stored: bytes, bound: bytes) -> bytes:
        return TwinCipher(self._key).open(stored[len(MAGIC) + 1 + len(KEY_ID) :], bound)

    def new_data_key(self) -> bytes:
        self._made += 1
        return hashlib.sha256(self._key + str(self._made).encode()).digest()

    def cipher(self, data_key: bytes) -> Cipher:
        return TwinCipher(data_key)
