"""Runs as an object-centric event log, OCEL 2.0 in its JSON form, for process mining.

    workflow ◄─ run ◄─ task          objects, and what each belongs to
                run ◄─ run           children and forks
    node

Every event is of the run and of its workflow; of the task that it is about and of those that it
makes ready; and of the node that it names. Values of users are not in it: attributes are what the
engine knows. The runs are read twice, first for the objects, so that a log of any length takes the
memory of its objects' names alone.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from hashlib import blake2b
from types import NoneType, UnionType
from typing import Union, get_args, get_origin

import msgspec

from events import operator_facts, run_facts, task_facts
from events.catalogue import facts_of
from events.cluster_facts import DefinitionRegistered
from events.codec import encode
from events.envelope import Event, Header
from events.facts import Fact, Flow
from events.ids import run_stream
from events.net import Map, Task
from events.operator_facts import RunRestored
from events.run_facts import RunForked, RunStarted
from events.task_facts import TaskDispatched
from orchestrator.insight.formats.cloudevents import time_of
from orchestrator.kernel.instances import static_of
from orchestrator.replay.exchange.selecting import Begun, Ended, Item, Told, calls_of

RUN = run_stream("")
FACTS = facts_of(run_facts, task_facts, operator_facts)
OF_TASKS = frozenset(fact.TYPE for fact in facts_of(task_facts))
TYPES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "float"),
    (str, "string"),
)
ABOUT = {"version": "integer", "actor": "string", "causation": "string", "generation": "integer"}
FAILED = {"failure_code": "string", "failure_message": "string"}
OBJECTS = {
    "workflow": {"name": "string", "workflow_version": "string"},
    "run": {"run_id": "string", "status": "string"},
    "task": {"step": "string", "task": "string", "generation": "integer"},
    "node": {"name": "string"},
}

Relations = dict[tuple[str, str], None]
"""Object and qualifier, each once, in order."""
Entry = dict[str, object]


async def ocel2(walked: Callable[[], AsyncIterator[Item]]) -> AsyncIterator[bytes]:
    """The bytes of one JSON document. `walked` reads the runs from their beginning."""
    yield b'{"objectTypes":' + encode([_type(*one) for one in OBJECTS.items()])
    kinds = [_type(fact.TYPE, _attributes(fact)) for fact in FACTS]
    yield b',\n"eventTypes":' + encode(kinds)
    yield b',\n"objects":[\n'
    first, objects = True, _Objects()
    async for item in walked():
        for entry in objects.take(item):
            yield (b"" if first else b",\n") + encode(entry)
            first = False
    for entry in objects.finish():
        yield b",\n" + encode(entry)
    yield b'\n],\n"events":[\n'
    first, runs = True, _Runs()
    async for item in walked():
        if isinstance(item, Told) and runs.take(item.event):
            yield (b"" if first else b",\n") + encode(_event(item.event, runs))
            first = False
    yield b"\n]}\n"


def _type(name: str, attributes: dict[str, str]) -> Entry:
    told = [{"name": one, "type": kind} for one, kind in attributes.items()]
    return {"name": name, "attributes": told}


# -- names of objects ------------------------------------------------------------------------------


def run_object(run_id: str) -> str:
    return f"run:{run_id}"


def node_object(node: str) -> str:
    return f"node:{node}"


def workflow_object(workflow: str, version: str) -> str:
    return f"workflow:{workflow}@{version}"


def task_object(run_id: str, step: str, generation: int) -> str:
    return f"task:{run_id}/{step}~{generation}"


class _Runs:
    """What is known of the run whose events come now."""

    def __init__(self) -> None:
        self.run_id = ""
        self.workflow = ""
        self.version = ""
        self.generation = 0
        self.generations: dict[str, int] = {}
        """Of steps that are in another one than the run."""

    def take(self, event: Event) -> bool:
        """Whether it is an event of a run."""
        stream, fact = event.header.stream, event.fact
        if not stream.startswith(RUN):
            return False
        if event.header.version == 1:
            self.run_id = stream.removeprefix(RUN)
            self.generation, self.generations = 0, {}
        if isinstance(fact, RunStarted | RunForked):
            self.workflow, self.version = fact.workflow, fact.workflow_version
        if isinstance(fact, RunRestored):
            self.generation, self.generations = fact.generation, {}
        step, generation = getattr(fact, "step", ""), getattr(fact, "generation", 0)
        if step and generation:
            self.generations[step] = generation
        return True

    def task(self, step: str) -> str:
        return task_object(self.run_id, step, self.generation_of(step))

    def generation_of(self, step: str) -> int:
        return self.generations.get(step, self.generation)

    @property
    def object(self) -> str:
        return run_object(self.run_id)

    @property
    def workflow_object(self) -> str:
        return workflow_object(self.workflow, self.version)


def _tasks(event: Event) -> Iterator[tuple[str, str]]:
    """The steps of the tasks of an event, with what it does to each."""
    fact = event.fact
    if fact.TYPE in OF_TASKS:
        yield getattr(fact, "step", ""), "task"
    flow = getattr(fact, "flow", None)
    if isinstance(flow, Flow):
        for enabled in flow.enabled:
            yield enabled.step, "makes ready"


# -- objects ---------------------------------------------------------------------------------------


class _Objects:
    """Each object once, where it is first met; a run at its end, when its status is known."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._runs = _Runs()
        self._types: dict[tuple[str, str], dict[str, str]] = {}
        self._named: dict[str, str] = {}
        self._open: Entry | None = None

    def take(self, item: Item) -> Iterator[Entry]:
        if isinstance(item, Begun | Ended):
            if self._open is not None:
                yield self._open
            self._open = None
        elif isinstance(item, Told):
            fact = item.event.fact
            if isinstance(fact, DefinitionRegistered):
                self._learn(fact)
            elif self._runs.take(item.event):
                yield from self._event(item.event)

    def _learn(self, fact: DefinitionRegistered) -> None:
        """The types of tasks by their steps."""
        known = self._types.setdefault((fact.workflow, fact.workflow_version), {})
        for step in fact.net.steps:
            if isinstance(step.action, Task):
                known[step.id] = step.action.task
            elif isinstance(step.action, Map):
                known[step.id] = step.action.body.task

    def _event(self, event: Event) -> Iterator[Entry]:
        fact, at, runs = event.fact, time_of(event.header.recorded_at), self._runs
        if event.header.version == 1:
            yield from self._new(self._workflow(at))
            self._seen.add(_key(runs.object))
            self._named.pop(runs.run_id, None)
            self._open = self._run(fact, at)
        if self._open is not None and (status := _status(fact)):
            _attribute(self._open, "status", at, status)
        for called in calls_of(fact):
            self._name(called.run_id, at)
        if isinstance(fact, RunForked):
            self._name(fact.source_run_id, at)
        if isinstance(fact, TaskDispatched):
            yield from self._new(_object("node", node_object(fact.node), at, {"name": fact.node}))
        for step, _ in _tasks(event):
            yield from self._new(self._task(step, at))

    def _new(self, entry: Entry) -> Iterator[Entry]:
        key = _key(str(entry["id"]))
        if key not in self._seen:
            self._seen.add(key)
            yield entry

    def _workflow(self, at: str) -> Entry:
        runs = self._runs
        told = {"name": runs.workflow, "workflow_version": runs.version}
        return _object("workflow", runs.workflow_object, at, told)

    def _run(self, fact: Fact, at: str) -> Entry:
        runs = self._runs
        made = _object("run", runs.object, at, {"run_id": runs.run_id, "status": "running"})
        relations: Relations = {(runs.workflow_object, "run of"): None}
        if isinstance(fact, RunStarted) and fact.origin.kind == "parent":
            relations[run_object(fact.origin.run_id), "child of"] = None
        if isinstance(fact, RunForked):
            relations[run_object(fact.source_run_id), "fork of"] = None
        return made | {"relationships": _related(relations)}

    def _name(self, run_id: str, at: str) -> None:
        """A run that is named; it may not be among those that are exported."""
        if _key(run_object(run_id)) not in self._seen:
            self._named.setdefault(run_id, at)

    def finish(self) -> Iterator[Entry]:
        """Runs that were only named."""
        for run_id, at in self._named.items():
            yield _object("run", run_object(run_id), at, {"run_id": run_id})

    def _task(self, step: str, at: str) -> Entry:
        runs = self._runs
        types = self._types.get((runs.workflow, runs.version), {})
        told: Entry = {"step": step, "generation": runs.generation_of(step)}
        if kind := types.get(static_of(step), ""):
            told["task"] = kind
        made = _object("task", runs.task(step), at, told)
        return made | {"relationships": _related({(runs.object, "task of"): None})}


def _key(name: str) -> bytes:
    """Sixteen bytes for a name of any length."""
    return blake2b(name.encode(), digest_size=16).digest()


def _object(kind: str, name: str, at: str, told: Mapping[str, object]) -> Entry:
    attributes = [{"name": one, "time": at, "value": value} for one, value in told.items()]
    return {"id": name, "type": kind, "attributes": attributes}


def _attribute(entry: Entry, name: str, at: str, value: str) -> None:
    attributes = entry["attributes"]
    if isinstance(attributes, list):
        attributes.append({"name": name, "time": at, "value": value})


def _status(fact: Fact) -> str:
    """Of a run that has ended, or stands still, from the name of the fact."""
    thing, _, word = fact.TYPE.removesuffix(".v1").partition(".")
    ended = {"completed", "failed", "cancelled", "timed_out", "paused", "closing"}
    if thing != "run" or word not in ended | {"resumed"}:
        return ""
    return "running" if word == "resumed" else word


# -- events ----------------------------------------------------------------------------------------


def _event(event: Event, runs: _Runs) -> Entry:
    header, fact = event.header, event.fact
    relations: Relations = {(runs.object, "run"): None, (runs.workflow_object, "workflow"): None}
    for step, how in _tasks(event):
        relations[runs.task(step), how] = None
    if isinstance(fact, TaskDispatched):
        relations[node_object(fact.node), "node"] = None
    if isinstance(fact, RunStarted) and fact.origin.kind == "parent":
        relations[run_object(fact.origin.run_id), "parent"] = None
    if isinstance(fact, RunForked):
        relations[run_object(fact.source_run_id), "source"] = None
    for called in calls_of(fact):
        relations[run_object(called.run_id), "calls"] = None
    return {
        "id": header.id,
        "type": fact.TYPE,
        "time": time_of(header.recorded_at),
        "attributes": list(_told(header, fact)),
        "relationships": _related(relations),
    }


def _related(relations: Relations) -> list[Entry]:
    return [{"objectId": name, "qualifier": how} for name, how in relations]


def _told(header: Header, fact: Fact) -> Iterator[Entry]:
    """The attributes of an event that it has."""
    values = {name: getattr(header, name) for name in ABOUT}
    values |= {name: getattr(fact, name) for name in _scalars(type(fact))}
    if (failure := getattr(fact, "failure", None)) is not None:
        values |= {"failure_code": failure.code, "failure_message": failure.message}
    kinds = _attributes(type(fact))
    for name, value in values.items():
        if value is None or value in {"", 0}:
            continue
        yield {"name": name, "value": time_of(value) if kinds[name] == "time" else value}


def _attributes(fact: type[Fact]) -> dict[str, str]:
    """Those that events of a type may have, with their types."""
    has_failure = any(field.name == "failure" for field in msgspec.structs.fields(fact))
    return ABOUT | _scalars(fact) | (FAILED if has_failure else {})


def _scalars(fact: type[Fact]) -> dict[str, str]:
    found: dict[str, str] = {}
    for field in msgspec.structs.fields(fact):
        kind = _scalar(field.type)
        if kind:
            is_time = kind == "integer" and field.name.endswith("_at")
            found[field.name] = "time" if is_time else kind
    return found


def _scalar(kind: object) -> str:
    """The type of an attribute; "" for what is no single value."""
    if get_origin(kind) in (Union, UnionType):
        inner = [one for one in get_args(kind) if one is not NoneType]
        return _scalar(inner[0]) if len(inner) == 1 else ""
    for known, name in TYPES:
        if kind is known:
            return name
    values = get_args(kind)
    return "string" if values and all(isinstance(one, str) for one in values) else ""
