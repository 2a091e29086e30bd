"""The coordinator's step machine: inputs in, intentions out; no IO, no clock, no chance.

A turn takes works from the intake, decides them in memory, places ready tasks, and hands everything
that was decided to one append. While it is in flight only other runs are decided on, so each run is
never more than one commit ahead of the log, and a failed commit is undone by forgetting.
"""

from collections.abc import Callable, Mapping, Sequence

from events.api import (
    AnyRequest,
    FetchValues,
    ForkRun,
    Hello,
    Here,
    KeepValues,
    ListNodes,
    RegisterWorkflow,
    ShowRun,
    StartRun,
)
from events.cluster_facts import LeaseAcquired
from events.envelope import Head
from events.errors import Corrupt, NotFound, Rejected, Unavailable
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w
from orchestrator.coordinator.children import loaded, see_to_strays
from orchestrator.coordinator.committing import Committing
from orchestrator.coordinator.copies import home_away, source_away
from orchestrator.coordinator.definitions import Known
from orchestrator.coordinator.door import NodeRequest
from orchestrator.coordinator.engine import Engine
from orchestrator.coordinator.forking import give_base, refuse_fork
from orchestrator.coordinator.memory import Identity, Memory, load_key
from orchestrator.coordinator.nodes import heartbeat, node_loaded, node_unread, watch
from orchestrator.coordinator.payloads import (
    payload_kept,
    payload_loaded,
    payload_not_loaded,
    payload_request,
)
from orchestrator.coordinator.personal import key_loaded
from orchestrator.coordinator.ports import Lease
from orchestrator.coordinator.restoring import past_found
from orchestrator.coordinator.runs import Slot
from orchestrator.coordinator.settings import Settings
from orchestrator.coordinator.steering import list_nodes
from orchestrator.coordinator.turns import Turns
from orchestrator.kernel.env import microseconds
from orchestrator.kernel.inputs import Due
from orchestrator.replay.rebuild import Rebuilt


class Coordinator:
    def __init__(self, identity: Identity, settings: Settings, engine: Engine) -> None:
        self._memory = Memory(identity, settings, engine)
        self._committing = Committing(self._memory)
        self._turns = Turns(self._memory, self._committing)
        self._looked_at = 0
        self._poll_at = 0
        self._stopping = self._released = False
        self._warm_next: set[int] = set()
        """Shards of which all active runs are known, and are being read."""
        self._warm_after: set[str] = set()
        """The keys of these, and of what else was being read then; not of what is since."""
        self._handlers: Mapping[type, Callable[..., None]] = {
            s.RequestArrived: self._request,
            s.ReportsArrived: self._reports,
            s.HeartbeatArrived: lambda given: heartbeat(self._memory, given.beat, given.reply_to),
            s.RunLoaded: self._run_loaded,
            s.PastFound: lambda given: past_found(self._memory, given),
            s.DefinitionLoaded: self._definition_loaded,
            s.NodeLoaded: self._node_loaded,
            s.HeadLoaded: self._head_loaded,
            s.PayloadLoaded: lambda given: payload_loaded(self._memory, given),
            s.PayloadKept: lambda given: payload_kept(self._memory, given),
            s.KeyLoaded: lambda given: key_loaded(self._memory, given),
            s.LoadFailed: self._load_failed,
            s.AppendDone: self._append_done,
            s.AppendFailed: lambda given: self._committing.failed(given.batch_id, given.unknown),
            s.LandedKnown: lambda given: self._committing.known(given.batch_id, given.landed),
            s.AttendanceTold: self._attendance,
            s.LeasesAcquired: self._acquired,
            s.LeasesRenewed: self._renewed,
            s.LeasesUnknown: lambda _: self._memory.ownership.answered(),
            s.ActiveFound: self._active,
            s.DueFound: self._due_found,
            s.BusChanged: self._bus_changed,
            s.StopRequested: self._stop,
        }

    def step(self, inputs: Sequence[s.CoordinatorInput], now: s.Now) -> list[s.CoordinatorOutput]:
        """Takes what has happened and the instant; returns what is to be done, in order."""
        return [*self.hear(inputs, now), *self.decide()]

    def hear(self, inputs: Sequence[s.CoordinatorInput], now: s.Now) -> list[s.CoordinatorOutput]:
        """The first half of a step: returns what is to be done at once, effects of a commit among
        it. They need not wait for the second half, which takes milliseconds under load."""
        memory = self._memory
        memory.advance(now)
        for given in inputs:
            self._handlers[type(given)](given)
        self._look()
        return self._outputs()

    def decide(self) -> list[s.CoordinatorOutput]:
        """The second half: the next turn, if its time has come."""
        self._turns.go_on()
        return self._outputs()

    def _outputs(self) -> list[s.CoordinatorOutput]:
        memory = self._memory
        out, memory.out = memory.out, []
        return out

    @property
    def next_look_at(self) -> int:
        """Monotonic microseconds at which `step` should be called at the latest."""
        memory = self._memory
        tick = memory.now.monotonic + microseconds(memory.settings.tick_s)
        due = self.next_due_at
        return tick if due is None else min(tick, due)

    @property
    def next_due_at(self) -> int | None:
        """Monotonic microseconds at which the first timer of a run is due, or more can be decided;
        None without one."""
        memory = self._memory
        if self._turns.unfinished:
            return memory.now.monotonic
        timer = memory.next_timer_at
        return None if timer is None else memory.now.monotonic + max(0, timer - memory.now.wall)

    @property
    def is_placing(self) -> bool:
        """Whether tasks are ready that no node has been found for."""
        return bool(self._memory.runs.ready)

    # -- time -------------------------------------------------------------------------------------

    def _look(self) -> None:
        """What time brings: leases, timers, silent nodes, waiting clients."""
        memory = self._memory
        now = memory.now.monotonic
        self._ask_for_leases(now)
        for run_id in memory.due_runs():
            memory.intake.append(w.RunWork(run_id=run_id, given=Due()))
        if now - self._looked_at < microseconds(memory.settings.tick_s) and self._looked_at:
            return
        self._looked_at = now
        self._drop(memory.ownership.expired(now))
        if self._stopping and not self._released and not memory.ownership.held:
            self._release()  # what is in flight lands without us, or is refused
        watch(memory)
        self._answer_waiters(now)
        if now >= self._poll_at and memory.ownership.held:
            self._poll(now)

    def _poll(self, now: int) -> None:
        memory = self._memory
        self._poll_at = now + microseconds(memory.settings.due_poll_s)
        shards = tuple(lease.shard for lease in memory.ownership.held)
        first = s.FindDue(shards=shards, before=memory.due_before)
        memory.out.append(memory.due_next or first)
        memory.due_next = None
        self._turns.note_waiting()

    def _answer_waiters(self, now: int) -> None:
        memory = self._memory
        for run_id, waiter in memory.waiters.take_late(now):
            work = w.RequestWork(request=ShowRun(run_id=run_id), reply_to=waiter.reply_to)
            memory.intake.append(work)

    # -- leases -----------------------------------------------------------------------------------

    def _ask_for_leases(self, now: int) -> None:
        memory, ownership = self._memory, self._memory.ownership
        if self._stopping:
            return
        ttl_s = memory.settings.lease_ttl_s
        if ownership.time_to_attend(now):
            memory.out.append(s.Attend(ttl_s=ttl_s))
        if ownership.time_to_ask(now) and ownership.held:
            memory.out.append(s.RenewLeases(leases=ownership.held, ttl_s=ttl_s))
        if most := ownership.time_to_take(now):
            missing = ownership.missing
            memory.out.append(s.AcquireLeases(shards=missing, most=most, ttl_s=ttl_s))

    def _attendance(self, given: s.AttendanceTold) -> None:
        memory = self._memory
        memory.ownership.told(given.names, memory.identity.name)
        memory.cluster.set_owners(max(1, len(given.names)) * memory.identity.logs)
        if memory.ownership.surplus and not self._stopping:
            self._committing.on_idle(self._hand_over)

    def _hand_over(self) -> None:
        """What others ought to have is theirs from the next commit on, and needs no expiry."""
        memory = self._memory
        surplus = set(memory.ownership.surplus)
        if leases := tuple(lease for lease in memory.ownership.held if lease.shard in surplus):
            self._drop([lease.shard for lease in leases])
            memory.out.append(s.ReleaseLeases(leases=leases))

    def _acquired(self, given: s.LeasesAcquired) -> None:
        memory = self._memory
        memory.ownership.answered()
        fresh = memory.ownership.fresh(given.leases)
        too_late = not memory.ownership.lasts(given.asked_at, memory.now.monotonic)
        if not fresh or self._stopping or too_late:
            return
        shards = tuple(lease.shard for lease in fresh)
        self._drop(shards)  # held under an earlier epoch, others may have written since
        for name in [one for one in memory.cluster.nodes if memory.shard(one) in shards]:
            memory.cluster.forget(name)
        memory.ownership.begin(fresh, given.asked_at, memory.now.monotonic)
        memory.warming.update(shards)
        memory.owned_since.update(dict.fromkeys(shards, memory.steps))
        memory.out.append(s.Serve(leases=memory.ownership.held))
        memory.out.append(s.FindActive(shards=shards, era=memory.era))
        for lease in fresh:
            fact = LeaseAcquired(shard=lease.shard, epoch=lease.epoch, holder=memory.identity.name)
            memory.intake.append(w.LeaseWork(fact=fact))

    def _renewed(self, given: s.LeasesRenewed) -> None:
        # What has ended by our clock may have been taken for lost meanwhile: it is not revived.
        self._drop(self._memory.ownership.expired(self._memory.now.monotonic))
        self._memory.ownership.extend(given.leases, given.asked_at)
        kept = {lease.shard for lease in given.leases}
        held = set(self._memory.ownership.held)
        lost = [o.shard for o in given.asked if o.shard not in kept and o in held]
        self._drop(lost)

    def _drop(self, shards: Sequence[int]) -> None:
        """Shards that are not ours any more: everything about their runs is forgotten."""
        memory = self._memory
        lost = set(memory.ownership.drop(shards))
        if not lost:
            return
        self._turns.forget(lost)
        for slot in memory.runs:
            if slot.shard in lost:
                memory.runs.discard(slot.run_id)
        for run_id in memory.parked:
            if memory.shard(run_id) in lost:
                memory.parked.discard(run_id)
        for shard in lost:
            memory.acks.forget(shard)
        memory.warming -= lost
        self._warm_next -= lost
        memory.era += 1
        memory.heads.clear()
        memory.keys.clear()
        memory.strange = {one for one in memory.strange if memory.shard(one) not in lost}
        memory.definitions.outdate()
        memory.out.append(s.Serve(leases=memory.ownership.held))

    def _stop(self, _: s.StopRequested) -> None:
        """Flush what is in flight, release the leases, say that we have stopped. While the store is
        away nothing can be flushed, until the leases have ended."""
        self._stopping = True
        self._committing.on_idle(self._release)

    def _release(self) -> None:
        memory: Memory = self._memory
        if self._released:
            return
        self._released = True
        held: tuple[Lease, ...] = memory.ownership.held
        self._drop([lease.shard for lease in held])
        memory.out.append(s.ReleaseLeases(leases=held, leaving=True))
        memory.out.append(s.Stopped())

    # -- arrivals ---------------------------------------------------------------------------------

    def _request(self, given: s.RequestArrived) -> None:
        request: AnyRequest = given.request
        memory = self._memory
        if isinstance(request, Hello):
            owned = tuple(lease.shard for lease in memory.ownership.held)
            answer = Here(
                coordinator=memory.identity.name,
                shards=memory.identity.shards,
                owned=owned,
                release=memory.engine.release,
                at=memory.now.wall,
                strange=memory.cluster.strangers.told(),
            )
            memory.answer(given.reply_to, answer)
        elif isinstance(request, ListNodes):
            list_nodes(memory, given.reply_to)
        elif isinstance(request, KeepValues | FetchValues):
            payload_request(memory, request, given.reply_to)
        elif memory.full or self._stopping:
            memory.refuse(given.reply_to, Unavailable("the coordinator is full: try again"))
        elif isinstance(request, RegisterWorkflow):
            memory.intake.append(w.RegisterWork(request=request, reply_to=given.reply_to))
        elif isinstance(request, NodeRequest):
            memory.intake.append(w.SteerWork(request=request, reply_to=given.reply_to))
        else:
            work = w.RequestWork(request=request, reply_to=given.reply_to, arrived_in=memory.steps)
            memory.intake.append(work)

    def _reports(self, given: s.ReportsArrived) -> None:
        memory = self._memory
        for delivery in given.deliveries:
            if not memory.ownership.holds(delivery.shard, memory.now.monotonic):
                continue
            if memory.acks.track(delivery):
                memory.intake.extend(
                    w.ReportWork(report=report, delivery=delivery)
                    for report in delivery.reports.reports
                )

    def _bus_changed(self, given: s.BusChanged) -> None:
        memory = self._memory
        memory.cluster.connection(given.connected, memory.now.monotonic)

    def _append_done(self, given: s.AppendDone) -> None:
        self._drop(self._committing.done(given.batch_id, given.outcome))

    # -- what was loaded --------------------------------------------------------------------------

    def _run_loaded(self, given: s.RunLoaded) -> None:
        memory = self._memory
        run_id = given.fork or given.run_id
        if given.era != memory.era and not given.fork:
            memory.ask_run(run_id)
            return
        key = load_key(given)
        works = memory.loaded(key)
        memory.pump_loads()
        if given.parked and given.fork:
            refuse_fork(memory, works, given.parked)
            works = []
        elif given.parked:
            memory.parked.add(run_id, given.parked)
        elif given.rebuilt is None:
            works = [work for work in works if self._unknown_run(work, given)]
        elif given.fork:
            give_base(works, given.rebuilt)
        elif memory.holds(run_id) and memory.runs.get(run_id) is None:
            self._add(run_id, given.rebuilt)
        memory.intake.extendleft(reversed(works))
        self._warm_after.discard(key)
        self._warmed()
        self._more_due()

    def _add(self, run_id: str, rebuilt: Rebuilt) -> None:
        memory = self._memory
        slot = Slot(run_id, memory.shard(run_id), rebuilt.state, rebuilt.head)
        slot.added_in = memory.steps
        slot.tail_bytes = rebuilt.tail_bytes
        slot.traceparent = rebuilt.traceparent
        state = slot.state
        slot.net = memory.definitions.net(state.workflow, state.workflow_version)
        if slot.net is None:
            memory.load_definition(state.workflow)
        memory.runs.add(slot, memory.now.monotonic)
        memory.set_timer(slot)
        memory.rest(slot)
        if not slot.state.terminal:
            loaded(memory, slot)

    def _unknown_run(self, work: w.AnyWork, given: s.RunLoaded) -> bool:
        """Answers a work whose run does not exist; true when it can go on all the same."""
        memory = self._memory
        if isinstance(work, w.CallWork):
            work.missing = given.run_id != work.run_id
            return bool(work.missing)
        if isinstance(work, w.ReportWork):
            memory.acks.done(work.delivery)
            node, why = work.delivery.reports.node, "there is no such run"
            if strange := memory.cluster.strangers.note(node, work.report, why, memory.now.wall):
                memory.out.append(strange)
        elif isinstance(work, w.RequestWork):
            if isinstance(work.request, StartRun | ForkRun) and not (given.fork or given.moved):
                work.tries = 0
                return True
            missing = f"there is no run {given.run_id}: `dalsegno run list` shows those there are"
            refusal = Rejected(given.moved) if given.moved else NotFound(missing)
            memory.refuse(work.reply_to, refusal)
        return False

    def _definition_loaded(self, given: s.DefinitionLoaded) -> None:
        memory = self._memory
        definitions = memory.homes if given.home else memory.definitions
        known = definitions.get(given.workflow)
        if known is None and given.after:  # forgotten meanwhile: a part does not make the whole
            memory.out.append(memory.definition_question(given.workflow, given.home))
            return
        if known is None:
            known = Known(Head(given.head.stream))
        known.follow(given.versions, given.head, given.step)
        definitions.put(given.workflow, known)
        if given.home:
            memory.intake.extendleft(reversed(memory.loaded(f"home:{given.workflow}")))
            return
        works = memory.loaded(f"definition:{given.workflow}")
        for slot in memory.runs:
            if slot.net is None and slot.state.workflow == given.workflow:
                self._give_net(slot, given.step)
        memory.intake.extendleft(reversed(works))

    def _give_net(self, slot: Slot, step: int) -> None:
        """Gives a run its net, after definitions were read that were asked for in `step`."""
        memory, state = self._memory, slot.state
        slot.net = memory.definitions.net(state.workflow, state.workflow_version)
        if slot.net is not None or not state.version:
            return
        if step < slot.added_in:  # its version may have been registered after the question
            memory.load_definition(state.workflow)
        else:
            self._park(slot)

    def _park(self, slot: Slot) -> None:
        workflow, version = slot.state.workflow, slot.state.workflow_version
        reason = f"run {slot.run_id} needs version {version} of {workflow}, which is not in the log"
        self._memory.park(slot.run_id, Corrupt(reason))

    def _node_loaded(self, given: s.NodeLoaded) -> None:
        memory = self._memory
        if not memory.stands(given.node, given.step):
            memory.out.append(s.LoadNode(node=given.node, step=memory.steps))
            return
        node_loaded(memory, given)
        memory.intake.extendleft(reversed(memory.loaded(f"node:{given.node}")))

    def _head_loaded(self, given: s.HeadLoaded) -> None:
        memory = self._memory
        memory.heads[given.head.stream] = given.head
        memory.intake.extendleft(reversed(memory.loaded(f"head:{given.head.stream}")))

    def _load_failed(self, given: s.LoadFailed) -> None:
        """The store is away: the same is asked again, unless somebody asks again anyway. What
        another log is wanted for does not hold up what can go on without."""
        match given.output:
            case s.LoadPayload():
                payload_not_loaded(self._memory, given.output)
            case s.LoadRun(run_id=run_id, fork=fork) if fork and not self._memory.is_home(run_id):
                source_away(self._memory, given.output)
            case s.LoadDefinition(home=True):
                home_away(self._memory, given.output)
            case s.FindDue():
                pass
            case s.LoadNode(node=name):
                if not self._memory.is_home(name):
                    node_unread(self._memory, name)
                self._memory.out.append(given.output)
            case _:
                self._memory.out.append(given.output)

    def _active(self, given: s.ActiveFound) -> None:
        memory = self._memory
        if given.era != memory.era:
            if shards := tuple(shard for shard in given.shards if shard in memory.warming):
                memory.out.append(s.FindActive(shards=shards, era=memory.era))
            return
        for row in given.rows:
            if memory.runs.get(row.run_id) is None and row.run_id not in memory.parked:
                memory.load_run(row.run_id)
        see_to_strays(memory, given.strays)
        if given.more:
            after = given.rows[-1].run_id
            memory.out.append(s.FindActive(shards=given.shards, after=after, era=memory.era))
        else:
            self._warm_next |= set(given.shards)
            self._warm_after |= memory.loads()
            self._warmed()

    def _warmed(self) -> None:
        if not self._warm_after:
            self._memory.warming -= self._warm_next
            self._warm_next = set()

    def _due_found(self, given: s.DueFound) -> None:
        memory = self._memory
        for row in given.rows:
            slot = memory.runs.get(row.run_id)
            if slot is not None:
                memory.set_timer(slot)
            elif row.run_id not in memory.parked:
                memory.load_run(row.run_id)
        if given.more and (last := given.rows[-1]).next_due_at is not None:
            shards = tuple(lease.shard for lease in memory.ownership.held)
            memory.due_next = s.FindDue(
                shards=shards, before=given.before, after=(last.next_due_at, last.run_id)
            )
            self._more_due()

    def _more_due(self) -> None:
        """The next page of due runs, once those of the last one are here: all that are due at one
        instant must not be in memory together. Where runs are read without end, the next poll asks.
        """
        memory = self._memory
        if memory.due_next is not None and not memory.loads_under_way:
            memory.out.append(memory.due_next)
            memory.due_next = None
