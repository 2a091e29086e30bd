"""A turn: works decided in memory, in order, into one transaction."""

from typing import assert_never

import msgspec

from events import messages as m
from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.cluster_facts import DefinitionRegistered
from events.envelope import Stamp
from events.errors import Corrupt
from events.facts import Fact
from events.ids import definition_stream, node_stream, run_stream, shard_stream
from events.references import Payload
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w
from orchestrator.coordinator.calling import see_to_child
from orchestrator.coordinator.cluster import Node
from orchestrator.coordinator.memory import Memory
from orchestrator.coordinator.nodelog import NodeFact
from orchestrator.coordinator.registering import register
from orchestrator.coordinator.requests import handle
from orchestrator.coordinator.runs import Slot
from orchestrator.coordinator.settling import answer_once
from orchestrator.coordinator.steering import steer
from orchestrator.coordinator.taking import TAKING, Had
from orchestrator.coordinator.transaction import Touched, Transaction
from orchestrator.kernel import inputs as i
from orchestrator.kernel.decide import decide
from orchestrator.kernel.decision import Observer
from orchestrator.kernel.env import Env
from orchestrator.kernel.maps import items_of
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.snapshot import state_hash
from orchestrator.kernel.state import RunState

FINAL = (m.Completed, m.Failed, m.Deferred, m.Returned)


class Turn:
    """Decides works, while `flight` is being made durable; what cannot be decided yet is put to
    wait for what is missing."""

    def __init__(self, memory: Memory, flight: Transaction | None = None) -> None:
        self.memory = memory
        self.tx = Transaction(memory.mint())
        self._flight = flight
        self._env = memory.env()
        self._works = 0

    @property
    def env(self) -> Env:
        """The instant, engines and limits of this step."""
        return self._env

    def go_on(self) -> None:
        """Another step of the same turn: it is later now."""
        self._env = self.memory.env()

    def is_in_flight(self, run_id: str) -> bool:
        """Whether something about the run is being made durable: nothing is decided on it then."""
        return self._flight is not None and run_stream(run_id) in self._flight.streams

    @property
    def full(self) -> bool:
        """Whether the transaction is large enough to go."""
        settings = self.memory.settings
        return self.tx.events > settings.turn_events_max or self.tx.bytes > settings.turn_bytes_max

    @property
    def has_room(self) -> bool:
        """Whether it takes more works."""
        return self._works < self.memory.settings.turn_works_max and not self.full

    def take(self, work: w.AnyWork) -> None:
        self._works += 1
        match work:
            case w.ReportWork():
                self._report(work)
            case w.RequestWork():
                handle(self, work)
            case w.RunWork():
                self._own(work)
            case w.RegisterWork():
                register(self, work)
            case w.CallWork():
                see_to_child(self, work)
            case w.NodeWork():
                self._node(work)
            case w.SteerWork():
                steer(self, work)
            case w.LeaseWork():
                self._lease(work)
            case _:
                assert_never(work)

    def touch(self, slot: Slot) -> Touched:
        """Something is to leave with this turn about the run, which stays in memory until then."""
        self.memory.runs.stay(slot.run_id)
        return self.tx.touch(slot.head.stream, slot.shard, slot)

    # -- deciding on a run ------------------------------------------------------------------------

    def decide(self, slot: Slot, given: i.RunInput, stamp: Stamp) -> Touched:
        """Decides `given`, seals the facts, and notes what follows from them. The time of a run
        never goes back, whoever decides.

        Raises `Rejected` with nothing changed.
        """
        touched = self.touch(slot)
        if slot.net is None:
            raise Corrupt(f"run {slot.run_id} has no net")
        observe = self._observer(touched) if self.memory.identity.record_hashes else None

        def keep(payload: Payload) -> None:
            touched.payloads.append(payload)
            self.tx.bytes += len(payload.data)

        env = self._env
        if env.now < slot.state.updated_at:  # by the clock of an owner before us
            env = msgspec.structs.replace(env, now=slot.state.updated_at)
            stamp = msgspec.structs.replace(stamp, recorded_at=env.now)
        had = Had.of(slot.state) if isinstance(given, TAKING) else None
        facts = decide(slot.state, slot.net, given, env, observe=observe, keep=keep)
        if had is not None:
            had.lost_by(slot.state, touched)
        for fact in facts:
            self._seal(touched, slot, fact, stamp)
        return touched

    def _seal(self, touched: Touched, slot: Slot, fact: Fact, stamp: Stamp) -> None:
        stored = self.memory.engine.seal(slot.head, fact, self.tx.event_id(), stamp)
        touched.events.append(stored)
        slot.tail_bytes += len(stored.state)
        self.tx.bytes += len(stored.state)
        self.memory.runs.note(slot, fact, self.memory.now.monotonic)
        if isinstance(fact, (t.TaskDispatched, t.TaskRecalled, o.TaskMoved)):
            touched.commands[fact.step] = None
        elif isinstance(fact, r.RunClosing):
            touched.commands.update(dict.fromkeys(slot.state.outstanding))
        elif isinstance(fact, r.MapDecided):
            touched.commands.update(dict.fromkeys(items_of(fact.step, fact.recalled)))
        elif isinstance(fact, r.GroupGivenUp):
            touched.commands.update(dict.fromkeys(fact.recalled))

    def _observer(self, touched: Touched) -> Observer:
        def note(state: RunState) -> None:
            touched.hashes.append((state.run_id, state.version, state_hash(state)))

        return note

    def stamp(
        self, shard: int, actor: str = "system", causation: str = "", trace: str = ""
    ) -> Stamp:
        return Stamp(
            recorded_at=self._env.now,
            actor=actor,
            causation=causation,
            traceparent=trace,
            epoch=self.memory.ownership.epoch(shard),
        )

    # -- finding the run --------------------------------------------------------------------------

    def slot(self, run_id: str, work: w.AnyWork) -> Slot | None:
        """The run, ready to be decided on; None when it is being loaded and `work` waits for it."""
        memory = self.memory
        slot = memory.runs.get(run_id)
        if slot is None:
            memory.load_run(run_id, work)
            return None
        if slot.net is None:
            state = slot.state
            slot.net = memory.definitions.net(state.workflow, state.workflow_version)
            if slot.net is None:
                memory.load_definition(state.workflow, work)
                return None
        return slot

    # -- reports ----------------------------------------------------------------------------------

    def _report(self, work: w.ReportWork) -> None:
        report = work.report
        run_id = report.attempt.run_id
        if run_id in self.memory.parked:
            self.memory.acks.done(work.delivery)
            return
        if not self.memory.holds(run_id):
            return
        slot = self.slot(run_id, work)
        if slot is None:
            return
        node = work.delivery.reports.node
        strange = self.memory.cluster.strangers.look(slot.state, node, report, self.memory.now.wall)
        if strange is not None:
            self.memory.out.append(strange)
        stamp = self.stamp(slot.shard, f"node:{node}", str(report.attempt))
        touched = self.decide(slot, i.Reported(report=report), stamp)
        touched.works.append(work)
        if isinstance(report, m.Once):
            answer_once(touched, slot.state, report, (node, work.delivery.reports.incarnation))
        if isinstance(report, FINAL):
            touched.settled.append(((node, work.delivery.reports.incarnation), report.attempt))

    def _own(self, work: w.RunWork) -> None:
        if not self.memory.holds(work.run_id) or work.run_id in self.memory.parked:
            return
        slot = self.slot(work.run_id, work)
        if slot is None or slot.state.terminal or self._is_heard_again(slot, work.given):
            return
        touched = self.decide(slot, work.given, self.stamp(slot.shard))
        touched.works.append(work)

    def _is_heard_again(self, slot: Slot, given: i.RunInput) -> bool:
        """Whether this is a loss with a node whose process has been heard of since."""
        if not isinstance(given, i.AttemptLost) or given.reason != "node_lost":
            return False
        step = slot.state.steps.get(given.attempt.step)
        return step is not None and self.memory.cluster.is_here(step.node, step.incarnation)

    # -- looks ------------------------------------------------------------------------------------

    def net_of(self, slot: Slot) -> NetIndex:
        """Raises `Corrupt` when it has none."""
        if slot.net is None:
            raise Corrupt(f"run {slot.run_id} has no net")
        return slot.net

    def is_undecided(self, stream: str) -> bool:
        """Whether this turn writes to it: then the commit may still go without those events."""
        touched = self.tx.streams.get(stream)
        return touched is not None and bool(touched.events)

    # -- nodes, leases, definitions ---------------------------------------------------------------

    def _node(self, work: w.NodeWork) -> None:
        node = self.memory.cluster.nodes.get(work.node)
        if node is None or not self.memory.holds(work.node):
            return
        if not self.memory.stands(work.node, work.passed_in):
            return
        if node.head is None:
            self.memory.load_node(work.node, work)
            return
        if not node.log.admits(work.fact):
            return
        shard = self.memory.shard(work.node)
        self.tx.touch(node_stream(work.node), shard).works.append(work)
        self.record_node(node, work.fact, self.stamp(shard))

    def record_node(self, node: Node, fact: NodeFact, stamp: Stamp) -> None:
        """Appends a fact to the stream of a node whose end is known."""
        if node.head is None:
            raise Corrupt(f"node {node.name} is not loaded")
        touched = self.tx.touch(node_stream(node.name), self.memory.shard(node.name))
        seal = self.memory.engine.seal
        touched.events.append(seal(node.head, fact, self.tx.event_id(), stamp))
        node.log.note(fact, stamp.actor, stamp.recorded_at)

    def _lease(self, work: w.LeaseWork) -> None:
        shard = work.fact.shard
        if not self.memory.ownership.holds(shard, self.memory.now.monotonic):
            return
        head = self.memory.heads.pop(shard_stream(shard), None)
        if head is None:
            stream = shard_stream(shard)
            self.memory.load(f"head:{stream}", s.LoadHead(stream=stream), work)
            return
        touched = self.tx.touch(head.stream, shard)
        touched.works.append(work)
        seal = self.memory.engine.seal
        touched.events.append(seal(head, work.fact, self.tx.event_id(), self.stamp(shard)))

    def record_definition(
        self, work: w.RegisterWork, fact: DefinitionRegistered, shard: int
    ) -> Touched:
        """Appends a new version of a workflow that is known here."""
        known = self.memory.definitions.get(fact.workflow)
        if known is None:
            raise Corrupt(f"workflow {fact.workflow} is not loaded")
        touched = self.tx.touch(definition_stream(fact.workflow), shard)
        touched.works.append(work)
        stamp = self.stamp(shard, work.request.actor, "register_workflow")
        seal = self.memory.engine.seal
        touched.events.append(seal(known.head, fact, self.tx.event_id(), stamp))
        known.add(fact)
        return touched
