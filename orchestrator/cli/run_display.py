"""A run as it is shown: JSON with instants as texts, or tables."""

from typing import TYPE_CHECKING

import msgspec

from events.api import RunView, StepView, TaskView
from orchestrator.cli.output import (
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

if TYPE_CHECKING:
    from rich.console import Console

Shown = dict[str, object]


def run_json(run: RunView) -> Shown:
    """The JSON form of a run, the same from every command."""
    shown: Shown = {
        "run_id": run.run_id,
        "workflow": run.workflow,
        "workflow_version": run.workflow_version,
        "version": run.version,
        "status": run.status,
        "output": run.output,
        "error": None if run.error is None else msgspec.structs.asdict(run.error),
        "steps": [_step(step) for step in run.steps],
        "tasks": [_task(task) for task in run.tasks],
    }
    more = {"pending": run.pending, "build": run.build}
    return shown | {name: text for name, text in more.items() if text}


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
        "status": task.status,
        "attempts": task.attempts,
        "node": task.node or None,
        "started_at": instant(task.started_at),
        "ended_at": instant(task.ended_at),
    }
    return {**shown, "pending": task.pending} if task.pending else shown


def print_run(run: RunView) -> None:
    out = console()
    head = f"[bold]{plain(run.run_id)}[/]  {status(run.status)}"
    out.print(f"{head}  [dim]{took(run.started_at, run.ended_at)}[/]")
    if run.pending:
        out.print(f"[yellow]{plain(run.pending)}[/]")
    version = run.workflow_version[:12]
    build = f", build {plain(run.build)}" if run.build else ""
    head = f"[dim]workflow[/] {plain(run.workflow)} [dim]{version}, {run.version} events{build}[/]"
    out.print(head)
    out.print(_steps(run))
    _print_end(out, run)


def _steps(run: RunView) -> object:
    tasks = {task.name: task for task in run.tasks}
    made = table("step", "kind", "status", "attempts>", "node", "started", "took>", "waits for")
    lines = []
    for step in run.steps:
        task = tasks.get(step.name)
        lines.append(
            (
                plain(step.name),
                step.kind,
                status(step.status),
                str(task.attempts) if task else "",
                plain(task.node) if task else "",
                clock(step.started_at),
                took(step.started_at, step.ended_at),
                plain(task.pending if task else step.pending or ""),
            )
        )
    return rows(made, lines)


def _print_end(out: "Console", run: RunView) -> None:
    if run.error is not None:
        where = f" in step {run.error.step}" if run.error.step else ""
        out.print(
            f"[red]error[/] {plain(run.error.code)}{plain(where)}: {plain(run.error.message)}"
        )
        if run.error.details is not None:
            out.print(plain(value_text(run.error.details)))
    elif run.ended_at is not None:
        out.print("[dim]output[/]")
        out.print(plain(value_text(run.output)))
