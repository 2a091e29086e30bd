"""A plain client of the test's NATS, and what JetStream says of its consumers.

PYTEST_DONT_REWRITE: there are no assertions here, and suites import from this module, too.
"""

from collections.abc import AsyncIterator

import anyio
import nats
import pytest
from nats.aio.client import Client

from orchestrator.adapters.embedded import EmbeddedNats
from tests.contract.planes import DEADLINE_S


@pytest.fixture
async def raw(nats_server: EmbeddedNats) -> AsyncIterator[Client]:
    client = await nats.connect(nats_server.url)
    yield client
    await client.close()


async def until_nothing_is_pending(raw: Client, stream: str) -> None:
    """Waits until the stream's only consumer has delivered everything, all of it acknowledged."""
    with anyio.fail_after(DEADLINE_S):
        while True:
            (info,) = await raw.jetstream().consumers_info(stream)
            if info.num_ack_pending == 0 and info.num_pending == 0:
                return
            await raw.flush()
