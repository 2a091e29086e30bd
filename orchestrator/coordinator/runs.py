"""Runs in memory: a cache of folds, thrown away at will, and what is derived from them.

`Held` says which attempts each node has: derived from the outstanding ones of all loaded runs,
never counted apart. Every busy run is loaded, so it is complete once the active runs of a newly
owned shard have been loaded. Of those that only wait the last few stay; the index of runs, a
request, or the end of a child brings the others back.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

import msgspec

from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.envelope import Head
from events.facts import Fact
from events.ids import Attempt, run_stream
from orchestrator.coordinator.lanes import Key, Lanes
from orchestrator.kernel.maps import items_of
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.settling import may_be_placed
from orchestrator.kernel.state import RunState
from orchestrator.replay.ports import IndexRow, row_of


class Slot(msgspec.Struct):
    """A run in memory. `net` is None until its definition is there."""

    run_id: str
    shard: int
    state: RunState
    head: Head
    net: NetIndex | None = None
    tail_bytes: int = 0
    traceparent: str = ""
    timer_at: int | None = None
    """The earliest instant for which a look at its timers is planned."""
    wants: dict[str, tuple[str, bool, bool]] = {}
    """What was last wanted of the child of each step that has one."""
    added_in: int = 0
    """The step in which it was loaded."""

    def row(self) -> IndexRow:
        return row_of(self.run_id, self.shard, self.state)


def blank(run_id: str, shard: int) -> Slot:
    """A run of which there is no event yet."""
    return Slot(run_id, shard, RunState(), Head(run_stream(run_id)))


class Held:
    """Which attempts each node has outstanding: node → (run, step) → (attempt, incarnation)."""

    def __init__(self) -> None:
        self._nodes: dict[str, dict[Key, tuple[Attempt, str]]] = {}
        self._places: dict[str, dict[str, str]] = {}
        """run → step → node; an item of a map is not in its run's state any more when it is over.
        """

    def of(self, node: str) -> dict[Key, tuple[Attempt, str]]:
        return self._nodes.setdefault(node, {})

    def count(self, node: str) -> int:
        return len(self._nodes.get(node, ()))

    def nodes(self) -> tuple[str, ...]:
        return tuple(node for node, held in self._nodes.items() if held)

    def add(self, state: RunState) -> None:
        for step_id in state.outstanding:
            self._add(state, step_id)

    def remove(self, state: RunState) -> None:
        for step_id in list(self._places.get(state.run_id, ())):
            self._remove(state, step_id)

    def note(self, state: RunState, fact: Fact) -> None:
        """Follows one fact that `state` has evolved by."""
        if isinstance(fact, t.TaskDispatched):
            self._add(state, fact.step)
        elif isinstance(fact, ENDING):
            self._remove(state, fact.step)
        elif isinstance(fact, o.RunRestored):
            self.remove(state)

    def _add(self, state: RunState, step_id: str) -> None:
        step = state.steps[step_id]
        found = (state.attempt_of(step_id), step.incarnation)
        self.of(step.node)[state.run_id, step_id] = found
        self._places.setdefault(state.run_id, {})[step_id] = step.node

    def _remove(self, state: RunState, step_id: str) -> None:
        places = self._places.get(state.run_id, {})
        node = places.pop(step_id, "")
        if node:
            self.of(node).pop((state.run_id, step_id), None)
            if not places:
                del self._places[state.run_id]


class Runs:
    """The cache. Ended runs stay a while for clients that still ask, those that only wait for what
    may come soon."""

    def __init__(self, recent_max: int, idle_max: int) -> None:
        self.held = Held()
        self.ready = Lanes()
        """Tasks awaiting placement."""
        self._slots: dict[str, Slot] = {}
        self._recent: OrderedDict[str, Slot] = OrderedDict()
        self._recent_max = recent_max
        self._idle: OrderedDict[str, None] = OrderedDict()
        self._idle_max = idle_max

    def get(self, run_id: str) -> Slot | None:
        return self._slots.get(run_id) or self._recent.get(run_id)

    def __iter__(self) -> Iterator[Slot]:
        return iter(list(self._slots.values()))

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, slot: Slot, now: int) -> None:
        """Takes a loaded run in, with all that is outstanding and ready."""
        if slot.state.terminal:
            self._keep_recent(slot)
            return
        self._slots[slot.run_id] = slot
        self.held.add(slot.state)
        for step_id in slot.state.ready:
            if may_be_placed(slot.state, step_id):
                self.ready.add(slot.state, step_id, now)

    def discard(self, run_id: str) -> None:
        """Throws a run's state away with everything derived from it."""
        self._idle.pop(run_id, None)
        slot = self._slots.pop(run_id, None) or self._recent.pop(run_id, None)
        if slot is not None:
            self.held.remove(slot.state)
            for step_id in (*slot.state.steps, *slot.state.ready):
                self.ready.remove((run_id, step_id))

    def retire(self, slot: Slot) -> None:
        """The run has ended: only clients may still ask for it."""
        self.discard(slot.run_id)
        self._keep_recent(slot)

    def rest(self, run_id: str) -> None:
        """The run only waits, and for nothing that is due soon: it may leave."""
        if run_id in self._slots:
            self._idle[run_id] = None
            self._idle.move_to_end(run_id)

    def stay(self, run_id: str) -> None:
        """The run has something to do, or soon."""
        self._idle.pop(run_id, None)

    def trim(self) -> None:
        """Of too many that only wait, those that have waited longest leave. Nothing may be decided
        and not yet durable about any run."""
        while len(self._idle) > self._idle_max:
            longest, _ = self._idle.popitem(last=False)
            if not self._slots[longest].state.is_busy:
                self.discard(longest)

    def note(self, slot: Slot, fact: Fact, now: int) -> None:
        """Follows one fact of a run's decision."""
        self.held.note(slot.state, fact)
        if isinstance(fact, t.TaskDispatched):
            return
        if isinstance(fact, (r.RunPaused, o.RunHalted)):
            for step_id in slot.state.ready:
                self.ready.remove((slot.run_id, step_id))
        for step_id in _over(fact):
            self.ready.remove((slot.run_id, step_id))
        again = isinstance(fact, (t.AttemptFailed, t.TaskRetryDue))
        for step_id in _made_ready(slot.state, fact):
            if may_be_placed(slot.state, step_id):
                self.ready.add(slot.state, step_id, now, again=again)

    def _keep_recent(self, slot: Slot) -> None:
        self._recent[slot.run_id] = slot
        if len(self._recent) > self._recent_max:
            self._recent.popitem(last=False)


ENDING = (
    t.TaskCompleted,
    t.AttemptFailed,
    t.TaskFailed,
    t.TaskCancelled,
    t.TaskSettling,
    t.TaskSettled,
    t.TaskDeferred,
    o.ResultGiven,
)
FLOWING = (
    t.TaskCompleted,
    r.RunStarted,
    r.WaitEnded,
    r.LoopAdvanced,
    r.MapAdvanced,
    r.MapCompleted,
    r.ChildCompleted,
    t.TaskFailed,
)
AGAIN = (t.TaskRetryDue, t.AttemptFailed, t.TaskSettling, t.TaskSettled, o.TaskMoved)
LOOKED_AT_ANEW = (
    r.RunForked,
    r.RunResumed,
    r.RunPinned,
    r.RunClosing,
    o.ResultGiven,
    o.RunHalted,
    o.RunRestored,
)


def _over(fact: Fact) -> Sequence[str]:
    """Steps that may have been ready and are over with `fact`. What else leaves the ready set is
    found out when its turn would come."""
    if isinstance(fact, t.TaskFailed):
        return (fact.step, *fact.cancelled)
    if isinstance(fact, (t.TaskCompleted, o.ResultGiven)):
        return (fact.step,)
    if isinstance(fact, (r.RunClosing, r.GroupGivenUp)):
        return fact.cancelled
    if isinstance(fact, r.MapDecided):
        return items_of(fact.step, fact.cancelled)
    return ()


def _made_ready(state: RunState, fact: Fact) -> Sequence[str]:
    """Steps that `fact` put into the ready set, or that want another node now."""
    if isinstance(fact, FLOWING):
        return [enabled.step for enabled in fact.flow.enabled]
    if isinstance(fact, AGAIN):
        return [fact.step] if fact.step in state.ready else []
    return list(state.ready) if isinstance(fact, LOOKED_AT_ANEW) else []
