"""The world of an environment: one coordinator, the user's nodes, a log, a bus, all in memory."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import msgspec

from dalsegno.testing.errors import Stuck
from dalsegno.testing.nodes import Node, UserNode
from dalsegno.testing.stage import Stage, Troupe
from dalsegno.testing.twins.agent import Host
from dalsegno.testing.twins.bus import BusTwin
from dalsegno.testing.twins.coordinator import CoordinatorTwin, Kind, Surroundings
from dalsegno.testing.twins.process import Clocks, later
from dalsegno.testing.twins.scheduler import Scheduler
from dalsegno.testing.twins.store import StoreTwin
from events.api import (
    AnyAnswer,
    AnyRequest,
    Fetched,
    FetchValues,
    ListNodes,
    Nodes,
    Refused,
    RunAnswer,
    RunView,
    ShowRun,
)
from events.codec import decode
from events.constraints import DURATION_S_MAX
from events.errors import BY_CODE, InvariantViolation, Rejected
from events.limits import Limits
from events.messages import Heartbeat, HeartbeatAnswer
from events.net import Map, Net, Task
from events.sealing import Keyring
from events.values import Value
from node_agent.steps import BeatRequested
from orchestrator.adapters.memory.store import MemoryLog
from orchestrator.bootstrap import make_engine
from orchestrator.coordinator.core import Coordinator
from orchestrator.coordinator.engine import Engine
from orchestrator.coordinator.ports import Lease
from orchestrator.coordinator.settings import Settings
from orchestrator.coordinator.signals import AcquireLeases, Now

COORDINATOR = "coordinator"
GONE = frozenset({"lost", "left"})

SETTINGS = Settings(
    # A coordinator without a rival: its lease and its look at the index need no time.
    lease_ttl_s=DURATION_S_MAX,
    due_horizon_s=DURATION_S_MAX,
)


@cache
def engine() -> Engine:
    return make_engine(Limits())


class UserCoordinator(CoordinatorTwin):
    """It wakes for timers of runs; for all else that time brings it is woken."""

    def next_turn(self, core: Coordinator, now: Now) -> int | None:
        due = core.next_due_at
        return None if due is None else later(due - now.monotonic)

    def acquire(self, output: AcquireLeases) -> list[Lease]:
        """Its lease has no end, but what it grants has."""
        most_s = SETTINGS.attempt_lease_ttl_s
        return [
            msgspec.structs.replace(lease, granted_s=min(lease.granted_s, most_s))
            for lease in super().acquire(output)
        ]

    @property
    def is_placing(self) -> bool:
        return self._core is not None and self._core.is_placing


class World:
    """Nothing in it takes time but timers and fakes that were told to."""

    def __init__(
        self,
        scheduler: Scheduler,
        stage: Stage,
        troupe: Troupe,
        nodes: Sequence[Node],
        keys: Keyring,
    ) -> None:
        self.scheduler = scheduler
        self.stage = stage
        self.troupe = troupe
        self.log = MemoryLog(lambda: scheduler.wall, keys=keys)
        self.bus = BusTwin(scheduler)
        self.workflows: set[str] = set()
        self._answers: dict[str, AnyAnswer] = {}
        self._asked = 0
        self._sent = 0
        store = StoreTwin(scheduler, self.log)
        around = Surroundings(scheduler, self.bus, store, shards=1)
        around.answer_heartbeat = self._answer_heartbeat
        around.answer_client = self._answer_client
        self.catalogue = around.catalogue
        self.coordinator = UserCoordinator(
            around, COORDINATOR, Clocks(scheduler), Kind(SETTINGS, engine())
        )
        stage.fetch = self._fetch
        self._host = Host(scheduler, self.bus)
        self._host.heartbeat = self._heartbeat
        self.nodes: Mapping[str, UserNode] = {
            node.name: UserNode(self._host, node, stage, troupe) for node in nodes
        }

    def boot(self) -> None:
        """Returns when coordinator and nodes know each other."""
        self.coordinator.boot()
        for node in self.nodes.values():
            node.boot()
        self.meet()

    def meet(self) -> None:
        """Returns when coordinator and nodes know each other: by the first heartbeat, as it is
        recorded, and the second, which is granted the right to start attempts."""
        for _ in range(2):
            self.scheduler.run(self.scheduler.now)
            self.beat()
        self.scheduler.run(self.scheduler.now)

    async def close(self) -> None:
        for node in self.nodes.values():
            await node.close()

    # -- messages ---------------------------------------------------------------------------------

    def ask(self, request: AnyRequest) -> AnyAnswer:
        """The answer of the coordinator, at once. Raises what it refuses the request with."""
        self._asked += 1
        reply_to = f"client-{self._asked}"
        self.coordinator.request(request, reply_to)
        self.scheduler.run(self.scheduler.now)
        answer = self._answers.pop(reply_to, None)
        if answer is None:
            raise Stuck(f"the coordinator does not answer {type(request).__name__}")
        if isinstance(answer, Refused):
            raise BY_CODE.get(answer.code, Rejected)(answer.message)
        return answer

    def another_id(self, what: str) -> str:
        """For what is sent once: another one each time, whichever handle of a run sends it."""
        self._sent += 1
        return f"{what}-{self._sent}"

    def show(self, run_id: str) -> RunView:
        """A run as it is now. Raises `Rejected` when there is none."""
        answer = self.ask(ShowRun(run_id=run_id))
        if not isinstance(answer, RunAnswer):
            raise InvariantViolation(f"show_run was answered by {type(answer).__name__}")
        return answer.run

    def _fetch(self, hash_: str, first: int) -> list[Value]:
        answer = self.ask(FetchValues(hash=hash_, first=first))
        if not isinstance(answer, Fetched):
            raise InvariantViolation(f"fetch_values was answered by {type(answer).__name__}")
        values: list[Value] = decode(answer.values, list, f"chunk {hash_}")
        return values

    def know(self, name: str, net: Net) -> None:
        """A workflow was registered: its tasks may be asked for."""
        self.workflows.add(name)
        found = [step.action for step in net.steps]
        tasks = [one.body if isinstance(one, Map) else one for one in found]
        self.learn({one.task for one in tasks if isinstance(one, Task)})

    def learn(self, tasks: Iterable[str]) -> None:
        """The nodes take these tasks from now on."""
        new = [task for task in tasks if self.troupe.learn(task)]
        if new:
            self.beat()
            self.scheduler.run(self.scheduler.now)

    def _answer_client(self, _: str, reply_to: str, answer: AnyAnswer) -> None:
        self._answers[reply_to] = answer

    def _heartbeat(self, node: str, beat: Heartbeat) -> None:
        coordinator = self.coordinator
        self.bus.send(node, COORDINATOR, "beat", lambda: coordinator.heartbeat(beat, node))

    def _answer_heartbeat(self, source: str, node: str, answer: HeartbeatAnswer) -> None:
        self.bus.send(source, node, "granted", lambda: self.nodes[node].answered(answer))

    # -- time -------------------------------------------------------------------------------------

    @property
    def is_restless(self) -> bool:
        """Whether somebody has to look again before long: a node is silent and not lost yet, or
        tasks wait for a node."""
        return self.coordinator.is_placing or self._has_silent_nodes()

    def _has_silent_nodes(self) -> bool:
        silent = {name for name, node in self.nodes.items() if not node.alive}
        if not silent:
            return False
        answer = self.ask(ListNodes())
        views = answer.nodes if isinstance(answer, Nodes) else ()
        return any(view.node in silent and view.status not in GONE for view in views)

    def look(self) -> None:
        """Coordinator and nodes look at what time has brought."""
        self.coordinator.wake(0)
        self.beat()

    def beat(self) -> None:
        """Every node is heard of."""
        for node in self.nodes.values():
            node.hear(BeatRequested())

    def check(self) -> None:
        for node in self.nodes.values():
            node.check()
