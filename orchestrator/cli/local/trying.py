"""`dalsegno try FILE`: the whole of it for one run, on servers that go with it."""

import os
from collections.abc import Sequence
from typing import Annotated

import anyio
import msgspec
from cyclopts import Parameter

from events.api import ListNodes, Nodes, RegisterWorkflow, RunView, StartRun
from events.connection import Connection
from events.definition import Definition
from events.errors import Misconfigured, Unavailable
from events.limits import LOCAL_AGENTS_MAX
from events.values import Value
from orchestrator.adapters.embedded import EmbeddedServers
from orchestrator.adapters.nats.client import Client, connect
from orchestrator.api.service.large import with_references
from orchestrator.authoring import read
from orchestrator.cli.common import Common, configured, go
from orchestrator.cli.exits import DONE, FAILED
from orchestrator.cli.ids import new_run_id
from orchestrator.cli.local.cluster import (
    child_environment,
    endings_as_interrupts,
    start_agent,
    start_coordinator,
    work_folder,
)
from orchestrator.cli.local.processes import Local
from orchestrator.cli.output import counted, print_json
from orchestrator.cli.progress import Progress, played
from orchestrator.cli.run.display import print_run, run_json
from orchestrator.cli.run.inputs import read_input
from orchestrator.cli.workflow.definitions import (
    TimeScale,
    checked_authored,
    describe_tasks,
    implied_imports,
)

READY_TIMEOUT_S = 30.0
LOOK_S = 0.25


def try_(  # noqa: PLR0913 -- they are options of a command
    file: str,
    *,
    input: str = "",  # noqa: A002 -- the flag is called so
    imports: Annotated[list[str] | None, Parameter(name="--import", negative="")] = None,
    also: Annotated[list[str] | None, Parameter(negative="")] = None,
    agents: int = 1,
    time_scale: TimeScale = None,
    all: bool = False,  # noqa: A002
    json: bool = False,
) -> int:
    """Run a workflow file to its end on embedded servers, print the run, stop everything.

    Exit code 0 if the run completed, 1 if it ended otherwise.

    Parameters
    ----------
    file
        A .yaml, .json or .py file, or a WfFormat trace; a .py file may hold the tasks as well.
    input
        The run's input as JSON, or @file.
    imports
        Module with tasks, dotted or a path; may be repeated.
    also
        File with a workflow that steps of this one call; may be repeated.
    agents
        How many agent processes.
    all
        A row for every step, however many there are; else many are summarised.
    json
        Answer in JSON.

    Examples
    --------
    dalsegno try examples/approval.yaml --input '{"order": "A-17"}'
    dalsegno try examples/diamond.py --input '{"values": [4, 8, 15]}' --agents 2
        A Python file with its own tasks.
    dalsegno try trace.json --time-scale 0 --agents 3
        A recorded trace, without waiting for its recorded times.
    """
    if not 1 <= agents <= LOCAL_AGENTS_MAX:
        raise Misconfigured(f"--agents is {agents}: expected 1 to {LOCAL_AGENTS_MAX}")
    authored = [*map(read, also or ()), read(file, time_scale=time_scale)]
    value = read_input(input)
    modules = implied_imports(file, imports or ())
    configured(Common())  # which a coordinator would refuse later, and in its log
    with (
        endings_as_interrupts(),
        Progress("starting Postgres and NATS") as progress,
        EmbeddedServers() as servers,
    ):
        progress.say("checking the workflow")
        tasks = describe_tasks(modules)
        definitions = [checked_authored(one, tasks) for one in authored]
        folder = work_folder(servers)
        environment = child_environment(servers, os.environ)
        with Local(folder, environment, stop_s=0) as local:
            start_coordinator(local)
            for number in range(1, agents + 1):
                start_agent(local, f"agent-{number}", modules, folder)
            progress.say(f"waiting for the coordinator and {counted(agents, 'agent')}")
            connection = Connection(urls=(servers.nats.url,))
            run = go(lambda: _play(local, connection, Play(definitions, value, progress)))
    if json:
        print_json(run_json(run))
    else:
        print_run(run, all_rows=all)
    return DONE if run.status == "completed" else FAILED


class Play(msgspec.Struct, frozen=True):
    """What is to be played: all definitions are registered, the last one is started."""

    definitions: Sequence[Definition]
    input: Value
    progress: Progress


async def _play(local: Local, connection: Connection, play: Play) -> RunView:
    """Registers all, starts the last, waits for its end, for as long as all children live."""
    async with (
        connect(connection, timeout_s=READY_TIMEOUT_S) as client,
        anyio.create_task_group() as group,
    ):
        group.start_soon(_watch, local)
        for definition in play.definitions:
            await client.request(RegisterWorkflow(definition=definition))
        await agents_there(client, len(local.names()) - 1)
        run_id = new_run_id()
        name, value = play.definitions[-1].name, await with_references(client, play.input)
        request = StartRun(run_id=run_id, workflow=name, input=value)
        run = await played(client, request, play.progress)
        group.cancel_scope.cancel()
    return run


async def _watch(local: Local) -> None:
    while True:
        local.check()
        await anyio.sleep(LOOK_S)


async def agents_there(client: Client, count: int) -> None:
    with anyio.move_on_after(READY_TIMEOUT_S):
        while True:
            answer = await client.request(ListNodes())
            if isinstance(answer, Nodes) and len(answer.nodes) >= count:
                return
            await anyio.sleep(0.02)
    raise Unavailable(f"the agents did not join within {READY_TIMEOUT_S:g} s")
