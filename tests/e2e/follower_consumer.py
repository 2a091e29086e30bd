"""A program that follows the log, until it is killed: `python -m tests.e2e.follower_consumer`.

once DSN OWN       into a table of the database OWN, with the position in the same transaction
named DSN FILE     into a file, a line before the next event is asked for
http URL FILE      the same over the API, from behind the last line on
"""

import os
import sys
from contextlib import aclosing

import anyio
import psycopg

from dalsegno.following import Event, Options, StoredPositions, follow, following
from events.errors import DalsegnoError
from orchestrator.client import Client

QUICK = Options(ttl_s=3.0, save_every_s=0.3)
AGAIN_S = 0.1
LINE_BYTES_MAX = 1000
TABLE = """
CREATE TABLE IF NOT EXISTS seen (
    place bigserial PRIMARY KEY, log text, position bigint, stream text, version bigint
)
"""


async def once(dsn: str, own: str) -> None:
    positions = StoredPositions("story")
    async with await psycopg.AsyncConnection.connect(own, autocommit=True) as connection:
        await connection.execute(TABLE)
        await positions.create(connection)
        begin = await positions.load(connection)
        async with following(dsn, after=begin) as events, aclosing(events.batches()) as batches:
            async for one in batches:
                async with connection.transaction():
                    await copy(connection, one.events)
                    await positions.advance(connection, one.log, one.after, one.place)


async def copy(connection: psycopg.AsyncConnection, events: tuple[Event, ...]) -> None:
    statement = "COPY seen (log, position, stream, version) FROM STDIN"
    async with connection.cursor() as cursor, cursor.copy(statement) as rows:
        for event in events:
            await rows.write_row((event.log, event.position, event.stream, event.version))


async def named(dsn: str, path: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    async with aclosing(follow(dsn, name="story", options=QUICK)) as events:
        async for one in events:
            os.write(file, f"{one.position} {one.stream} {one.version}\n".encode())


async def http(url: str, path: str) -> None:
    """What was written stays: a line is as long as one write, so the last one is whole."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    begin = last_id(file)
    async with Client.http(url) as client, client.follow_events(after=begin) as news:
        async for one in news:
            event = one.event
            line = f"{one.id} {event.position} {event.stream} {event.version}\n"
            os.write(file, line.encode())


def last_id(file: int) -> str:
    """Position 0 as long as nothing is written."""
    end = os.fstat(file).st_size
    lines = os.pread(file, LINE_BYTES_MAX, max(0, end - LINE_BYTES_MAX)).splitlines()
    return lines[-1].partition(b" ")[0].decode() if lines else "0"


WAYS = {"once": once, "named": named, "http": http}


async def main(*given: str) -> None:
    """As any service does it: what comes from outside ends it, and it begins again."""
    how, source, where = given
    while True:
        try:
            await WAYS[how](source, where)
        except (DalsegnoError, psycopg.Error, OSError) as error:
            print(f"{how}: {error}", flush=True)
            await anyio.sleep(AGAIN_S)


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:], backend_options={"use_uvloop": True})
