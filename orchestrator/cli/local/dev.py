"""`dalsegno dev`: everything on this machine, with data that stays.

    servers ── ready ──► connection file ──► coordinator, agents … ─► until Ctrl-C
                                                  │     ▲
                                            ended └─────┘ told, and started again after a wait

Everything ends with this process, also when it is killed -9; the data folder stays.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import anyio
import msgspec
from cyclopts import Parameter

from events.api import ListNodes, Nodes
from events.connection import Connection
from events.errors import Misconfigured, Unavailable
from events.limits import LOCAL_AGENTS_MAX
from events.logmap import LogMap, shards_text
from orchestrator.adapters.embedded import EmbeddedServers
from orchestrator.adapters.nats.client import connect
from orchestrator.adapters.postgres.schema import make_database, migrate
from orchestrator.cli.cluster.health import WELL
from orchestrator.cli.common import Common, configured, go
from orchestrator.cli.local.cluster import (
    child_environment,
    endings_as_interrupts,
    start_agent,
    start_coordinator,
    start_projections,
)
from orchestrator.cli.local.connection_file import DATA_DIR, Addresses, ConnectionFile
from orchestrator.cli.local.processes import STOP_S, Local
from orchestrator.cli.progress import Progress
from orchestrator.cli.workflow.definitions import describe_tasks
from orchestrator.config import Config, LogPlace

LOOK_S = 0.2
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.5, 10.0
STEADY_S = 10.0
"""A child that lived for so long is restarted without a wait again."""
THERE_S = 10.0
"""Longest wait for the coordinator and the agents before it is said that all is up."""


def dev(
    *,
    agents: int = 1,
    logs: int = 1,
    imports: Annotated[list[str] | None, Parameter(name="--import", negative="")] = None,
    data_dir: Path = Path(DATA_DIR),
    postgres_port: int | None = None,
    nats_port: int | None = None,
) -> None:
    """Run Postgres, NATS, a coordinator, projections and agents until Ctrl-C. Data stays.

    Other commands in the same folder find the servers by themselves.

    Parameters
    ----------
    agents
        How many agent processes.
    logs
        How many logs share the shards, each a database of its own; decided when the data are made.
    imports
        Module with tasks, dotted or a path; may be repeated. Without one, only built-in tasks run.
    data_dir
        Keeps all data.
    postgres_port
        When not given: that of the last time, or a free one.
    nats_port
        When not given: that of the last time, or a free one.

    Examples
    --------
    dalsegno dev --import examples/examples_tasks.py
    dalsegno dev --agents 3 --data-dir /var/lib/dalsegno-trial
        Three agents, and the data somewhere else.
    dalsegno dev --logs 2 --data-dir .two-logs
        A cluster of two logs, to try what that is like.
    """
    if not 0 <= agents <= LOCAL_AGENTS_MAX:
        raise Misconfigured(f"--agents is {agents}: expected 0 to {LOCAL_AGENTS_MAX}")
    shards = configured(Common()).coordinator.shards
    if not 1 <= logs <= shards:
        raise Misconfigured(
            f"--logs is {logs}: expected 1 to {shards}, as many as there are shards"
        )
    modules = tuple(imports or ())
    tasks = describe_tasks(modules)
    config = configured(Common())
    folder = data_dir.absolute()
    with (
        endings_as_interrupts(),
        ConnectionFile(folder) as connection_file,
        Progress("starting Postgres and NATS") as progress,
        EmbeddedServers(folder, postgres_port=postgres_port, nats_port=nats_port) as servers,
    ):
        # Before anybody can ask: a command that finds the file finds the schema as well.
        places = _make_logs(servers, shards, logs)
        connection_file.write(_addresses(servers, places))
        said = folder / "logs"
        said.mkdir(exist_ok=True)
        environment = child_environment(servers, os.environ, config.prefix, places)
        with Local(said, environment) as local:
            start_coordinator(local)
            start_projections(local)
            for number in range(1, agents + 1):
                start_agent(local, f"agent-{number}", modules, folder)
            with suppress(KeyboardInterrupt):  # the way to end it; another one hurries it up
                progress.say("waiting for the coordinator and the agents")
                go(lambda: _until_there(local, servers.nats.url, config.prefix, agents))
                _say_where(folder, servers, config, sorted(tasks))
                _say_who(local)
                _say_next(folder)
                go(lambda: supervise(local, progress))
            progress.say("stopping")
            say(
                f"Stopping; agents have {STOP_S:g} s for what they work at, Ctrl-C again is quicker"
            )
    say(f"Stopped; data stays in {folder}")


async def _until_there(local: Local, nats_url: str, prefix: str, agents: int) -> None:
    """So that who reads that all is up finds it so. Goes on without when a child has ended or it
    takes too long: what is wrong is told afterwards."""
    with anyio.move_on_after(THERE_S), suppress(Unavailable):
        async with connect(Connection(urls=(nats_url,)), prefix, THERE_S) as client:
            while not local.ended():
                answer = await client.request(ListNodes())
                nodes = answer.nodes if isinstance(answer, Nodes) else ()
                if sum(node.status in WELL for node in nodes) >= agents:
                    return
                await anyio.sleep(LOOK_S / 4)


def _make_logs(servers: EmbeddedServers, shards: int, count: int) -> tuple[LogPlace, ...]:
    """The logs, where there are several. The first has the database of the one that there is else,
    so that data of the one kind are refused by the other."""
    if count == 1:
        migrate(servers.postgres.dsn, shards=shards)
        return ()
    own = {
        f"log-{n + 1}": range(n * shards // count, (n + 1) * shards // count) for n in range(count)
    }
    map_ = LogMap(own)
    dsns = [servers.postgres.dsn, *(servers.postgres.dsn_of(name) for name in list(own)[1:])]
    for name, dsn in zip(own, dsns, strict=True):
        if dsn != servers.postgres.dsn:
            make_database(servers.postgres.dsn, name)
        migrate(dsn, log=name, shards=shards, map_=map_.text)
    return tuple(
        LogPlace(name=name, dsn=dsn, shards=shards_text(own[name]))
        for name, dsn in zip(own, dsns, strict=True)
    )


def _addresses(servers: EmbeddedServers, logs: tuple[LogPlace, ...]) -> Addresses:
    dsn, url = servers.postgres.dsn, servers.nats.url
    return Addresses(dsn=dsn, nats_url=url, pid=os.getpid(), logs=logs)


def _say_where(folder: Path, servers: EmbeddedServers, config: Config, tasks: list[str]) -> None:
    say("Dal Segno is up; Ctrl-C stops everything, data stays.")
    say(f"  data      {folder}")
    say(f"  logs      {folder / 'logs'}")
    say(f"  postgres  127.0.0.1:{servers.postgres.port}  (address with password: connection.json)")
    say(f"  nats      127.0.0.1:{servers.nats.port}  prefix {config.prefix}")
    say(f"  tasks     {', '.join(tasks)}")


def _say_who(local: Local) -> None:
    """With process ids, for those who want to see what becomes of a run when one is killed."""
    processes = (f"{name} {local.pid(name)}" for name in local.names())
    say(f"  processes {', '.join(processes)}")


def _say_next(folder: Path) -> None:
    if folder == Path(DATA_DIR).absolute():
        say(f"Commands in {folder.parent} find it: dalsegno run start FILE --wait")
    else:
        say(f"Commands take --dsn and --nats-url from {folder / 'connection.json'}")


def say(text: str) -> None:
    print(text, flush=True)


class Watch(msgspec.Struct):
    """How a child did lately."""

    started_at: float
    wait_s: float = 0.0
    restart_at: float | None = None


async def supervise(local: Local, progress: Progress) -> None:
    """Starts children again that ended, each after a wait that doubles; until interrupted."""
    began = time.monotonic()
    watches = {name: Watch(began) for name in local.names()}
    while True:
        up = len(watches) - len(local.ended())
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        progress.say(f"{up} of {len(watches)} processes run, for {minutes}:{seconds:02}")
        for name, code in local.ended():
            look(local, name, code, watches[name])
        await anyio.sleep(LOOK_S)


def look(local: Local, name: str, code: int, watch: Watch) -> None:
    """Plans or carries out the restart of a child that has ended."""
    now = time.monotonic()
    if watch.restart_at is None:
        steady = now - watch.started_at > STEADY_S
        watch.wait_s = 0.0 if steady else min(max(BACKOFF_FIRST_S, 2 * watch.wait_s), BACKOFF_MAX_S)
        watch.restart_at = now + watch.wait_s
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        say(f"{name} {how}; starting it again in {watch.wait_s:g} s ({local.log_path(name)})")
        if code > 0 and (said := local.log_end(name).splitlines()):
            say(f"  {said[-1]}")
    elif now >= watch.restart_at:
        pid = local.start_again(name)
        watch.started_at, watch.restart_at = now, None
        say(f"{name} is started again as process {pid}")
