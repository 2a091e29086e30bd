"""Memory: everything that a coordinator holds, all of it derived from the log or from messages."""

import hashlib
import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec

from events.api import AnyAnswer, Refused
from events.envelope import Head
from events.errors import Corrupt, DalsegnoError
from events.ids import mint, shard_of
from events.messages import Heartbeat
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.acks import Acks
from orchestrator.coordinator.cluster import Cluster
from orchestrator.coordinator.definitions import Definitions, Known
from orchestrator.coordinator.engine import Engine
from orchestrator.coordinator.ownership import Ownership
from orchestrator.coordinator.parked import Parked
from orchestrator.coordinator.runs import Runs, Slot
from orchestrator.coordinator.settings import Settings
from orchestrator.coordinator.waiters import Waiters
from orchestrator.coordinator.works import AnyWork
from orchestrator.kernel.env import Env, microseconds


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """`seed`: text from which ids of batches are derived; unique to this process's life. `shards`:
    how many the cluster has. `own`: those of them that are in our log, empty: all. `logs`: how many
    logs the cluster has."""

    name: str
    seed: str
    shards: int
    own: frozenset[int] = frozenset()
    logs: int = 1
    record_hashes: bool = False
    traced: bool = False
    """Whether ended runs are told to telemetry."""


class Memory:
    """`definitions`: what our log has of workflows; `homes`: what other logs have of those that are
    registered there. `chunk_requests`: those that wait for the store."""

    def __init__(self, identity: Identity, settings: Settings, engine: Engine) -> None:
        self.identity = identity
        self.settings = settings
        self.engine = engine
        self.ownership = Ownership(sorted(identity.own) or range(identity.shards), settings)
        self.runs = Runs(settings.recent_runs_max, settings.idle_runs_max)
        self.cluster = Cluster(settings, self.holds)
        self.definitions = Definitions(settings.unknown_workflows_max)
        self.homes = Definitions(settings.unknown_workflows_max)
        self.acks = Acks()
        self.intake: deque[AnyWork] = deque()
        self.beats: dict[str, Heartbeat] = {}
        """The newest heartbeat of each node that is still to be reconciled."""
        self.waiting: dict[str, list[AnyWork]] = {}
        """Works by what they wait for; it is being loaded."""
        self.waiters = Waiters()
        self.heads: dict[str, Head] = {}
        """Ends of streams that were asked for and not yet written to."""
        self.parked = Parked(settings.parked_reasons_max)
        self.era = 0
        """Grows whenever shards are lost: what was read before may have been overtaken."""
        self.warming: set[int] = set()
        """Shards whose active runs are still being loaded."""
        self.strange: set[str] = set()
        """Runs that others have written to without our knowledge, until they are read again."""
        self.now = s.Now(0, 0)
        self.steps = 0
        """Steps so far: what an answer of the store can know is told by the step that asked."""
        self.owned_since: dict[int, int] = {}
        """The step in which each shard that is held was acquired."""
        self.out: list[s.CoordinatorOutput] = []
        self.chunk_requests = 0
        self.keys: dict[tuple[str, str], s.KeyLoaded] = {}
        """Data keys of runs that are just about to begin, each with its subject."""
        self.due_next: s.FindDue | None = None
        """The next page of due runs, asked for once those of the last one are loaded."""
        self._timers: list[tuple[int, str]] = []
        self._minted = self._works_waiting = 0
        self._load_queue, self._loading = deque[s.LoadRun](), set[str]()

    # -- clock and ids ----------------------------------------------------------------------------

    def advance(self, now: s.Now) -> None:
        """A new step; time as decisions see it never goes back."""
        self.steps += 1
        self.now = s.Now(max(now.monotonic, self.now.monotonic), max(now.wall, self.now.wall))

    def mint(self) -> str:
        self._minted += 1
        entropy = hashlib.sha256(f"{self.identity.seed}/{self._minted}".encode()).digest()
        return mint(self.now.wall, entropy)

    def env(self) -> Env:
        engine = self.engine
        return Env(now=self.now.wall, expressions=engine.expressions, limits=engine.limits)

    def shard(self, name: str) -> int:
        return shard_of(name, self.identity.shards)

    def is_home(self, name: str) -> bool:
        """Whether the node or workflow of this name has its stream in our log."""
        own = self.identity.own
        return not own or self.shard(name) in own

    def holds(self, name: str) -> bool:
        return self.ownership.holds(self.shard(name), self.now.monotonic)

    @property
    def full(self) -> bool:
        """Whether as many works wait as may."""
        return len(self.intake) + self._works_waiting >= self.settings.intake_max

    # -- answers ----------------------------------------------------------------------------------

    def answer(self, reply_to: str, answer: AnyAnswer) -> None:
        """At once: only for what depends on no commit."""
        if reply_to:
            self.out.append(s.Answer(reply_to=reply_to, answer=answer))

    def refuse(self, reply_to: str, error: DalsegnoError) -> None:
        self.answer(reply_to, Refused(code=error.code, message=str(error)))

    def park(self, run_id: str, damage: Corrupt) -> None:
        """Something stored that the run needs is damaged: nothing is decided about it any more, and
        who waits for its end is told."""
        self.runs.discard(run_id)
        self.parked.add(run_id, str(damage))
        for waiter in self.waiters.take(run_id):
            self.refuse(waiter.reply_to, damage)

    # -- waiting for what must be loaded ----------------------------------------------------------

    def load(self, key: str, output: s.CoordinatorOutput, work: AnyWork | None = None) -> None:
        """Asks for something once; `work` goes on when it is there."""
        first = key not in self.waiting
        self.waiting.setdefault(key, [])
        if work is not None:
            self.wait(key, work)
        if not first:
            return
        if isinstance(output, s.LoadRun):
            self._load_queue.append(output)
            self.pump_loads()
        else:
            self.out.append(output)

    def wait(self, key: str, work: AnyWork) -> None:
        """`work` goes on when that for which `key` stands is there."""
        self.waiting.setdefault(key, []).append(work)
        self._works_waiting += 1

    def works(self) -> Iterator[AnyWork]:
        """All that wait to be decided."""
        return chain(self.intake, *self.waiting.values())

    def load_run(self, run_id: str, work: AnyWork | None = None) -> None:
        self.load(f"run:{run_id}", s.LoadRun(run_id=run_id), work)

    def load_node(self, node: str, work: AnyWork | None = None) -> None:
        self.load(f"node:{node}", s.LoadNode(node=node, step=self.steps), work)

    def stands(self, name: str, step: int) -> bool:
        """Whether what was read or judged in this step of a node, or of a workflow, is of this
        ownership of its shard: another owner may have written otherwise since."""
        return step >= self.owned_since.get(self.shard(name), 0)

    def load_definition(self, workflow: str, work: AnyWork | None = None) -> None:
        """Asks for the versions of a workflow that are not known here."""
        self.load(f"definition:{workflow}", self.definition_question(workflow), work)

    def load_home(self, workflow: str, work: AnyWork) -> None:
        """Asks the log in which a workflow is registered, another one, for its versions."""
        self.load(f"home:{workflow}", self.definition_question(workflow, home=True), work)

    def definition_question(self, workflow: str, home: bool = False) -> s.LoadDefinition:
        known = (self.homes if home else self.definitions).get(workflow)
        after = msgspec.structs.replace(known.head) if known is not None else None
        return s.LoadDefinition(workflow=workflow, after=after, step=self.steps, home=home)

    def is_current(self, workflow: str, known: Known, arrived_in: int) -> bool:
        """Whether `known` has every version that was registered before something that arrived in
        that step. Costs the owner of the workflow nothing; others have to have read since."""
        if self.holds(workflow):
            return self.stands(workflow, known.read_in)
        return known.read_in >= arrived_in

    def loaded(self, key: str) -> list[AnyWork]:
        """What waited for `key`."""
        self._loading.discard(key)
        works = self.waiting.pop(key, [])
        self._works_waiting -= len(works)
        return works

    def pump_loads(self) -> None:
        while self._load_queue and len(self._loading) < self.settings.loads_max:
            output = self._load_queue.popleft()
            self._loading.add(load_key(output))
            self.ask_run(output.run_id, output.at, output.fork)

    def ask_run(self, run_id: str, at: int | None = None, fork: str = "") -> None:
        self.out.append(s.LoadRun(run_id=run_id, at=at, fork=fork, era=self.era))

    @property
    def loads_under_way(self) -> bool:
        return bool(self._loading or self._load_queue)

    def loads(self) -> set[str]:
        """The keys of what is being read of runs."""
        return self._loading.union(map(load_key, self._load_queue))

    # -- timers -----------------------------------------------------------------------------------

    def rest(self, slot: Slot) -> None:
        """A run that only waits, and for nothing that is due soon, may leave memory; no other."""
        due_at = slot.state.next_due_at
        if not slot.state.is_busy and (due_at is None or due_at > self.due_before):
            self.runs.rest(slot.run_id)
        else:
            self.runs.stay(slot.run_id)

    @property
    def due_before(self) -> int:
        """Runs due by then are in memory, microseconds."""
        return self.now.wall + microseconds(self.settings.due_horizon_s)

    def set_timer(self, slot: Slot) -> None:
        """Plans a look at the run's timers if one is due soon; the index tells of the others when
        their time comes near, so that no timer is remembered that is never met."""
        due_at = slot.state.next_due_at
        if due_at is None or due_at > self.due_before:
            return
        self.runs.stay(slot.run_id)
        if slot.timer_at is None or due_at < slot.timer_at:
            slot.timer_at = due_at
            heapq.heappush(self._timers, (due_at, slot.run_id))

    def due_runs(self) -> Iterable[str]:
        """Loaded runs with a timer that is due, each once."""
        due: dict[str, None] = {}
        while self._timers and self._timers[0][0] <= self.now.wall:
            due[heapq.heappop(self._timers)[1]] = None
        for run_id in due:
            slot = self.runs.get(run_id)
            if slot is None:
                continue
            slot.timer_at = None
            next_due_at = slot.state.next_due_at
            if next_due_at is not None and next_due_at <= self.now.wall:
                yield run_id
            else:
                self.set_timer(slot)

    @property
    def next_timer_at(self) -> int | None:
        return self._timers[0][0] if self._timers else None


def load_key(load: s.LoadRun | s.RunLoaded) -> str:
    """The same for a question and its answer. Those who want a fork of one id may mean different
    sources: none of them has the answer to another's question."""
    if load.fork:
        return f"fork:{load.fork!r} of {load.run_id!r} at {load.at}"
    return f"run:{load.run_id}"
