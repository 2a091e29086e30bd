"""Metrics, in the text form that Prometheus reads.

Those of this process (requests, feeds), and of the cluster as its projections have it: one API
process is enough to watch it by. What cannot be read is left out; `dalsegno_up` says that it was.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from events.errors import DalsegnoError
from orchestrator.api.operations.all import Operations
from orchestrator.api.operations.operation import Operation
from orchestrator.insight.counting.statistics import Statistics

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
KEPT_S = 2.0
"""How long what was read from the projections is told again."""
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

Labels = Mapping[str, str]


class Metrics:
    """What this process counts. `clock`: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.feeds: Counter[str] = Counter()
        """Open feeds by operation."""
        self._requests: Counter[tuple[str, int]] = Counter()
        self._took: dict[str, list[int]] = {}
        self._sums: Counter[str] = Counter()
        self._cluster: list[str] = []
        self._cluster_at = -KEPT_S

    def answered(self, operation: Operation, status: int, took_s: float) -> None:
        self._requests[operation.id, status] += 1
        buckets = self._took.setdefault(operation.id, [0] * (len(BUCKETS_S) + 1))
        place = next((n for n, most in enumerate(BUCKETS_S) if took_s <= most), len(BUCKETS_S))
        buckets[place] += 1
        self._sums[operation.id] += round(took_s * 1_000_000)

    async def text(self, service: Operations) -> str:
        now = self.clock()
        if now - self._cluster_at >= KEPT_S:
            self._cluster, self._cluster_at = await _cluster(service), now
        return "\n".join([*self._own(), *self._cluster, ""])

    def _own(self) -> Iterator[str]:
        yield from _head("dalsegno_api_requests_total", "counter", "Requests answered.")
        for (operation, status), count in sorted(self._requests.items()):
            labels = {"operation": operation, "status": str(status)}
            yield _line("dalsegno_api_requests_total", labels, count)
        name = "dalsegno_api_request_seconds"
        yield from _head(name, "histogram", "How long requests took.")
        for operation, buckets in sorted(self._took.items()):
            total = 0
            for most, count in zip((*BUCKETS_S, None), buckets, strict=True):
                total += count
                le = "+Inf" if most is None else f"{most:g}"
                yield _line(f"{name}_bucket", {"operation": operation, "le": le}, total)
            yield _line(f"{name}_sum", {"operation": operation}, self._sums[operation] / 1e6)
            yield _line(f"{name}_count", {"operation": operation}, total)
        yield from _head("dalsegno_api_feeds", "gauge", "Feeds that are open.")
        for operation, count in sorted(self.feeds.items()):
            yield _line("dalsegno_api_feeds", {"operation": operation}, count)


async def _cluster(service: Operations) -> list[str]:
    up = [*_head("dalsegno_up", "gauge", "Whether projections and coordinators can be read.")]
    lines: list[str] = []
    for what, read in (("projections", _projected), ("coordinators", _nodes)):
        try:
            lines += await read(service)
            up.append(_line("dalsegno_up", {"part": what}, 1))
        except DalsegnoError:
            up.append(_line("dalsegno_up", {"part": what}, 0))
    return up + lines


async def _projected(service: Operations) -> list[str]:
    return list(_figures(await service.show_statistics()))


def _figures(found: Statistics) -> Iterator[str]:
    yield from _head("dalsegno_runs", "gauge", "Runs of all time by status; open ones as of now.")
    for status, count in sorted(found.statuses.items()):
        yield _line("dalsegno_runs", {"status": status}, count)
    yield from _head("dalsegno_workflow_starts_total", "counter", "Runs started.")
    for run in found.workflows:
        yield _line("dalsegno_workflow_starts_total", {"workflow": run.workflow}, run.started)
    yield from _head("dalsegno_workflow_completions_total", "counter", "Runs ended, by status.")
    for run in found.workflows:
        for status, count in sorted(run.ended.items()):
            labels = {"workflow": run.workflow, "status": status}
            yield _line("dalsegno_workflow_completions_total", labels, count)
    yield from _head("dalsegno_workflow_seconds", "summary", "How long ended runs took.")
    for run in found.workflows:
        labels = {"workflow": run.workflow}
        for share, seconds in (("0.5", run.duration.p50_s), ("0.99", run.duration.p99_s)):
            yield _line("dalsegno_workflow_seconds", {**labels, "quantile": share}, seconds)
        yield _line("dalsegno_workflow_seconds_count", labels, run.duration.count)
    yield from _head("dalsegno_task_completions_total", "counter", "Tasks ended, by status.")
    for task in found.tasks:
        labels = {"workflow": task.workflow, "task": task.task}
        counts = {
            "completed": task.completed,
            "failed": task.failed,
            "cancelled": task.cancelled,
        }
        for status, count in counts.items():
            labelled = {**labels, "status": status}
            yield _line("dalsegno_task_completions_total", labelled, count)
    yield from _head("dalsegno_projections_behind_events", "gauge", "Events not folded yet.")
    yield _line("dalsegno_projections_behind_events", {}, found.as_of.events_behind)
    yield from _head("dalsegno_log_position", "gauge", "Position of the last event.")
    yield _line("dalsegno_log_position", {}, found.as_of.last)


async def _nodes(service: Operations) -> list[str]:
    nodes = (await service.list_nodes(limit=1000)).items
    lines = [*_head("dalsegno_nodes", "gauge", "Nodes by status.")]
    for status, count in sorted(Counter(node.status for node in nodes).items()):
        lines.append(_line("dalsegno_nodes", {"status": status}, count))
    lines += _head("dalsegno_attempts_outstanding", "gauge", "Attempts that nodes have.")
    lines += [
        _line("dalsegno_attempts_outstanding", {"node": node.node}, node.outstanding)
        for node in nodes
    ]
    return lines


def _head(name: str, kind: str, words: str) -> tuple[str, str]:
    return f"# HELP {name} {words}", f"# TYPE {name} {kind}"


def _line(name: str, labels: Labels, value: float) -> str:
    said = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{said}}} {value}" if said else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
