"""The log's side of archives: which runs may go, their removal, their tombstones, their return.

Removal is one transaction for some runs at a time: tombstones, events, snapshots, rows of the
index, and the marks in the batches that the events were in. It takes the ordering lock and looks
for forks that began since the archive was written, so that no run goes that another one stands on;
and an append under the same lock begins no fork of a run that went.
A process that is paused in the middle of it is thrown out by the server, and nothing was removed.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
from psycopg.rows import TupleRow

from events.envelope import Stored
from events.ids import run_stream
from events.references import Payload
from events.run_facts import RunForked
from orchestrator.adapters.postgres.arrays import byteas, integers, texts
from orchestrator.adapters.postgres.columns import event_columns, index_columns, index_row
from orchestrator.adapters.postgres.connections import Connection, Pool
from orchestrator.adapters.postgres.datakeys import DataKeys
from orchestrator.adapters.postgres.queries import ORDERING_LOCK, Queries
from orchestrator.replay.ports import IndexRow
from orchestrator.replay.retention.archives import ArchivedRun, Tombstone, fork_source

IDLE = "SET LOCAL idle_in_transaction_session_timeout = '10s'"


class KnownArchive(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the log knows. Not `done`: some of its runs may still be in the log."""

    name: str
    digest: str
    runs: int
    events: int
    done: bool
    created_at: int


class PostgresArchives:
    """Got of a store, and closed with it."""

    def __init__(self, pool: Pool, queries: Queries, keys: DataKeys) -> None:
        self._pool = pool
        self._queries = queries
        self._keys = keys

    async def opened(self, events: Sequence[Stored]) -> list[Stored]:
        """Events of an archive with their personal values, as far as their keys are here."""
        return await self._keys.opened(list(events))

    # ------------------------------------------------------------------ looking

    async def candidates(
        self, before: int, workflow: str, after: str, limit: int
    ) -> list[IndexRow]:
        """Runs that ended before an instant (microseconds) and that no open run has started; run
        ids > `after`, in order."""
        values = {"before": before, "workflow": workflow, "after": after, "limit": limit}
        return [index_row(row) for row in await self._rows("archive_candidates", values)]

    async def known(self) -> list[KnownArchive]:
        rows = await self._rows("archive_known", {})
        return [
            KnownArchive(**dict(zip(KnownArchive.__struct_fields__, r, strict=True))) for r in rows
        ]

    async def archived_until(self) -> int:
        """When the last run ended that is in an archive only; 0 when there is none."""
        ((at,),) = await self._rows("archived_until", {})
        return int(at)

    async def raw_payloads(self, hashes: Sequence[str]) -> list[Payload]:
        """Stored values as they lie there; those that are not there are left out."""
        rows = await self._rows("raw_payloads", {"hashes": texts(list(hashes))})
        return [Payload(hash=row[0], data=bytes(row[1])) for row in rows]

    # ------------------------------------------------------------------ removal

    async def begin(self, name: str, digest: str, runs: int, events: int) -> None:
        """Makes a file known that is whole and durable."""
        values = {"name": name, "digest": digest, "runs": runs, "events": events}
        await self._do("archive_begin", values)

    async def done(self, name: str) -> None:
        await self._do("archive_done", {"name": name})

    async def remove(
        self, name: str, runs: Sequence[ArchivedRun], forks_after: int
    ) -> tuple[list[str], int]:
        """Removes these runs, but for those that are not as the archive has them, or from which a
        fork began behind position `forks_after`. Returns their ids and how many events went."""
        async with self._changing("moving runs to an archive") as connection:
            lock = {"ordering_lock": ORDERING_LOCK}
            await connection.execute(self._queries["take_ordering_lock"].encode(), lock)
            kept = await self._forked_since(connection, forks_after)
            going = [run for run in runs if run.run_id not in kept]
            return await self._remove(connection, name, going)

    async def _remove(
        self, connection: Connection, name: str, runs: Sequence[ArchivedRun]
    ) -> tuple[list[str], int]:
        columns = {
            "name": name,
            "run_ids": texts([run.run_id for run in runs]),
            "run_versions": integers([run.version for run in runs]),
            "run_digests": texts([run.digest for run in runs]),
        }
        moved = [row[0] for row in await self._in(connection, "archive_tombstones", columns)]
        streams = texts([run_stream(run_id) for run_id in moved])
        values = {"streams": streams, "run_ids": texts(moved)}
        positions = [row[0] for row in await self._in(connection, "archive_remove", values)]
        await self._mark(connection, positions, gone=True)
        return moved, len(positions)

    async def _forked_since(self, connection: Connection, position: int) -> set[str]:
        values = {"topic": RunForked.TYPE, "after": position, "limit": 1_000_000}
        rows = await self._in(connection, "first_events", values)
        return {fork_source(bytes(row[3])) for row in rows}

    async def _mark(self, connection: Connection, positions: Sequence[int], *, gone: bool) -> None:
        """Sets or clears the bits of events in their batches."""
        rows = await self._in(connection, "batches_of", {"positions": integers(positions)})
        marks = {
            row[0]: (row[1], row[2], bytearray(row[4] or bytes(-(-row[3] // 8)))) for row in rows
        }
        for first, last, bits in marks.values():
            for position in positions:
                if first <= position <= last:
                    byte, bit = divmod(position - first, 8)
                    bits[byte] = bits[byte] | 1 << bit if gone else bits[byte] & ~(1 << bit)
        values = {
            "numbers": integers(list(marks)),
            "gones": byteas([bytes(bits) for _, _, bits in marks.values()]),
        }
        await connection.execute(self._queries["mark_gone"].encode(), values)

    # ------------------------------------------------------------------ return

    async def restore(
        self, events: Sequence[Stored], row: IndexRow, payloads: Sequence[Payload]
    ) -> bool:
        """Puts a run back to its own positions, with its row of the index. False when the log has
        no tombstone of it."""
        async with self._changing("bringing a run back") as connection:
            if not await self._in(connection, "restored", {"run_id": row.run_id}):
                return False
            values: dict[str, object] = {
                "hashes": texts([payload.hash for payload in payloads]),
                "datas": byteas([payload.data for payload in payloads]),
            }
            await connection.execute(self._queries["put_payloads"].encode(), values)
            positions = [event.position or 0 for event in events]
            columns = event_columns(events) | {"positions": integers(positions)}
            del columns["digests"]
            await connection.execute(self._queries["restore_events"].encode(), columns)
            await self._mark(connection, positions, gone=False)
            return bool(await self._in(connection, "replace_index_rows", index_columns([row])))

    # ------------------------------------------------------------------ stored values

    async def payload_names(self, after: str, before: int, limit: int) -> list[tuple[str, int]]:
        """Stored values from before an instant and their bytes; hashes > `after`, in order."""
        values = {"after": after, "before": before, "limit": limit}
        return [(row[0], row[1]) for row in await self._rows("payload_names", values)]

    async def delete_payloads(self, hashes: Sequence[str], before: int) -> int:
        """Deletes those that were not stored again since; how many went."""
        values = {"hashes": texts(list(hashes)), "before": before}
        return len(await self._rows("delete_payloads", values))

    # ------------------------------------------------------------------ statements

    @asynccontextmanager
    async def _changing(self, doing: str) -> AsyncIterator[Connection]:
        """One transaction, given up by the server when we fall silent in the middle of it."""
        async with self._pool.use(doing) as connection, connection.transaction():
            await connection.execute(IDLE.encode())
            yield connection

    async def _rows(self, name: str, values: Mapping[str, object]) -> list[TupleRow]:
        async with self._pool.use("looking after archives") as connection:
            return await self._in(connection, name, values)

    async def _do(self, name: str, values: Mapping[str, object]) -> None:
        async with self._pool.use("looking after archives") as connection:
            await connection.execute(self._queries[name].encode(), values)

    async def _in(
        self, connection: Connection, name: str, values: Mapping[str, object]
    ) -> list[TupleRow]:
        cursor = connection.cursor(binary=True)
        await cursor.execute(self._queries[name].encode(), values)
        return await cursor.fetchall()


def tombstone(row: TupleRow) -> Tombstone:
    return Tombstone(**dict(zip(Tombstone.__struct_fields__, row, strict=True)))
