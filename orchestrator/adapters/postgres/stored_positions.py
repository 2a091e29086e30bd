"""How far a consumer has got, in its own database and its own transaction: exactly once.

    begin ──► what the events do ──► position: from the batch's begin to its end ──► commit

The row moves only if it is where the batch begins, so of two processes of one consumer the second
to commit is refused with all that it did; and a position that is not committed was never reached.
"""

from typing import Any

import psycopg
from psycopg import sql

from events.limits import NAME_CHARS_MAX
from orchestrator.errors import Fenced, Misconfigured
from orchestrator.insight.following.positions import Place

TABLE = "dalsegno_position"
Connection = psycopg.AsyncConnection[Any]


class StoredPositions:
    """The positions of one consumer in a table of its database."""

    def __init__(self, consumer: str, table: str = TABLE) -> None:
        """`table`: its name, with its schema if it is not in the search path. Raises
        `Misconfigured`."""
        if not 0 < len(consumer) <= NAME_CHARS_MAX:
            raise Misconfigured(
                f"the consumer's name has {len(consumer)} characters, expected 1 to "
                f"{NAME_CHARS_MAX}"
            )
        self._consumer = consumer
        self._table = sql.Identifier(*table.split("."))

    async def create(self, connection: Connection) -> None:
        """Makes the table when it is not there."""
        await connection.execute(
            sql.SQL(
                "CREATE TABLE IF NOT EXISTS {} (consumer text NOT NULL, log text NOT NULL,"
                " position bigint NOT NULL, batch bigint NOT NULL, digest text NOT NULL,"
                " PRIMARY KEY (consumer, log))"
            ).format(self._table)
        )

    async def load(self, connection: Connection) -> dict[str, Place]:
        """Where to go on in each log; nothing of one that was not read yet."""
        statement = sql.SQL("SELECT log, position, batch, digest FROM {} WHERE consumer = %s")
        rows = await connection.execute(statement.format(self._table), (self._consumer,))
        return {log: Place(*place) for log, *place in await rows.fetchall()}

    async def advance(self, connection: Connection, log: str, after: int, to: Place) -> None:
        """Moves on in a log, in the transaction that the connection is in. Raises `Fenced` when the
        position is not `after`: another process of this consumer was faster."""
        statement = sql.SQL(
            "INSERT INTO {0} AS p (consumer, log, position, batch, digest)"
            " VALUES (%(consumer)s, %(log)s, %(position)s, %(batch)s, %(digest)s)"
            " ON CONFLICT (consumer, log) DO UPDATE SET position = excluded.position,"
            " batch = excluded.batch, digest = excluded.digest"
            " WHERE p.position = %(after)s"
        )
        values = {"consumer": self._consumer, "log": log, "after": after}
        values |= {"position": to.position, "batch": to.batch, "digest": to.digest}
        done = await connection.execute(statement.format(self._table), values)
        if not done.rowcount:
            raise Fenced(
                f"consumer {self._consumer} is not at position {after} of log {log} any more: "
                "another process of this name reads as well; begin anew from its position"
            )
