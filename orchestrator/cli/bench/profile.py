"""What a benchmark's profile holds, and how it is made of counters taken before and after."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from orchestrator.adapters.host.processes import Machine, Used

COORDINATOR, AGENTS, CLIENT, NATS = "coordinator", "agents", "bench client", "nats"
POSTGRES = "postgres"
PROJECTIONS = "projections"
OTHERS = "others"
MEGABYTE = 1_000_000

ROOMS = (
    ("orchestrator.kernel.evolve", "fold"),
    ("orchestrator.kernel.state", "fold"),
    ("orchestrator.kernel.placement", "placing"),
    ("orchestrator.kernel", "decide"),
    ("orchestrator.coordinator.placing", "placing"),
    ("orchestrator.coordinator.committing", "committing"),
    ("orchestrator.coordinator.edge", "edge"),
    ("orchestrator.coordinator", "turn"),
    ("orchestrator.insight", "answers"),
    ("orchestrator.adapters.postgres", "postgres client"),
    ("orchestrator.adapters.nats", "nats client"),
    ("orchestrator.adapters.cel", "expressions"),
    ("orchestrator.bootstrap", "edge"),
    ("events", "codec and envelope"),
    ("psycopg", "postgres client"),
    ("nats", "nats client"),
    ("anyio", "event loop"),
    ("asyncio", "event loop"),
    ("uvloop", "event loop"),
)
"""Under which name the code of a module counts; the first that fits."""

AUXILIARIES = {
    "walwriter": "wal writer",
    "checkpointer": "checkpointer",
    "background writer": "background writer",
    "io worker": "io workers",
    "autovacuum": "autovacuum",
    "logical replication": "logical replication",
}


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One process, or a kind of processes of one server, over the load phase.

    `cores`: CPU seconds a second. `queued`: seconds a second in which it could have run and no core
    was free. `preempted_per_s`: how often a core was taken from it. `single`: one thread does its
    work, so that it cannot use more than one core.
    """

    name: str
    group: str
    cores: float
    queued: float
    preempted_per_s: float
    written_mb_per_s: float
    single: bool


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """`busy`: the share of all cores; `others`: that of processes that are not ours."""

    cores: int
    busy: float
    others: float


class Log(msgspec.Struct, frozen=True, kw_only=True):
    commits_per_s: float
    events_per_commit: float
    wal_bytes_per_event: float


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """Of the projections while the load runs: how many events, and seconds, they were behind, over
    samples of it. `cpu_us_per_task`: of their process and its backend."""

    events_p50: int
    events_max: int
    seconds_p50: float
    seconds_max: float
    cpu_us_per_task: float


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Shares are of 1. `appends`: what the backend that appends was seen doing. `coordinator`:
    where its CPU time goes, by room; empty when it could not be seen. `cpu_us_per_task`: of all
    processes together. `projections`: None without them."""

    bound: str
    host: Host
    processes: tuple[Process, ...]
    appends: dict[str, float]
    coordinator: dict[str, float]
    log: Log
    cpu_us_per_task: float = 0.0
    projections: Lag | None = None


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A process that is watched, and the row of the table that it counts for."""

    row: str
    group: str
    single: bool
    used: Used


class Instant(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was counted until then."""

    clock_s: float
    machine: Machine
    members: tuple[Member, ...]


def room_of(module: str) -> str | None:
    """The room of a module by its dotted name; None when it is nobody's, like the standard
    library's."""
    for prefix, room in ROOMS:
        if module == prefix or module.startswith(f"{prefix}."):
            return room
    return None


def postgres_member(used: Used, of_projections: frozenset[int] = frozenset()) -> Member:
    """A process of the server by the title that it gives itself; backends of projections are
    named."""
    if used.pid in of_projections:
        return Member(row="projections backend", group=PROJECTIONS, single=True, used=used)
    kind = next((row for word, row in AUXILIARIES.items() if word in used.title), "backend")
    row = f"{POSTGRES} {kind}"
    return Member(row=row, group=POSTGRES, single=kind != "io workers", used=used)


def processes(before: Instant, after: Instant) -> tuple[Process, ...]:
    """What each has used between the instants, the largest first.

    Backends are one row, but for the busiest, which is the one that appends.
    """
    wall_s = after.clock_s - before.clock_s
    earlier = {member.used.pid: member.used for member in before.members}
    grouped: dict[tuple[str, str], list[tuple[Member, Used]]] = {}
    for member in _busiest_apart(after.members, earlier):
        delta = _since(earlier.get(member.used.pid), member.used)
        grouped.setdefault((member.row, member.group), []).append((member, delta))
    rows = [_row(key, found, wall_s) for key, found in grouped.items()]
    return tuple(sorted(rows, key=lambda row: -row.cores))


def _busiest_apart(members: Sequence[Member], earlier: Mapping[int, Used]) -> list[Member]:
    backends = [member for member in members if member.row == f"{POSTGRES} backend"]
    if not backends:
        return list(members)
    busiest = max(backends, key=lambda m: _since(earlier.get(m.used.pid), m.used).cpu_s)
    rows = {id(busiest): f"{POSTGRES} busiest backend"}
    others = {id(member): f"{POSTGRES} other backends" for member in backends}
    names = {**others, **rows}
    return [msgspec.structs.replace(m, row=names.get(id(m), m.row)) for m in members]


def _since(before: Used | None, after: Used) -> Used:
    if before is None:
        return after
    return Used(
        pid=after.pid,
        title=after.title,
        cpu_s=after.cpu_s - before.cpu_s,
        queued_s=after.queued_s - before.queued_s,
        preempted=after.preempted - before.preempted,
        written_bytes=after.written_bytes - before.written_bytes,
    )


def _row(key: tuple[str, str], found: Sequence[tuple[Member, Used]], wall_s: float) -> Process:
    used = [delta for _, delta in found]
    return Process(
        name=key[0],
        group=key[1],
        cores=round(sum(one.cpu_s for one in used) / wall_s, 3),
        queued=round(sum(one.queued_s for one in used) / wall_s, 3),
        preempted_per_s=round(sum(one.preempted for one in used) / wall_s, 1),
        written_mb_per_s=round(sum(one.written_bytes for one in used) / wall_s / MEGABYTE, 2),
        single=len(found) == 1 and found[0][0].single,
    )


def host(before: Machine, after: Machine, ours: Iterable[Process], wall_s: float) -> Host:
    total_s = after.total_s - before.total_s
    busy = (after.busy_s - before.busy_s) / total_s if total_s > 0 else 0.0
    own = sum(process.cores for process in ours) * wall_s / total_s if total_s > 0 else 0.0
    return Host(cores=after.cores, busy=round(busy, 3), others=round(max(0.0, busy - own), 3))


def cpu_us_per_task(found: Iterable[Process], wall_s: float, tasks: int) -> float:
    return round(sum(process.cores for process in found) * wall_s / max(1, tasks) * 1e6, 1)


def lag(behind: Sequence[tuple[int, float]], cpu_us: float) -> Lag:
    """Of samples of events and seconds behind."""
    events = sorted(one[0] for one in behind) or [0]
    seconds = sorted(one[1] for one in behind) or [0.0]
    return Lag(
        events_p50=events[len(events) // 2],
        events_max=events[-1],
        seconds_p50=round(seconds[len(seconds) // 2], 2),
        seconds_max=round(seconds[-1], 2),
        cpu_us_per_task=cpu_us,
    )


def shares(counts: Mapping[str, int]) -> dict[str, float]:
    """Of the whole, the largest first."""
    whole = sum(counts.values())
    return {name: round(count / whole, 3) for name, count in Counter(counts).most_common()}
