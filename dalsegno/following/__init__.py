"""Following a cluster's events from a program of your own.

    from dalsegno.following import Filters, follow

    async for event in follow(url, name="billing", filters=Filters(types=["run.completed"])):
        await bill(event.run_id, event.data)

`url` is that of the log's Postgres. With a name the position is kept beside the log, and asking for
the next event says that the one before is done: after a crash the last ones come again (at least
once). `following` hands out batches too, for who keeps the position in a transaction of its own,
together with what the events do (exactly once, see `StoredPositions`).
"""

from dalsegno.following.cloudevents import cloudevent
from dalsegno.following.events import Batch, Event, Filters
from dalsegno.following.following import Following, Options, follow, following
from orchestrator.adapters.postgres.stored_positions import StoredPositions
from orchestrator.insight.following.positions import Place

__all__ = [
    "Batch",
    "Event",
    "Filters",
    "Following",
    "Options",
    "Place",
    "StoredPositions",
    "cloudevent",
    "follow",
    "following",
]
