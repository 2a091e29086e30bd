"""The whole cluster: coordinators, agents, NATS servers, Postgres and its standby, a projector.

A Postgres of its own has the effects of transactional tasks; it is never under fault.
Everybody reaches everybody else by a wire of their own (`wires.py`), so that any pair can be cut.
"""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from events.connection import Connection
from orchestrator.adapters.embedded import EmbeddedPostgres
from orchestrator.adapters.embedded.ports import HOST
from orchestrator.adapters.embedded.postgres import USER
from tests.chaos.evidence import make_effects
from tests.chaos.nats import NatsCluster
from tests.chaos.plan import AGENTS, COORDINATORS, NATS, PROJECTORS
from tests.chaos.postgres import Pair
from tests.chaos.processes import Processes
from tests.chaos.wires import Wires

PROGRAMS = (*COORDINATORS, *AGENTS, *PROJECTORS)
SITES = ("a", "b")
SHARDS = 8
SLOTS = 12
LEASE_TTL_S = 5.0
ATTEMPT_LEASE_TTL_S = 4.0


class Cluster:
    """Use it as a context manager: it starts all of it, and leaves nothing behind."""

    def __init__(self, folder: Path, small_disk: Path | None = None) -> None:
        """`small_disk`: a folder on a file system that can be filled, for the journal of `n1`."""
        self.folder = folder
        self.logs = folder / "logs"
        self.ledger = folder / "ledger"
        self.small_disk = small_disk
        self.wires = Wires()
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        for made in (self.logs, self.ledger, self.folder / "hashes"):
            made.mkdir(parents=True)
        with self._undo as undo:
            undo.enter_context(self.wires)
            self.postgres = Pair(self.folder / "servers", self.wires)
            undo.callback(self._keep_logs)
            undo.callback(self.postgres.close)
            self.nats = NatsCluster(self.folder / "servers", self.wires)
            undo.callback(self.nats.close)
            self.processes = Processes(self.logs)
            undo.callback(self.processes.close)
            self.effects = undo.enter_context(EmbeddedPostgres(self.folder / "servers" / "effects"))
            make_effects(self.effects.dsn)
            self.postgres.start()
            self.nats.start()
            self._lay_wires()
            self._declare()
            for name in PROGRAMS:
                self.processes.start(name)
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    # -- who reaches whom -------------------------------------------------------------------------

    @property
    def connection(self) -> Connection:
        """For clients."""
        return Connection(urls=tuple(self._nats_urls("client")), connect_timeout_s=2.0)

    def aim_wires(self) -> None:
        """After a server was built anew: its site's wires lead to it."""
        for name in (*COORDINATORS, *PROJECTORS):
            for site in SITES:
                self.wires.lead(f"{name}>pg-{site}", self.postgres.servers[site].port)

    def _lay_wires(self) -> None:
        for name in (*PROGRAMS, "client"):
            for server in NATS:
                self.wires.add(f"{name}>{server}", self.nats.ports[server])
        for name in (*COORDINATORS, *PROJECTORS):
            for site in SITES:
                self.wires.add(f"{name}>pg-{site}", self.postgres.servers[site].port)

    def _nats_urls(self, name: str) -> list[str]:
        return [self.nats.url(self.wires.port(f"{name}>{server}")) for server in NATS]

    def _dsn(self, name: str) -> str:
        """Both sites; only the one that takes writes is used."""
        ports = [self.wires.port(f"{name}>pg-{site}") for site in SITES]
        hosts = ",".join(f"{HOST}:{port}" for port in ports)
        query = "sslmode=disable&target_session_attrs=read-write"
        return f"postgresql://{USER}:{self.postgres.password}@{hosts}/postgres?{query}"

    # -- programs ---------------------------------------------------------------------------------

    def journal(self, agent: str) -> Path:
        """The folder of an agent's data."""
        if agent == AGENTS[0] and self.small_disk is not None:
            return self.small_disk / agent
        return self.folder / "agents" / agent

    def hashes(self) -> list[Path]:
        return sorted((self.folder / "hashes").iterdir())

    def _declare(self) -> None:
        for name in COORDINATORS:
            argv = ["orchestrator.cli.main", "coordinator"]
            self.processes.declare(name, argv, self._coordinator(name))
        for name in AGENTS:
            self.processes.declare(name, ["node_agent"], self._agent(name))
        for name in PROJECTORS:
            argv = ["orchestrator.cli.main", "projections", "run"]
            self.processes.declare(name, argv, self._coordinator(name))

    def _common(self, name: str) -> dict[str, str]:
        return {
            "DALSEGNO_NATS_URL": ",".join(self._nats_urls(name)),
            "DALSEGNO_NATS__REPLICAS": str(len(NATS)),
        }

    def _coordinator(self, name: str) -> dict[str, str]:
        return self._common(name) | {
            "DALSEGNO_POSTGRES__DSN": self._dsn(name),
            "DALSEGNO_COORDINATOR__NAME": name,
            "DALSEGNO_COORDINATOR__SHARDS": str(SHARDS),
            "DALSEGNO_COORDINATOR__HASHES_FILE": str(self.folder / "hashes" / name),
            "DALSEGNO_ENGINE__LEASE_TTL_S": str(LEASE_TTL_S),
            "DALSEGNO_ENGINE__ATTEMPT_LEASE_TTL_S": str(ATTEMPT_LEASE_TTL_S),
            "DALSEGNO_ENGINE__SNAPSHOT_TAIL_BYTES_MIN": "4096",
            "DALSEGNO_ENGINE__SNAPSHOT_TAIL_FACTOR": "0.5",
            # Here agents die for reasons of ours: no task is to blame, however often it was there.
            "DALSEGNO_LIMITS__KILLS_MAX": "1000",
        }

    def _agent(self, name: str) -> dict[str, str]:
        return self._common(name) | {
            "DALSEGNO_NODE": name,
            "DALSEGNO_IMPORT": "tests.chaos.handlers",
            "DALSEGNO_DATA_DIR": str(self.journal(name)),
            "DALSEGNO_SLOTS": str(SLOTS),
            "DALSEGNO_DRAIN_TIMEOUT_S": "3",
            "CHAOS_LEDGER": str(self.ledger),
            "CHAOS_EFFECTS_DSN": self.effects.dsn,
        }

    def _keep_logs(self) -> None:
        """The servers' logs, beside those of our processes."""
        self.postgres.keep_logs(self.logs)
        for name in NATS:
            for log in (self.folder / "servers" / name).glob("server.log*"):
                (self.logs / f"{name}-{log.name}").write_bytes(log.read_bytes())
