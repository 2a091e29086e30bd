"""`dalsegno bench`."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from events.errors import Misconfigured
from events.limits import LOCAL_AGENTS_MAX
from orchestrator.cli.bench.bound import percent
from orchestrator.cli.bench.measuring import Figures, Plan, measure
from orchestrator.cli.common import go
from orchestrator.cli.output import console, print_json, rows, table
from orchestrator.cli.progress import Progress

if TYPE_CHECKING:
    from rich.table import Table

    from orchestrator.cli.bench.profile import Profile

RUNS_MAX, IN_FLIGHT_MAX = 1_000_000, 100_000
SHOWN = 0.005
"""Rows below this share of a core say nothing."""


def bench(
    *,
    runs: int = 2000,
    in_flight: int = 1000,
    agents: int = 2,
    projections: Annotated[bool, Parameter(negative="--no-projections")] = True,
    json: bool = False,
) -> None:
    """Measure durable task executions a second on this machine, on embedded servers.

    Parameters
    ----------
    runs
        How many runs of ten tasks.
    in_flight
        How many of them at a time.
    agents
        How many agent processes.
    projections
        Do not keep lists and statistics up to date meanwhile, as they are in production.
    json
        Answer in JSON.

    Examples
    --------
    dalsegno bench
    dalsegno bench --runs 500 --in-flight 100 --agents 1 --json
    """
    for flag, value, most in (
        ("runs", runs, RUNS_MAX),
        ("in-flight", in_flight, IN_FLIGHT_MAX),
        ("agents", agents, LOCAL_AGENTS_MAX),
    ):
        if not 1 <= value <= most:
            raise Misconfigured(f"--{flag} is {value}: expected 1 to {most}")
    plan = Plan(runs=runs, in_flight=in_flight, agents=agents, projections=projections)
    with Progress("starting") as progress:
        figures = go(lambda: measure(plan, progress.say))
    if json:
        print_json(figures)
    else:
        show(figures)


def show(figures: Figures) -> None:
    """The figures, where the time went, and what bounds it."""
    for name, value in msgspec.structs.asdict(figures).items():
        if name != "profile":
            print(f"{name:24} {value:>12}")
    profile = figures.profile
    out = console()
    out.print()
    out.print(process_table(profile))
    out.print()
    out.print(share_table("the backend that appends", profile.appends))
    out.print()
    out.print(share_table("CPU time of the coordinator", profile.coordinator))
    out.print()
    for name, value in msgspec.structs.asdict(profile.log).items():
        out.print(f"{name:24} {value:>12}")
    out.print(f"{'CPU µs a task, all':24} {profile.cpu_us_per_task:>12}")
    if (behind := profile.projections) is not None:
        out.print(f"{'  of it projections':24} {behind.cpu_us_per_task:>12}")
        out.print(
            f"{'projections behind, p50':24} {behind.events_p50} events, {behind.seconds_p50} s"
        )
        out.print(
            f"{'projections behind, max':24} {behind.events_max} events, {behind.seconds_max} s"
        )
    out.print(f"\n{profile.bound}", soft_wrap=not out.is_terminal)


def process_table(profile: "Profile") -> "Table":
    columns = ("process", "of a core >", "waited for one >", "preempted/s >", "written MB/s >")
    return rows(
        table(*columns),
        (
            (
                process.name,
                percent(process.cores),
                percent(process.queued),
                f"{process.preempted_per_s:.0f}",
                f"{process.written_mb_per_s:.1f}",
            )
            for process in profile.processes
            if max(process.cores, process.queued) >= SHOWN or process.written_mb_per_s >= SHOWN
        ),
    )


def share_table(title: str, shares: dict[str, float]) -> "Table":
    shown = ((name, percent(share)) for name, share in shares.items() if share >= SHOWN)
    return rows(table(title, "share >"), shown)
