"""What is sealed with which key, and sealing it with the current one.

Everything sealed stays readable while this goes on: each thing is replaced by itself, in one
statement that does nothing where somebody was faster. It may be broken off and begun again.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from psycopg.rows import TupleRow

from events.sealing import Keyring
from orchestrator.adapters.postgres.connections import Pool
from orchestrator.adapters.postgres.queries import Queries
from orchestrator.adapters.postgres.snapshots import Snapshots, pack
from orchestrator.coordinator.ports import SnapshotPlace

PAGE = 20
"""Things read at a time: a stored list has up to some megabytes."""

KeyUses = Mapping[str, Mapping[str, int]]
"""How many things of each place are sealed with a key, by its id; "" is none."""


class Resealing:
    def __init__(self, pool: Pool, queries: Queries, keys: Keyring, snapshots: Snapshots) -> None:
        self._pool = pool
        self._queries = queries
        self._keys = keys
        self._snapshots = snapshots

    async def uses(self) -> KeyUses:
        """O(what is stored)."""
        found: dict[str, dict[str, int]] = {}
        async with self._pool.use("counting what keys are used for") as connection:
            cursor = await connection.execute(self._queries["key_uses"])
            for place, key_id, count in await cursor.fetchall():
                found.setdefault(key_id, {})[place] = count
        return found

    async def reencrypt(self) -> AsyncIterator[tuple[str, str]]:
        """Yields the place and the name of each thing that is sealed with the current key now.

        Raises `Corrupt` for what is damaged, `MissingKey` for what cannot be opened; what was done
        before stays done.
        """
        async for name in self._reseal_snapshots():
            yield "snapshots", name
        async for name in self._reseal_payloads():
            yield "lists", name
        async for name in self._reseal_data_keys():
            yield "data keys", name

    async def _reseal_snapshots(self) -> AsyncIterator[str]:
        place = SnapshotPlace()
        while page := await self._snapshots.list("", place, PAGE):
            for info in page:
                place = info.place
                if info.key_id == self._keys.current:
                    continue
                snapshot = await self._snapshots.find(place)
                if snapshot is not None:
                    values = pack(snapshot, self._keys) | {"kind": info.kind, "old": info.checksum}
                    await self._execute("reseal_snapshot", values)
                    yield info.id

    async def _reseal_payloads(self) -> AsyncIterator[str]:
        after = ""
        while page := await self._page("payloads_of_other_keys", after):
            for after, stored in page:
                values = {"hash": after, "data": self._resealed(after, stored), "old": stored}
                await self._execute("reseal_payload", values)
                yield after

    async def _reseal_data_keys(self) -> AsyncIterator[str]:
        after = ""
        while page := await self._page("sealed_data_keys", after):
            for after, sealed in page:
                data = self._resealed(after, sealed)
                await self._execute("reseal_data_key", {"id": after, "data": data, "old": sealed})
                yield after

    async def _page(self, name: str, after: str) -> list[TupleRow]:
        """Names and sealed bytes of what another key has sealed; those after `after`."""
        values = {"after": after, "current": self._keys.current, "limit": PAGE}
        async with self._pool.use("looking for what other keys have sealed") as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(self._queries[name].encode(), values)
            return await cursor.fetchall()

    def _resealed(self, name: str, stored: bytes) -> bytes:
        return self._keys.seal(self._keys.open(stored, name.encode()), name.encode())

    async def _execute(self, name: str, values: Mapping[str, Any]) -> None:
        async with self._pool.use("sealing with the current key") as connection:
            await connection.execute(self._queries[name], values)
