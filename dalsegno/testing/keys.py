"""Keys and secrets of an environment, made from its seed: the same seed is the same history.

They protect nothing. What is sealed with them is sealed as in production, so that what a test sees
of a personal run, and of its erasure, is what operators will see.
"""

import base64
import hashlib
import hmac
from itertools import count

from orchestrator.adapters.crypto.keyring import Keys

KEY_ID = "test"


class SeededKeys(Keys):
    """A keyring with one key."""

    def __init__(self, seed: int) -> None:
        self._secret = _derived(seed, "key")
        self._numbers = count(1)
        super().__init__({KEY_ID: self._secret}, KEY_ID)

    def new_data_key(self) -> bytes:
        return hmac.digest(self._secret, str(next(self._numbers)).encode(), "sha256")


class SeededSecrets:
    """Those of completion tokens."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._numbers = count(1)

    def __call__(self) -> str:
        made = _derived(self._seed, f"token {next(self._numbers)}")
        return base64.urlsafe_b64encode(made[:16]).decode().rstrip("=")


def _derived(seed: int, what: str) -> bytes:
    return hashlib.sha256(f"dalsegno.testing {seed} {what}".encode()).digest()
