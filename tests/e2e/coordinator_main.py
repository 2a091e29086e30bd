"""A coordinator process for the scenarios: the real composition, with points at which it dies.

    python -m tests.e2e.coordinator_main CONFIG.json [POINT:N]

POINT is `append` (after the N-th append became durable, before anything left), `publish` (before
the N-th publish), `acknowledge` (before the N-th acknowledgement of reports). It dies by SIGKILL.
"""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
import msgspec

from events.messages import Commands
from events.streams import Topology
from events.subjects import Subjects
from orchestrator.adapters.nats.bus import NatsBus
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.bootstrap import run_coordinator, run_edge
from orchestrator.config import Config
from orchestrator.coordinator.ports import AppendOutcome, Batch, ReportDelivery


class Point:
    """Dies at the N-th passage of its name."""

    def __init__(self, text: str) -> None:
        self._name, _, count = text.partition(":")
        self._left = int(count or 0)

    def pass_by(self, name: str) -> None:
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class MortalBus(NatsBus):
    point = Point("")

    async def publish(self, node: str, incarnation: str, commands: Commands) -> None:
        self.point.pass_by("publish")
        await super().publish(node, incarnation, commands)

    async def acknowledge(self, deliveries: Sequence[ReportDelivery]) -> None:
        self.point.pass_by("acknowledge")
        await super().acknowledge(deliveries)


class MortalStore(PostgresStore):
    point = Point("")

    async def append(self, batch: Batch) -> AppendOutcome:
        outcome = await super().append(batch)
        self.point.pass_by("append")
        return outcome


async def main(config: Config, point: Point) -> None:
    if config.logs:
        await run_coordinator(config)
        return
    migrate(config.postgres.dsn, shards=config.coordinator.shards)
    store = await MortalStore.open(config.postgres.dsn)
    assert isinstance(store, MortalStore)
    topology = Topology(subjects=Subjects(config.prefix))
    bus = MortalBus(config.nats, topology, config.coordinator.name)
    store.point = bus.point = point
    async with store:
        await bus.start()
        try:
            await run_edge(config, store, bus)
        finally:
            await bus.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    given = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Config)
    where = Point(sys.argv[2] if len(sys.argv) > 2 else "")
    anyio.run(main, given, where, backend_options={"use_uvloop": True})
