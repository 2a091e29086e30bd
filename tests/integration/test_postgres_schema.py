"""The schema is made once, refused if it is another release's; a wrong address is explained."""

from concurrent.futures import ThreadPoolExecutor

import anyio
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.adapters.embedded import EmbeddedPostgres
from orchestrator.adapters.embedded.ports import free_port
from orchestrator.adapters.postgres import schema
from orchestrator.adapters.postgres.queries import Queries, migrations
from orchestrator.adapters.postgres.schema import SHARDS, LogInfo, migrate, newest
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.errors import DalsegnoError, Misconfigured, Unavailable

pytest_plugins = ["tests.servers"]
pytestmark = pytest.mark.real

NEWEST = newest()
LATER = f"INSERT INTO dalsegno.migration VALUES ({NEWEST + 1}, 'later')"
RAISED = f"UPDATE dalsegno.log SET schema_min = {NEWEST + 1}, release_min = '9.0.0'"
ACQUIRED_BY_0_1_0 = """
    INSERT INTO dalsegno.shard_lease AS l (shard, epoch, holder, expires_at)
    SELECT wanted.shard, 1, 'old', clock_timestamp() + interval '1 minute'
    FROM unnest(ARRAY[0, 1]) AS wanted (shard)
    ON CONFLICT (shard) DO UPDATE SET
        epoch = l.epoch + 1, holder = excluded.holder, expires_at = excluded.expires_at
    WHERE l.expires_at <= clock_timestamp() OR l.holder = excluded.holder
    RETURNING l.shard
"""


def run(dsn: str, command: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(command.encode())
        return cursor.fetchall() if cursor.description else []


def open_and_close(dsn: str) -> LogInfo:
    async def use() -> LogInfo:
        settings = Settings(dsn=dsn, connect_timeout_s=10.0)
        async with await PostgresStore.open(settings) as store:
            return store.info

    return anyio.run(use)


class TestMigrate:
    def test_makes_a_schema_that_a_store_accepts(self, database: str) -> None:
        made = migrate(database, log="east", shards=4)
        assert made == LogInfo(name="east", shards=4, schema=NEWEST)
        assert open_and_close(database) == made

    def test_done_again_changes_nothing(self, database: str) -> None:
        first = migrate(database)
        applied = run(database, "SELECT number, applied_at FROM dalsegno.migration")
        assert migrate(database) == first == LogInfo(name="main", shards=SHARDS, schema=NEWEST)
        assert run(database, "SELECT number, applied_at FROM dalsegno.migration") == applied

    def test_done_by_many_at_once_is_done_once(self, database: str) -> None:
        with ThreadPoolExecutor(4) as threads:
            made = list(threads.map(migrate, [database] * 4))
        assert made == [made[0]] * 4
        assert run(database, "SELECT count(*) FROM dalsegno.migration") == [(len(migrations()),)]

    def test_a_migration_that_fails_leaves_nothing(self, database: str) -> None:
        run(database, "CREATE SCHEMA dalsegno; CREATE TABLE dalsegno.snapshots (other int)")
        with pytest.raises(DalsegnoError, match="snapshots"):
            migrate(database)
        assert run(database, "SELECT to_regclass('dalsegno.events')::text") == [(None,)]

    def test_gives_way_to_who_works_with_what_it_changes(
        self, database: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An append of a release before takes the tables in an order of its own."""
        migrate(database)
        later = """ALTER TABLE dalsegno.run_index ADD COLUMN later int;
            ALTER TABLE dalsegno.events ADD COLUMN later int"""
        found = [*migrations(), (NEWEST + 1, "later", later)]
        monkeypatch.setattr(schema, "migrations", lambda: found)
        with psycopg.connect(database) as appending, ThreadPoolExecutor(1) as threads:
            appending.execute("LOCK TABLE dalsegno.events IN ROW EXCLUSIVE MODE")
            made = threads.submit(migrate, database)
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            while run(database, waiting) == [(0,)]:
                assert not made.done()
            appending.execute("LOCK TABLE dalsegno.run_index IN ROW EXCLUSIVE MODE")
            appending.commit()
            assert made.result(20).schema == NEWEST + 1

    def test_says_so_when_a_table_stays_locked(
        self, database: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        migrate(database)
        monkeypatch.setattr(schema, "PATIENCE_S", 1.0)
        later = (NEWEST + 1, "later", "ALTER TABLE dalsegno.events ADD COLUMN later int")
        monkeypatch.setattr(schema, "migrations", lambda: [*migrations(), later])
        with psycopg.connect(database) as other:
            other.execute("LOCK TABLE dalsegno.events IN ROW EXCLUSIVE MODE")
            with pytest.raises(Unavailable, match="others have had its tables locked"):
                migrate(database)
        assert run(database, "SELECT max(number) FROM dalsegno.migration") == [(NEWEST,)]

    def test_the_number_of_shards_is_for_ever(self, database: str) -> None:
        migrate(database, shards=4)
        with pytest.raises(Misconfigured, match="has 4 shards, 8 were asked for"):
            migrate(database, shards=8)
        assert migrate(database).shards == 4

    def test_refuses_what_a_newer_release_keeps_from_us(self, database: str) -> None:
        migrate(database)
        run(database, LATER)
        run(database, RAISED)
        with pytest.raises(Misconfigured, match=f"schema {NEWEST + 1}.*knows {NEWEST}.*9.0.0"):
            migrate(database)

    def test_leaves_a_newer_schema_alone_that_we_can_live_with(self, database: str) -> None:
        migrate(database)
        run(database, LATER)
        assert migrate(database).schema == NEWEST + 1

    def test_refuses_another_encoding(self, postgres_server: EmbeddedPostgres) -> None:
        run(
            postgres_server.dsn,
            "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
        )
        try:
            with pytest.raises(Misconfigured, match="encoding LATIN1, expected UTF8"):
                migrate(postgres_server.dsn_of("latin"))
        finally:
            run(postgres_server.dsn, "DROP DATABASE latin")

    def test_needs_the_right_to_create(
        self, database: str, postgres_server: EmbeddedPostgres
    ) -> None:
        run(database, "CREATE ROLE guest LOGIN PASSWORD 'guest'")
        try:
            with pytest.raises(Misconfigured, match="permission denied"):
                migrate(make_conninfo(database, user="guest", password="guest"))
        finally:
            run(database, "DROP ROLE guest")


class TestOpen:
    def test_refuses_a_database_without_a_schema(self, database: str) -> None:
        with pytest.raises(Misconfigured, match="no schema dalsegno: run `dalsegno migrate`"):
            open_and_close(database)

    def test_refuses_an_older_schema(self, database: str) -> None:
        migrate(database)
        run(database, "DELETE FROM dalsegno.migration")
        with pytest.raises(Misconfigured, match=f"schema 0.*needs {NEWEST}.*dalsegno migrate"):
            open_and_close(database)

    def test_refuses_what_a_newer_release_keeps_from_us(self, database: str) -> None:
        migrate(database)
        run(database, LATER)
        run(database, RAISED)
        with pytest.raises(Misconfigured, match=f"schema {NEWEST + 1}.*knows {NEWEST}.*9.0.0"):
            open_and_close(database)

    def test_accepts_a_newer_schema_that_we_can_live_with(self, database: str) -> None:
        migrate(database)
        run(database, LATER)
        assert open_and_close(database).schema == NEWEST + 1

    def test_says_when_a_table_has_vanished(self, database: str) -> None:
        migrate(database)

        async def use() -> None:
            async with await PostgresStore.open(database) as store:
                run(database, "DROP TABLE dalsegno.run_index")
                with pytest.raises(Misconfigured, match=r"run_index.*dalsegno migrate"):
                    await store.index_row("1")

        anyio.run(use)


class TestFloor:
    """Who knows less than the log asks for takes no shard, gets no share, and keeps what it has."""

    def test_a_release_that_does_not_say_what_it_knows_takes_nothing(self, database: str) -> None:
        migrate(database)
        assert run(database, ACQUIRED_BY_0_1_0) == []

        async def use() -> None:
            async with await PostgresStore.open(database) as store:
                first = await store.acquire([0, 1], "new", 0.0)
                assert len(first) == 2
                assert run(database, ACQUIRED_BY_0_1_0) == [], "nor what is free again"
                again = await store.acquire([0, 1], "new", 0.0)
                assert all(b.epoch > a.epoch for a, b in zip(first, again, strict=True))

        anyio.run(use)

    def test_a_release_that_is_overtaken_hands_over(self, database: str) -> None:
        migrate(database)

        async def use() -> None:
            async with await PostgresStore.open(database) as store:
                assert await store.attend("ours", 60.0) == ["ours"]
                held = await store.acquire([0, 1], "ours", 60.0)
                run(database, LATER)
                run(database, RAISED)
                assert await store.attend("ours", 60.0) == []
                assert await store.renew(held, "ours", 60.0) == held
                assert await store.acquire([0, 1, 2], "ours", 60.0) == []

        anyio.run(use)


class TestAddress:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"password": "wrong"}, "password authentication failed"),
            ({"user": "nobody", "password": "x"}, "password authentication failed"),
            ({"dbname": "nowhere"}, "does not exist"),
        ],
    )
    def test_a_wrong_login_or_database_is_misconfigured(
        self, database: str, changes: dict[str, str], said: str
    ) -> None:
        wrong = make_conninfo(database, **changes)
        for use in (open_and_close, migrate):
            with pytest.raises(Misconfigured, match=said) as caught:
                use(wrong)
            assert "Correct the DSN" in str(caught.value)

    @pytest.mark.parametrize("wrong", ["postgres://a:sesame@b:port/c", "sesame", "host"])
    def test_what_is_no_address_is_misconfigured_and_not_repeated(self, wrong: str) -> None:
        for use in (open_and_close, migrate):
            with pytest.raises(Misconfigured, match="DSN") as caught:
                use(wrong)
            assert "sesame" not in str(caught.value)

    def test_a_server_that_is_away_is_unavailable(self) -> None:
        away = f"postgresql://a:sesame@127.0.0.1:{free_port()}/c"
        for use in (open_and_close, migrate):
            with pytest.raises(Unavailable, match=r"127\.0\.0\.1") as caught:
                use(away)
            assert "sesame" not in str(caught.value)


def test_every_statement_says_why() -> None:
    queries = Queries()
    assert [n for n in queries.names() if not queries[n].startswith("-- Why: ")] == []
    assert [name for _, name, text in migrations() if "-- Why: " not in text] == []


def test_migrations_are_numbered_without_gap() -> None:
    assert [number for number, _, _ in migrations()] == list(range(1, NEWEST + 1))


def test_nothing_is_made_outside_our_schema(database: str) -> None:
    migrate(database)
    outside = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert run(database, outside) == []
