"""A node as people see it."""

from events.api import CordonView, NodeView
from events.facts import HostSample
from orchestrator.cli.cluster.node_display import node_lines, size

GIB = 2**30


def test_a_node_in_units_that_fit() -> None:
    host = HostSample(
        cpu_share=0.9570000000000001,
        memory_used_bytes=969318400,
        memory_total_bytes=25276502016,
        load=0.33,
    )
    node = NodeView(
        node="a", status="healthy", slots=8, credits=32, outstanding=1, held=2, silent_s=0.137,
        weight=1.0, clock_ahead_s=-0.25, host=host, tasks=("x", "y"),
    )  # fmt: skip
    told = dict(node_lines(node))
    assert told["host"] == "96% CPU, 924 MiB of 23.5 GiB memory, load 0.33"
    assert told["silent"] == "for 137 ms"
    assert told["clock"] == "250 ms behind the coordinator's"
    assert told["at work"] == "1; 2 by its own account"
    assert told["slots"] == "8 at a time, 32 held at most"
    assert told["tasks"] == "x, y"
    assert "cordoned" not in told


def test_a_cordon_says_who_why_and_until_when() -> None:
    cordon = CordonView(actor="user:ada", reason="disk", since=0, drain_due_at=60_000_000)
    why = "cordoned by user:ada: disk"
    node = NodeView(node="a", status="draining", cordon=cordon, refusal=why)
    told = dict(node_lines(node))
    assert told["cordoned"] == "1970-01-01 00:00:00 UTC by user:ada: disk"
    assert told["drains until"] == "1970-01-01 00:01:00 UTC"
    assert told["at work"] == "0"
    assert "gets nothing" not in told, "it is said already"


def test_a_node_that_is_given_nothing_says_why() -> None:
    node = NodeView(node="a", status="healthy", refusal="the disk is full")
    assert dict(node_lines(node))["gets nothing"] == "the disk is full"


def test_sizes() -> None:
    assert size(0) == "0 MiB"
    assert size(GIB - 1) == "1.0 GiB"
    assert size(GIB) == "1.0 GiB"
