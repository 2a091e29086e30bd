"""A cluster of real processes over real servers, to be broken on purpose."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import msgspec

from events.api import RegisterWorkflow, StartRun
from events.connection import Connection
from events.definition import Definition
from orchestrator.adapters.embedded import EmbeddedServers
from orchestrator.adapters.nats.client import Client, connect
from orchestrator.config import Config, CoordinatorConfig, LogPlace, PostgresConfig
from orchestrator.coordinator.settings import Settings

SHARDS = 4
START_S = 25.0
ROOT = Path(__file__).parents[2]

QUICK = Settings(
    lease_ttl_s=2.0,
    lease_margin_s=0.4,
    attempt_lease_ttl_s=1.5,
    resend_after_s=1.0,
    snapshot_tail_bytes_min=2048,
    snapshot_tail_factor=0.5,
)
CALM = msgspec.structs.replace(QUICK, attempt_lease_ttl_s=10.0)
"""For what loses no node: one that stands still for a second is not suspected."""


class Cluster:
    """Owns its processes by name; `kill` is SIGKILL."""

    def __init__(self, folder: Path, servers: EmbeddedServers, settings: Settings = QUICK) -> None:
        self.folder = folder
        self.servers = servers
        self._settings = settings
        self.dsn = servers.postgres.dsn
        self.places: tuple[LogPlace, ...] = ()
        """The logs, where there are several; then `dsn` counts for nothing."""
        self.nats_url = servers.nats.url
        self.ledger = folder / "ledger.jsonl"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def connection(self) -> Connection:
        return Connection(urls=(self.nats_url,))

    # -- processes --------------------------------------------------------------------------------

    def start_coordinator(self, name: str = "c1", point: str = "", dsn: str = "") -> None:
        config = Config(
            postgres=PostgresConfig(dsn=dsn or ("" if self.places else self.dsn)),
            logs=self.places,
            nats=self.connection,
            coordinator=CoordinatorConfig(
                name=name, shards=SHARDS, hashes_file=str(self.folder / f"{name}.hashes")
            ),
            engine=self._settings,
        )
        path = self.folder / f"{name}.json"
        path.write_bytes(msgspec.json.encode(config))
        self._start(name, ["tests.e2e.coordinator_main", str(path), *([point] if point else [])])

    def start_agent(self, name: str) -> None:
        arguments = ["--node", name, "--nats-url", self.nats_url]
        for tasks in ("tests.e2e.work", "tests.e2e.effects"):
            arguments += ["--import", tasks]
        arguments += ["--data-dir", str(self.folder / name)]
        arguments += ["--slots", "8"]
        self._start(name, ["node_agent", *arguments])

    async def start_agent_first(self, name: str) -> None:
        """Starts an agent and waits until it takes part: a coordinator that starts now hears of it
        at once, and cannot take it for lost."""

        def times() -> int:
            return self.log(name).count("this is incarnation")

        before = times()
        self.start_agent(name)
        with anyio.fail_after(START_S):
            while times() == before:  # noqa: ASYNC110 -- another process tells nobody
                await anyio.sleep(0.05)

    def _start(self, name: str, module: list[str]) -> None:
        self.spawn(name, [sys.executable, "-m", *module], ROOT, {})

    def spawn(self, name: str, command: list[str], cwd: Path, environment: dict[str, str]) -> None:
        """A process of the cluster: one with this name is ended by it, and its log is kept."""
        log = (self.folder / f"{name}.log").open("ab")
        with log:
            self._processes[name] = subprocess.Popen(
                command,
                cwd=cwd,
                env={
                    **os.environ,
                    "LEDGER": str(self.ledger),
                    "DALSEGNO_HEARTBEAT_INTERVAL_S": "0.3",
                    **environment,
                },
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def kill(self, name: str) -> None:
        self._end(name, signal.SIGKILL)

    def terminate(self, name: str) -> int:
        return self._end(name, signal.SIGTERM)

    def has_died(self, name: str) -> bool:
        """Whether the process has ended by itself."""
        return self._processes[name].poll() is not None

    def pause(self, name: str) -> None:
        self._processes[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self._processes[name].send_signal(signal.SIGCONT)

    def wait(self, name: str, timeout_s: float = 60.0) -> int:
        return self._processes[name].wait(timeout_s)

    def _end(self, name: str, how: signal.Signals) -> int:
        process = self._processes.pop(name)
        process.send_signal(how)
        return process.wait(60)

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait(20)

    def log(self, name: str) -> str:
        """All that this process, and those before it of the same name, have said."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def logs(self) -> str:
        """The ends of all logs, for a failing test's message."""
        paths = sorted(self.folder.glob("*.log"))
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in paths
        )

    def environment(self) -> dict[str, str]:
        """For commands that are to find this cluster."""
        ours = {"DALSEGNO_NATS_URL": self.nats_url, "DALSEGNO_POSTGRES__DSN": self.dsn}
        return {**os.environ, **ours}

    # -- clients ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def client(self, timeout_s: float = 60.0) -> AsyncIterator[Client]:
        async with connect(self.connection, timeout_s=timeout_s) as client:
            yield client

    async def register(self, client: Client, *definitions: Definition) -> None:
        for definition in definitions:
            await client.request(RegisterWorkflow(definition=definition))

    async def start(self, client: Client, workflow: str, run_id: str, n: int) -> None:
        await client.request(StartRun(run_id=run_id, workflow=workflow, input={"n": n}))


@contextmanager
def servers_only(folder: Path, settings: Settings = QUICK) -> Iterator[Cluster]:
    """The servers; whatever is started on them ends with the block."""
    with EmbeddedServers() as servers:
        made = Cluster(folder, servers, settings)
        try:
            yield made
        finally:
            made.close()


@contextmanager
def cluster(folder: Path, agents: int = 3, settings: Settings = QUICK) -> Iterator[Cluster]:
    """Servers, one coordinator, some agents; everything ends with the block."""
    with servers_only(folder, settings) as made:
        made.start_coordinator()
        for number in range(1, agents + 1):
            made.start_agent(f"n{number}")
        yield made
