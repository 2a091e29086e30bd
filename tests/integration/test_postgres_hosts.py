"""A DSN may name several servers, of which the one that takes writes is used."""

import socket
from collections.abc import Iterator

import pytest

from orchestrator.adapters.postgres.settings import Settings, where
from orchestrator.adapters.postgres.store import PostgresStore

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of somebody who accepts connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(10)
        yield listener.getsockname()[1]


async def test_a_silent_server_does_not_keep_us_from_the_next(dsn: str, silent: int) -> None:
    both = dsn.replace("@127.0.0.1:", f"@127.0.0.1:{silent},127.0.0.1:")
    settings = Settings(dsn=f"{both}&target_session_attrs=read-write", connect_timeout_s=3.0)
    async with await PostgresStore.open(settings) as store:
        assert store.info.shards


def test_a_message_names_each_server_with_its_port() -> None:
    assert where("postgresql://u:p@a:1,b:2/d") == "a:1,b:2/d"
    assert where("host=a,b port=5433 dbname=d") == "a:5433,b:5433/d"
    assert where("postgresql://u:p@a/d") == "a:5432/d"
