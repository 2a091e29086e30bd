"""What a session was: faults, takeovers, re-executions, rates, latencies, and the longest stall."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from events import cluster_facts as c
from events import run_facts as r
from events import task_facts as t
from tests.chaos.checks import facts
from tests.chaos.evidence import Evidence
from tests.chaos.inflict import Happened
from tests.chaos.load import Started

MILLION = 1_000_000


class Figures(msgspec.Struct, kw_only=True):
    seconds: float
    faults: dict[str, int]
    promotions: int
    takeovers: int
    """Shards that a coordinator took from another one that had not handed them over."""
    handovers: int
    nodes_lost: int
    attempts_lost: int
    executions: int
    re_executions: int
    """Executions of a task that has been begun before and did not fail by itself."""
    runs: int
    tasks_done: int
    tasks_per_s: float
    latency_p50_ms: float
    latency_p99_ms: float
    stall_s: float
    """The longest time without a task completed while there was load."""
    stall_during: list[str]


def figures(
    evidence: Evidence, happened: Sequence[Happened], span_us: tuple[int, int], promotions: int
) -> Figures:
    done = sorted(one.committed_us for one in evidence.log if isinstance(one.fact, t.TaskCompleted))
    latencies = latencies_us(evidence)
    stall_from, stall_until = longest_gap(done, span_us)
    taken, handed = takeovers(evidence)
    seconds = (span_us[1] - span_us[0]) / MILLION
    return Figures(
        seconds=seconds,
        faults=dict(sorted(Counter(one.fault.kind for one in happened).items())),
        promotions=promotions,
        takeovers=taken,
        handovers=handed,
        nodes_lost=len(facts(evidence.log, c.NodeLost)),
        attempts_lost=sum(1 for f in facts(evidence.log, t.AttemptFailed) if f.kind == "lost"),
        executions=sum(1 for _ in starts(evidence)),
        re_executions=re_executions(evidence),
        runs=len(facts(evidence.log, r.RunStarted)),
        tasks_done=len(done),
        tasks_per_s=len(done) / seconds,
        latency_p50_ms=quantile(latencies, 0.5) / 1000,
        latency_p99_ms=quantile(latencies, 0.99) / 1000,
        stall_s=(stall_until - stall_from) / MILLION,
        stall_during=[
            str(one.fault)
            for one in happened
            if one.from_us < stall_until and (one.until_us or span_us[1]) > stall_from
        ],
    )


def starts(evidence: Evidence) -> list[tuple[str, int]]:
    return [
        (key, line.attempt)
        for key, lines in evidence.ledger.items()
        for line in lines
        if line.what == "start"
    ]


def re_executions(evidence: Evidence) -> int:
    """Beyond the first of a key, and those that follow an attempt that failed by itself."""
    failed = Counter[str]()
    for stream, events in evidence.streams.items():
        for fact in facts(events, t.AttemptFailed):
            if fact.kind == "failed" and fact.counted:
                failed[f"{stream.removeprefix('run:')}/{fact.step}~0"] += 1
    begun = Counter(key for key, _ in starts(evidence))
    return sum(max(0, count - 1 - failed[key]) for key, count in begun.items())


def takeovers(evidence: Evidence) -> tuple[int, int]:
    """Shards taken from one that had not handed them over, and those handed over."""
    taken = sum(1 for before, after in evidence.leases if before not in {"", after})
    return taken, sum(1 for before, _ in evidence.leases if not before)


def latencies_us(evidence: Evidence) -> list[int]:
    """From the first dispatch of a task to the commit of its completion, without the time that its
    handler took."""
    found = []
    for stream, events in evidence.streams.items():
        if not stream.startswith("run:"):
            continue
        first: dict[str, int] = {}
        for one in events:
            if isinstance(one.fact, t.TaskDispatched):
                first.setdefault(one.fact.step, one.event.header.recorded_at)
            elif isinstance(one.fact, t.TaskCompleted):
                took_us = one.fact.ended_at - one.fact.started_at
                found.append(one.committed_us - first[one.fact.step] - took_us)
    return sorted(found)


def quantile(ordered: Sequence[int], share: float) -> float:
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) if ordered else 0.0


def longest_gap(done: Sequence[int], span_us: tuple[int, int]) -> tuple[int, int]:
    inside = [at for at in done if span_us[0] <= at <= span_us[1]]
    marks = [span_us[0], *inside, span_us[1]]
    return max(pairwise(marks), key=lambda gap: gap[1] - gap[0])


def shown(it: Figures, runs: Sequence[Started]) -> str:
    """A table for people."""
    faults = ", ".join(f"{kind} {count}" for kind, count in it.faults.items()) or "none"
    open_runs = sum(1 for run in runs if run.end is None)
    rows = {
        "faults": f"{sum(it.faults.values())}: {faults}",
        "promotions": f"{it.promotions}",
        "takeovers": f"{it.takeovers} of shards; {it.handovers} handed over in order",
        "nodes lost": f"{it.nodes_lost}; attempts lost: {it.attempts_lost}",
        "re-executions": f"{it.re_executions} of {it.executions} executions",
        "runs": f"{it.runs}, of the clients' not ended: {open_runs}",
        "tasks done": f"{it.tasks_done} in {it.seconds:.0f} s, {it.tasks_per_s:.1f}/s",
        "latency of a task": f"p50 {it.latency_p50_ms:.0f} ms, p99 {it.latency_p99_ms:.0f} ms, "
        "its own time left out",
        "longest stall": f"{it.stall_s:.1f} s; meanwhile: " + ("; ".join(it.stall_during) or "-"),
    }
    return "\n".join(f"  {name:<19} {text}" for name, text in rows.items())
