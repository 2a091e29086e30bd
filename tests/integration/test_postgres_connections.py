"""A login that is broken off leaves no connection open: the server would wait for its rest."""

import gc
from collections.abc import Iterator

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketListener

from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.errors import Unavailable

pytestmark = [pytest.mark.anyio, pytest.mark.real]
DEADLINE_S = 10.0


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Nothing is closed only because garbage happens to be looked for."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("connect_timeout_s", [2.0, 60.0], ids=["late", "cancelled"])
async def test_a_login_that_is_broken_off_is_hung_up_at_once(connect_timeout_s: float) -> None:
    (listener,) = (await anyio.create_tcp_listener(local_host="127.0.0.1")).listeners
    assert isinstance(listener, SocketListener)
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 -- a socket's, not Django's
    dsn = f"postgresql://u:p@127.0.0.1:{port}/d"
    settings = Settings(dsn=dsn, connect_timeout_s=connect_timeout_s)
    endings: list[BaseException] = []

    async def open_store() -> None:
        try:
            await PostgresStore.open(settings)
        except BaseException as error:
            endings.append(error)  # kept, as a task keeps what it ended with
            if not isinstance(error, Unavailable):
                raise

    with anyio.fail_after(DEADLINE_S):
        async with listener, anyio.create_task_group() as group:
            group.start_soon(open_store)
            async with await listener.accept() as server:
                assert await server.receive()
                if connect_timeout_s > DEADLINE_S:
                    group.cancel_scope.cancel()
                with anyio.CancelScope(shield=True), pytest.raises(anyio.EndOfStream):
                    await server.receive()
    assert len(endings) == 1
