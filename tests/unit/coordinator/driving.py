"""A coordinator's step machine driven by hand: the test is the store, the bus and the clock."""

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from events.api import AnyRequest, AwaitRun, ListNodes, Nodes, NodeView, RegisterWorkflow, StartRun
from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.definition import Definition, TaskStep
from events.envelope import Head, Stored, unseal
from events.ids import Attempt, definition_stream, run_stream, shard_of
from events.limits import Limits
from events.messages import Completed, Execute, Heartbeat, Reports
from events.operator_facts import RunRestored
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring.compile import compile_net, workflow_version
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.core import Coordinator
from orchestrator.coordinator.engine import Engine
from orchestrator.coordinator.memory import Identity
from orchestrator.coordinator.ports import (
    Appended,
    AppendOutcome,
    Batch,
    Lease,
    ReportDelivery,
)
from orchestrator.coordinator.settings import Settings
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.restoring import rewind
from orchestrator.kernel.snapshot import restore
from orchestrator.kernel.state import RunState, serialise
from orchestrator.replay.rebuild import Rebuilt

SHARDS = 2
START = 1_700_000_000_000_000
Out = TypeVar("Out", bound=s.CoordinatorOutput)


def engine() -> Engine:
    expressions = CelExpressions()
    return Engine(
        expressions=expressions,
        limits=Limits(),
        compile=lambda d: (workflow_version(d), compile_net(d, expressions)),
    )


def two_tasks(name: str = "two") -> Definition:
    return Definition(name=name, steps=(TaskStep(id="a", task="t"), TaskStep(id="b", task="t")))


class Drive:
    """Keeps the outputs of the last steps until they are taken. `own`: the shards of its log, where
    the cluster has several `logs`."""

    def __init__(
        self, settings: Settings | None = None, own: frozenset[int] = frozenset(), logs: int = 1
    ) -> None:
        identity = Identity(name="c1", seed="s", shards=SHARDS, own=own, logs=logs)
        self.identity = identity
        self.settings = settings or Settings()
        self.core = Coordinator(identity, self.settings, engine())
        self.outputs: list[s.CoordinatorOutput] = []
        self.at = 0
        self.sequence = 0
        self.log: list[Stored] = []
        """What `commit` made durable."""
        self.streams: dict[str, s.NodeLoaded] = {}
        """What the store says about nodes; nothing about others."""
        self.registered: dict[str, list[DefinitionRegistered]] = {}
        """What the store says about workflows: what others have registered."""
        self.streams_are_away = False
        """Whether nothing can be read of nodes."""

    # -- time and inputs --------------------------------------------------------------------------

    def step(self, *inputs: s.CoordinatorInput) -> "Drive":
        now = s.Now(self.at, START + self.at)
        self.outputs += self.core.step(inputs, now)
        while self.core.next_look_at <= self.at:
            self.outputs += self.core.step((), now)
        return self

    def wait(self, seconds: float, beat: float = 0.25) -> "Drive":
        """Lets time pass in small steps, renewing the leases; nobody else is heard of."""
        for _ in range(round(seconds / beat)):
            self.at += round(beat * 1_000_000)
            self.step()
            for output in self.take(s.RenewLeases):
                self.step(
                    s.LeasesRenewed(asked=output.leases, leases=output.leases, asked_at=self.at)
                )
        return self

    def take(self, kind: type[Out]) -> list[Out]:
        """Takes outputs of one kind away, in order."""
        found: list[Out] = [output for output in self.outputs if isinstance(output, kind)]
        self.outputs = [output for output in self.outputs if not isinstance(output, kind)]
        return found

    # -- a working coordinator --------------------------------------------------------------------

    def own(self, *shards: int, epoch: int = 1) -> "Drive":
        """Acquires these shards, or all; the store is empty."""
        self.step()
        leases = tuple(Lease(shard=n, epoch=epoch, holder="c1") for n in shards or range(SHARDS))
        self.step(s.LeasesAcquired(leases=leases, asked_at=self.at))
        self.answer_loads()
        return self.commit()

    def answer_loads(self) -> "Drive":
        """An empty store: nothing was ever there but what others have registered."""
        for _ in range(4):
            for active in self.take(s.FindActive):
                self.step(s.ActiveFound(shards=active.shards, rows=(), more=False, era=active.era))
            for ask in self.take(s.LoadHead):
                self.step(s.HeadLoaded(head=Head(ask.stream)))
            for node in self.take(s.LoadNode) if not self.streams_are_away else ():
                nothing = s.NodeLoaded(node=node.node, head=Head(f"node:{node.node}"))
                said = self.streams.get(node.node, nothing)
                self.step(msgspec.structs.replace(said, step=node.step))
            for one in self.take(s.LoadDefinition):
                self.step(self.definition(one))
        return self

    def definition(self, ask: s.LoadDefinition) -> s.DefinitionLoaded:
        """The store's answer as it is now."""
        registered = self.registered.get(ask.workflow, [])
        if self.identity.own and not ask.home:
            registered = self._copies(ask.workflow)
        after = ask.after.version if ask.after else 0
        head = Head(f"definition:{ask.workflow}", max(len(registered), after))
        return s.DefinitionLoaded(
            workflow=ask.workflow,
            versions=tuple(registered[after:]),
            head=head,
            after=after,
            step=ask.step,
            home=ask.home,
        )

    def _copies(self, workflow: str) -> list[DefinitionRegistered]:
        """What our own log has of a workflow that another one knows."""
        found = (
            unseal(one, Catalogue()).fact
            for one in self.log
            if one.stream == definition_stream(workflow)
        )
        return [fact for fact in found if isinstance(fact, DefinitionRegistered)]

    def elsewhere(self, definition: Definition) -> str:
        """Another coordinator registers a version; returns which one."""
        version, net = engine().compile(definition)
        fact = DefinitionRegistered(
            workflow=definition.name, workflow_version=version, definition=definition, net=net
        )
        self.registered.setdefault(definition.name, []).append(fact)
        return version

    def rebuilt(self, run_id: str = "r1") -> Rebuilt:
        """The run as the log has it."""
        found = Rebuilt(RunState(), Head(run_stream(run_id)))
        catalogue, states = Catalogue(), list[bytes]()
        for stored in self.log:
            if stored.stream == found.head.stream:
                event = unseal(stored, catalogue)
                if isinstance(event.fact, RunRestored):
                    rewind(found.state, restore(states[event.fact.version - 1]))
                evolve(found.state, event.fact, event.header.recorded_at)
                states.append(serialise(found.state))
                found.head = Head(stored.stream, stored.version, event.digest)
        return found

    def read_runs(self, most: int = 100) -> list[str]:
        """Answers from the log what is to be read of runs, as long as something is; returns which
        were asked for."""
        found: list[str] = []
        while asked := self.take(s.LoadRun):
            for ask in asked:
                found.append(ask.run_id)
                assert len(found) <= most, f"runs are read without end: {found[-5:]}"
                rebuilt = self.rebuilt(ask.run_id)
                known = rebuilt if rebuilt.state.version else None
                self.step(s.RunLoaded(run_id=ask.run_id, era=ask.era, rebuilt=known))
                self.answer_loads().commit()
        return found

    def lose(self, *shards: int, epoch: int = 1) -> "Drive":
        """The answer to a renewal says that these shards are another's now."""
        asked = tuple(Lease(shard=n, epoch=epoch, holder="c1") for n in shards or range(SHARDS))
        return self.step(s.LeasesRenewed(asked=asked, leases=(), asked_at=self.at))

    def batches(self) -> list[Batch]:
        return [output.batch for output in self.take(s.Append)]

    def commit(self, outcome: AppendOutcome | None = None) -> "Drive":
        """Everything that is appended becomes durable, until nothing is appended any more."""
        while batches := self.batches():
            for batch in batches:
                done = outcome or Appended(position=1)
                self.log += batch.events if isinstance(done, Appended) else ()
                self.step(s.AppendDone(batch_id=batch.id, outcome=done))
            self.answer_loads()
        return self

    @staticmethod
    def durable() -> AppendOutcome:
        return Appended(position=1)

    def view(self, name: str) -> NodeView:
        """A node as people are shown it."""
        self.outputs = []
        self.ask(ListNodes(), "nodes")
        (answer,) = [out.answer for out in self.take(s.Answer) if out.reply_to == "nodes"]
        assert isinstance(answer, Nodes)
        return next(node for node in answer.nodes if node.node == name)

    def node(
        self,
        name: str = "n1",
        incarnation: str = "i1",
        room: int = 10,
        **held: tuple[Attempt, ...],
    ) -> "Drive":
        return self.beat(
            Heartbeat(
                node=name,
                incarnation=incarnation,
                sequence=0,
                credits=room,
                tasks=("t",),
                held=held.get("held", ()),
                unsettled=held.get("unsettled", ()),
            )
        )

    def beat(self, beat: Heartbeat) -> "Drive":
        """The next heartbeat, numbered here."""
        self.sequence += 1
        beat = msgspec.structs.replace(beat, sequence=self.sequence)
        return self.step(s.HeartbeatArrived(beat=beat, reply_to="beat")).answer_loads()

    def ask(self, request: AnyRequest, reply_to: str = "client") -> "Drive":
        return self.step(s.RequestArrived(request=request, reply_to=reply_to)).answer_loads()

    def register(self) -> "Drive":
        return self.ask(RegisterWorkflow(definition=two_tasks())).commit()

    def start(self, run_id: str = "r1") -> "Drive":
        return self.ask(StartRun(run_id=run_id, workflow="two"))

    def expect(self, run_id: str = "r1") -> "Drive":
        return self.ask(AwaitRun(run_id=run_id), "waiting")

    def ready(self) -> "Drive":
        """Shards owned, a node there, a workflow registered, nothing left to take."""
        self.own().node().commit().register()
        self.outputs = []
        return self

    # -- what was sent ----------------------------------------------------------------------------

    def executes(self) -> list[Execute]:
        return [c for c in self.commands() if isinstance(c, Execute)]

    def commands(self) -> Iterator[object]:
        for output in self.take(s.Publish):
            yield from output.commands.commands

    def report(self, *attempts: Attempt, sequence: int = 1) -> s.ReportsArrived:
        reports = tuple(Completed(attempt=attempt, output=1) for attempt in attempts)
        message = Reports(node="n1", incarnation="i1", reports=reports)
        shard = shard_of(attempts[0].run_id, SHARDS)
        return s.ReportsArrived(deliveries=(ReportDelivery(shard, sequence, message),))
