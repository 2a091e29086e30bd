"""What was answered is on the standby: an append whose answer did not come has not landed before.

Cancelling a commit that waits for its standby does not undo it: everybody sees it, and it is lost
with its server.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from events.references import Payload
from orchestrator.adapters.embedded.account import server_account
from orchestrator.adapters.embedded.home import temporary_root
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import Appended, Batch
from orchestrator.errors import Unavailable
from tests.chaos.postgres import Pair
from tests.chaos.wires import Wires
from tests.logs import row, run_batch

pytestmark = [pytest.mark.anyio, pytest.mark.real, pytest.mark.timeout(120)]

TTL_S = 60.0
REPLICATION = "standby>primary"


@pytest.fixture
def wires() -> Iterator[Wires]:
    with Wires() as made:
        yield made


@pytest.fixture
def pair(wires: Wires) -> Iterator[Pair]:
    """A primary and its synchronous standby."""
    root = temporary_root(server_account(), runs_programs=False)
    with tempfile.TemporaryDirectory(dir=root) as folder:
        Path(folder).chmod(0o755)
        made = Pair(Path(folder), wires)
        try:
            made.start()
            migrate(made.dsn())
            yield made
        finally:
            made.close()


async def unanswered(store: PostgresStore, wires: Wires) -> Batch:
    """A batch that its server has, and nobody else: its commit waited for the standby, in vain."""
    (lease,) = await store.acquire([1], "c1", TTL_S)
    sent = run_batch([lease], row("r1"))
    wires.hold(REPLICATION)
    with pytest.raises(Unavailable) as raised:
        await store.append(sent)
    assert raised.value.unknown
    return sent


def hasty(dsn: str) -> Settings:
    """For what fails; what succeeds may have to wait until the standby is connected again."""
    return Settings(dsn=dsn, append_timeout_s=1.0, read_timeout_s=3.0, answer_grace_s=0.2)


async def test_an_append_has_landed_when_the_standby_has_it(pair: Pair, wires: Wires) -> None:
    async with await PostgresStore.open(hasty(pair.dsn())) as store:
        sent = await unanswered(store, wires)
        with pytest.raises(Unavailable):
            await store.landed(sent)
        with pytest.raises(Unavailable):
            await store.append(sent)
    wires.mend(REPLICATION)
    async with await PostgresStore.open(pair.dsn()) as store:
        assert await store.landed(sent)
        assert isinstance(await store.append(sent), Appended)


async def test_a_payload_is_kept_when_the_standby_has_it(pair: Pair, wires: Wires) -> None:
    payload = Payload.of(b'"a large value"')
    async with await PostgresStore.open(hasty(pair.dsn())) as store:
        wires.hold(REPLICATION)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await store.put_payloads([payload])
    wires.mend(REPLICATION)
    async with await PostgresStore.open(pair.dsn()) as store:
        await store.put_payloads([payload])


async def test_an_append_that_only_a_lost_server_has_can_be_repeated(
    pair: Pair, wires: Wires
) -> None:
    async with await PostgresStore.open(hasty(pair.dsn())) as store:
        sent = await unanswered(store, wires)
    await anyio.to_thread.run_sync(pair.servers[pair.primary].kill9)
    wires.sever(REPLICATION)
    await anyio.to_thread.run_sync(pair.promote)
    wires.mend(REPLICATION)
    await anyio.to_thread.run_sync(pair.build_standby)
    async with await PostgresStore.open(pair.dsn()) as store:
        assert not await store.landed(sent)
        assert isinstance(await store.append(sent), Appended)
