"""Data keys: what the values of personal runs are sealed with, and how they are erased.

    master key (keyring) ─seals─► data key (a row here, one a subject) ─seals─► values in events

A key is asked for again each time it is needed and never kept, so that no process can open anything
any more once its row is empty.

A run that begins locks the key's row while it notes that it has it; an erasure first closes the key
to new runs. So no run begins with a key that is being erased.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from psycopg.rows import TupleRow

from events.envelope import Seals, Stored, seals_of
from events.errors import Corrupt
from events.sealing import EventKey, Keyring
from orchestrator.adapters.postgres.connections import Pool
from orchestrator.adapters.postgres.queries import Queries
from orchestrator.errors import Rejected
from orchestrator.replay.retention.erasing import Dropped, KeyOfSubject, RunOfKey

ERASED = b""


class DataKeys:
    def __init__(self, pool: Pool, queries: Queries, keys: Keyring) -> None:
        self._pool = pool
        self._queries = queries
        self._keys = keys

    # -- for runs ---------------------------------------------------------------------------------

    async def join(self, run_id: str, subject: str, id_: str) -> EventKey:
        """The key of a subject, for a run that begins; made under the id given when there is none.

        Raises `Rejected` without keys, and while it is being erased; `MissingKey`.
        """
        if key := await self._joined(run_id, subject):
            return key
        sealed = self._keys.seal(self._keys.new_data_key(), id_.encode())
        await self._do("make_data_key", {"id": id_, "subject": subject, "sealed": sealed})
        if key := await self._joined(run_id, subject):
            return key
        raise Rejected(f"the values of {subject} are being erased: start the run afterwards")

    async def _joined(self, run_id: str, subject: str) -> EventKey | None:
        rows = await self._rows("join_data_key", {"run_id": run_id, "subject": subject})
        return self._key(*rows[0]) if rows else None

    async def of_run(self, run_id: str) -> EventKey:
        """Raises `Corrupt` when it is not there or erased, `MissingKey`."""
        rows = await self._rows("data_key_of_run", {"run_id": run_id})
        if not rows:
            raise Corrupt(f"run {run_id} is personal, and its data key is not in the database")
        id_, sealed, subject, erased = rows[0]
        if erased:
            raise Corrupt(f"run {run_id} is personal, and the values of {subject} were erased")
        return self._key(id_, sealed)

    def _key(self, id_: str, sealed: bytes) -> EventKey:
        return EventKey(id_, self._keys.cipher(self._keys.open(bytes(sealed), id_.encode())))

    # -- for readers ------------------------------------------------------------------------------

    async def opened(self, events: list[Stored]) -> list[Stored]:
        """The same events, the personal ones among them with their values. O(bytes) to look."""
        personal = {at: seals for at, one in enumerate(events) if (seals := _seals(one))}
        if not personal:
            return events
        ids = sorted({seals.key_id for seals in personal.values()})
        rows = await self._rows("data_keys", {"ids": ids})
        sealed: dict[str, bytes | None] = {row[0]: row[1] for row in rows}
        for at, seals in personal.items():
            events[at] = self._open(events[at], seals, sealed)
        return events

    def _open(self, event: Stored, seals: Seals, keys: dict[str, bytes | None]) -> Stored:
        if seals.key_id not in keys:
            said = f"its data key {seals.key_id} is not in the database"
            return msgspec.structs.replace(event, trouble=said)
        sealed = keys[seals.key_id]
        if sealed is None:
            return msgspec.structs.replace(event, opened=ERASED)
        try:
            cipher = self._key(seals.key_id, sealed).cipher
            return msgspec.structs.replace(event, opened=cipher.open(seals.sealed, seals.bound))
        except Corrupt as error:  # told by whoever decodes it: other runs go on
            return msgspec.structs.replace(event, trouble=str(error))

    # -- erasing ----------------------------------------------------------------------------------

    async def find(self, subject: str) -> KeyOfSubject | None:
        """The key of a subject; that it had last, when it was erased."""
        rows = await self._rows("find_data_key", {"subject": subject})
        return KeyOfSubject(*rows[0]) if rows else None

    async def subject_of(self, run_id: str) -> str | None:
        """None for a run that is not personal."""
        rows = await self._rows("data_key_of_run", {"run_id": run_id})
        return str(rows[0][2]) if rows else None

    async def runs(self, key_id: str) -> list[RunOfKey]:
        return [RunOfKey(*row) for row in await self._rows("runs_of_data_key", {"id": key_id})]

    async def close(self, key_id: str, *, closing: bool) -> None:
        await self._do("close_data_key", {"id": key_id, "closing": closing})

    async def drop(self, key_id: str, lists: Sequence[str]) -> Dropped:
        """The erasure; `lists`: hashes of stored lists that go as well."""
        rows = await self._rows("drop_data_key", {"id": key_id, "lists": list(lists)})
        return Dropped(*(int(count) for count in rows[0]))

    async def erasures_left(self) -> list[tuple[str, str]]:
        """Ids and subjects of keys whose erasure is recorded, and which are still there."""
        return [(row[0], row[1]) for row in await self._rows("erasures_left", {})]

    async def _rows(self, name: str, values: dict[str, Any]) -> list[TupleRow]:
        async with self._pool.use("looking for data keys") as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(self._queries[name].encode(), values)
            return await cursor.fetchall()

    async def _do(self, name: str, values: dict[str, Any]) -> None:
        async with self._pool.use("writing data keys") as connection:
            await connection.execute(self._queries[name], values)


def _seals(event: Stored) -> Seals | None:
    try:
        return seals_of(event)
    except Corrupt:
        return None  # whoever decodes it will say so
