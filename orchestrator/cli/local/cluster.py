"""The processes that `dev`, `try` and `demo` start over embedded servers, and with what."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from orchestrator.adapters.embedded import EmbeddedServers
from orchestrator.cli.local.processes import Local
from orchestrator.config import LogPlace, shards_of

COORDINATOR = "coordinator"
PROJECTIONS = "projections"

QUICK = {
    "DALSEGNO_ENGINE__LEASE_TTL_S": "2.5",
    "DALSEGNO_ENGINE__LEASE_MARGIN_S": "0.5",
    "DALSEGNO_ENGINE__ATTEMPT_LEASE_TTL_S": "2.0",
    "DALSEGNO_ENGINE__RESEND_AFTER_S": "1.0",
    "DALSEGNO_HEARTBEAT_INTERVAL_S": "0.4",
    "DALSEGNO_LEASE_MARGIN_S": "0.3",
    "DALSEGNO_STARTED_REPORT_AFTER_S": "0.2",
}
"""On one machine silence means death sooner than between hosts; what the user set goes first."""

OURS = (
    "DALSEGNO_POSTGRES",
    "DALSEGNO_LOGS",
    "DALSEGNO_NATS",
    "DALSEGNO_PREFIX",
    "DALSEGNO_NODE",
    "DALSEGNO_IMPORT",
)


def child_environment(
    servers: EmbeddedServers,
    given: Mapping[str, str],
    prefix: str = "dalsegno",
    logs: Sequence[LogPlace] = (),
) -> dict[str, str]:
    """The user's environment, but with our servers; addresses never show in a process list."""
    kept = {name: value for name, value in given.items() if not name.startswith(OURS)}
    log = {"DALSEGNO_POSTGRES__DSN": servers.postgres.dsn}
    if logs:
        log = {
            "DALSEGNO_LOGS": msgspec.json.encode(logs).decode(),
            "DALSEGNO_COORDINATOR__SHARDS": str(shards_of(logs)),
        }
    return {
        **QUICK,
        **kept,
        **log,
        "DALSEGNO_NATS_URL": servers.nats.url,
        "DALSEGNO_PREFIX": prefix,
    }


def start_coordinator(local: Local) -> int:
    return local.start(COORDINATOR, ["orchestrator.cli.main", "coordinator"])


def start_projections(local: Local) -> int:
    return local.start(PROJECTIONS, ["orchestrator.cli.main", "projections", "run"])


def start_agent(local: Local, node: str, imports: Sequence[str], folder: Path) -> int:
    flags = ["--node", node, "--data-dir", str(folder)]
    for module in imports:
        flags += ["--import", module]
    return local.start(node, ["node_agent", *flags])


@contextmanager
def endings_as_interrupts() -> Iterator[None]:
    """SIGTERM and SIGHUP inside the block end it as Ctrl-C does: in order."""

    def interrupt(number: int, frame: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    before = {n: signal.signal(n, interrupt) for n in (signal.SIGTERM, signal.SIGHUP)}
    # Ignored in what a script starts in the background: there it would swallow the others too.
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def work_folder(servers: EmbeddedServers) -> Path:
    """A folder that goes with temporary servers, even when this process is killed -9."""
    folder = servers.nats.home / "work"
    folder.mkdir(mode=0o700)
    return folder
