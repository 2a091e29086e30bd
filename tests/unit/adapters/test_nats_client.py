"""What the client tells when its time is over, against a server that is only there for that."""

from typing import cast

import pytest

from events.errors import Unavailable
from events.jetstream import Call
from events.subjects import Subjects
from orchestrator.adapters.nats.client import Client
from orchestrator.adapters.nats.link import Link
from orchestrator.adapters.nats.session import NobodyAnswers, TooSlow

pytestmark = pytest.mark.anyio


class DesertedServer:
    """Says twice that nobody is there, and then nothing any more; only that takes time."""

    shown = "nats://nowhere"
    bytes_max = 1000

    def __init__(self) -> None:
        self.asked = 0
        self.now = 0.0

    async def session(self) -> "DesertedServer":
        return self

    async def ask(self, call: Call, timeout_s: float) -> bytes:
        self.asked += 1
        if self.asked <= 2:
            raise NobodyAnswers(f"nobody listens on {call.subject}")
        self.now += timeout_s
        raise TooSlow(f"no answer to {call.subject}", unknown=True)


@pytest.mark.parametrize(
    ("timeout_s", "said"),
    [(1.0, "shard 3 has no owner on NATS"), (3.0, "no answer from the owner of shard 3")],
    ids=["no time for an answer", "time for one"],
)
async def test_a_try_that_had_too_little_time_does_not_hide_that_nobody_was_there(
    timeout_s: float, said: str
) -> None:
    server = DesertedServer()
    client = Client(cast(Link, server), Subjects("test"), timeout_s, lambda: server.now)
    with pytest.raises(Unavailable, match=said):
        await client.greet(3, timeout_s)
    assert server.asked >= 3
