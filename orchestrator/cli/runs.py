"""`dalsegno run`: start, list, show, cancel."""

from pathlib import Path

import msgspec

from events.api import AnyRequest, CancelRun, RunAnswer, RunView, ShowRun, StartRun
from events.definition import Definition
from events.errors import Misconfigured, Unavailable
from orchestrator.adapters.nats.client import Client
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import COMMON, Common, client_of, configured, go, log_address
from orchestrator.cli.definitions import AS_IT_IS, Reading
from orchestrator.cli.exits import DONE, FAILED
from orchestrator.cli.ids import given_run_id, new_run_id
from orchestrator.cli.inputs import read_input
from orchestrator.cli.large import with_references
from orchestrator.cli.output import console, day, instant, plain, print_json, rows, status, table
from orchestrator.cli.run_display import print_run, run_json
from orchestrator.cli.workflows import load_checked, send_definition
from orchestrator.config import Config
from orchestrator.coordinator.ports import IndexRow
from orchestrator.kernel.state import OPEN, TERMINAL

LIST_MAX = 1000
SUFFIXES = frozenset({".yaml", ".yml", ".json", ".py"})


def start(  # noqa: PLR0913 -- they are options of a command
    workflow: str,
    *,
    input: str = "",  # noqa: A002 -- the flag is called so
    id: str | None = None,  # noqa: A002
    wait: bool = False,
    build: str = "",
    reading: Reading = AS_IT_IS,
    common: Common = COMMON,
) -> int:
    """Start a run of a registered workflow, or of a file, which is checked and registered first.

    The same --id with the same definition and input is the same run.

    Parameters
    ----------
    workflow
        A name, or a .yaml, .json or .py file, or a WfFormat trace.
    input
        The run's input as JSON, or @file.
    id
        Run id; a fresh one when not given.
    wait
        Wait for the end; exit code 1 if the run does not complete.
    build
        Give its tasks only to nodes of this build id; `pinned`: of whichever its first task gets.
    """
    value = read_input(input)
    run_id = new_run_id() if id is None else given_run_id(id)
    config = configured(common)
    definition = _definition(workflow, reading)

    async def ask() -> RunView:
        name, version = workflow, ""
        if definition is not None:
            registered = await send_definition(config, definition)
            name, version = registered.workflow, registered.workflow_version
        request = StartRun(
            run_id=run_id, workflow=name, workflow_version=version, input=value, build=build
        )
        return await _start(config, request, wait)

    run = go(ask)
    if common.json:
        print_json(run_json(run))
    elif wait:
        print_run(run)
    else:
        print(run.run_id)
    return FAILED if wait and run.status != "completed" else DONE


def _definition(workflow: str, reading: Reading) -> Definition | None:
    """That of a file; None for the name of a registered workflow."""
    if is_file(workflow):
        return load_checked(workflow, reading)
    if reading.time_scale is not None:
        raise Misconfigured(f"--time-scale is for WfFormat traces, {workflow} is a name: leave it")
    return None


def is_file(workflow: str) -> bool:
    path = workflow.rpartition(":")[0] if ".py:" in workflow else workflow
    return Path(path).suffix in SUFFIXES


async def _start(config: Config, request: StartRun, wait: bool) -> RunView:
    async with client_of(config) as client:
        value = await with_references(client, request.input)
        request = msgspec.structs.replace(request, input=value)
        return await client.run(request) if wait else await _answered(client, request)


async def _answered(client: Client, request: AnyRequest) -> RunView:
    answer = await client.request(request)
    if isinstance(answer, RunAnswer):
        return answer.run
    raise Unavailable(f"a coordinator answers {type(answer).__name__} to a request about a run")


def show(run_id: str, *, common: Common = COMMON) -> None:
    """Show a run with its steps and tasks, its output or error."""
    run = go(lambda: _ask(configured(common), ShowRun(run_id=given_run_id(run_id))))
    if common.json:
        print_json(run_json(run))
    else:
        print_run(run)


def cancel(run_id: str, *, reason: str = "", common: Common = COMMON) -> None:
    """Cancel a run: nothing new starts, what runs is asked back. Exit code 3 if it has ended.

    Parameters
    ----------
    reason
        Kept in the history.
    """
    request = CancelRun(run_id=given_run_id(run_id), reason=reason)
    run = go(lambda: _ask(configured(common), request))
    if common.json:
        print_json(run_json(run))
    else:
        print(f"{run.run_id} is {run.status}, its cancellation is recorded")


async def _ask(config: Config, request: AnyRequest) -> RunView:
    async with client_of(config) as client:
        return await _answered(client, request)


def list_(
    *,
    status: str = "",
    workflow: str = "",
    before: str = "",
    limit: int = 20,
    common: Common = COMMON,
) -> None:
    """List runs, the newest first, from the log's index; needs no coordinator.

    Parameters
    ----------
    status
        Only runs of this status.
    workflow
        Only runs of this workflow.
    before
        Only runs that began before this one: for the next page.
    limit
        Most runs to list.
    """
    if status and status not in OPEN | TERMINAL:
        raise Misconfigured(
            f"--status is {status!r}: expected one of {', '.join(sorted(OPEN | TERMINAL))}"
        )
    if not 0 < limit <= LIST_MAX:
        raise Misconfigured(f"--limit is {limit}: expected 1 to {LIST_MAX}")
    dsn = log_address(configured(common))

    async def read() -> list[IndexRow]:
        async with await PostgresStore.open(dsn) as store:
            return await store.list_runs(status, workflow, before, limit)

    found = go(read)
    if common.json:
        print_json([_row_json(row) for row in found])
    else:
        _print_rows(found)


def _row_json(row: IndexRow) -> dict[str, object]:
    return {
        "run_id": row.run_id,
        "workflow": row.workflow,
        "workflow_version": row.workflow_version,
        "status": row.status,
        "version": row.version,
        "shard": row.shard,
        "outstanding": row.outstanding,
        "ready": row.ready,
        "next_due_at": instant(row.next_due_at),
        "started_at": instant(row.started_at),
        "updated_at": instant(row.updated_at),
    }


def _print_rows(found: list[IndexRow]) -> None:
    made = table("run", "workflow", "status", "events>", "at work>", "ready>", "started (UTC)")
    lines = (
        (
            plain(row.run_id),
            plain(row.workflow),
            status(row.status),
            str(row.version),
            str(row.outstanding),
            str(row.ready),
            day(row.started_at),
        )
        for row in found
    )
    console().print(rows(made, lines) if found else "no such runs")
