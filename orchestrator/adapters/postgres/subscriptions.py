"""Subscriptions beside the log: `orchestrator.insight.following.subscriptions.Subscriptions`."""

from typing import Any

import msgspec
from psycopg.rows import TupleRow

from events.codec import decode
from events.limits import SUBSCRIPTIONS_MAX
from orchestrator.adapters.postgres.connections import Pool
from orchestrator.adapters.postgres.queries import Queries
from orchestrator.errors import Fenced, Rejected
from orchestrator.insight.following.filters import Filter
from orchestrator.insight.following.subscriptions import Held, Subscription


class PostgresSubscriptions:
    """Got of a store, and closed with it."""

    def __init__(self, pool: Pool, queries: Queries) -> None:
        self._pool = pool
        self._queries = queries

    async def create(self, name: str, position: int, filter_: Filter) -> bool:
        values = {"name": name, "position": position, "filter": _text(filter_)}
        if await self._rows("subscription_create", name, values | {"most": SUBSCRIPTIONS_MAX}):
            return True
        if await self.all(name):
            return False
        raise Rejected(
            f"there are {SUBSCRIPTIONS_MAX} subscriptions, the most there may be: delete those "
            "that nobody reads; `dalsegno subscription list` shows them"
        )

    async def all(self, name: str = "") -> list[Subscription]:
        return [_subscription(row) for row in await self._rows("subscriptions", name, {})]

    async def acquire(self, name: str, owner: str, ttl_s: float) -> Held | None:
        values = {"owner": owner, "ttl": _ttl(ttl_s)}
        rows = await self._rows("subscription_acquire", name, values)
        if not rows:
            return None
        epoch, position, text, began_at = rows[0]
        return Held(name, epoch, position, _filter(name, text), began_at)

    async def advance(self, held: Held, position: int, ttl_s: float) -> None:
        values = {"epoch": held.epoch, "position": position, "ttl": _ttl(ttl_s)}
        if not await self._rows("subscription_advance", held.name, values):
            raise Fenced(
                f"subscription {held.name} has another reader, or was set anew or deleted: what "
                "was read since the last save comes again there"
            )

    async def release(self, held: Held) -> None:
        async with self._pool.use("leaving a subscription") as connection:
            values = {"name": held.name, "epoch": held.epoch}
            await connection.execute(self._queries["subscription_release"].encode(), values)

    async def reset(self, name: str, position: int, filter_: Filter) -> bool:
        values = {"position": position, "filter": _text(filter_)}
        return bool(await self._rows("subscription_reset", name, values))

    async def delete(self, name: str) -> bool:
        return bool(await self._rows("subscription_delete", name, {}))

    async def _rows(self, query: str, name: str, values: dict[str, Any]) -> list[TupleRow]:
        async with self._pool.use(f"at subscription {name}") as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(self._queries[query].encode(), {"name": name, **values})
            return await cursor.fetchall()


def _ttl(ttl_s: float) -> int:
    return round(ttl_s * 1_000_000)


def _text(filter_: Filter) -> str:
    return msgspec.json.encode(filter_).decode()


def _filter(name: str, text: str) -> Filter:
    return decode(text.encode(), Filter, f"the filter of subscription {name}")


def _subscription(row: TupleRow) -> Subscription:
    return Subscription(
        name=row[0],
        position=row[1],
        filter=_filter(row[0], row[2]),
        owner=row[3],
        held=row[5],
        created_at=row[6],
        updated_at=row[7],
    )
