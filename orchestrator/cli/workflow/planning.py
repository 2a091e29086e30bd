"""`dalsegno workflow plan`: what would run, in which order, where, and for how long."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from events.definition import Definition
from events.errors import Misconfigured
from events.policies import Retry, Timeouts
from orchestrator.authoring import workflow_version
from orchestrator.authoring.plan import SHOWN_ATTEMPTS, Planned, Window, schedule
from orchestrator.authoring.plan import plan as planned
from orchestrator.cli.common import COMMON, Common, configured, go
from orchestrator.cli.output import (
    DIM,
    UNSURE,
    clock,
    console,
    instant,
    names,
    plain,
    print_json,
    rows,
    table,
)
from orchestrator.cli.workflow.definitions import AS_IT_IS, Reading, expressions
from orchestrator.cli.workflow.knowing import Known, who_knows
from orchestrator.cli.workflow.registry import SHORT, definition_of
from orchestrator.kernel.durations import duration_text
from orchestrator.kernel.durations import instant as read_instant

if TYPE_CHECKING:
    from rich.console import Console
    from rich.tree import Tree

NAMES_SHOWN = 10
ONCE = Retry()
PROVED = (
    "every expression is valid, and reads only what is there and over by then",
    "no step waits for itself, neither directly nor through others",
    "every way through it ends: choices have a default, loops a limit, branches meet again",
)


def plan(
    workflow: str,
    *,
    at: Annotated[str, Parameter(metavar="INSTANT")] = "",
    reading: Reading = AS_IT_IS,
    common: Common = COMMON,
) -> None:
    """Say what a workflow would do: steps in their order, task types and the connected nodes that
    know them, attempts and timeouts, and what the check proves. Nothing is registered or started.

    Steps of a list with the same number may run at the same time.

    Parameters
    ----------
    workflow
        A workflow file, or NAME, or NAME@VERSION.
    at
        Work out instants as if every task began at this one (RFC 3339); now when not given.

    Examples
    --------
    dalsegno workflow plan examples/orders.yaml
    dalsegno workflow plan examples/etl.yaml --import examples/etl_tasks.py
        Check task types and their parameters against a module too.
    dalsegno workflow plan examples/orders.yaml --at 2026-12-24T18:00:00Z --json
    """
    begin = _begin(at)
    definition = definition_of(workflow, reading, common)
    lines = planned(definition, expressions())
    known = go(lambda: who_knows(configured(common)))
    if common.json:
        print_json(_json(definition, lines, known, begin))
        return
    out = console()
    version = workflow_version(definition)[:SHORT]
    out.print(f"[bold]{plain(definition.name)}[/] [{DIM}]version {version}[/]")
    if definition.description:
        out.print(plain(definition.description))
    out.print(_tree(definition, lines))
    _print_tasks(out, lines, known)
    _print_times(out, lines, begin)
    _print_proofs(out, definition, bool(reading.imports))


def _begin(at: str) -> int:
    try:
        return read_instant(at) if at else time.time_ns() // 1000
    except ValueError as error:
        raise Misconfigured(f"--at: {error}") from None


def task_types(lines: Sequence[Planned]) -> dict[str, list[str]]:
    """Task types in order of first use, each with the steps that use it."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.task:
            found.setdefault(line.task, []).append(line.id)
    return found


# -- for people -----------------------------------------------------------------------------------


def _tree(definition: Definition, lines: Sequence[Planned]) -> "Tree":
    from rich.tree import Tree

    root = Tree(f"[{DIM}]start[/]", guide_style=DIM)
    holders = [root]
    for line in lines:
        del holders[line.depth + 1 :]
        holders.append(holders[-1].add(_words(line)))
    end = " with its output" if definition.output is not None else ""
    root.add(f"[{DIM}]end{end}[/]")
    return root


def _words(line: Planned) -> str:
    if not line.id:
        return f"[{UNSURE}]{plain(line.what)}[/]"
    after = f" [{DIM}]· after {plain(', '.join(line.after))}[/]" if line.after else ""
    when = f" [{UNSURE}]· if {plain(line.when)}[/]" if line.when else ""
    return f"{line.stage} [bold]{plain(line.id)}[/]  {plain(line.what)}{when}{after}"


def _print_tasks(out: "Console", lines: Sequence[Planned], known: Known) -> None:
    if not (types := task_types(lines)):
        return
    made = table("task type", "steps", "known to")
    out.print()
    out.print(
        rows(
            made,
            (
                (plain(task), plain(names(steps, NAMES_SHOWN)), _known(task, known))
                for task, steps in types.items()
            ),
        )
    )
    if known.nodes is None:
        out.print(f"[{DIM}]No node was asked: {plain(known.why)}[/]")


def _known(task: str, known: Known) -> str:
    if known.nodes is None:
        return "not asked"
    nodes = known.nodes.get(task)
    return plain(names(sorted(nodes), NAMES_SHOWN)) if nodes else f"[{UNSURE}]no connected node[/]"


def _print_times(out: "Console", lines: Sequence[Planned], begin: int) -> None:
    """Steps that have the same times share a row."""
    same: dict[tuple[Retry, Timeouts | None], list[str]] = {}
    for line in lines:
        if line.task or line.retry is not None:
            same.setdefault((line.retry or ONCE, line.timeouts), []).append(line.id)
    if not same:
        return
    began = f"{clock(begin)} UTC"
    made = table("steps", "attempts begin after", f"so, from {began}", "timeouts")
    for (retry, timeouts), steps in same.items():
        windows = schedule(retry)
        made.add_row(
            plain(names(steps, NAMES_SHOWN)),
            _offsets(retry, windows),
            _clocks(windows, begin),
            _limits(timeouts),
        )
    out.print()
    out.print(made)


def _offsets(retry: Retry, windows: Sequence[Window]) -> str:
    if retry.attempts_max == 1:
        return "one attempt"
    shown = [_offset(window) for window in windows]
    more = retry.attempts_max - len(windows)
    text = ", ".join([*shown, *([f"… {more} more"] if more else [])])
    never = f"; never after {', '.join(retry.permanent_codes)}" if retry.permanent_codes else ""
    only = f"; only after {', '.join(retry.retryable_codes)}" if retry.retryable_codes else ""
    return plain(f"{text} s ({retry.kind}){never}{only}")


def _offset(window: Window) -> str:
    low, high = f"{window.earliest_s:.3g}", f"{window.latest_s:.3g}"
    return low if low == high else f"{low}-{high}"


def _clocks(windows: Sequence[Window], begin: int) -> str:
    if len(windows) == 1:
        return ""
    return ", ".join(clock(_instant(begin, window.earliest_s)) for window in windows)


def _instant(begin: int, after_s: float) -> int:
    return begin + round(after_s * 1_000_000)


def _limits(timeouts: Timeouts | None) -> str:
    given = {} if timeouts is None else msgspec.structs.asdict(timeouts)
    shown = (
        f"{k.removesuffix('_s')} {duration_text(v)}" for k, v in given.items() if v is not None
    )
    return ", ".join(shown) or "none"


def _print_proofs(out: "Console", definition: Definition, with_tasks: bool) -> None:
    from rich.table import Table

    lines = [("✓", proof) for proof in PROVED]
    if with_tasks:
        lines.append(("✓", "task types are there, and constant parameters fit them"))
    else:
        lines.append(("·", "nothing about task types and their parameters: give --import MODULE"))
    limit_s = definition.options.timeout_s
    if limit_s is None:
        lines.append(("·", "no end in time: options.timeout is not set"))
    else:
        lines.append(("✓", f"the run ends within {duration_text(limit_s)} (options.timeout)"))
    made = Table.grid(padding=(0, 1))
    for mark, text in lines:
        made.add_row(f" {mark}", plain(text))
    out.print("\n[bold]The check has proved[/]")
    out.print(made)


# -- for programs ---------------------------------------------------------------------------------


def _json(
    definition: Definition, lines: Sequence[Planned], known: Known, begin: int
) -> dict[str, object]:
    return {
        "workflow": definition.name,
        "workflow_version": workflow_version(definition),
        "timeout_s": definition.options.timeout_s,
        "steps": [_step_json(line, begin) for line in lines],
        "tasks": [
            {
                "task": task,
                "steps": steps,
                "nodes": None if known.nodes is None else known.nodes.get(task, []),
            }
            for task, steps in task_types(lines).items()
        ],
        "proved": list(PROVED),
    }


def _step_json(line: Planned, begin: int) -> dict[str, object]:
    told: dict[str, object] = {"depth": line.depth, "what": line.what}
    if not line.id:
        return told
    told = {"id": line.id, **told, "stage": line.stage, "after": line.after, "when": line.when}
    if not line.task and line.retry is None:
        return told
    windows = schedule(line.retry or ONCE, SHOWN_ATTEMPTS)
    attempts = [
        {
            "earliest_at": instant(_instant(begin, window.earliest_s)),
            "latest_at": instant(_instant(begin, window.latest_s)),
        }
        for window in windows
    ]
    return {
        **told,
        "task": line.task or None,
        "attempts_max": (line.retry or ONCE).attempts_max,
        "attempts": attempts,
        "timeouts": msgspec.to_builtins(line.timeouts or Timeouts()),
    }
