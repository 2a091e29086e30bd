"""What `dalsegno simulate` prints: how runs ended and how long they took, what tasks cost, which
seeds were the worst, and the timeline of one."""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from events.simulation import FAULTS, Model, Plan, SimulatedSeed, SimulatedTask
from orchestrator.cli.output import (
    BAD,
    DIM,
    GOOD,
    UNSURE,
    console,
    counted,
    plain,
    rows,
    status,
    table,
)
from orchestrator.kernel.durations import length

BAR_CHARS = 28
WORST_SHOWN = 3
BROKEN_SHOWN = 5
REASONS_SHOWN = 2
GIB = 2**30
KINDS = {"fault": BAD, "process": UNSURE, "run": GOOD, "broken": BAD}


class Spread(msgspec.Struct, frozen=True):
    """Of how long things took, in seconds: half took no longer than `p50`."""

    p50: float
    p90: float
    p99: float
    most: float

    @classmethod
    def of(cls, times_s: Iterable[float]) -> "Spread":
        found = sorted(times_s) or [0.0]
        half, nine, most = (
            found[min(len(found) - 1, int(share * len(found)))] for share in (0.5, 0.9, 0.99)
        )
        return cls(half, nine, most, found[-1])

    @property
    def cells(self) -> tuple[str, ...]:
        return tuple(map(length, (self.p50, self.p90, self.p99, self.most)))


def show(plan: Plan, calm: SimulatedSeed, found: Sequence[SimulatedSeed], again: str) -> None:
    """`again`: the command, without its seed."""
    out = console()
    out.print(_head(plan, found), soft_wrap=True)
    out.print()
    out.print(_outcomes(found))
    out.print()
    out.print(_durations(calm, found))
    for run in calm.runs[:1]:
        if run.code:
            told = f"{plain(run.code)}: {plain(run.message)}"
            out.print(f"[{UNSURE}]without faults it fails, too:[/] {told}", soft_wrap=True)
    if any(one.tasks for one in found):
        out.print()
        out.print(_tasks(found))
    for line in _unmodelled(plan.model, found):
        out.print(f"[{DIM}]{line}[/]")
    out.print()
    worst = sorted(found, key=_longest, reverse=True)[:WORST_SHOWN]
    slow = ", ".join(f"{one.seed} ({length(_longest(one))})" for one in worst)
    out.print(f"the longest: seed {slow}", soft_wrap=True)
    broken = [one for one in found if one.violations]
    if not broken:
        out.print(f"[{GOOD}]every promise was kept[/]")
    for one in broken[:BROKEN_SHOWN]:
        told = plain(one.violations[0])
        out.print(f"[{BAD}]seed {one.seed} broke a promise:[/] {told}", soft_wrap=True)
    seed = (broken or worst)[0].seed
    out.print(
        f"[{DIM}]what happened, line by line: {plain(again)} --seed {seed}[/]", soft_wrap=True
    )


def show_timeline(plan: Plan, found: SimulatedSeed) -> None:
    out = console()
    out.print(_head(plan, [found]), soft_wrap=True)
    out.print()
    made = table("at>", "who", "what")
    for one in found.timeline:
        colour = KINDS.get(one.kind)
        what = plain(one.what)
        made.add_row(f"{one.at_s:.3f}", plain(one.who), f"[{colour}]{what}[/]" if colour else what)
    out.print(made)
    out.print()
    for run in found.runs:
        why = f": {plain(run.code)} {plain(run.message)}".rstrip() if run.code else ""
        out.print(
            f"{run.run_id} {status(run.status)} after {length(run.took_s)}{why}", soft_wrap=True
        )
    for text in found.violations:
        out.print(f"[{BAD}]a promise was broken:[/] {plain(text)}", soft_wrap=True)


def _head(plan: Plan, found: Sequence[SimulatedSeed]) -> str:
    names = ", ".join(plan.faults) or "none"
    faults = "all" if set(plan.faults) == FAULTS.keys() else names
    what = plain(plan.definitions[-1].name)
    many = "1 history" if len(found) == 1 else f"{len(found)} histories"
    runs = f" of {counted(plan.runs, 'run')}" if plan.runs > 1 else ""
    return (
        f"[bold]{what}[/]: {many}{runs} on {counted(plan.agents, 'node')} and "
        f"{counted(plan.coordinators, 'coordinator')}, faults: {faults}"
    )


def _outcomes(found: Sequence[SimulatedSeed]) -> object:
    runs = [run for one in found for run in one.runs]
    counts = Counter(run.status for run in runs)
    made = table("runs", "count>", "share>", "", "why")
    for name, count in counts.most_common():
        reasons = Counter(run.code or run.waits_for for run in runs if run.status == name)
        del reasons[""]
        why = ", ".join(f"{plain(r)} {n}" for r, n in reasons.most_common(REASONS_SHOWN))
        share = count / len(runs)
        bar = "█" * max(1, round(share * BAR_CHARS))
        made.add_row(status(name), str(count), f"{share:.1%}", f"[{DIM}]{bar}[/]", why)
    return made


def _durations(calm: SimulatedSeed, found: Sequence[SimulatedSeed]) -> object:
    made = table("virtual time", "p50>", "p90>", "p99>", "longest>")
    ended = [run.took_s for one in found for run in one.runs if run.status != "open"]
    lines = [("a run", *Spread.of(ended).cells)]
    if calm.runs:
        undisturbed = max(run.took_s for run in calm.runs)
        lines.append(
            (f"[{DIM}]without faults (seed {calm.seed})[/]", length(undisturbed), "", "", "")
        )
    return rows(made, lines)


def _tasks(found: Sequence[SimulatedSeed]) -> object:
    """A row for each task: how much there was of it in a history, on average."""
    names = list(dict.fromkeys(name for one in found for name in one.tasks))
    figures = {name: _sum(one.tasks[name] for one in found if name in one.tasks) for name in names}
    made = table("a history has", "attempts>", "retries>", "lost>", "busy>", "core s>", "GiB s>?")
    count = len(found)
    lines = [_line(plain(name), figures[name], count) for name in names]
    if len(names) > 1:
        lines.append(_line("[bold]all[/]", _sum(figures.values()), count))
    return rows(made, lines)


def _line(name: str, one: SimulatedTask, count: int) -> tuple[str, ...]:
    return (
        name,
        _mean(one.attempts, count),
        _mean(one.retries, count),
        _mean(one.lost, count),
        length(one.busy_s / count),
        _mean(one.cpu_s, count),
        _mean(one.memory_byte_s / GIB, count),
    )


def _mean(total: float, count: int) -> str:
    return f"{total / count:.3g}" if total else "-"


def _sum(tasks: Iterable[SimulatedTask]) -> SimulatedTask:
    total = SimulatedTask()
    for one in tasks:
        for name in SimulatedTask.__struct_fields__:
            setattr(total, name, getattr(total, name) + getattr(one, name))
    return total


def _unmodelled(model: Model, found: Sequence[SimulatedSeed]) -> Iterable[str]:
    """What was assumed of tasks that the model does not name."""
    others = {name for one in found for name in one.tasks} - model.tasks.keys()
    if others:
        one = model.default
        low, high = map(length, one.takes_s)
        takes = (
            f"half within {low}, 99 % within {high}"
            if one.spread == "lognormal"
            else (low if low == high else f"{low} to {high}")
        )
        yield f"assumed of {counted(len(others), 'task')}: {takes}; {one.fails:.2%} fail"


def _longest(one: SimulatedSeed) -> float:
    return max((run.took_s for run in one.runs), default=0.0)
