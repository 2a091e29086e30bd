"""A node as it is shown to people: units that fit, and nothing that says nothing."""

from collections.abc import Iterator

from msgspec import UNSET

from events.api import NodeView
from events.facts import HostSample
from orchestrator.cli.output import day
from orchestrator.kernel.durations import length

GIB = 2**30
MIB = 2**20
CLOCKS_AGREE_S = 0.01


def node_lines(node: NodeView) -> Iterator[tuple[str, str]]:
    """What is known of it, each with its name; all but the name and the status of the node."""
    refusal = str(node.refusal or "")
    if refusal and not (node.cordon and refusal.startswith("cordoned")):  # told below, in full
        yield "gets nothing", refusal
    if node.cordon:
        why = f": {node.cordon.reason}" if node.cordon.reason else ""
        yield "cordoned", f"{day(node.cordon.since)} UTC by {node.cordon.actor or 'nobody'}{why}"
        if node.cordon.drain_due_at is not None:
            yield "drains until", f"{day(node.cordon.drain_due_at)} UTC"
    yield "tasks", ", ".join(node.tasks)
    yield "labels", ", ".join(f"{key}={value}" for key, value in sorted(node.labels.items()))
    yield "build", node.build_id
    yield "at work", _at_work(node)
    yield "slots", f"{node.slots} at a time, {node.credits} held at most"
    if node.weight is not UNSET:
        yield "weight", f"{node.weight:g}"
    yield "silent", f"for {length(node.silent_s)}"
    if node.clock_ahead_s is not UNSET:
        yield "clock", _clock(float(node.clock_ahead_s))
    if node.host != HostSample():
        yield "host", host_words(node.host)
    yield "incarnation", node.incarnation


def _at_work(node: NodeView) -> str:
    """What runs say that it has; and what it says itself, where that is another number."""
    if node.held in {UNSET, node.outstanding}:
        return str(node.outstanding)
    return f"{node.outstanding}; {node.held} by its own account"


def _clock(ahead_s: float) -> str:
    if abs(ahead_s) < CLOCKS_AGREE_S:
        return "agrees with the coordinator's"
    side = "ahead of" if ahead_s > 0 else "behind"
    return f"{length(abs(ahead_s))} {side} the coordinator's"


def host_words(host: HostSample) -> str:
    memory = f"{size(host.memory_used_bytes)} of {size(host.memory_total_bytes)} memory"
    return f"{host.cpu_share:.0%} CPU, {memory}, load {host.load:g}"


def size(count_bytes: int) -> str:
    """`924 MiB`, `23.5 GiB`."""
    if count_bytes < GIB - MIB // 2:
        return f"{count_bytes / MIB:.0f} MiB"
    return f"{count_bytes / GIB:.1f} GiB"
