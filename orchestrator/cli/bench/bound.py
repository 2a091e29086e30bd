"""What bounds a benchmark: numbers in, one sentence out.

Asked in this order, because each hides the next: a machine without a free core makes everybody
wait (there, who wants a core nearly all the time would be the next bound); a process that fills its
core keeps the others waiting; then a wait of the backend that appends; and if nothing of that, the
work is bound by the way from one process to the next.
"""

from collections.abc import Mapping, Sequence

from orchestrator.cli.bench.profile import COORDINATOR, OTHERS, Host, Process

MACHINE_FULL = 0.9
CORE_FULL = 0.9
FOREIGN = 0.1
"""Above this share of the machine, the work of others makes the figures too low."""
PRESSED = 0.7
WAIT_LONG = 0.5
LOCK_LONG = 0.3
WAL_WAITS = ("WalSync", "WALSync", "WalWrite", "WALWrite", "WALInsert", "WALInitSync")
LOCKS = ("Lock ", "LWLock ")
NAMED = 4


def bound(
    host: Host,
    processes: Sequence[Process],
    appends: Mapping[str, float],
    coordinator: Mapping[str, float],
) -> str:
    """The sentence. All shares are of 1, those of processes in cores."""
    said = (
        _machine(host, processes)
        or _core(processes, coordinator)
        or _wal(appends)
        or _locks(appends)
        or _nothing(host, processes, appends)
    )
    if host.others < FOREIGN:
        return f"bound: {said}"
    foreign = f"{percent(host.others)} of this machine worked for others: repeat it alone"
    return f"bound: {said}; {foreign}"


def _machine(host: Host, processes: Sequence[Process]) -> str:
    if host.busy < MACHINE_FULL:
        return ""
    whose = ", ".join(f"{name} {percent(share)}" for name, share in _groups(host, processes))
    said = f"CPU of this machine — {_cores(host)} {percent(host.busy)} busy: {whose}"
    return f"{said}{_pressed(processes)}"


def _pressed(processes: Sequence[Process]) -> str:
    """Who would be the bound if there were cores enough: it hardly ever waits for anything else."""
    wishes = [(p.cores + p.queued, p.name) for p in processes if p.single]
    wish, name = max(wishes, default=(0.0, ""))
    if wish < PRESSED:
        return ""
    return f"; with more cores {name}, which wants one {percent(min(wish, 1.0))} of the time"


def _cores(host: Host) -> str:
    return "its core is" if host.cores == 1 else f"its {host.cores} cores are"


def _groups(host: Host, processes: Sequence[Process]) -> list[tuple[str, float]]:
    """Shares of the machine by group, the largest first; work of others when it counts."""
    groups = {OTHERS: host.others} if host.others >= FOREIGN else {}
    for process in processes:
        groups[process.group] = groups.get(process.group, 0.0) + process.cores / host.cores
    return sorted(groups.items(), key=lambda found: -found[1])


def _core(processes: Sequence[Process], coordinator: Mapping[str, float]) -> str:
    full = [process for process in processes if process.single and process.cores >= CORE_FULL]
    if not full:
        return ""
    first = max(full, key=lambda process: process.cores)
    said = f"one core — {first.name} keeps its own {percent(first.cores)} busy"
    if first.name != COORDINATOR or not coordinator:
        return said
    return f"{said}: {_listed(coordinator)}"


def _wal(appends: Mapping[str, float]) -> str:
    waits = {name: share for name, share in appends.items() if name.endswith(WAL_WAITS)}
    if sum(waits.values()) < WAIT_LONG:
        return ""
    share = percent(sum(waits.values()))
    return f"the WAL flush — the backend that appends waits for it {share} of the time"


def _locks(appends: Mapping[str, float]) -> str:
    waits = {name: share for name, share in appends.items() if name.startswith(LOCKS)}
    if sum(waits.values()) < LOCK_LONG:
        return ""
    return f"locks in Postgres — the backend that appends waits for {_listed(waits)} of the time"


def _nothing(host: Host, processes: Sequence[Process], appends: Mapping[str, float]) -> str:
    """Nobody is busy all the time: the way around takes it, and more in flight would fill it."""
    busiest = max(processes, key=lambda process: process.cores, default=None)
    parts = [f"{_cores(host)} {percent(host.busy)} busy"]
    if busiest is not None:
        parts.append(f"{busiest.name} as the busiest uses {percent(busiest.cores)} of one")
    if appends:
        parts.append(f"the backend that appends: {_listed(appends)}")
    return f"the way around, nothing is full — {', '.join(parts)}"


def _listed(shares: Mapping[str, float]) -> str:
    largest = sorted(shares.items(), key=lambda found: -found[1])[:NAMED]
    return ", ".join(f"{name} {percent(share)}" for name, share in largest)


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"
