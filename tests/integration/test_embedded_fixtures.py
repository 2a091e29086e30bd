"""What suites with real servers may rely on."""

import psycopg
import pytest

from orchestrator.adapters.embedded import EmbeddedNats, EmbeddedPostgres
from tests.servers import DatabaseFactory, Databases

pytest_plugins = ["tests.servers"]
pytestmark = pytest.mark.real


def make_table(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE made (number int)")


def count(dsn: str) -> object:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT count(*) FROM made").fetchone()


def test_databases_of_one_template_are_apart(database_factory: DatabaseFactory) -> None:
    first, second = database_factory(make_table), database_factory(make_table)
    with psycopg.connect(first) as connection:
        connection.execute("INSERT INTO made VALUES (1)")
    assert count(first) == (1,)
    assert count(second) == (0,)


def test_a_template_is_made_once(databases: Databases) -> None:
    calls: list[str] = []
    made = [databases.create(calls.append) for _ in range(2)]
    assert len(calls) == 1
    for name in made:
        databases.drop(name)


def test_a_database_without_template_is_empty(database: str) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        count(database)


def test_a_database_goes_with_its_test_even_if_it_is_used(
    postgres_server: EmbeddedPostgres, databases: Databases
) -> None:
    name = databases.create(None)
    with psycopg.connect(postgres_server.dsn_of(name)):
        databases.drop(name)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(postgres_server.dsn_of(name))


def test_prefixes_are_fit_for_subjects_and_streams(nats_prefix: str) -> None:
    assert nats_prefix.replace("_", "").isalnum()


def test_private_servers_are_not_the_shared_ones(
    nats_server: EmbeddedNats, nats_server_private: EmbeddedNats
) -> None:
    assert nats_server_private.port != nats_server.port
