"""A program that follows the log, until it is killed: `python -m tests.e2e.follower_consumer`.

once DSN OWN       into a table of the database OWN, with the position in the same transaction
named DSN FILE     into a file, a line before the next event is asked for
"""

import os
import sys
from contextlib import aclosing

import anyio
import psycopg

from dalsegno.following import Event, Options, StoredPositions, follow, following
from events.errors import DalsegnoError

QUICK = Options(ttl_s=3.0, save_every_s=0.3)
AGAIN_S = 0.1
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


async def main(*given: str) -> None:
    """As any service does it: what comes from outside ends it, and it begins again."""
    how, dsn, where = given
    while True:
        try:
            await (once if how == "once" else named)(dsn, where)
        except (DalsegnoError, psycopg.Error, OSError) as error:
            print(f"{how}: {error}", flush=True)
            await anyio.sleep(AGAIN_S)


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:], backend_options={"use_uvloop": True})
