"""A run as it is shown: JSON with instants as texts, or tables."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from events.api import ActionView, RunView, StepView, TaskView
from events.views import ForkView
from orchestrator.cli.output import (
    BAD,
    DIM,
    UNSURE,
    clock,
    console,
    instant,
    plain,
    rows,
    status,
    table,
    took,
    value_text,
)
from orchestrator.cli.run.summary import print_summary

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

FORKS_SHOWN = 10
ROWS_MAX = 60
"""Steps up to which a run is shown with a row for each."""

Shown = dict[str, object]


def run_json(run: RunView) -> Shown:
    """The JSON form of a run, the same from every command."""
    shown: Shown = {
        "run_id": run.run_id,
        "workflow": run.workflow,
        "workflow_version": run.workflow_version,
        "version": run.version,
        "status": run.status,
        "started_at": instant(run.started_at),
        "ended_at": instant(run.ended_at),
        "output": run.output,
        "error": None if run.error is None else msgspec.structs.asdict(run.error),
        "steps": [_step(step) for step in run.steps],
        "tasks": [_task(task) for task in run.tasks],
    }
    more: Shown = {"pending": run.pending, "build": run.build}
    if run.actions:
        more["actions"] = [_action(one) for one in run.actions]
    if run.forked_from:
        more["forked_from"] = msgspec.to_builtins(run.forked_from)
    return shown | {name: text for name, text in more.items() if text}


def _action(did: ActionView) -> Shown:
    shown = msgspec.to_builtins(did)
    return {**shown, "at": instant(did.at)} if isinstance(shown, dict) else {}


def _step(step: StepView) -> Shown:
    shown: Shown = {
        "name": step.name,
        "kind": step.kind,
        "status": step.status,
        "started_at": instant(step.started_at),
        "ended_at": instant(step.ended_at),
    }
    return {**shown, "pending": step.pending} if step.pending else shown


def _task(task: TaskView) -> Shown:
    shown: Shown = {
        "name": task.name,
        "task": task.task or None,
        "status": task.status,
        "attempts": task.attempts,
        "node": task.node or None,
        "started_at": instant(task.started_at),
        "ended_at": instant(task.ended_at),
    }
    return {**shown, "pending": task.pending} if task.pending else shown


def print_run(run: RunView, *, all_rows: bool = False, forks: Sequence[ForkView] = ()) -> None:
    """A table of its steps, and its output or error. Of many steps a summary, unless `all_rows`."""
    out = console()
    head = f"[bold]{plain(run.run_id)}[/]  {status(run.status)}"
    out.print(f"{head}  [{DIM}]{took(run.started_at, run.ended_at)}[/]")
    if run.pending:
        out.print(f"[{UNSURE}]{plain(run.pending)}[/]")
    version = run.workflow_version[:12]
    build = f", build {plain(run.build)}" if run.build else ""
    shown = f"{plain(run.workflow)} [{DIM}]{version}, {run.version} events{build}[/]"
    out.print(f"[{DIM}]workflow[/] {shown}")
    _print_links(out, run, forks)
    out.print()
    if all_rows or len(run.steps) <= ROWS_MAX:
        out.print(step_table(run, run.steps) if run.steps else "no step has begun")
    else:
        print_summary(out, run)
    if run.actions:
        out.print()
        out.print(action_table(run.actions))
    _print_end(out, run)


def forks_json(forks: Sequence[ForkView]) -> list[Shown]:
    return [
        {
            "run_id": one.run_id,
            "version": one.version,
            "started_at": instant(one.started_at),
            "status": one.status or None,
        }
        for one in forks
    ]


def _print_links(out: "Console", run: RunView, forks: Sequence[ForkView]) -> None:
    """What it was forked from, and what was forked from it."""
    if run.forked_from:
        source = run.forked_from
        out.print(f"[{DIM}]fork of[/] {plain(source.run_id)} [{DIM}]version {source.version}[/]")
    for one in forks[:FORKS_SHOWN]:
        at = f"[{DIM}]from version {one.version}[/]"
        out.print(f"[{DIM}]fork[/] {plain(one.run_id)}  {status(one.status)}  {at}")
    if len(forks) > FORKS_SHOWN:
        out.print(f"[{DIM}]and more forks; --json names them[/]")


def action_table(actions: Iterable[ActionView]) -> "Table":
    """What operators did, and the version by which each is undone."""
    made = table("operator", "did", "step?", "to?", "at", "event>", "undone by?", "reason?")
    return rows(made, (_action_row(did) for did in actions))


def _action_row(did: ActionView) -> tuple[str, ...]:
    back = f"restore --to {did.backup}" if did.backup and did.what != "move" else ""
    return (
        plain(did.by),
        did.what,
        plain(did.step),
        plain(did.to),
        clock(did.at),
        str(did.version),
        back,
        plain(did.reason),
    )


def step_table(run: RunView, steps: Iterable[StepView]) -> "Table":
    tasks = {task.name: task for task in run.tasks}
    made = table("step", "kind?", "status", "attempts>?", "node?", "started?", "took>", "waits for")
    return rows(made, (_row(step, tasks.get(step.name)) for step in steps))


def _row(step: StepView, task: TaskView | None) -> tuple[str, ...]:
    return (
        plain(step.name),
        step.kind,
        status(step.status),
        str(task.attempts) if task else "",
        plain(task.node) if task else "",
        clock(step.started_at),
        took(step.started_at, step.ended_at),
        plain(task.pending if task else step.pending or ""),
    )


def _print_end(out: "Console", run: RunView) -> None:
    if run.error is not None:
        out.print()
        where = f" in step {run.error.step}" if run.error.step else ""
        out.print(
            f"[{BAD}]error[/] {plain(run.error.code)}{plain(where)}: {plain(run.error.message)}"
        )
        if run.error.details is not None:
            out.print(plain(value_text(run.error.details)))
    elif run.status == "completed":  # what was cancelled has none
        out.print()
        out.print(f"[{DIM}]output[/]")
        out.print(plain(value_text(run.output)))
