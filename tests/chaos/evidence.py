"""What is left when a session is over: the log with the instants of its commits, and the ledger."""

from collections import defaultdict
from pathlib import Path

import msgspec
import psycopg

from events.catalogue import Catalogue
from events.completions import COMPLETIONS_TABLE
from events.envelope import Event, Stored, unseal
from tests.chaos.handlers import Line

READ = """
SELECT originator_id, originator_version, topic, state, notification_id,
       (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint
FROM dalsegno.events ORDER BY notification_id
"""

WATCH_LEASES = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.lease (shard bigint, before text, after text);
CREATE FUNCTION chaos.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.lease VALUES (NEW.shard, OLD.holder, NEW.holder);
    RETURN NULL;
END $$;
CREATE TRIGGER note AFTER UPDATE OF epoch ON dalsegno.shard_lease
    FOR EACH ROW WHEN (NEW.epoch <> OLD.epoch) EXECUTE FUNCTION chaos.note();
"""
"""Every new owner of a shard, with the one before it: empty when that had handed it over."""


class Recorded(msgspec.Struct, frozen=True):
    """An event and when its transaction committed, microseconds of the machine's clock."""

    event: Event
    position: int
    committed_us: int

    @property
    def fact(self) -> object:
        return self.event.fact


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """`log` in order of position; `streams` of it by name; `ledger` by task key; `leases`: whom a
    shard went from and to."""

    log: list[Recorded]
    streams: dict[str, list[Recorded]]
    ledger: dict[str, list[Line]]
    leases: list[tuple[str, str]]
    paid: dict[str, int]
    """Of task keys, how many effects transactional tasks have in their database."""


def gather(dsn: str, ledger: Path, effects_dsn: str) -> Evidence:
    log = read_log(dsn)
    streams = defaultdict[str, list[Recorded]](list)
    for one in log:
        streams[one.event.header.stream].append(one)
    return Evidence(
        log=log,
        streams=dict(streams),
        ledger=read_ledger(ledger),
        leases=read_leases(dsn),
        paid=read_effects(effects_dsn),
    )


def make_effects(dsn: str) -> None:
    """The tables that transactional tasks write."""
    with psycopg.connect(dsn) as connection:
        connection.execute(COMPLETIONS_TABLE.encode())
        connection.execute("CREATE TABLE effect (key text NOT NULL, attempt bigint NOT NULL)")


def read_effects(dsn: str) -> dict[str, int]:
    with psycopg.connect(dsn) as connection:
        return dict(connection.execute("SELECT key, count(*) FROM effect GROUP BY key").fetchall())


def watch_leases(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(WATCH_LEASES)


def read_leases(dsn: str) -> list[tuple[str, str]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT before, after FROM chaos.lease").fetchall()


def read_log(dsn: str) -> list[Recorded]:
    catalogue, found = Catalogue(), []
    with psycopg.connect(dsn) as connection, connection.cursor("log", binary=True) as cursor:
        cursor.execute(READ)
        for stream, version, topic, state, position, committed_us in cursor:
            stored = Stored(stream, version, topic, bytes(state), position)
            found.append(Recorded(unseal(stored, catalogue), position, committed_us))
    return found


def read_ledger(folder: Path) -> dict[str, list[Line]]:
    """A last line that a kill has cut short is left out."""
    lines = defaultdict[str, list[Line]](list)
    for path in folder.glob("*.jsonl"):
        for text in path.read_bytes().split(b"\n")[:-1]:
            line = msgspec.json.decode(text, type=Line)
            lines[line.key].append(line)
    for found in lines.values():
        found.sort(key=lambda line: line.wall_us)
    return dict(lines)
