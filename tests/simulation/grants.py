"""Promise 3 where it is made: who may begin an attempt, and until when, by the messages alone.

An owner allows a node the attempts of its shards for a while, counted from the heartbeat that it
answers, whenever that answer arrives; and for no longer than the shards are its own. The node
begins none after that; and no owner gives up what the node has before that, unless the process is
gone. What was given up so never begins, whoever owns the shard then: a node begins what that owner
has sent, or has seen in a heartbeat and let it keep.

Instants are the world's own; clocks of processes run a little faster or slower than that.
"""

from collections.abc import Iterable, Iterator

from dalsegno.testing.twins.scheduler import SECOND, Scheduler
from events import task_facts as t
from events.facts import Fact
from events.ids import Attempt, shard_of
from events.messages import Execute, Granted, Heartbeat
from orchestrator.coordinator.ports import Lease
from orchestrator.kernel.attempts import LOST
from tests.simulation.books import RunBook

DRIFT_US = 10_000
"""More than any clock is off after the longest lease."""

NODE_LOST = "node_lost"
GivingUp = t.AttemptFailed | t.TaskFailed | t.TaskCancelled | t.TaskSettling
GIVING_UP = (t.AttemptFailed, t.TaskFailed, t.TaskCancelled, t.TaskSettling)
Process = tuple[str, str]
"""A node, and its incarnation."""


class Grants:
    def __init__(self, scheduler: Scheduler, shards: int) -> None:
        self.margins_s: dict[str, float] = {}
        """What each node takes off a lease."""
        self._scheduler = scheduler
        self._shards = shards
        self._lives: dict[str, str] = {}
        self._sent: dict[tuple[Process, int], int] = {}
        self._until: dict[tuple[Process, int], int] = {}
        self._held: dict[tuple[Process, int], tuple[Attempt, ...]] = {}
        self._seen: dict[tuple[Process, int], tuple[int, set[Attempt]]] = {}
        """By process and shard: the last epoch that it has heard of, and what its owner has seen
        there."""
        self._owned: dict[tuple[int, int], int] = {}
        """Shard and epoch → until when it is owned under it."""
        self._given_up: set[Attempt] = set()
        self._settling: set[tuple[str, str, int]] = set()
        """Run, step and generation of tasks whose transaction is, or was, asked about."""

    # -- what nodes and owners say ----------------------------------------------------------------

    def begins(self, node: str, incarnation: str) -> None:
        self._lives[node] = incarnation

    def ends(self, node: str) -> None:
        """Its process is dead: it begins nothing any more."""
        self._lives.pop(node, None)

    def beats(self, beat: Heartbeat) -> None:
        place = (beat.node, beat.incarnation)
        self._sent[place, beat.sequence] = self._scheduler.now
        self._held[place, beat.sequence] = beat.held

    def owned(self, leases: Iterable[Lease], ttl_s: float) -> None:
        """The store has given, or renewed, these."""
        for lease in leases:
            self._owned[lease.shard, lease.epoch] = self._scheduler.now + int(ttl_s * SECOND)

    def heard(self, node: str, answer: Granted) -> None:
        """The node has got an answer to a heartbeat, and acts on it in its next step."""
        place = (node, answer.incarnation)
        for shard, epoch in zip(answer.shards, answer.epochs, strict=True):
            known = self._seen.get((place, shard), (0, set()))
            if epoch > known[0]:
                known = self._seen[place, shard] = (epoch, set())
            if epoch == known[0]:
                known[1].update(self._held[place, answer.sequence])

    def granted(self, node: str, answer: Granted) -> Iterator[str]:
        """An owner has answered a heartbeat."""
        place = (node, answer.incarnation)
        ends = self._scheduler.now + int(answer.lease_ttl_s * SECOND)
        for shard, epoch in zip(answer.shards, answer.epochs, strict=True):
            if (over := ends - self._owned[shard, epoch]) > DRIFT_US:
                yield f"{node} is allowed shard {shard} for {over} us longer than it is owned"
        until = self._sent[place, answer.sequence] + int(answer.lease_ttl_s * SECOND)
        for shard in answer.shards:
            self._until[place, shard] = max(until, self._until.get((place, shard), 0))

    # -- what they do -----------------------------------------------------------------------------

    def begun(self, node: str, execute: Execute) -> Iterator[str]:
        """The agent has decided to begin it."""
        place = (node, self._lives.get(node, ""))
        epoch, seen = self._seen.get((place, execute.shard), (0, set()))
        if execute.epoch < epoch and execute.attempt not in seen:
            yield (
                f"{execute.attempt}, sent under epoch {execute.epoch}, is begun by {node}, where "
                f"its owner under epoch {epoch} has not seen it"
            )

    def started(self, node: str, execute: Execute) -> Iterator[str]:
        attempt, now = execute.attempt, self._scheduler.now
        if attempt in self._given_up:
            yield f"{attempt} was started by {node} after it was given up with that node"
        until = self._until.get(((node, self._lives.get(node, "")), execute.shard))
        if until is None:
            yield f"{attempt} was started by {node}, which nobody allows shard {execute.shard} now"
        elif now > until + DRIFT_US:
            yield f"{attempt} was started by {node} {now - until} us after its lease had ended"

    def recorded(self, fact: Fact, book: RunBook) -> Iterator[str]:
        """Whether the attempt of a lost node was given up too soon. How a task ends of which a
        transaction was settled was decided when that began, with the loss."""
        attempt = _attempt(fact, book) if isinstance(fact, GIVING_UP) else None
        if not isinstance(fact, GIVING_UP) or attempt is None:
            return
        task = (attempt.run_id, attempt.step, attempt.generation)
        if task in self._settling and not isinstance(fact, t.AttemptFailed):
            return
        if isinstance(fact, t.TaskSettling):
            self._settling.add(task)
        if _is_lost(fact):
            self._given_up.add(attempt)
            yield from self._too_soon(attempt, book.dispatched[attempt])

    def _too_soon(self, attempt: Attempt, place: Process) -> Iterator[str]:
        node, incarnation = place
        if self._lives.get(node) != incarnation:
            return
        until = self._until.get((place, shard_of(attempt.run_id, self._shards)), 0)
        left = until - int(self.margins_s[node] * SECOND) - DRIFT_US - self._scheduler.now
        if left > 0:
            yield f"{attempt} is given up {left} us before {node} may begin it no more"


def _is_lost(fact: GivingUp) -> bool:
    """Whether it ends an attempt for the loss of its node."""
    match fact:
        case t.AttemptFailed():
            return fact.loss == NODE_LOST
        case t.TaskSettling():
            said = fact.failure.code == NODE_LOST or fact.failure.message.endswith(NODE_LOST)
            return fact.kind == "lost" and said
        case t.TaskFailed():
            return fact.failure.code == LOST and fact.failure.message.endswith(NODE_LOST)
        case t.TaskCancelled():
            return fact.why == NODE_LOST


def _attempt(fact: GivingUp, book: RunBook) -> Attempt | None:
    """The last one of this step and number, if there was one."""
    wanted = (fact.step, fact.attempt)
    found = [one for one in book.dispatched if (one.step, one.number) == wanted]
    return max(found, key=lambda one: one.generation, default=None)
