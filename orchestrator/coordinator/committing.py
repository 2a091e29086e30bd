"""Group commit: the one append in flight, its outcomes, and the effects that wait for it."""

from collections.abc import Callable

from events.api import RunAnswer
from events.messages import Command, Commands
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w
from orchestrator.coordinator.children import see_to_children, see_to_orphans, tell_parent
from orchestrator.coordinator.memory import Memory
from orchestrator.coordinator.nodes import written
from orchestrator.coordinator.ports import (
    Appended,
    Batch,
    Conflicted,
    FencedOff,
    Lease,
)
from orchestrator.coordinator.runs import Slot
from orchestrator.coordinator.settling import settles
from orchestrator.coordinator.taking import drop
from orchestrator.coordinator.transaction import NodeKey, Touched, Transaction
from orchestrator.insight.run_view import run_view
from orchestrator.kernel.commands import command
from orchestrator.kernel.env import microseconds
from orchestrator.replay.snapshots import taken


class Committing:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._flight: Transaction | None = None
        self._batch: Batch | None = None
        self._leases: tuple[Lease, ...] = ()
        self._idle: Callable[[], None] | None = None

    @property
    def flight(self) -> Transaction | None:
        """What is being made durable; None when nothing is."""
        return self._flight

    def on_idle(self, then: Callable[[], None]) -> None:
        """Calls `then` once nothing is in flight, now if nothing is."""
        if self._flight is None:
            then()
        else:
            self._idle = then

    def begin(self, tx: Transaction) -> None:
        """Appends what the turn decided; what needs no commit leaves at once."""
        self._flight = tx
        self._leases = self._memory.ownership.held
        self._send()

    def _send(self, not_before: int = 0) -> None:
        tx = self._flight
        if tx is None:
            return
        if not tx.writes:
            self._durable(tx)
            return
        # What was decided under an earlier lease than today's is not ours to append any more.
        held = {o.shard for o in self._memory.ownership.held if o in self._leases}
        if not tx.shards <= held:
            self._without(tx, lambda touched: touched.shard not in held)
            self._send(not_before)
            return
        self._batch = tx.batch(self._memory.ownership.leases(tx.shards))
        self._memory.out.append(s.Append(batch=self._batch, not_before=not_before))

    # -- outcomes ---------------------------------------------------------------------------------

    def done(self, batch_id: str, outcome: Appended | Conflicted | FencedOff) -> list[int]:
        """Returns the shards that the store says are no longer ours."""
        tx = self._flight
        if tx is None or tx.id != batch_id:
            return []
        match outcome:
            case Appended():
                self._durable(tx)
                self._memory.out.append(s.Announce(position=outcome.position))
            case Conflicted():
                self._conflicted(tx, set(outcome.streams))
            case FencedOff():
                self._without(tx, lambda touched: touched.shard in outcome.shards)
                self._send()
                return list(outcome.shards)
        return []

    def failed(self, batch_id: str, unknown: bool) -> None:
        """The store is away: ask what became of the batch, or send it again as it is."""
        if self._flight is None or self._flight.id != batch_id or self._batch is None:
            return
        not_before = self._later()
        if unknown:
            self._memory.out.append(s.AskLanded(batch=self._batch, not_before=not_before))
        else:
            self._send(not_before)

    def known(self, batch_id: str, landed: bool | None) -> None:
        tx = self._flight
        if tx is None or tx.id != batch_id:
            return
        if landed is None:
            self.failed(batch_id, unknown=True)
        elif landed:
            self._durable(tx)
        else:
            self._send(self._later())

    def _later(self) -> int:
        return self._memory.now.monotonic + microseconds(self._memory.settings.retry_append_s)

    def _conflicted(self, tx: Transaction, streams: set[str]) -> None:
        """The streams in conflict are decided anew from the log, before what has waited for them;
        the others go on."""
        works = [work for name in streams & set(tx.streams) for work in tx.streams[name].works]
        for work in works:
            work.tries += 1
        self._without(tx, lambda touched: touched.stream in streams)
        works += self._memory.loaded(waits_for(tx.id))
        self._memory.intake.extendleft(reversed(works))
        self._send()

    def _without(self, tx: Transaction, leaves: Callable[[Touched], bool]) -> None:
        """Takes streams out of the batch and forgets what memory says about them."""
        for touched in tx.without(leaves):
            if touched.slot is not None:
                self._reload(touched.slot)
            else:
                self._forget(touched.stream)

    def _reload(self, slot: Slot) -> None:
        """A run that is missing would be taken for one with nothing outstanding."""
        memory = self._memory
        if memory.runs.get(slot.run_id) is not slot:
            return  # it was dropped with its shard, and may have been loaded anew since
        memory.runs.discard(slot.run_id)
        if memory.holds(slot.run_id):
            memory.strange.add(slot.run_id)
            memory.load_run(slot.run_id)

    def _forget(self, stream: str) -> None:
        kind, _, name = stream.partition(":")
        cluster = self._memory.cluster
        if kind == "node" and name in cluster.nodes:
            cluster.nodes[name].head = None
        elif kind == "definition":
            self._memory.definitions.forget(name)

    # -- effects ----------------------------------------------------------------------------------

    def _durable(self, tx: Transaction) -> None:
        """Everything that waited for the commit leaves, in order."""
        memory = self._memory
        self._flight = self._batch = None
        memory.intake.extendleft(reversed(memory.loaded(waits_for(tx.id))))
        outgoing = settles(tx)
        for key, direct in tx.direct:
            outgoing.setdefault(key, []).append(direct)
        for touched in tx.streams.values():
            self._effects(touched, outgoing)
        memory.runs.trim()
        self._publish(outgoing)
        hashes = tuple(found for touched in tx.streams.values() for found in touched.hashes)
        if hashes:
            memory.out.append(s.RecordHashes(hashes=hashes))
        if deliveries := memory.acks.ready():
            memory.out.append(s.AcknowledgeReports(deliveries=deliveries))
        if self._idle is not None:
            then, self._idle = self._idle, None
            then()

    def _effects(self, touched: Touched, outgoing: dict[NodeKey, list[Command]]) -> None:
        memory = self._memory
        memory.out.extend(touched.answers)
        for work in touched.works:
            if isinstance(work, w.ReportWork):
                memory.acks.done(work.delivery)
        if touched.slot is not None:
            self._run_effects(touched.slot, touched, outgoing)
        elif touched.events:
            kind, _, name = touched.stream.partition(":")
            if kind == "node":
                written(memory, name)

    def _run_effects(
        self, slot: Slot, touched: Touched, outgoing: dict[NodeKey, list[Command]]
    ) -> None:
        memory, state, net = self._memory, slot.state, slot.net
        epoch = memory.ownership.held_under(slot.shard)
        drop(touched, outgoing)
        for step_id in touched.commands:
            if net is not None and step_id in state.outstanding:
                step = state.steps[step_id]
                found = command(state, net, step_id, slot.shard, slot.traceparent, epoch=epoch)
                outgoing.setdefault((step.node, step.incarnation), []).append(found)
        see_to_orphans(memory, slot, touched.orphans)
        for waiter in touched.waiters:
            memory.waiters.add(slot.run_id, waiter)
        if state.terminal:
            if touched.events:  # not again for each look at it and each late report
                tell_parent(memory, slot)
            self._ended(slot)
        elif touched.events:
            memory.set_timer(slot)
            self._snapshot(slot)
            if not see_to_children(memory, slot):
                memory.rest(slot)
        else:  # it was looked at only, and may have been loaded for that
            memory.rest(slot)

    def _publish(self, outgoing: dict[NodeKey, list[Command]]) -> None:
        name, most = self._memory.identity.name, self._memory.settings.commands_in_message_max
        for (node, incarnation), commands in outgoing.items():
            for start in range(0, len(commands), most):
                part = tuple(commands[start : start + most])
                message = Commands(coordinator=name, commands=part)
                self._memory.out.append(
                    s.Publish(node=node, incarnation=incarnation, commands=message)
                )

    def _ended(self, slot: Slot) -> None:
        memory = self._memory
        waiters = memory.waiters.take(slot.run_id)
        if slot.state.subject:
            memory.runs.discard(slot.run_id)  # its values may be erased from now on
        else:
            memory.runs.retire(slot)
        if slot.net is None or not (waiters or memory.identity.traced):
            return
        view = run_view(slot.state, slot.net.net)
        for waiter in waiters:
            memory.answer(waiter.reply_to, RunAnswer(run=view))
        if memory.identity.traced and slot.traceparent:
            memory.out.append(s.RunEnded(run=view, traceparent=slot.traceparent))

    def _snapshot(self, slot: Slot) -> None:
        settings = self._memory.settings
        if slot.tail_bytes < settings.snapshot_tail_bytes_min:
            return
        snapshot = taken(slot.head, slot.state, "automatic")
        if slot.tail_bytes < settings.snapshot_tail_factor * len(snapshot.state):
            return
        slot.tail_bytes = 0
        self._memory.out.append(s.SaveSnapshot(snapshot=snapshot))


def waits_for(batch_id: str) -> str:
    """What a work waits for that concerns a run in this batch."""
    return f"commit:{batch_id}"
