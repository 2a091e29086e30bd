"""`dalsegno`: the command line."""

import os
import sys
from typing import Annotated

import anyio
import cyclopts
import msgspec
from cyclopts import Parameter

from events.connection import Connection
from events.errors import DalsegnoError

app = cyclopts.App(name="dalsegno", help="Durable workflows over Postgres and NATS.")

EXIT_CODES = {"misconfigured": 2, "rejected": 3, "invalid_value": 3, "unavailable": 4, "corrupt": 5}


def _environment() -> "tuple[str, Connection]":
    dsn = os.environ.get("DALSEGNO_POSTGRES_DSN", "")
    return dsn, Connection(urls=(os.environ.get("DALSEGNO_NATS_URL", "nats://127.0.0.1:4222"),))


@app.command
def coordinator(*, name: str = "coordinator-1") -> None:
    """Run a coordinator until SIGTERM."""
    from orchestrator.bootstrap import run_coordinator
    from orchestrator.config import Config, CoordinatorConfig, PostgresConfig

    dsn, connection = _environment()
    config = Config(
        postgres=PostgresConfig(dsn=dsn), nats=connection, coordinator=CoordinatorConfig(name=name)
    )
    anyio.run(run_coordinator, config, backend_options={"use_uvloop": True})


@app.command
def agent(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """Run a node agent; the arguments are those of `python -m node_agent`."""
    os.execv(sys.executable, [sys.executable, "-m", "node_agent", *arguments])


@app.command
def bench(*, runs: int = 2000, in_flight: int = 1000, agents: int = 2, json: bool = False) -> None:
    """Measure durable task executions a second on this machine."""
    from orchestrator.cli.bench import Plan, measure

    plan = Plan(runs=runs, in_flight=in_flight, agents=agents)
    figures = anyio.run(measure, plan, backend_options={"use_uvloop": True})
    if json:
        print(msgspec.json.encode(figures).decode())
    else:
        for name, value in msgspec.structs.asdict(figures).items():
            print(f"{name:24} {value:>12}")


def main() -> None:
    """Entry point; every error is one message and a documented exit code."""
    try:
        app()
    except DalsegnoError as error:
        print(f"dalsegno: {error}", file=sys.stderr)
        sys.exit(EXIT_CODES.get(error.code, 1))


if __name__ == "__main__":
    main()
