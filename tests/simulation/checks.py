"""The checkers: the promises, looked at from outside, at every commit and every effect.

The auditor reads what the store commits, as it commits, and folds it into shadows of its own; it
also keeps small books that owe nothing to the kernel: which attempts are outstanding, how many
failures count, when the next attempt is due. Against these it holds what leaves a coordinator, what
an agent executes, sends and journals, and what coordinators say about their own states.

What is wrong is noted as a violation, in words; the world goes on or stops as the runner likes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from dalsegno.testing.twins.scheduler import Scheduler
from events.api import AnyAnswer, AnyRequest, NodeAnswer, Registered, RunAnswer
from events.cluster_facts import DefinitionRegistered, NodeCordoned
from events.codec import digest
from events.definition import Definition
from events.envelope import Event, Head, Stored, unseal
from events.ids import Attempt, definition_stream, node_stream, run_stream, shard_of
from events.messages import (
    Commands,
    Completed,
    Deferred,
    Drop,
    Execute,
    Failed,
    Heartbeat,
    Report,
    Returned,
    Settle,
)
from events.operator_facts import RunRestored, TaskMoved
from events.run_facts import RunStarted
from events.task_facts import TaskDispatched
from node_agent.journal import Final
from node_agent.steps import Done, Postponed
from orchestrator.coordinator.nodelog import NodeLog, snapshot_of
from orchestrator.coordinator.ports import (
    Appended,
    AppendOutcome,
    Batch,
    IndexRow,
    Lease,
    ReportDelivery,
    Snapshot,
    SnapshotPlace,
)
from orchestrator.kernel.netindex import NetIndex
from tests.simulation.answers import Answers
from tests.simulation.authored import Authored
from tests.simulation.books import RunBook
from tests.simulation.bounds import Bounds
from tests.simulation.effects import World
from tests.simulation.executor import Ledger
from tests.simulation.grants import Grants
from tests.simulation.logs import Logs
from tests.simulation.mistakes import came_of_it
from tests.simulation.operated import Operated, terminated
from tests.simulation.outside import Outside
from tests.simulation.placements import Placements
from tests.simulation.policies import Policies
from tests.simulation.timeouts import TaskTimeouts
from tests.simulation.versions import catalogue
from tests.simulation.workload import SECRET

SNAPSHOTS_MAX = 100_000

FINAL = (Completed, Failed, Deferred, Returned)


class Definitions:
    """Nets by workflow and version, as registered in the log."""

    def __init__(self) -> None:
        self._facts: dict[tuple[str, str], DefinitionRegistered] = {}
        self._nets: dict[tuple[str, str], NetIndex] = {}
        self._written: dict[str, Definition] = {}

    def add(self, fact: DefinitionRegistered) -> None:
        self._facts[fact.workflow, fact.workflow_version] = fact
        self._written[fact.workflow_version] = fact.definition

    def has(self, workflow: str, version: str) -> bool:
        return (workflow, version) in self._facts

    def written(self, version: str) -> Definition | None:
        """What its author wrote, by the version."""
        return self._written.get(version)

    def net(self, workflow: str, version: str) -> NetIndex:
        key = (workflow, version)
        if key not in self._nets:
            self._nets[key] = NetIndex(self._facts[key].net)
        return self._nets[key]


class Auditor:
    bounds: Bounds
    outside: Outside
    world: World

    def __init__(self, scheduler: Scheduler, logs: Logs, ledger: Ledger, shards: int) -> None:
        self.violations: list[str] = []
        self.books: dict[str, RunBook] = {}
        self.definitions = Definitions()
        self.placements = Placements()
        self.grants = Grants(scheduler, shards)
        self.operated: dict[str, Operated] = {}
        self.answers = Answers(self.books, self.operated)
        self.serving: Callable[[str], frozenset[int]] = lambda _: frozenset()
        """The shards that a coordinator has in memory."""
        self.requests: Mapping[str, AnyRequest] = {}
        """Of clients, by where the answer goes."""
        self.shards = shards
        self.commits = 0
        self.changed_at = 0
        """When something of a run was recorded last."""
        self.clocks_differ_us = 0
        """More than the wall clocks of two coordinators do."""
        self._scheduler = scheduler
        self._logs = logs
        self._copies: set[tuple[str, str, str]] = set()
        """Log, workflow and version of the definitions in each."""
        self._ledger = ledger
        self._catalogue = catalogue()
        self._given: list[tuple[str, TaskDispatched]] = []
        """Dispatches of the commit that is looked at, and their runs."""
        self._policies: dict[str, Policies] = {}
        self._authored: dict[str, Authored] = {}
        self._timeouts: dict[str, TaskTimeouts] = {}
        self._epochs: dict[int, int] = {}
        self._owners: dict[int, str] = {}
        self._owned_since: dict[int, int] = {}
        self._nodes: dict[str, NodeLog] = {}
        self._node_heads: dict[str, Head] = {}
        self._cordoned: set[tuple[str, int]] = set()
        self._cordoned_by: dict[str, str] = {}
        """The coordinator that has recorded the last cordon of a node."""
        self._snapshots: dict[tuple[str, int], bool] = {}
        self._asked_at: dict[tuple[str, str], int] = {}
        self._frames: dict[str, dict[Attempt, tuple[int, Final]]] = {}

    def violated(self, text: str) -> None:
        self.violations.append(text)
        self._scheduler.note(f"VIOLATION {text}")

    def _all_of(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.violated(text)

    def unseen(self) -> Iterator[str]:
        """Runs that are open, with what they are said to wait for."""
        for run_id, book in self.books.items():
            if book.ended_at is None:
                steps = {name: step.status for name, step in book.state.steps.items()}
                yield f"run {run_id} is {book.state.status} {steps} {book.state.timers}"

    def book(self, run_id: str) -> RunBook | None:
        return self.books.get(run_id)

    def meet(self, world: World) -> None:
        """The world outside, in which handlers have effects."""
        self.world, self.outside = world, Outside(world, self.books)
        world.database.on_commit = self.effected

    def effected(self, attempt: Attempt) -> None:
        self._all_of(self.outside.committed(attempt))

    def went_on(self, attempt: Attempt, name: str) -> None:
        self._all_of(self.outside.went_on(attempt, name))

    def children(self, run_id: str) -> list[str]:
        """The open runs that a run has started."""
        return [name for name, book in self.books.items() if book.is_child_of(run_id)]

    # -- the store --------------------------------------------------------------------------------

    def append(self, batch: Batch) -> AppendOutcome:
        """Appends, and looks at what was committed."""
        self._all_of(self.bounds.appended(batch))
        name = self._logs.name_of(batch)
        log = self._logs.each[name]
        before = log.last_position()
        outcome = log.append(batch)
        events = log.read_log(before, 100_000)
        if isinstance(outcome, Appended):
            self.commits += 1
        elif events:
            self.violated(f"batch {batch.id} was refused and {len(events)} events are in the log")
        self._scheduler.note(f"commit {batch.id} {type(outcome).__name__}")
        for snapshot in batch.snapshots:
            self.saving(snapshot)
        for stored in events:
            self._committed(stored, name)
        if events:
            for row in batch.index:
                self._check_row(row)
        given, self._given = self._given, []
        for name, fact in given:
            self._all_of(self.placements.crowded(fact, self._of_owner(name), self._epoch))
        return outcome

    def _committed(self, stored: Stored, log: str) -> None:
        self._scheduler.note(f"{stored.stream} {stored.version} {digest(stored.state)}")
        event = unseal(stored, self._catalogue)
        if SECRET.encode() in stored.state:
            self.violated(f"{stored.stream} {stored.version} tells what is personal")
        if came_of_it(event):
            self.violated(f"{event.header.type} of {stored.stream} came of somebody's mistake")
        self._check_place(event, log)
        if isinstance(event.fact, DefinitionRegistered):
            self.definitions.add(event.fact)
        kind, _, name = stored.stream.partition(":")
        if kind == "node":
            self._steered(name, event)
        if kind == "run":
            if not isinstance(event.fact, TaskMoved):  # by it nothing goes on
                self.changed_at = self._scheduler.now
            self._check_intake(name, event)
            book = self.books.get(name)
            if book is None:
                book = self.books[name] = RunBook(name, self.definitions.net, self.book)
                self._policies[name] = Policies(self.definitions.net, self.definitions.written)
                self._authored[name] = Authored(self.definitions.written)
                self._timeouts[name] = TaskTimeouts(self.definitions.net)
                self.operated[name] = Operated()
            book.terminated = terminated(event, name, self.requests)
            found = [
                *book.take(stored, event, self._scheduler.now),
                *self._policies[name].take(event, book.state),
                *self._authored[name].take(event.fact, book),
                *self._timeouts[name].take(event, book.state),
                *self.grants.recorded(event.fact, book),
                *self.operated[name].take(event, self.requests, self._scheduler.now),
                *self._kept(event),
                *self.outside.take(stored, event, book),
            ]
            if isinstance(event.fact, TaskDispatched):
                found += self.placements.dispatched(event.fact, book)
                self._given.append((name, event.fact))
            for text in found:
                self.violated(f"run {name} at {stored.version}: {text}")
            self._check_result(event, name)

    def _kept(self, event: Event) -> Iterator[str]:
        """Before a run is changed so that somebody may want it back, its state is stored."""
        fact, stream = event.fact, event.header.stream
        if isinstance(fact, TaskMoved | RunRestored):
            place = SnapshotPlace(stream=stream, version=fact.backup, kind="recovery")
            if self._logs.of(stream).snapshots.find(place) is None:
                yield f"{fact.TYPE} is recorded without a recovery snapshot at {fact.backup}"

    def _epoch(self, run_id: str) -> int:
        return self._epochs.get(shard_of(run_id, self.shards), 0)

    def _of_owner(self, run_id: str) -> list[RunBook]:
        """The runs that have the same owner as this one."""
        owner = self._owners.get(shard_of(run_id, self.shards))
        own = self.serving(owner) if owner else frozenset()
        return [book for name, book in self.books.items() if shard_of(name, self.shards) in own]

    def _steered(self, node: str, event: Event) -> None:
        log, at = self._nodes.setdefault(node, NodeLog()), event.header.recorded_at
        self._node_heads[node] = Head(event.header.stream, event.header.version, event.digest)
        log.note(event.fact, event.header.actor, at)
        if isinstance(event.fact, NodeCordoned):
            self._cordoned.add((node, at))
            self._cordoned_by[node] = self._owners.get(shard_of(node, self.shards), "")

    def _check_intake(self, run_id: str, event: Event) -> None:
        """Nothing is given to a node after it was cordoned, neither by whoever recorded that nor by
        its last owner, also when that has handed it over; the others hear of it a little later."""
        if not isinstance(event.fact, TaskDispatched):
            return
        node = event.fact.node
        log = self._nodes.get(node, NodeLog())
        giver, owner = (self._owners.get(shard_of(name, self.shards)) for name in (run_id, node))
        known_at = self._owned_since.get(shard_of(node, self.shards), 0) + self.clocks_differ_us
        has_read = giver == owner and event.header.recorded_at > known_at
        is_known = has_read or giver == self._cordoned_by.get(node)
        if log.cordon is not None and is_known:
            self.violated(f"{run_id}/{event.fact.step} is given to {node}, which is cordoned")

    def _check_place(self, event: Event, log: str) -> None:
        """A stream is in one log, and what a run needs to go on is there, too."""
        fact, home = event.fact, self._logs.map.of_stream(event.header.stream)
        if isinstance(fact, DefinitionRegistered):
            self._copies.add((log, fact.workflow, fact.workflow_version))
            if home != log:
                if not self.definitions.has(fact.workflow, fact.workflow_version):
                    self.violated(f"log {log} has a copy of {fact.workflow}, which nobody has")
                return
        if home != log:
            self.violated(f"{event.header.stream} is in log {log}, expected in log {home}")
        if isinstance(fact, RunStarted):
            needs = (log, fact.workflow, fact.workflow_version)
            if needs not in self._copies:
                self.violated(f"{event.header.stream} begins without its definition in log {log}")
        self._check_epoch(event)

    def _check_epoch(self, event: Event) -> None:
        stream = event.header.stream
        kind, _, name = stream.partition(":")
        shard = int(name) if kind == "shard" else shard_of(name, self.shards)
        current = self._epochs.get(shard, 0)
        if event.header.epoch != current:
            self.violated(
                f"{stream} {event.header.version} was committed under epoch {event.header.epoch} "
                f"while shard {shard} was owned under {current}"
            )

    def _check_row(self, row: IndexRow) -> None:
        book = self.books.get(row.run_id)
        if book is None or book.row(row.shard) != row:
            self.violated(f"index row of {row.run_id} is {row}, the fold says otherwise")
        elif self._logs.index_row(row.run_id) != row:
            self.violated(f"index row of {row.run_id} was not stored with its events")

    def _check_result(self, event: Event, run_id: str) -> None:
        """A recorded result is one that a handler really returned."""
        book = self.books[run_id]
        if book.completing is None:
            return
        attempt, output = book.completing
        begun = self._ledger.executions.get(attempt)
        result = begun.result if begun else None
        if isinstance(result, Postponed):
            is_true = self.outside.is_offered(attempt, output)
        else:
            is_true = isinstance(result, Done) and result.output == output
        if not is_true:
            self.violated(f"{attempt} is recorded with {output}, it really ended as {result}")

    def acquired(self, leases: list[Lease]) -> list[Lease]:
        for lease in leases:
            self._scheduler.note(f"{lease.holder} owns {lease.shard} under {lease.epoch}")
            if lease.epoch <= self._epochs.get(lease.shard, 0):
                self.violated(f"shard {lease.shard} was given out again under epoch {lease.epoch}")
            self._epochs[lease.shard] = lease.epoch
            self._owners[lease.shard] = lease.holder
            self._owned_since[lease.shard] = self._scheduler.wall
        return leases

    def renewed(self, leases: list[Lease]) -> list[Lease]:
        """Promise 5: nobody is told of a lease that it is renewed when it is not the last one of
        its shard any more."""
        for lease in leases:
            current = self._epochs.get(lease.shard, 0)
            if lease.epoch != current:
                self.violated(
                    f"epoch {lease.epoch} of shard {lease.shard} was renewed for {lease.holder}, "
                    f"which is owned under {current}"
                )
        return leases

    # -- what coordinators let out ----------------------------------------------------------------

    def hashed(self, hashes: Sequence[tuple[str, int, str]]) -> None:
        """A coordinator's own state is the fold, at every version."""
        for run_id, version, found in hashes:
            book = self.books.get(run_id)
            if book is None or book.hashes.get(version) != found:
                self.violated(f"the live state of {run_id} at {version} is not the fold's")

    def saving(self, snapshot: Snapshot) -> None:
        if snapshot.stream.startswith(node_stream("")):
            self._saving_node(snapshot)
            return
        book = self.books.get(snapshot.stream.partition(":")[2])
        if book is None or book.hashes.get(snapshot.version) != digest(snapshot.state):
            self.violated(f"snapshot {snapshot.version} of {snapshot.stream} is not the fold's")

    def _saving_node(self, snapshot: Snapshot) -> None:
        name = snapshot.stream.partition(":")[2]
        log, last = self._nodes.get(name, NodeLog()), self._node_heads.get(name)
        if last is None or last.version != snapshot.version:
            log, last = self._node_at(snapshot)
        if snapshot != snapshot_of(last, log):
            self.violated(f"snapshot {snapshot.version} of {snapshot.stream} is not the log's")

    def _node_at(self, snapshot: Snapshot) -> tuple[NodeLog, Head]:
        """What the log says of a node up to an earlier version."""
        log, last = NodeLog(), Head(snapshot.stream)
        for stored in self._logs.read(snapshot.stream, limit=snapshot.version):
            event = unseal(stored, catalogue())
            log.note(event.fact, event.header.actor, event.header.recorded_at)
            last.version, last.digest = stored.version, event.digest
        return log, last

    def published(self, node: str, incarnation: str, commands: Commands) -> None:
        self._all_of(self.bounds.commanded(node, commands))
        for command in commands.commands:
            match command:
                case Execute(attempt=attempt):
                    book = self.books.get(attempt.run_id)
                    if book is None or book.dispatched.get(attempt) != (node, incarnation):
                        self.violated(f"{attempt} was sent to {node} without a committed dispatch")
                case Settle(attempts=attempts) | Drop(attempts=attempts):
                    for attempt in attempts:
                        self._require_over(attempt, f"{type(command).__name__} was sent for")
                case _:
                    pass

    def _require_over(self, attempt: Attempt, what: str) -> None:
        book = self.books.get(attempt.run_id)
        if book is not None and attempt in book.outstanding:
            self.violated(f"{what} {attempt}, which is outstanding")

    def acknowledged(self, deliveries: Sequence[ReportDelivery]) -> None:
        for delivery in deliveries:
            for report in delivery.reports.reports:
                if isinstance(report, FINAL):
                    self._require_over(report.attempt, "acknowledged a report of")

    def asked(self, name: str, reply_to: str) -> None:
        """A request has come to the coordinator of this name."""
        self._asked_at.setdefault((name, reply_to), self._scheduler.now)

    def answered(self, name: str, reply_to: str, answer: AnyAnswer) -> None:
        """What a client is told is in the log, and so is what it asked for."""
        request, asked_at = self.requests.get(reply_to), self._asked_at.get((name, reply_to), 0)
        if request is not None:
            self._all_of(self.answers.given(request, answer, asked_at))
        if isinstance(answer, Registered):
            if not self.definitions.has(answer.workflow, answer.workflow_version):
                self.violated(f"{definition_stream(answer.workflow)} was answered, not committed")
        elif isinstance(answer, NodeAnswer):
            view = answer.node
            if view.cordon and (view.node, view.cordon.since) not in self._cordoned:
                self.violated(f"the cordon of {view.node} was answered, not committed")
        elif isinstance(answer, RunAnswer):
            run, book = answer.run, self.books.get(answer.run.run_id)
            version = book.state.version if book else 0
            if run.version > version:
                self.violated(
                    f"{run_stream(run.run_id)} was answered at {run.version}, the log is at "
                    f"{version}"
                )

    # -- agents -----------------------------------------------------------------------------------

    def failures_recorded(self, attempt: Attempt) -> int:
        book = self.books.get(attempt.run_id)
        return book.counted.get(attempt.step, 0) if book else 0

    def started(self, node: str, execute: Execute) -> None:
        """Once completed, never started again; nothing starts that was not dispatched, and nothing
        with other inputs than are recorded."""
        self._all_of(self.outside.begun(execute))
        attempt = execute.attempt
        book = self.books.get(attempt.run_id)
        for text in self.grants.started(node, execute):
            self.violated(text)
        if attempt in self._ledger.executions:
            self.violated(f"{attempt} was started again, by {node}")
        if book is None or attempt not in book.dispatched:
            self.violated(f"{attempt} was started by {node} and never dispatched")
        elif attempt.task_key in book.completed:
            self.violated(f"{attempt} was started by {node} after its key was completed")
        elif book.state.terminal and not (book.terminated or attempt in book.fenced):
            self.violated(f"{attempt} was started by {node} after the end of its run")
        elif book.state.holds(attempt):
            inputs = book.state.steps[attempt.step].inputs
            if inputs != execute.inputs:
                self.violated(f"{attempt} was started with {execute.inputs}, recorded is {inputs}")

    def beaten(self, beat: Heartbeat) -> None:
        self._all_of(self.bounds.beaten(beat))

    def rested(self) -> None:
        """All runs have ended a while ago, in a fair world."""
        self._all_of(self.bounds.left_over())
        for log in self._logs.each.values():
            place = SnapshotPlace(stream="", version=0, kind="automatic")
            self._all_of(self.bounds.kept(log.snapshots.list("", place, SNAPSHOTS_MAX)))

    def journalled(self, node: str, frames: int, reports: Sequence[Final]) -> None:
        written = self._frames.setdefault(node, {})
        for report in reports:
            written[report.attempt] = (frames, report)

    def power_lost(self, node: str, frames: int) -> None:
        """Only so many frames of the node's journal are left."""
        written = self._frames.setdefault(node, {})
        self._frames[node] = {a: kept for a, kept in written.items() if kept[0] <= frames}

    def reported(self, node: str, durable: int, reports: Sequence[Report]) -> None:
        """A result that is sent is in the journal, on disk."""
        self._all_of(self.bounds.reported(node, reports))
        written = self._frames.get(node, {})
        for report in reports:
            if isinstance(report, (Completed, Failed, Deferred)):
                found = written.get(report.attempt)
                if found is None or found[1] != report or found[0] > durable:
                    self.violated(f"{node} reported {report.attempt} before its journal had it")


Book = Callable[[str], RunBook | None]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a world came to."""

    seed: int
    violations: tuple[str, ...]
    trace_hash: str
    actions: int
    runs: int
    events: int
    virtual_s: float
