"""Repeated requests: the same key gets the same answer, and is carried out once.

    first ──► carried out ──► answer kept ──► repeated: answered with it
                 └── meanwhile repeated: waits for the same answer

Answers are kept in memory, for the keys used last. What is done under an id (a start, a fork, a
signal, an operator's action) has one that is made of the key, so that also after a restart, or by
another process, it is not done twice. What failed with 5xx was not answered: it may be tried again.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import anyio
import msgspec

from events.limits import API_KEYS_MAX
from orchestrator.api.errors import KeyReused


class Answered(msgspec.Struct, frozen=True):
    status: int
    media_type: str
    body: bytes
    headers: dict[str, str] = {}


class _Kept:
    """What was asked under a key, and the answer once there is one."""

    def __init__(self, asked: bytes) -> None:
        self.asked = asked
        self.lock = anyio.Lock()
        self.answer: Answered | None = None


class Repeats:
    """Remembers answers by who asked, what, and the key."""

    def __init__(self, keys_max: int = API_KEYS_MAX) -> None:
        self._keys_max = keys_max
        self._kept: OrderedDict[tuple[str, str, str], _Kept] = OrderedDict()

    async def once(
        self,
        key: tuple[str, str, str],
        asked: object,
        carry_out: Callable[[], Awaitable[Answered]],
    ) -> Answered:
        """The answer, now or as it was. Raises `KeyReused` for another request."""
        digest = hashlib.sha256(msgspec.json.encode(asked, order="sorted")).digest()
        kept = self._kept.setdefault(key, _Kept(digest))
        self._kept.move_to_end(key)
        if kept.asked != digest:
            raise KeyReused(
                f"the idempotency key {key[2]!r} was used for another request: choose a new one"
            )
        async with kept.lock:
            if kept.answer is None:
                answer = await carry_out()
                if answer.status < 500:
                    kept.answer = answer
            else:
                answer = kept.answer
        while len(self._kept) > self._keys_max:
            self._kept.popitem(last=False)
        return answer
