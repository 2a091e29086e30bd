"""What adapters do at their limits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
from nats.aio.msg import Msg

from events.limits import EXPRESSIONS_KEPT_MAX, MESSAGES_WAITING_MAX, STATE_BYTES_MAX
from events.sealing import NoKeys
from orchestrator.adapters.cel import CelExpressions
from orchestrator.adapters.nats.link import Link
from orchestrator.adapters.nats.listen import Topic, listen
from orchestrator.adapters.postgres.snapshots import checksum, unpack
from orchestrator.replay.snapshots import Damaged


@pytest.mark.edge("EXPRESSIONS_KEPT_MAX")
def test_so_many_compiled_expressions_are_kept() -> None:
    cel = CelExpressions()
    first = cel.paths("input.x + 0")
    for number in range(1, EXPRESSIONS_KEPT_MAX):
        cel.paths(f"input.x + {number}")
    assert cel.paths("input.x + 0") is first

    second = cel.paths("input.x + 1")
    cel.paths(f"input.x + {EXPRESSIONS_KEPT_MAX}")
    assert cel.paths("input.x + 1") is second, "used after the others, so another one has left"
    assert cel.paths("input.x + 0") is first


class Flooding:
    """A link and its session, on which so many messages come at once."""

    closed = False

    def __init__(self, count: int) -> None:
        self._count = count
        self.lost = asyncio.Event()

    async def session(self) -> "Flooding":
        return self

    @asynccontextmanager
    async def subscription(
        self, subject: str, came: Callable[[Msg], Awaitable[None]], queue: str
    ) -> AsyncIterator[None]:
        for _ in range(self._count):
            await came(cast(Msg, object()))
        yield

    async def wait_for(self, event: asyncio.Event) -> None:
        if not event.is_set():
            self.closed = True
            self.lost.set()


@pytest.mark.edge("STATE_BYTES_MAX")
@pytest.mark.parametrize(
    ("size", "said"), [(STATE_BYTES_MAX, "decompressed"), (STATE_BYTES_MAX + 1, "over")]
)
def test_a_snapshot_that_says_it_is_larger_is_not_even_decompressed(size: int, said: str) -> None:
    """Neither frame has what its head announces."""
    head = b"\x28\xb5\x2f\xfd" + b"\xe0" + size.to_bytes(8, "little")
    place = ("run:r", 1, "d", "f")
    row = ("run:r", 1, "automatic", "d", "f", checksum(place, head), head, "", "", "{}")

    with pytest.raises(Damaged, match=said):
        unpack(row, NoKeys())


@pytest.mark.anyio
@pytest.mark.edge("MESSAGES_WAITING_MAX")
@pytest.mark.parametrize("more", [0, 1])
async def test_so_many_messages_wait_to_be_read(
    more: int, caplog: pytest.LogCaptureFixture
) -> None:
    link = cast(Link, Flooding(MESSAGES_WAITING_MAX + more))

    read = [message async for message in listen(link, [Topic("s")])]

    assert len(read) == MESSAGES_WAITING_MAX
    assert ("1 messages were dropped" in caplog.text) is bool(more)
