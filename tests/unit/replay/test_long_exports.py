"""Exports of long runs: what they take in memory does not grow with the history."""

import tracemalloc
from collections.abc import AsyncIterator, Callable

import pytest

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.envelope import Head, Stamp, Stored, seal
from events.ids import definition_stream, run_stream
from events.run_facts import RunStarted, SignalReceived
from orchestrator.adapters.archives.bundling import bundled
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring.compile import compile_net
from orchestrator.insight.formats.chrome_trace import chrome_trace
from orchestrator.insight.formats.cloudevents import exported
from orchestrator.insight.formats.ocel import ocel2
from orchestrator.replay.exchange.export import lines
from orchestrator.replay.exchange.opened import WithoutCluster
from orchestrator.replay.exchange.selecting import Item, select, walk
from tests.builders import task, workflow

pytestmark = pytest.mark.anyio
RUN = run_stream("long")
EVENTS = 2_800
TEXT = "x" * 12_000
BYTES = EVENTS * len(TEXT)
"""Of the whole history, at least."""
HELD = 14 * 1024 * 1024
Walked = Callable[[], AsyncIterator[Item]]


class Long(WithoutCluster):
    """A run of many signals, made as it is read, from its beginning on."""

    def __init__(self) -> None:
        definition = workflow(task("a"))
        net = compile_net(definition, CelExpressions())
        fact = DefinitionRegistered(
            workflow="workflow", workflow_version="v1", definition=definition, net=net
        )
        head = Head(definition_stream("workflow"))
        self._definition = seal(head, fact, "d1", Stamp(recorded_at=1))
        self._head = Head(RUN)

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        if stream != RUN:
            return [self._definition][after:][:limit]
        if after != self._head.version:
            assert not after, "read from its beginning"
            self._head = Head(RUN)
        count = min(limit, EVENTS - after)
        return [self._next() for _ in range(count)]

    def _next(self) -> Stored:
        number = self._head.version
        fact = (
            SignalReceived(id=f"s{number}", name="s", data=TEXT)
            if number
            else RunStarted(run_id="long", workflow="workflow", workflow_version="v1")
        )
        return seal(self._head, fact, f"e{number}", Stamp(recorded_at=number))

    async def load_payload(self, hash_: str) -> bytes | None:
        return None


FORMS: dict[str, Callable[[Walked], AsyncIterator[bytes]]] = {
    "bundle": lambda walked: bundled(walked(), ("long",)),
    "jsonl": lambda walked: lines(walked()),
    "cloudevents": lambda walked: exported(walked(), "main"),
    "ocel2": ocel2,
    "chrome-trace": lambda walked: chrome_trace(walked()),
}


@pytest.mark.parametrize("form", FORMS)
async def test_an_export_holds_a_part_of_a_long_run_at_a_time(form: str) -> None:
    store, catalogue = Long(), Catalogue()
    selection = await select(store, catalogue, ["long"])
    written = 0
    tracemalloc.start()
    try:
        async for chunk in FORMS[form](lambda: walk(store, catalogue, selection)):
            written += len(chunk)
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert held < HELD < BYTES / 2
    assert written > EVENTS
