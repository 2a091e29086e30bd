"""Runs in the Trace Event Format, which Perfetto, speedscope and chrome://tracing open.

A run is a process; a node's attempts are threads of it, as many as run there at the same time. So:

    X   an attempt on its node, from its start to its end; what it came to is in `args`
    b e the run, and each task from when it was ready to when it was over, retries included
    i   what happened to the run besides: signals, operators, pauses
    s f the call of a child run, to its beginning
    C   attempts that nodes have
    M   names

Events come in the order in which they were recorded and only what is under way is remembered, so a
trace of any length takes little memory.
"""

from collections.abc import AsyncIterator, Iterator
from heapq import heappop, heappush

import msgspec

from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.codec import encode
from events.envelope import Event
from events.facts import Fact, Flow
from events.ids import run_stream
from orchestrator.replay.exchange.selecting import Begun, Ended, Item, Told, calls_of

RUN = run_stream("")
OVER = (t.TaskCompleted, t.TaskFailed, t.TaskCancelled)
BACK = (*OVER, t.AttemptFailed, t.TaskDeferred, t.TaskSettled, o.ResultGiven)
ENDS = (r.RunCompleted, r.RunFailed, r.RunCancelled, r.RunTimedOut)
TOLD = (
    r.SignalReceived,
    r.WaitEnded,
    r.UpdateAccepted,
    r.RunPaused,
    r.RunResumed,
    r.RunPinned,
    r.RunClosing,
    o.ResultGiven,
    o.TaskMoved,
    o.RunHalted,
    o.RunRestored,
)
MAIN = 0
"""The thread of what belongs to no node."""

Entry = dict[str, object]


async def chrome_trace(items: AsyncIterator[Item]) -> AsyncIterator[bytes]:
    """The bytes of one JSON document."""
    yield b'{"displayTimeUnit":"ms","traceEvents":[\n'
    number, first = 0, True
    run: _Run | None = None
    async for item in items:
        entries: Iterator[Entry] = iter(())
        if isinstance(item, Begun):
            entries = run.finish() if run is not None else entries
            run = None
            if item.stream.startswith(RUN):
                number += 1
                run = _Run(number, item.stream.removeprefix(RUN))
        elif isinstance(item, Told) and run is not None:
            entries = run.take(item.event)
        elif isinstance(item, Ended) and run is not None:
            entries, run = run.finish(), None
        for entry in entries:
            yield (b"" if first else b",\n") + encode(entry)
            first = False
    yield b"\n]}\n"


class _Attempt(msgspec.Struct):
    number: int
    node: str
    lane: int
    sent_at: int


class _Run:
    """One run, as a process."""

    def __init__(self, number: int, run_id: str) -> None:
        self._pid = number
        self._id = run_id
        self._tasks: dict[str, int] = {}
        """Since when each task that is not over is ready."""
        self._attempts: dict[str, _Attempt] = {}
        self._lanes: dict[tuple[str, int], int] = {}
        self._free: dict[str, list[int]] = {}
        self._used: dict[str, int] = {}
        self._open = False
        self._last = 0

    def take(self, event: Event) -> Iterator[Entry]:
        fact, at = event.fact, event.header.recorded_at
        self._last = at
        if isinstance(fact, r.RunStarted | r.RunForked):
            yield from self._begin(fact, at)
        if isinstance(fact, t.TaskDispatched):
            yield from self._sent(fact, at)
        step = getattr(fact, "step", "")
        if isinstance(fact, BACK) and step in self._attempts:
            yield self._came_back(step, fact, at)
            yield self._count(at)
        if isinstance(fact, (*OVER, o.ResultGiven)) and step in self._tasks:
            yield self._task("e", step, at, _outcome(fact))
            del self._tasks[step]
        if isinstance(fact, (o.RunRestored, *ENDS)):
            yield from self._all_back(at)
        if isinstance(fact, TOLD):
            yield self._told(event)
        yield from self._flow(fact, at)
        if isinstance(fact, ENDS):
            self._open = False
            yield self._run("e", at, {"status": fact.TYPE.split(".")[1]})

    def finish(self) -> Iterator[Entry]:
        """What is still under way ends where the history does."""
        yield from self._all_back(self._last)
        if self._open:
            self._open = False
            yield self._run("e", self._last, {"status": "open"})

    # -- the run ----------------------------------------------------------------------------------

    def _begin(self, fact: r.RunStarted | r.RunForked, at: int) -> Iterator[Entry]:
        yield self._name("process_name", MAIN, f"{fact.workflow} {self._id}")
        yield self._name("thread_name", MAIN, "run")
        args: Entry = {"workflow": fact.workflow, "workflow_version": fact.workflow_version}
        if isinstance(fact, r.RunForked):
            args |= {"forked_from": fact.source_run_id, "version": fact.source_version}
            for renewed in fact.renewed:
                yield from self._ready(renewed.step, at)
        self._open = True
        yield self._run("b", at, args)
        if fact.origin.kind == "parent":
            yield self._entry("f", f"calls {self._id}", MAIN, at) | {
                "cat": "call",
                "id": self._id,
                "bp": "e",
            }

    def _flow(self, fact: Fact, at: int) -> Iterator[Entry]:
        flow = getattr(fact, "flow", None)
        if isinstance(flow, Flow):
            for enabled in flow.enabled:
                yield from self._ready(enabled.step, at)
        for called in calls_of(fact):
            yield self._entry("s", f"calls {called.run_id}", MAIN, at) | {
                "cat": "call",
                "id": called.run_id,
            }

    def _told(self, event: Event) -> Entry:
        fact = event.fact
        told = {name: getattr(fact, name, "") for name in ("step", "name", "reason", "by")}
        args: Entry = {"version": event.header.version, "actor": event.header.actor}
        args |= {name: text for name, text in told.items() if text}
        name = fact.TYPE.rpartition(".")[0]
        return self._entry("i", name, MAIN, event.header.recorded_at, args) | {"s": "p"}

    # -- tasks ------------------------------------------------------------------------------------

    def _ready(self, step: str, at: int) -> Iterator[Entry]:
        if step not in self._tasks:
            self._tasks[step] = at
            yield self._task("b", step, at, {})

    def _sent(self, fact: t.TaskDispatched, at: int) -> Iterator[Entry]:
        if fact.step in self._attempts:
            yield self._came_back(fact.step, fact, at)
        free = self._free.setdefault(fact.node, [])
        lane = heappop(free) if free else self._used.get(fact.node, 0)
        self._used[fact.node] = max(self._used.get(fact.node, 0), lane + 1)
        if (fact.node, lane) not in self._lanes:
            self._lanes[fact.node, lane] = len(self._lanes) + 1
            name = f"{fact.node} {lane + 1}" if lane else fact.node
            yield self._name("thread_name", self._lanes[fact.node, lane], name)
        self._attempts[fact.step] = _Attempt(fact.attempt, fact.node, lane, at)
        yield self._count(at)

    def _came_back(self, step: str, fact: Fact | None, at: int) -> Entry:
        had = self._attempts.pop(step)
        heappush(self._free[had.node], had.lane)
        begun = getattr(fact, "started_at", 0) or had.sent_at
        ended = getattr(fact, "ended_at", 0) or at
        begun = min(max(begun, had.sent_at), ended)
        args: Entry = {"attempt": had.number, "node": had.node, **_outcome(fact)}
        if begun > had.sent_at:
            args["queued_us"] = begun - had.sent_at
        tid = self._lanes[had.node, had.lane]
        return self._entry("X", step, tid, begun, args) | {"dur": ended - begun, "cat": "attempt"}

    def _all_back(self, at: int) -> Iterator[Entry]:
        for step in list(self._attempts):
            yield self._came_back(step, None, at)
        for step in list(self._tasks):
            yield self._task("e", step, at, {"outcome": "left"})
        self._tasks.clear()

    # -- entries ----------------------------------------------------------------------------------

    def _entry(self, phase: str, name: str, tid: int, at: int, args: Entry | None = None) -> Entry:
        made: Entry = {"ph": phase, "name": name, "pid": self._pid, "tid": tid, "ts": at}
        return made | ({"args": args} if args else {})

    def _run(self, phase: str, at: int, args: Entry) -> Entry:
        return self._entry(phase, "run", MAIN, at, args) | {"cat": "run", "id": self._id}

    def _task(self, phase: str, step: str, at: int, args: Entry) -> Entry:
        shown = self._entry(phase, step, MAIN, at, args)
        return shown | {"cat": "task", "id": f"{self._id}/{step}"}

    def _name(self, what: str, tid: int, name: str) -> Entry:
        return {"ph": "M", "name": what, "pid": self._pid, "tid": tid, "args": {"name": name}}

    def _count(self, at: int) -> Entry:
        return self._entry("C", "attempts", MAIN, at, {"at nodes": len(self._attempts)})


def _outcome(fact: Fact | None) -> Entry:
    """What an attempt or a task came to."""
    if fact is None or isinstance(fact, t.TaskDispatched):
        return {"outcome": "left"}
    made: Entry = {"outcome": fact.TYPE.split(".")[1]}
    failure = getattr(fact, "failure", None)
    if failure is not None:
        made |= {"code": failure.code, "message": failure.message}
    return made
