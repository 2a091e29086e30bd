"""A turn: works decided in memory, in order, into one transaction."""

from typing import assert_never

import msgspec

from events import messages as m
from events import run_facts as r
from events import task_facts as t
from events.api import (
    AnyAnswer,
    AwaitRun,
    ForkRun,
    Queried,
    QueryRun,
    Refused,
    RepinRun,
    RunAnswer,
    ShowRun,
    StartRun,
    UpdateRun,
)
from events.cluster_facts import DefinitionRegistered
from events.envelope import Stamp, seal
from events.errors import Corrupt, DalsegnoError, Rejected, Unavailable
from events.facts import Fact, Mapped, PartOf
from events.ids import definition_stream, node_stream, run_stream, shard_stream, traceparent
from events.limits import CLIENT_WAIT_S_MAX
from events.policies import PINNED
from events.references import Payload
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w
from orchestrator.coordinator.asking import Asked, asked, updated
from orchestrator.coordinator.calling import see_to_child
from orchestrator.coordinator.cluster import Node
from orchestrator.coordinator.definitions import Known
from orchestrator.coordinator.door import admit_request
from orchestrator.coordinator.forking import fork_slot
from orchestrator.coordinator.labelling import labelled
from orchestrator.coordinator.memory import Memory
from orchestrator.coordinator.nodelog import NodeFact
from orchestrator.coordinator.registering import register
from orchestrator.coordinator.runs import Slot, blank
from orchestrator.coordinator.steering import steer
from orchestrator.coordinator.transaction import Touched, Transaction
from orchestrator.coordinator.waiters import Waiter
from orchestrator.insight.run_view import run_view
from orchestrator.kernel import inputs as i
from orchestrator.kernel.decide import decide
from orchestrator.kernel.decision import Observer
from orchestrator.kernel.env import microseconds
from orchestrator.kernel.maps import items_of
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.snapshot import state_hash
from orchestrator.kernel.state import RunState
from orchestrator.kernel.updates import query

FINAL = (m.Completed, m.Failed, m.Returned)


class Turn:
    """Decides works, while `flight` is being made durable; what cannot be decided yet is put to
    wait for what is missing."""

    def __init__(self, memory: Memory, flight: Transaction | None = None) -> None:
        self.memory = memory
        self.tx = Transaction(memory.mint())
        self._flight = flight
        self._env = memory.env()
        self._works = 0

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
                self._request(work)
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
        facts = decide(slot.state, slot.net, given, env, observe=observe, keep=keep)
        for fact in facts:
            self._seal(touched, slot, fact, stamp)
        return touched

    def _seal(self, touched: Touched, slot: Slot, fact: Fact, stamp: Stamp) -> None:
        stored = seal(slot.head, fact, self.tx.event_id(), stamp)
        touched.events.append(stored)
        slot.tail_bytes += len(stored.state)
        self.tx.bytes += len(stored.state)
        self.memory.runs.note(slot, fact, self.memory.now.monotonic)
        if isinstance(fact, (t.TaskDispatched, t.TaskRecalled)):
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
        stamp = self.stamp(slot.shard, f"node:{node}", str(report.attempt))
        touched = self.decide(slot, i.Reported(report=report), stamp)
        touched.works.append(work)
        if isinstance(report, FINAL):
            touched.settled.append(((node, work.delivery.reports.incarnation), report.attempt))

    def _own(self, work: w.RunWork) -> None:
        if not self.memory.holds(work.run_id) or work.run_id in self.memory.parked:
            return
        slot = self.slot(work.run_id, work)
        if slot is not None and not slot.state.terminal:
            touched = self.decide(slot, work.given, self.stamp(slot.shard))
            touched.works.append(work)

    # -- requests ---------------------------------------------------------------------------------

    def _request(self, work: w.RequestWork) -> None:
        request = work.request
        run_id = request.run_id
        memory = self.memory
        if run_id in memory.parked:
            memory.refuse(work.reply_to, Corrupt(memory.parked.reason(run_id)))
        elif not memory.holds(run_id):
            memory.bases.pop(run_id, None)
            message = f"coordinator {memory.identity.name} does not own run {run_id}: try again"
            memory.refuse(work.reply_to, Unavailable(message))
        elif work.tries > memory.settings.conflicts_max:
            memory.refuse(work.reply_to, Unavailable(f"run {run_id} is contended: try again"))
        else:
            try:
                self._carry_out(work)
            except DalsegnoError as error:
                touched = self.tx.touch(run_stream(run_id), memory.shard(run_id))
                refused = Refused(code=error.code, message=str(error))
                touched.answers.append(s.Answer(reply_to=work.reply_to, answer=refused))

    def _carry_out(self, work: w.RequestWork) -> None:
        request = work.request
        admit_request(request, self.memory.engine.limits)
        match request:
            case StartRun():
                self._start(work, request)
            case ForkRun():
                self._fork(work, request)
            case ShowRun():
                slot = self.slot(request.run_id, work)
                if slot is not None:
                    self._answered(work, self.touch(slot))
            case AwaitRun():
                self._await(work, request)
            case QueryRun():
                self._query(work, request)
            case _:
                self._ask(work, request)

    def _ask(self, work: w.RequestWork, request: Asked) -> None:
        slot = self.slot(request.run_id, work)
        if slot is None:
            return
        stamp = self.stamp(slot.shard, request.actor, str(request.__struct_config__.tag))
        touched = self.decide(slot, asked(request), stamp)
        if isinstance(request, RepinRun):
            self.memory.cluster.changes += 1  # for it, and for the parts of its maps
        if isinstance(request, UpdateRun) and slot.net is not None:
            self._tell(work, touched, updated(request, slot.state, slot.net))
        else:
            self._answered(work, touched)

    def _query(self, work: w.RequestWork, request: QueryRun) -> None:
        slot = self.slot(request.run_id, work)
        if slot is None or slot.net is None:
            return
        value = query(slot.state, slot.net, request.expression, self._env)
        state = slot.state
        answer = Queried(run_id=state.run_id, version=state.version, value=value)
        self._tell(work, self.touch(slot), answer)

    def _tell(self, work: w.RequestWork, touched: Touched, answer: AnyAnswer) -> None:
        touched.works.append(work)
        touched.answers.append(s.Answer(reply_to=work.reply_to, answer=answer))

    def _answered(self, work: w.RequestWork, touched: Touched, created: bool = False) -> None:
        """Answers with the run's view as it is once the turn is durable."""
        if work not in touched.works[-1:]:
            touched.works.append(work)
        slot = touched.slot
        if slot is not None and slot.net is not None:
            view = run_view(slot.state, slot.net.net)
            answer = RunAnswer(run=view, created=created)
            touched.answers.append(s.Answer(reply_to=work.reply_to, answer=answer))

    def _start(self, work: w.RequestWork, request: StartRun) -> None:
        slot = self.memory.runs.get(request.run_id)
        created = slot is None or slot.head.version == 0
        touched = self.begin_run(work, request)
        if touched is None:
            return
        if request.wait_s > 0 and len(self.memory.waiters) < self.memory.settings.waiters_max:
            touched.waiters.append(self._waiter(work, request.wait_s))
        else:
            self._answered(work, touched, created)

    def begin_run(
        self,
        work: w.RequestWork | w.CallWork,
        request: StartRun,
        part: tuple[PartOf, Mapped] | None = None,
    ) -> Touched | None:
        """Decides the start of a run, or of that of a part of a map; None when it waits for
        something.

        Raises `Rejected` when there is no such workflow, or another run with this id.
        """
        memory = self.memory
        known = memory.definitions.get(request.workflow)
        if known is None or not self._tells(known, request, work):
            memory.load_definition(request.workflow, work)
            return None
        if self.is_undecided(known.head.stream):
            memory.intake.append(work)
            return None
        version = request.workflow_version or known.newest
        if version not in known.versions:
            raise Rejected(_unknown_workflow(request, known.versions))
        slot = memory.runs.get(request.run_id)
        if slot is None and work.tries:
            memory.load_run(request.run_id, work)
            return None
        if slot is None:
            slot = blank(request.run_id, memory.shard(request.run_id))
            slot.traceparent = request.traceparent or traceparent(request.run_id)
            memory.runs.add(slot, memory.now.monotonic)
        slot.net = slot.net or memory.definitions.net(request.workflow, version)
        options = labelled(request.options or known.options(version), request)
        options = msgspec.structs.replace(options, build=_build(request, options.build))
        of, mapped = part or (None, None)
        given = i.Start(
            request=request, workflow_version=version, options=options, part=of, mapped=mapped
        )
        stamp = self.stamp(slot.shard, request.actor, "start_run", slot.traceparent)
        touched = self.decide(slot, given, stamp)
        touched.works.append(work)
        return touched

    def net_of(self, slot: Slot) -> NetIndex:
        """Raises `Corrupt` when it has none."""
        if slot.net is None:
            raise Corrupt(f"run {slot.run_id} has no net")
        return slot.net

    def _tells(self, known: Known, request: StartRun, work: w.RequestWork | w.CallWork) -> bool:
        """Whether the version to start is certain: a version that is known never changes, but
        which one is the newest, and that one does not exist, has to be current."""
        if request.workflow_version in known.versions:
            return True
        return self.memory.is_current(request.workflow, known, work.arrived_in)

    def is_undecided(self, stream: str) -> bool:
        """Whether this turn writes to it: then the commit may still go without those events."""
        touched = self.tx.streams.get(stream)
        return touched is not None and bool(touched.events)

    def _fork(self, work: w.RequestWork, request: ForkRun) -> None:
        memory = self.memory
        slot = memory.runs.get(request.run_id)
        if slot is None and work.tries:
            memory.load_run(request.run_id, work)
            return
        slot = self.slot(request.run_id, work) if slot else fork_slot(memory, work, request)
        if slot is None:
            return
        created = slot.head.version == 0
        if not created:
            self._answered(work, self.touch(slot))
            return
        given = i.Fork(
            run_id=request.run_id,
            source_version=request.source_version,
            variables=request.variables,
            reason=request.reason,
        )
        stamp = self.stamp(slot.shard, request.actor, "fork_run")
        touched = self.decide(slot, given, stamp)
        memory.runs.add(slot, memory.now.monotonic)
        self._answered(work, touched, created)

    def _await(self, work: w.RequestWork, request: AwaitRun) -> None:
        slot = self.slot(request.run_id, work)
        if slot is None:
            return
        touched = self.touch(slot)
        if slot.state.terminal or request.wait_s <= 0:
            self._answered(work, touched)
            return
        most = self.memory.settings.waiters_max
        if len(self.memory.waiters) >= most:
            raise Unavailable(f"{most} clients wait for runs already: try again, or show the run")
        self.memory.waiters.add(request.run_id, self._waiter(work, request.wait_s))

    def _waiter(self, work: w.RequestWork, wait_s: float) -> Waiter:
        until = self.memory.now.monotonic + microseconds(min(wait_s, CLIENT_WAIT_S_MAX))
        return Waiter(work.reply_to, until)

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
        touched.events.append(seal(known.head, fact, self.tx.event_id(), stamp))
        known.add(fact)
        return touched


def _build(request: StartRun, own: str) -> str:
    """What a run keeps to. What was asked for goes before what its workflow says; but a workflow
    that names a build keeps it when another one calls it."""
    is_called, is_named = request.origin.kind == "parent", own not in ("", PINNED)
    return own if is_called and is_named else request.build or own


def _unknown_workflow(request: StartRun, versions: object) -> str:
    if not versions:
        return (
            f"workflow {request.workflow!r} is not registered: "
            "register its file with `dalsegno workflow register FILE`"
        )
    return f"workflow {request.workflow!r} has no version {request.workflow_version!r}"
