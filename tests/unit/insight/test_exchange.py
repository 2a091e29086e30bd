"""Runs in the forms of other tools, each judged by a schema or a library that is not ours."""

import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast

import anyio
import jsonschema_rs
import pytest
from cloudevents.http import from_json

from dalsegno.testing import Node, dalsegno_env
from events.ids import traceparent
from orchestrator.authoring import Workflow
from orchestrator.insight.formats.chrome_trace import chrome_trace
from orchestrator.insight.formats.cloudevents import exported
from orchestrator.insight.formats.ocel import ocel2
from orchestrator.replay.exchange.selecting import Item
from tests import exports
from tests.exports import Kept

pytestmark = pytest.mark.anyio
SCHEMA = Path(__file__).with_name("trace_event_format.json")
RUNS = ["order-1", "fork-1"]
Found = dict[str, object]


@pytest.fixture
async def kept() -> AsyncIterator[Kept]:
    async for found in exports.cluster():
        yield found


def walked(kept: Kept) -> AsyncIterator[Item]:
    return exports.items(kept.store, RUNS, children=True)


async def joined(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def objects(value: object) -> list[Found]:
    return cast("list[Found]", value)


async def test_a_trace_fits_the_schema_of_the_format(kept: Kept) -> None:
    found = json.loads(await joined(chrome_trace(walked(kept))))
    jsonschema_rs.validator_for(json.loads(SCHEMA.read_text())).validate(found)
    entries = objects(found["traceEvents"])
    phases = Counter(str(one["ph"]) for one in entries)
    assert phases["b"] == phases["e"] > 0
    assert phases["X"] == 2  # of the fork none: it has begun behind them
    assert phases["s"] == phases["f"] == 1
    names = {one["args"]["name"] for one in entries if one["name"] == "process_name"}  # type: ignore[index]
    assert {"order order-1", "order fork-1"} < names
    assert list(_overlapping(entries)) == []


async def test_attempts_at_the_same_time_have_threads_of_their_own() -> None:
    flow = Workflow("wide")
    flow.map("wide", "t.item", flow.input.items, concurrency=5, n=flow.item)
    async with dalsegno_env(nodes=[Node(name="n1", slots=2), Node(name="n2", slots=3)]) as env:
        env.fake("t.item", takes="1s")
        run = await env.start(flow, input={"items": 20}, id="wide-1")
        await run.ended()
        items = exports.items(exports.store_of(env), ["wide-1"])
        found = json.loads(await joined(chrome_trace(items)))
    entries = objects(found["traceEvents"])
    jsonschema_rs.validator_for(json.loads(SCHEMA.read_text())).validate(found)
    threads = {one["tid"] for one in entries if one["ph"] == "X"}
    assert len(threads) == 5
    assert list(_overlapping(entries)) == []
    assert max(one["args"]["at nodes"] for one in entries if one["ph"] == "C") == 5  # type: ignore[index]


def _overlapping(entries: list[Found]) -> Iterator[str]:
    """Attempts of one thread that are not one after the other."""
    ended: dict[tuple[object, object], int] = {}
    complete = [one for one in entries if one["ph"] == "X"]
    for one in sorted(complete, key=lambda one: int(str(one["ts"]))):
        thread, ts = (one["pid"], one["tid"]), int(str(one["ts"]))
        if ts < ended.get(thread, 0):
            yield str(one["name"])
        ended[thread] = ts + int(str(one["dur"]))


async def test_cloudevents_are_read_by_their_own_library(kept: Kept) -> None:
    data = await joined(exported(walked(kept), "main"))
    texts = data.splitlines()
    events = [from_json(text).get_attributes() for text in texts]
    assert len({(one["source"], one["id"]) for one in events}) == len(events)
    own = [one for one in events if one["subject"] == "run:order-1"]
    assert [one["streamversion"] for one in own] == list(range(1, len(own) + 1))
    first = own[0]
    assert first["type"] == "dalsegno.run.started.v1"
    assert first["source"] == "urn:dalsegno:default:main"
    assert first["traceparent"] == traceparent("order-1")
    assert all(name.isalnum() and name.islower() for one in events for name in one)
    assert json.loads(texts[0])["specversion"] == "1.0"


async def test_an_object_centric_log_names_only_objects_that_it_has(kept: Kept) -> None:
    log = json.loads(await joined(ocel2(lambda: walked(kept))))
    known = {str(one["id"]) for one in objects(log["objects"])}
    assert len(known) == len(objects(log["objects"]))
    related = list(_relations(log["events"])) + list(_relations(log["objects"]))
    assert {name for name, _, _ in related} <= known
    kinds = {(name.partition(":")[0], how) for name, how, _ in related}
    assert kinds >= {
        ("run", "run"),
        ("workflow", "workflow"),
        ("task", "task"),
        ("task", "makes ready"),
        ("node", "node"),
        ("run", "calls"),
        ("run", "parent"),
        ("run", "source"),
        ("workflow", "run of"),
        ("run", "task of"),
        ("run", "child of"),
        ("run", "fork of"),
    }
    types = {str(one["name"]): one for one in objects(log["eventTypes"])}
    for event in objects(log["events"]):
        told = {str(one["name"]) for one in objects(types[str(event["type"])]["attributes"])}
        assert {str(one["name"]) for one in objects(event["attributes"])} <= told
    assert exports.EMAIL not in json.dumps(log)
    log = json.loads(await joined(ocel2(lambda: exports.items(kept.store, ["order-1"]))))
    known = {str(one["id"]) for one in objects(log["objects"])}
    assert {name for name, _, _ in _relations(log["events"])} <= known


def _relations(items: object) -> Iterator[tuple[str, str, str]]:
    for item in objects(items):
        for one in objects(item.get("relationships", [])):
            yield str(one["objectId"]), str(one["qualifier"]), str(item["id"])


READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
import pm4py
log = pm4py.read_ocel2_json(sys.argv[1])
told = {
    "events": len(log.events),
    "types": sorted(log.objects["ocel:type"].unique()),
    "qualifiers": sorted(log.relations["ocel:qualifier"].unique()),
    "objects": len(log.objects),
    "o2o": len(log.o2o),
    "tasks": sorted(pm4py.ocel_flattening(log, "task")["concept:name"].unique()),
}
print(json.dumps(told))
"""


async def test_pm4py_opens_the_object_centric_log(kept: Kept, tmp_path: Path) -> None:
    """In a process of its own: it takes long to import, and warns of itself."""
    path = tmp_path / "runs.jsonocel"
    path.write_bytes(await joined(ocel2(lambda: walked(kept))))
    log = json.loads(path.read_bytes())
    command = [sys.executable, "-c", READ, str(path)]
    done = await anyio.run_process(command, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["events"] == len(log["events"])
    assert told["objects"] == len(log["objects"])
    assert told["o2o"] == len(list(_relations(log["objects"])))
    assert told["types"] == ["node", "run", "task", "workflow"]
    assert {"run", "task", "node", "workflow"} <= set(told["qualifiers"])
    assert "task.completed.v1" in told["tasks"]
