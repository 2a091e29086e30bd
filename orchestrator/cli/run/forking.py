"""`dalsegno fork`: a new run that shares the history of another one up to a version."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from events.api import ForkRun, RunView
from events.codec import encode
from events.definition import Definition
from events.errors import Misconfigured, Rejected
from events.values import Value
from orchestrator.authoring import accept
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.confirming import confirm
from orchestrator.cli.exits import DONE, FAILED
from orchestrator.cli.ids import given_run_id, me, new_run_id
from orchestrator.cli.nearest import about
from orchestrator.cli.output import (
    BAD,
    DIM,
    UNSURE,
    console,
    counted,
    names,
    plain,
    print_json,
    status,
)
from orchestrator.cli.progress import awaited
from orchestrator.cli.run.display import print_run, run_json
from orchestrator.cli.run.inputs import given_values
from orchestrator.cli.run.runs import answered
from orchestrator.cli.stores import with_store
from orchestrator.cli.times import now
from orchestrator.cli.workflow.definitions import AS_IT_IS, Reading, expressions
from orchestrator.cli.workflow.registry import SHORT, definition_of
from orchestrator.cli.workflow.workflows import send_definition
from orchestrator.config import Config
from orchestrator.kernel.env import Env
from orchestrator.replay.what_if.forks import Changed, Difference, Foreseen, Wish, foresee

if TYPE_CHECKING:
    from rich.console import Console

SHOWN_MAX = 20
VALUE_CHARS = 200
Several = Annotated[list[str] | None, Parameter(negative="")]


def fork(  # noqa: PLR0913 -- they are options of a command
    run_id: str,
    /,
    *,
    at: int | None = None,
    set: Several = None,  # noqa: A002 -- the flag is called so
    definition: str = "",
    retry: Several = None,
    run_id_of_fork: Annotated[str | None, Parameter(name="--run-id")] = None,
    reason: str = "",
    preview: bool = False,
    yes: bool = False,
    wait: bool = False,
    reading: Reading = AS_IT_IS,
    common: Common = COMMON,
) -> int:
    """Begin a new run where another one was at a version, with a fix, and let it run on. The run
    that it is forked from stays as it is, whether it has ended or not.

    What had completed by that version is not executed again: its results are shared. What was open
    there begins anew, and what comes after it follows. It says first what will be executed again
    and what is kept, and asks; where nobody can answer it needs --yes.

    Parameters
    ----------
    run_id
        The run to fork, open or ended; `dalsegno run list` shows them.
    at
        The version to begin from; `dalsegno events show RUN` numbers them. When it is not given: of
        an open run the last one, of one that failed the last one at which nothing had gone wrong.
    set
        A variable that the fork has from there on, NAME=VALUE; may be repeated. The value is JSON,
        or else text.
    definition
        The definition to go on with: a file, NAME or NAME@VERSION. Steps are known by their ids; it
        is refused where it cannot take the run as it is there. A file is registered, but not as
        what new runs begin with.
    retry
        A step to do again, `parse` or `parse[2]`; may be repeated. One that has failed begins anew
        where it is, else the fork begins from the last version (until --at) before it was over.
    run_id_of_fork
        Id of the new run; a fresh one when not given. The same one again is the same run.
    reason
        Kept in the history of the new run.
    preview
        Only say what would be executed again and what is kept; with --json as data.
    yes
        Begin without being asked.
    wait
        Wait for the end; exit code 1 if the new run does not complete.

    Examples
    --------
    dalsegno fork nightly-17 --at 12 --set price=5 --preview
        Say what would be done, and do nothing.
    dalsegno fork night-17 --retry load --definition examples/orders.yaml --yes
        Do a step that failed again, by a definition that was mended.
    dalsegno fork n-17 --at 12 --set 'rules=["a", "b"]' --run-id n-18
    """
    if at is not None and at < 1:
        raise Misconfigured(f"--at is {at}: expected a version from 1")
    fork_id = new_run_id() if run_id_of_fork is None else given_run_id(run_id_of_fork)
    config = configured(common)
    text = definition_of(definition, reading, common) if definition else None
    with about(common, run_id) as source:
        wish = Wish(
            run_id=source,
            fork_id=fork_id,
            at=at or 0,
            steps=tuple(retry or ()),
            variables=given_values("--set", set or ()),
            changed=None if text is None else _changed(text, config),
            reason=reason,
        )
        found = with_store(common, lambda store: foresee(store, wish, _env(config)))
    if preview:
        _show(common, found)
        return DONE
    if not common.json:
        _say(console(sys.stderr), found)
    confirm(f"Begin run {fork_id}?", yes=yes)
    run = go(lambda: _fork(config, wish, found, text, wait))
    if common.json:
        print_json({**run_json(run), "plan": plan_json(found)})
    elif wait:
        print_run(run)
    else:
        print(run.run_id)
    return FAILED if wait and run.status != "completed" else DONE


def _env(config: Config) -> Env:
    return Env(now=now(), expressions=expressions(), limits=config.limits)


def _changed(definition: Definition, config: Config) -> Changed:
    version, net = accept(definition, expressions(), config.limits)
    return Changed(
        workflow=definition.name, workflow_version=version, options=definition.options, net=net
    )


async def _fork(
    config: Config, wish: Wish, found: Foreseen, definition: Definition | None, wait: bool
) -> RunView:
    if definition is not None:
        await send_definition(config, definition, aside=True)
    request = ForkRun(
        actor=me(),
        run_id=wish.fork_id,
        source_run_id=wish.run_id,
        source_version=found.version,
        variables=dict(wish.variables),
        reason=wish.reason,
        steps=found.retried,
        workflow_version=found.new_workflow_version if definition is not None else "",
    )
    async with client_of(config) as client:
        run = await answered(client, request)
        if run.workflow_version != found.new_workflow_version:
            raise Rejected(
                f"run {run.run_id} has begun with version {run.workflow_version} of "
                f"{run.workflow}: its coordinator is of a release that cannot fork with another "
                f"definition. `dalsegno run terminate {run.run_id}`, and upgrade the coordinators"
            )
        return await awaited(client, run) if wait else run


async def begun(config: Config, run_id: str, version: int, variables: Mapping[str, Value]) -> str:
    """The id of a new run, forked as a debugger has foreseen it. Raises `Rejected`,
    `Unavailable`."""
    request = ForkRun(
        actor=me(),
        run_id=new_run_id(),
        source_run_id=run_id,
        source_version=version,
        variables=dict(variables),
        reason="in a debugger",
    )
    async with client_of(config) as client:
        return (await answered(client, request)).run_id


# -- what it would do -----------------------------------------------------------------------------


def plan_json(found: Foreseen) -> dict[str, object]:
    """As `--json` shows it."""
    shown = msgspec.to_builtins(found)
    return shown if isinstance(shown, dict) else {}


def _show(common: Common, found: Foreseen) -> None:
    if common.json:
        print_json({"plan": plan_json(found)})
    else:
        _say(console(), found)


def _say(out: "Console", found: Foreseen) -> None:
    out.print(
        f"Run [bold]{plain(found.run_id)}[/] of {plain(found.workflow)} is {status(found.status)}. "
        f"A new run begins from its version {found.version} of {found.last_version}."
    )
    out.print(f"  kept, {counted(len(found.kept), 'step')}: {_names(found.kept)}")
    again = [f"{one.step} ({one.was or 'open'})" for one in found.again]
    out.print(f"  executed again, {counted(len(again), 'step')} and what follows: {_names(again)}")
    if found.repeats:
        out.print(f"  [{DIM}]{found.repeats}[/]")
    _say_changes(out, found)


def _say_changes(out: "Console", found: Foreseen) -> None:
    if found.new_workflow_version != found.workflow_version:
        old, new = found.workflow_version[:SHORT], found.new_workflow_version[:SHORT]
        out.print(f"  definition: {plain(found.workflow)}@{old} → {new}")
    for one in found.variables:
        out.print(f"  vars.{plain(one.name)}: {_change(one)}", soft_wrap=True)
    for one in found.inputs:
        out.print(f"  {plain(one.name)} is given: {_change(one)}", soft_wrap=True)
    if found.passed:
        out.print(
            f"  [{UNSURE}]not run, since their place is passed: {_names(found.passed)}[/]",
        )
    if found.ends_as:
        out.print(f"  [{BAD}]it would be {found.ends_as} at once[/]")


def _change(one: Difference) -> str:
    before = "not set" if one.before is msgspec.UNSET else _text(one.before)
    return f"{plain(before)} → {plain(_text(one.after))}"


def _text(value: Value) -> str:
    text = encode(value).decode()
    return text if len(text) <= VALUE_CHARS else f"{text[:VALUE_CHARS]} …"


def _names(steps: "tuple[str, ...] | list[str]") -> str:
    return plain(names(list(steps), SHOWN_MAX) or "none")
