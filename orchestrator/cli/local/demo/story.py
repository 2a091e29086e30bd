"""The story: what the demo shows, folded from the log like everything else that is shown.

Only what the demo itself did (killing processes) is told to it; the rest it reads in events.
"""

import msgspec

from events import run_facts as r
from events import task_facts as t
from events.cluster_facts import LeaseAcquired, NodeLost, NodeRegistered
from events.envelope import Event

TERMINAL = (r.RunCompleted, r.RunFailed, r.RunCancelled, r.RunTimedOut)
COORDINATOR = "coordinator"


class Try(msgspec.Struct):
    """One attempt. Instants in microseconds; `state` is sent, running, done or lost."""

    step: str
    number: int
    node: str
    sent_at: int
    state: str = "sent"
    started_at: int | None = None
    ended_at: int | None = None


class Node(msgspec.Struct):
    """One agent as the log and the demo know it."""

    name: str
    state: str = "healthy"
    done: int = 0
    killed_at: int | None = None


class Remark(msgspec.Struct, frozen=True):
    at: int
    text: str


class Story:
    """`run_id` is the run that is told of; `take` events in the order of the log."""

    def __init__(self, run_id: str, steps: int) -> None:
        self.run_id = run_id
        self.steps = steps
        self.tries: dict[tuple[str, int], Try] = {}
        self.nodes: dict[str, Node] = {}
        self.remarks: list[Remark] = []
        self.outages: list[list[int]] = []
        """From and until when the coordinator was down."""
        self.epoch = 0
        self.events = 0
        self.started_at = 0
        self.ended_at: int | None = None
        self.status = "pending"
        self.again: set[str] = set()
        """Steps that were dispatched a second time."""

    # -- what the demo does -----------------------------------------------------------------------

    def kill_agent(self, name: str, at: int) -> None:
        node = self.nodes[name]
        node.state, node.killed_at = "killed", at
        held = ", ".join(one.step for one in self.held(name))
        self.say(at, f"{name} is killed with SIGKILL while it runs {held}")

    def kill_coordinator(self, at: int) -> None:
        self.outages.append([at])
        working = len([one for one in self.tries.values() if one.state in {"sent", "running"}])
        self.say(at, f"{COORDINATOR} is killed with SIGKILL; {working} tasks go on at the agents")

    def restart_coordinator(self, at: int) -> None:
        self.say(at, f"{COORDINATOR} is started again")

    @property
    def is_coordinator_down(self) -> bool:
        return bool(self.outages) and len(self.outages[-1]) == 1

    # -- what the log says ------------------------------------------------------------------------

    def take(self, event: Event) -> None:
        fact, at = event.fact, event.header.recorded_at
        match fact:
            case NodeRegistered():
                self.nodes.setdefault(fact.node, Node(fact.node))
            case NodeLost():
                self.nodes.setdefault(fact.node, Node(fact.node)).state = "lost"
                self.say(at, f"{fact.node} is declared lost, silent for {fact.silent_s:.1f} s")
            case LeaseAcquired():
                self._acquired(fact, at)
            case _:
                pass
        if event.header.stream == f"run:{self.run_id}":
            self.events += 1
            self._take_run(event)

    def _acquired(self, fact: LeaseAcquired, at: int) -> None:
        """A coordinator came (back) and has rebuilt what it owns."""
        if fact.epoch > self.epoch:
            self.epoch = fact.epoch
            if self.is_coordinator_down:
                self.outages[-1].append(at)
                self.say(at, f"{COORDINATOR} has its shards again, as epoch {fact.epoch}")

    def _take_run(self, event: Event) -> None:
        fact, at = event.fact, event.header.recorded_at
        match fact:
            case r.RunStarted():
                self.started_at, self.status = at, "running"
            case t.TaskDispatched():
                self._dispatched(fact, at)
            case t.TaskStarted():
                self._update(fact.step, fact.attempt, "running", fact.started_at, None)
            case t.TaskCompleted():
                self._update(fact.step, fact.attempt, "done", fact.started_at, fact.ended_at)
                node = self.tries[fact.step, fact.attempt].node
                self.nodes.setdefault(node, Node(node)).done += 1
            case t.AttemptFailed() | t.TaskFailed():
                self._update(fact.step, fact.attempt, "lost", fact.started_at or None, at)
            case _ if isinstance(fact, TERMINAL):
                self.ended_at = at
                self.status = fact.TYPE.split(".")[1]
                self.say(at, f"the run is {self.status}")
            case _:
                pass

    def _dispatched(self, fact: t.TaskDispatched, at: int) -> None:
        one = Try(fact.step, fact.attempt, fact.node, at)
        self.tries[fact.step, fact.attempt] = one
        if fact.attempt > 1:
            self.again.add(fact.step)
            before = self.tries[fact.step, fact.attempt - 1].node
            self.say(at, f"{fact.step} goes from {before} to {fact.node}, attempt {fact.attempt}")

    def _update(
        self, step: str, number: int, state: str, started_at: int | None, ended_at: int | None
    ) -> None:
        one = self.tries[step, number]
        one.state = state
        one.started_at = started_at or one.started_at
        one.ended_at = ended_at

    # -- questions --------------------------------------------------------------------------------

    def say(self, at: int, text: str) -> None:
        self.remarks.append(Remark(at, text))

    def held(self, node: str) -> list[Try]:
        """Attempts that are with a node now."""
        return [o for o in self.tries.values() if o.node == node and o.state in {"sent", "running"}]

    @property
    def done(self) -> int:
        return sum(one.state == "done" for one in self.tries.values())

    def until(self, one: Try, now: int) -> int:
        """When an attempt ended: of a killed node's, when the node died."""
        killed_at = self.nodes[one.node].killed_at if one.node in self.nodes else None
        if one.state != "done" and killed_at is not None:
            return killed_at
        return one.ended_at or now
