"""What projections say: for the command line and other readers."""

from collections.abc import Mapping

from events.views import ForkView
from orchestrator.adapters.postgres.arrays import texts
from orchestrator.adapters.postgres.columns import index_row
from orchestrator.adapters.postgres.finding import find_runs_text
from orchestrator.adapters.postgres.projection_link import ProjectionLink, tally_of
from orchestrator.insight.counting.glimpse import Glimpse, NodeEvent, Unread, glimpse
from orchestrator.insight.counting.projections import Generation, Standing
from orchestrator.insight.counting.tallies import Key, Kind, Label, Tally
from orchestrator.insight.finding import RunQuery
from orchestrator.kernel.state import OPEN
from orchestrator.replay.ports import IndexRow

LABELS_PAGE = 5_000


class PostgresProjected(ProjectionLink):
    """Reads generations; what belongs together is read in a `snapshot`. Asked seldom, and for
    little or much of a table: each statement is planned for its values."""

    SET_UP = "SET plan_cache_mode = force_custom_plan"

    async def standing(self, generation: Generation) -> Standing:
        """How far a generation is behind the log."""
        values = {"generation": generation.number}
        rows = await self._rows("projection_lag", "looking how far projections are", values)
        position, last, following, now = rows[0] if rows else (generation.position, 0, None, 0)
        seen = None if following is None else glimpse(position + 1, following)
        since = seen.recorded_at if isinstance(seen, (Glimpse, NodeEvent)) else now
        return Standing(
            generation=generation,
            position=position,
            last=last,
            events_behind=0 if following is None else last - position,
            seconds_behind=max(0.0, round((now - since) / 1e6, 3)),
            at=now,
        )

    async def window(
        self, generation: int, kind: Kind, stretch: tuple[int, int, int], workflow: str
    ) -> dict[Key, Tally]:
        """Tallies of stretches of a width in seconds that begin from an instant on, before
        another; of one workflow, or (empty) of all."""
        width_s, since, until = stretch
        values = {
            "generation": generation,
            "kind": kind,
            "width_s": width_s,
            "since": since,
            "until": until,
            "workflow": workflow,
        }
        rows = await self._rows("projection_window", "reading statistics", values)
        return dict(map(tally_of, rows))

    async def open_runs(self, workflow: str) -> Mapping[tuple[str, str], int]:
        """How many runs of a workflow have a status, of those that are open."""
        values = {"workflow": workflow, "open": texts(sorted(OPEN))}
        rows = await self._rows("projection_open_runs", "counting open runs", values)
        return {(row[0], row[1]): row[2] for row in rows}

    async def find_runs(self, query: RunQuery) -> list[IndexRow]:
        """The runs that are asked for; tags and search attributes as of the projections."""
        text, values = find_runs_text(self._queries, query)
        async with self._use("listing runs") as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(text.encode(), values)
            return [index_row(row) for row in await cursor.fetchall()]

    async def forks_of(self, run_id: str, limit: int) -> list[ForkView]:
        """The runs that were forked from this one, oldest first, as of the projections."""
        values = {"run_id": run_id.replace("\0", "\ufffd"), "limit": limit}
        rows = await self._rows("projection_forks", f"looking for forks of {run_id}", values)
        return [
            ForkView(run_id=row[0], version=int(row[1]), started_at=row[2], status=row[3])
            for row in rows
        ]

    async def unread(self, generation: int, limit: int) -> list[Unread]:
        values = {"generation": generation, "limit": limit}
        rows = await self._rows("projection_unread", "reading what could not be read", values)
        return [Unread(position=row[0], why=row[1]) for row in rows]

    async def labels(self, generation: int) -> frozenset[Label]:
        """All of them, read in pages."""
        found: set[Label] = set()
        last = Label("", "tag", "", "", None, 0)
        while True:
            values = {
                "generation": generation,
                "kind": last.kind if found else "",
                "name": last.name,
                "value": last.text,
                "started_at": last.started_at,
                "run_id": last.run_id,
                "limit": LABELS_PAGE,
            }
            rows = await self._rows("projection_labels", "reading labels", values)
            page = [Label(*row) for row in rows]
            found.update(page)
            if len(page) < LABELS_PAGE:
                return frozenset(found)
            last = page[-1]
