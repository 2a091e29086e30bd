"""`dalsegno run`: start, list, show, cancel."""

from typing import Annotated

import msgspec
from cyclopts import Parameter

from events.api import AnyRequest, CancelRun, RunAnswer, RunView, ShowRun, StartRun
from events.definition import Definition
from events.errors import Misconfigured, Rejected, Unavailable
from orchestrator.adapters.nats.client import Client
from orchestrator.api.service.large import with_references
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.exits import DONE, FAILED
from orchestrator.cli.ids import given_run_id, new_run_id
from orchestrator.cli.names import alike
from orchestrator.cli.nearest import about
from orchestrator.cli.output import plain, print_json
from orchestrator.cli.progress import Progress, played
from orchestrator.cli.run.display import forks_json, print_run, run_json
from orchestrator.cli.run.forks import forks_of
from orchestrator.cli.run.inputs import read_input
from orchestrator.cli.run.labels import given_attributes, given_tags
from orchestrator.cli.stores import open_logs
from orchestrator.cli.workflow.definitions import AS_IT_IS, Reading, load_checked, reads_as_file
from orchestrator.cli.workflow.registry import names
from orchestrator.cli.workflow.workflows import send_definition
from orchestrator.config import Config, databases


def start(  # noqa: PLR0913 -- they are options of a command
    workflow: str,
    *,
    input: str = "",  # noqa: A002 -- the flag is called so
    id: str | None = None,  # noqa: A002
    wait: bool = False,
    build: str = "",
    all: bool = False,  # noqa: A002
    tag: Annotated[list[str] | None, Parameter(negative="")] = None,
    attribute: Annotated[list[str] | None, Parameter(negative="")] = None,
    personal: bool = False,
    subject: str = "",
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
    all
        A row for every step, however many there are; else many are summarised.
    tag
        To find the run by, beside those of its workflow; may be repeated.
    attribute
        The same with a type: true, false and numbers are what they are; may be repeated.
    personal
        Seal what users and handlers say in it, so that `dalsegno erase` can make it unreadable.
    subject
        The same under a name that other runs may have too, to be erased together: a pseudonym, for
        it is not sealed itself.

    Examples
    --------
    dalsegno run start greet --input '{"name": "you"}'
        Start the newest registered version, and print the run's id.
    dalsegno run start examples/greet.yaml --input @input.json --wait
        Register a file, start it and wait for its end.
    dalsegno run start greet --id nightly-17 --wait --json
        A script may repeat this: the same id is the same run.
    """
    value = read_input(input)
    run_id = new_run_id() if id is None else given_run_id(id)
    config = configured(common)
    definition = _definition(workflow, reading)
    tags, attributes = given_tags(tag or ()), given_attributes(attribute or ())

    async def begin() -> RunView:
        name, version = workflow, ""
        if definition is not None:
            registered = await send_definition(config, definition)
            name, version = registered.workflow, registered.workflow_version
        request = StartRun(
            run_id=run_id,
            workflow=name,
            workflow_version=version,
            input=value,
            tags=tags,
            attributes=attributes,
            build=build,
            subject=subject or (f"run:{run_id}" if personal else ""),
        )
        return await _start(config, request, wait)

    try:
        run = go(begin)
    except Rejected as error:
        raise Rejected(f"{error}{_meant(config, workflow, definition)}") from error
    if common.json:
        print_json(run_json(run))
    elif wait:
        print_run(run, all_rows=all)
    else:
        print(run.run_id)
    return FAILED if wait and run.status != "completed" else DONE


def _meant(config: Config, workflow: str, definition: Definition | None) -> str:
    """The nearest registered name, when the log can be asked and this is none."""
    if definition is not None or not databases(config):
        return ""

    async def known() -> list[str]:
        async with await open_logs(config) as store:
            return await names(store)

    try:
        found = go(known)
    except (Misconfigured, Unavailable):
        return ""
    return "" if workflow in found else alike(workflow, found)


def _definition(workflow: str, reading: Reading) -> Definition | None:
    """That of a file; None for the name of a registered workflow."""
    if reads_as_file(workflow):
        return load_checked(workflow, reading)
    if reading.time_scale is not None:
        raise Misconfigured(f"--time-scale is for WfFormat traces, {workflow} is a name: leave it")
    return None


async def _start(config: Config, request: StartRun, wait: bool) -> RunView:
    async with client_of(config) as client:
        value = await with_references(client, request.input)
        request = msgspec.structs.replace(request, input=value)
        if not wait:
            return await answered(client, request)
        with Progress(f"starting {plain(request.run_id)}") as progress:
            return await played(client, request, progress)


async def answered(client: Client, request: AnyRequest) -> RunView:
    answer = await client.request(request)
    if isinstance(answer, RunAnswer):
        return answer.run
    raise Unavailable(f"a coordinator answers {type(answer).__name__} to a request about a run")


def show(run_id: str, *, all: bool = False, common: Common = COMMON) -> None:  # noqa: A002
    """Show a run with its steps and tasks, its output or error; what it was forked from, and the
    forks of it, which are looked up in the projections and may be a moment late.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    all
        A row for every step, however many there are; else many are summarised.

    Examples
    --------
    dalsegno run show 01m7yf4vgw1tqq5ay37h9hvpzk
    dalsegno run show nightly-17 --json
    """
    with about(common, run_id) as given:
        try:
            run = go(lambda: ask(common, ShowRun(run_id=given)))
        except Rejected:
            from orchestrator.cli.events.imported import imported_json, imported_run, print_imported

            if (found := imported_run(common, given)) is None:
                raise
            if common.json:
                print_json(imported_json(found))
            else:
                print_imported(found, all_rows=all)
            return
    forks = forks_of(common, run.run_id)
    if common.json:
        print_json({**run_json(run), **({"forks": forks_json(forks)} if forks else {})})
    else:
        print_run(run, all_rows=all, forks=forks)


def cancel(run_id: str, *, reason: str = "", common: Common = COMMON) -> None:
    """Cancel a run: nothing new starts, what runs is asked back. Exit code 3 if it has ended.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    reason
        Kept in the history.

    Examples
    --------
    dalsegno run cancel nightly-17 --reason "wrong input"
    """
    with about(common, run_id) as given:
        run = go(lambda: ask(common, CancelRun(run_id=given, reason=reason)))
    if common.json:
        print_json(run_json(run))
    else:
        print(f"{run.run_id} is {run.status}, its cancellation is recorded")


async def ask(common: Common, request: AnyRequest) -> RunView:
    async with client_of(configured(common)) as client:
        return await answered(client, request)
