"""A run of very many steps in few rows: by task type, what failed, what is slow, what is open."""

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from events.api import RunView, StepView
from orchestrator.cli.output import BAD, DIM, plain, rows, status, table, took

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

FAILED_SHOWN = 20
SLOW_SHOWN = 5
OPEN_SHOWN = 10
ENDED = frozenset({"completed", "failed", "cancelled", "skipped"})


class Kind(msgspec.Struct):
    """Steps of one task type, or of one kind that is no task."""

    name: str
    steps: list[StepView] = []
    attempts: int = 0

    def count(self, what: str) -> int:
        return sum(step.status == what for step in self.steps)

    @property
    def open(self) -> int:
        return sum(step.status not in ENDED for step in self.steps)


def print_summary(out: "Console", run: RunView) -> None:
    out.print(_kinds(by_kind(run)))
    failed = [step for step in run.steps if step.status == "failed"]
    open_ = [step for step in run.steps if step.status not in ENDED]
    slow = sorted(run.steps, key=_length, reverse=True)
    _print_some(out, f"[{BAD}]failed[/]", run, failed, FAILED_SHOWN)
    _print_some(out, "under way", run, open_, OPEN_SHOWN)
    _print_some(out, "slowest", run, [step for step in slow if _length(step)], SLOW_SHOWN)
    out.print(f"\n[{DIM}]{len(run.steps)} steps; --all shows a row for each, --json everything[/]")


def by_kind(run: RunView) -> list[Kind]:
    """The steps by task type, the most frequent first."""
    tasks = {task.name: task for task in run.tasks}
    found: dict[str, Kind] = {}
    for step in run.steps:
        task = tasks.get(step.name)
        name = (task.task or "task") if task else f"({step.kind})"
        kind = found.setdefault(name, Kind(name))
        kind.steps.append(step)
        kind.attempts += task.attempts if task else 0
    return sorted(found.values(), key=lambda kind: -len(kind.steps))


def _kinds(kinds: Sequence[Kind]) -> "Table":
    columns = ("task type", "steps>", "completed>", "failed>", "open>", "attempts>?", "median>?")
    return rows(
        table(*columns, "slowest>"),
        (
            (
                plain(kind.name),
                str(len(kind.steps)),
                str(kind.count("completed")),
                f"[{BAD}]{failed}[/]" if (failed := kind.count("failed")) else "0",
                str(kind.open),
                str(kind.attempts),
                *_times(kind),
            )
            for kind in kinds
        ),
    )


def _times(kind: Kind) -> tuple[str, str]:
    lengths = [_length(step) for step in kind.steps if step.ended_at is not None]
    if not lengths:
        return "", ""
    return took(0, round(median(lengths))), took(0, max(lengths))


def _length(step: StepView) -> int:
    """Microseconds; 0 for what has not ended."""
    if step.started_at is None or step.ended_at is None:
        return 0
    return step.ended_at - step.started_at


def _print_some(
    out: "Console", title: str, run: RunView, steps: Sequence[StepView], most: int
) -> None:
    if not steps:
        return
    tasks = {task.name: task for task in run.tasks}
    more = f" [{DIM}]({most} of {len(steps)})[/]" if len(steps) > most else ""
    made = table(f"{title}{more}", "status", "attempts>", "node", "took>")
    for step in steps[:most]:
        task = tasks.get(step.name)
        made.add_row(
            plain(step.name),
            status(step.status),
            str(task.attempts) if task else "",
            plain(task.node) if task else "",
            took(step.started_at, step.ended_at),
        )
    out.print()
    out.print(made)
