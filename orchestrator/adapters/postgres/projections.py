"""The projections' store: their generations, what is read of the log for them, and the write.

One connection, because the advisory lock that says who works belongs to it. The lock saves work, it
guards nothing: what keeps two projectors apart is the position in `projection_apply`. Commits do
not wait for the disk: one that a crash takes back is made again, its position went with it.
"""

from collections.abc import Mapping, Sequence

import msgspec
import psycopg

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.envelope import Stored, unseal
from events.errors import Corrupt
from events.ids import definition_stream
from events.net import Net
from orchestrator.adapters.postgres.arrays import Packed, integers, texts
from orchestrator.adapters.postgres.connections import Backend
from orchestrator.adapters.postgres.projection_link import ProjectionLink, key_columns, tally_of
from orchestrator.adapters.postgres.queries import PROJECTION_LOCK
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.insight.counting.glimpse import Row
from orchestrator.insight.counting.projections import Change
from orchestrator.insight.counting.tallies import Key, Tally

LARGE_BYTES = 64 * 1024
"""An event over this is read by itself."""
TABLES = ("tally", "run_label", "node_state", "unread_event")
DEFINITIONS_PAGE = 100


class PostgresProjections(ProjectionLink):
    """What a projector works with."""

    SET_UP = "SET synchronous_commit = off"

    def __init__(self, settings: Settings | str) -> None:
        super().__init__(settings)
        self._held_by: Backend | None = None
        self._catalogue = Catalogue()

    # ------------------------------------------------------------------ the log

    async def rows(self, after: int, limit: int) -> list[Row]:
        values = {"after": after, "limit": limit, "large": LARGE_BYTES}
        found = await self._rows("projection_rows", "reading the log", values)
        return [Row(position, state) for position, state in found]

    async def state_of(self, position: int) -> bytes:
        doing = f"reading event {position} of the log"
        ((state,),) = await self._rows("projection_state_of", doing, {"position": position})
        return bytes(state)

    async def past(self, streams: Mapping[str, int], until: int, limit: int) -> list[Row]:
        values = {
            "streams": texts(list(streams)),
            "afters": integers(list(streams.values())),
            "until": until,
            "limit": limit,
            "large": LARGE_BYTES,
        }
        found = await self._rows("projection_past", "reading runs' past", values)
        return [Row(*row) for row in found]

    async def nets(self, workflow: str) -> Mapping[str, Net]:
        """A definition that cannot be read is left out, and its tasks have no names."""
        nets: dict[str, Net] = {}
        stream, after, more = definition_stream(workflow), 0, True
        while more:
            values = {"stream": stream, "after": after, "limit": DEFINITIONS_PAGE}
            rows = await self._rows("read_stream", f"reading {stream}", values)
            for row in rows:
                after = row[1]
                if (fact := self._definition(Stored(*row))) is not None:
                    nets[fact.workflow_version] = fact.net
            more = len(rows) == DEFINITIONS_PAGE
        return nets

    def _definition(self, stored: Stored) -> DefinitionRegistered | None:
        try:
            fact = unseal(stored, self._catalogue).fact
        except Corrupt:
            return None
        return fact if isinstance(fact, DefinitionRegistered) else None

    # ------------------------------------------------------------------ generations

    async def hold(self) -> bool:
        if self._held_by is not None:
            async with self._use("keeping the lock of projections"):
                if self._link.backend == self._held_by:
                    return True
        ((held,),) = await self._rows(
            "projection_hold", "taking the lock of projections", {"lock": PROJECTION_LOCK}
        )
        self._held_by = self._link.backend if held else None
        return bool(held)

    async def retire(self, generation: int) -> None:
        values = {"generation": generation}
        await self._do("projection_retire", "retiring a projection", values)

    async def remove(self, generation: int, limit: int) -> bool:
        values = {"generation": generation, "limit": limit}
        doing = f"removing generation {generation} of the projections"
        for table in TABLES:
            if await self._do(f"projection_remove_{table}", doing, values) == limit:
                return False
        return bool(await self._do("projection_remove", doing, {"generation": generation}))

    async def switch(self, generation: int) -> bool:
        """In this order: a new one that serves while the old one does would break the index."""
        values = {"generation": generation}
        take = self._queries["projection_take_from_service"].encode()
        put = self._queries["projection_put_into_service"].encode()
        served = 0
        async with self._use("switching projections") as connection, connection.transaction():
            await connection.execute(take, values)
            served = (await connection.execute(put, values)).rowcount
            if not served:
                raise psycopg.Rollback
        return bool(served)

    # ------------------------------------------------------------------ what is in them

    async def tallies(self, generation: int, keys: Sequence[Key]) -> dict[Key, Tally]:
        values = {"generation": generation, **key_columns(keys)}
        rows = await self._rows("projection_tallies", "reading tallies", values)
        return dict(map(tally_of, rows))

    async def apply(self, change: Change) -> bool:
        doing = f"writing projections up to {change.gathered.position}"
        ((moved,),) = await self._rows("projection_apply", doing, change_columns(change))
        return bool(moved)

    async def forget_minutes(self, generation: int, before: int, limit: int) -> int:
        values = {"generation": generation, "before": before, "limit": limit}
        return await self._do("projection_forget_minutes", "removing tallies of minutes", values)


def change_columns(change: Change) -> dict[str, Packed | int]:
    gathered, encode = change.gathered, msgspec.json.encode
    labels, unread = gathered.labels, gathered.unread
    return {
        "generation": change.generation,
        "after": change.after,
        "position": gathered.position,
        "recorded_at": gathered.recorded_at,
        **key_columns(list(change.tallies)),
        "tallies": texts([encode(tally).decode() for tally in change.tallies.values()]),
        "label_runs": texts([label.run_id for label in labels]),
        "label_kinds": texts([label.kind for label in labels]),
        "label_names": texts([label.name for label in labels]),
        "label_values": texts([label.text for label in labels]),
        "label_numbers": texts(["" if one.number is None else repr(one.number) for one in labels]),
        "label_ats": integers([label.started_at for label in labels]),
        "state_nodes": texts(list(gathered.nodes)),
        "states": texts([encode(state).decode() for state in gathered.nodes.values()]),
        "unread_positions": integers([one.position for one in unread]),
        "whys": texts([one.why.replace("\0", "\ufffd") for one in unread]),
    }
