"""A cluster whose shards lie in two databases."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from events.logmap import LogMap, shards_text
from orchestrator.adapters.embedded import EmbeddedPostgres, EmbeddedServers
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.config import LogPlace
from tests.e2e.cluster import ROOT, SHARDS, Cluster

EAST, WEST = "east", "west"


class TwoLogs(Cluster):
    """Log `east` has the first half of the shards, `west` the other, in a server of its own."""

    def __init__(self, folder: Path, servers: EmbeddedServers, west: EmbeddedPostgres) -> None:
        super().__init__(folder, servers)
        self.west = west
        self.map = LogMap({EAST: range(SHARDS // 2), WEST: range(SHARDS // 2, SHARDS)})
        self.dsns = {EAST: servers.postgres.dsn, WEST: west.dsn}
        self.places = tuple(
            LogPlace(name=name, dsn=dsn, shards=shards_text(self.map.own(name)))
            for name, dsn in self.dsns.items()
        )

    def addresses(self) -> dict[str, str]:
        """What commands need to find the cluster, as environment variables."""
        return {
            "DALSEGNO_NATS_URL": self.nats_url,
            "DALSEGNO_LOGS": msgspec.json.encode(self.places).decode(),
            "DALSEGNO_COORDINATOR__SHARDS": str(SHARDS),
        }

    def start_projections(self) -> None:
        command = [sys.executable, "-m", "orchestrator.cli.main", "projections", "run"]
        self.spawn("projections", command, ROOT, self.addresses())

    def settings(self, log: str) -> Settings:
        return Settings(dsn=self.dsns[log], log=log, map=self.map.text)

    def named(self, log: str, beginning: str) -> str:
        """A name that lies in this log."""
        numbered = (f"{beginning}-{number}" for number in range(1000))
        return next(name for name in numbered if self.map.of(name) == log)


@contextmanager
def two_logs(folder: Path, coordinators: int = 1, agents: int = 1) -> Iterator[TwoLogs]:
    with EmbeddedServers() as servers, EmbeddedPostgres() as west:
        made = TwoLogs(folder, servers, west)
        try:
            for number in range(1, coordinators + 1):
                made.start_coordinator(f"c{number}")
            for number in range(1, agents + 1):
                made.start_agent(f"n{number}")
            yield made
        finally:
            made.close()
