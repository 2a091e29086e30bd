"""`dalsegno demo`: a census of the standard library on three agents, one of which dies, and the
coordinator after it; then the run is rebuilt from its events and compared."""

import os
import time
from pathlib import Path

import anyio
from rich.console import Console
from rich.text import Text

from events.api import RegisterWorkflow, StartRun
from events.catalogue import Catalogue
from events.connection import Connection
from events.definition import Definition, TaskStep
from events.envelope import unseal
from events.errors import Misconfigured, Unavailable
from orchestrator.adapters.embedded import EmbeddedServers
from orchestrator.adapters.nats.client import connect
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.authoring import read
from orchestrator.authoring.walk import spots
from orchestrator.cli.common import go
from orchestrator.cli.exits import DONE, FAILED
from orchestrator.cli.local.cluster import (
    child_environment,
    endings_as_interrupts,
    start_agent,
    start_coordinator,
    work_folder,
)
from orchestrator.cli.local.demo.closing import show_end
from orchestrator.cli.local.demo.display import make_console, make_display
from orchestrator.cli.local.demo.drama import Drama
from orchestrator.cli.local.demo.rebuilding import show_rebuilt
from orchestrator.cli.local.demo.story import Story
from orchestrator.cli.local.processes import Local
from orchestrator.cli.local.trying import agents_there
from orchestrator.cli.output import DIM

AGENTS = 3
RUN_ID = "census-1"
CENSUS = Path(__file__).parents[4] / "examples" / "census.py"
LOOK_S = 0.1
READY_TIMEOUT_S = 30.0
RUN_TIMEOUT_S = 90.0
PAGE = 1000
PACE = {"DALSEGNO_SLOTS": "2", "DALSEGNO_CREDITS": "2", "DALSEGNO_STARTED_REPORT_AFTER_S": "0.05"}
"""Two tasks a node at a time, so that there is something to see; each says when it began."""


def demo() -> int:
    """Run a workflow on three agents, kill one agent and then the coordinator, watch it finish.

    Nothing is left behind. It takes some 20 seconds.

    Examples
    --------
    dalsegno demo
    """
    if not CENSUS.is_file():
        raise Misconfigured(f"the demo runs in a clone of the repository: {CENSUS} is missing")
    console = make_console()
    definition = read(CENSUS).definition
    began = time.monotonic()
    with endings_as_interrupts(), EmbeddedServers() as servers:
        folder = work_folder(servers)
        hashes = folder / "hashes"
        environment = {
            **child_environment(servers, os.environ),
            **PACE,
            "DALSEGNO_COORDINATOR__HASHES_FILE": str(hashes),
        }
        _introduce(console, servers)
        with Local(folder, environment, stop_s=0) as local:
            start_coordinator(local)
            for number in range(1, AGENTS + 1):
                start_agent(local, f"agent-{number}", [str(CENSUS)], folder)
            play = Play(console, local, servers, definition)
            story = go(play.run)
        show_end(console, story, play.output)
        is_same = show_rebuilt(console, RUN_ID, hashes, environment)
    seconds = time.monotonic() - began
    console.print(Text(f"\nEverything is stopped and removed; {seconds:.1f} s in all.", DIM))
    return DONE if is_same and story.status == "completed" else FAILED


def _introduce(console: Console, servers: EmbeddedServers) -> None:
    console.print(Text("Dal Segno", "bold"), Text("a run that survives its node and coordinator"))
    where = f"Postgres on port {servers.postgres.port}, NATS on port {servers.nats.port}"
    console.print(Text(f"{where}; one coordinator and {AGENTS} agents, a process each.\n", DIM))


class Play:
    """The run from its start to its end. `output` is there afterwards."""

    def __init__(
        self, console: Console, local: Local, servers: EmbeddedServers, definition: Definition
    ) -> None:
        self.output: object = None
        self._console = console
        self._local = local
        self._dsn = servers.postgres.dsn
        self._connection = Connection(urls=(servers.nats.url,))
        self._definition = definition
        tasks = sum(isinstance(spot.step, TaskStep) for spot in spots(definition))
        self._story = Story(RUN_ID, tasks)
        self._drama = Drama(local)

    async def run(self) -> Story:
        async with connect(self._connection, timeout_s=READY_TIMEOUT_S) as client:
            await client.request(RegisterWorkflow(definition=self._definition))
            await agents_there(client, AGENTS)
            await client.request(StartRun(run_id=RUN_ID, workflow=self._definition.name))
            with anyio.move_on_after(RUN_TIMEOUT_S) as scope:
                await self._watch()
            if scope.cancelled_caught:
                raise Unavailable(f"the run did not end within {RUN_TIMEOUT_S:g} s")
            run = await client.await_run(RUN_ID, READY_TIMEOUT_S)
        self.output = run.output
        return self._story

    async def _watch(self) -> None:
        """Follows the log, shows what it says, and strikes when it is time."""
        story, catalogue, position = self._story, Catalogue(), 0
        async with await PostgresStore.open(self._dsn) as store:
            with make_display(self._console) as display:
                while story.ended_at is None or not self._drama.is_over:
                    page = await store.read_log(position, PAGE)
                    for stored in page:
                        story.take(unseal(stored, catalogue))
                        position = stored.position or position
                    now = time.time_ns() // 1000
                    if len(page) < PAGE:
                        self._drama.act(story, now)
                        display.show(story, now)
                        self._check_children()
                        await anyio.sleep(LOOK_S)
                display.show(story, time.time_ns() // 1000)

    def _check_children(self) -> None:
        """Raises `Unavailable` for a child that ended and was not killed by the drama."""
        if any(not self._drama.expects_end_of(name) for name, _ in self._local.ended()):
            self._local.check()
