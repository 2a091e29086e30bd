"""A world: coordinators, agents, clients, store and bus under one scheduler, from one seed.

Until the horizon anything may go wrong that the seed's weather allows. Then the world is fair, and
every run must end within a bound: that is the liveness half of the promises.
"""

import traceback
from collections.abc import Iterator
from functools import cache
from random import Random

import msgspec

from dalsegno.simulation.faults import Faults
from dalsegno.simulation.storms import StormyBus, StormyStore
from dalsegno.simulation.weather import Weather, draw, fair
from dalsegno.testing.twins.agent import Host
from dalsegno.testing.twins.coordinator import Kind, Surroundings
from dalsegno.testing.twins.process import Process
from dalsegno.testing.twins.scheduler import SECOND, Scheduler
from events.api import AnyAnswer, AnyRequest
from events.definition import Definition
from events.errors import DalsegnoError
from events.ids import shard_of
from events.limits import Limits
from events.messages import Heartbeat, HeartbeatAnswer
from events.net import Net
from orchestrator.adapters.cel.engine import CelExpressions
from orchestrator.authoring.check import accept
from orchestrator.coordinator.engine import Engine
from orchestrator.coordinator.settings import Settings
from tests.simulation.bounds import Bounds
from tests.simulation.checks import Auditor, Found
from tests.simulation.clients import Clients
from tests.simulation.effects import World as OutsideWorld
from tests.simulation.ending import ended
from tests.simulation.executor import Ledger
from tests.simulation.logs import Logs
from tests.simulation.patience import Patience
from tests.simulation.processes import AuditedAgent, AuditedCoordinator, Kinds
from tests.simulation.versions import catalogue, seal_before
from tests.simulation.workload import CHUNKS, Workload

RUNS = 20
LOGS = (1, 1, 1, 1, 2)
"""Databases of a world, unless somebody says how many."""
COORDINATORS = ("alpha", "beta", "gamma")

LIMITS = Limits(
    map_part_items_max=3,
    map_parts_max=2,
    map_results_inline_bytes_max=60,
    map_inputs_bytes_max=200,
    payload_bytes_max=20_000,
    settling_delay_s_max=2.0,
    settling_tries_max=5,
    settling_rest_s=3.0,
    halt_s=3.0,
)
"""So small that maps run in parts, with results by reference, and wait for room."""

RESTING = 5
"""Of so many worlds one goes on when all runs have ended, to see what is left of them."""
REST_US = 40 * SECOND
"""Longer than handlers ignore a cancellation, and reports wait to be sent again."""

LOOK_EVERY = 32
"""Actions between two looks whether the world is over."""


@cache
def engine() -> Engine:
    expressions = CelExpressions()

    def compiled(definition: Definition) -> tuple[str, Net]:
        return accept(definition, expressions, LIMITS)

    return Engine(expressions=expressions, limits=LIMITS, compile=compiled)


@cache
def engine_before() -> Engine:
    """That of the release before, which writes some facts in an older form."""
    return msgspec.structs.replace(engine(), seal=seal_before)


def settings_of(rng: Random) -> Settings:
    """Small limits, so that each is met."""
    return Settings(
        lease_ttl_s=4.0,
        lease_margin_s=0.5,
        attempt_lease_ttl_s=rng.choice((3.0, 5.0)),
        resend_after_s=rng.choice((0.5, 2.0)),
        node_sample_interval_s=2.0,
        node_tail_events_max=rng.choice((2, 1000)),
        pending_after_s=rng.choice((0.3, 1.0)),
        due_poll_s=0.5,
        due_horizon_s=rng.choice((0.6, 3.0)),
        turn_works_max=rng.choice((2, 1000)),
        turn_events_max=rng.choice((8, 1500)),
        dispatch_max=rng.choice((3, 1000)),
        loads_max=rng.choice((1, 64)),
        intake_max=rng.choice((20, 20_000)),
        commands_in_message_max=rng.choice((2, 512)),
        idle_runs_max=rng.choice((0, 1, 1000)),
        recent_runs_max=rng.choice((2, 2000)),
        snapshot_tail_bytes_min=rng.choice((1500, 256 * 1024)),
        snapshot_tail_factor=0.5,
        tick_s=0.2,
    )


class World:
    """`doomed`: a process and the turn before which it dies, whatever the weather. `logs`: how many
    databases share the shards, each with coordinators of its own; 0: as the seed says."""

    def __init__(
        self,
        seed: int,
        keep_trace: bool = False,
        calm: bool = False,
        doomed: tuple[str, int] | None = None,
        logs: int = 0,
    ) -> None:
        rng = Random(f"settings {seed}")
        logs = logs or Random(f"logs {seed}").choice(LOGS)
        self.seed = seed
        self.weather: Weather = fair() if calm else draw(rng)
        self.scheduler = Scheduler(seed, keep_trace)
        self.horizon_us = rng.choice((8, 15, 25)) * SECOND
        self.workload = Workload(seed, RUNS, self.horizon_us)
        patience = Patience(self.workload.definitions)
        wanted = [one.workflow for one in self.workload.runs]
        forks = [one.workflow for one in self.workload.runs if one.fork_at is not None]
        again = [one.workflow for one in self.workload.runs for _ in one.acts]
        off_s = self.weather.clocks_differ_s  # timers are late by as much under another owner
        self.quiet_us = int((patience.quiet_s(wanted) + off_s) * SECOND)
        self.whole_us = int((patience.whole_s([*wanted, *forks, *again]) + off_s) * SECOND)
        self.ledger = Ledger()
        shards = max(logs, rng.choice((1, 2, 4)))
        self.logs = Logs(logs, shards, lambda: self.scheduler.wall, seed)
        self.logs.put_payloads(CHUNKS)
        self.stores = {
            name: StormyStore(self.scheduler, self.weather, log)
            for name, log in self.logs.each.items()
        }
        self.bus = StormyBus(self.scheduler, self.weather)
        self.auditor = Auditor(self.scheduler, self.logs, self.ledger, shards)
        self.auditor.clocks_differ_us = int(self.weather.clocks_differ_s * SECOND)
        self.clients = Clients(self.scheduler, self.workload, self._ask, self.auditor.children)
        self.auditor.requests = self.clients.requests
        self.auditor.meet(OutsideWorld(self.scheduler, self.clients.ask))
        self._make_processes(rng)
        for process in self.processes:
            if doomed is not None and process.name == doomed[0]:
                process.doomed_turn = doomed[1]

    def _make_processes(self, rng: Random) -> None:
        skew_s = self.weather.skew_s
        host = Host(self.scheduler, self.bus)
        host.heartbeat = self._heartbeat
        settings = settings_of(rng)
        self.auditor.bounds = Bounds(settings, LIMITS, self.auditor.placements.nodes)
        kinds = Kinds(
            Kind(settings, engine(), record_hashes=True),
            Kind(settings, engine_before(), record_hashes=True),
            self.weather.upgraded,
        )
        self.coordinators = [
            AuditedCoordinator(around, full, skew_s, kinds, self.auditor)
            for name in COORDINATORS[: self.weather.coordinators]
            for full, around in self._surroundings(name)
        ]
        self.auditor.serving = lambda name: next(
            one.shards for one in self.coordinators if one.name == name
        )
        count = rng.choice((3, 3, 4))
        self.agents = [
            AuditedAgent(host, f"n{number}", skew_s, self.auditor, self.ledger)
            for number in range(1, count + 1)
        ]
        self.faults = Faults(
            self.scheduler,
            self.weather,
            (self.coordinators, self.agents),
            (list(self.stores.values()), self.bus),
        )

    def _surroundings(self, name: str) -> Iterator[tuple[str, Surroundings]]:
        """Of a coordinator of this name: one for each log."""
        for log, store in self.stores.items():
            around = Surroundings(self.scheduler, self.bus, store, self.auditor.shards)
            around.answer_heartbeat = self._answer_heartbeat
            around.answer_client = self._answer_client
            around.catalogue = catalogue()
            if len(self.stores) > 1:
                around.own = frozenset(self.logs.map.own(log))
                around.logs = len(self.stores)
                around.cluster = self.logs.reader(lambda other: self.stores[other].down)
            yield (f"{name}-{log}" if len(self.stores) > 1 else name), around

    # -- core messages ----------------------------------------------------------------------------

    def _ask(self, name: str, request: AnyRequest, reply_to: str) -> None:
        shard = shard_of(name, self.auditor.shards)
        for one in self.coordinators:
            if shard in one.shards:
                label = f"{one.name} is asked {reply_to}"
                self.bus.send(
                    "client",
                    one.name,
                    label,
                    lambda one=one: one.request(request, reply_to),  # type: ignore[misc]
                )

    def _answer_client(self, source: str, reply_to: str, answer: AnyAnswer) -> None:
        label = f"{source} answers {reply_to}"
        self.bus.send(source, "client", label, lambda: self.clients.answered(reply_to, answer))

    def _heartbeat(self, node: str, beat: Heartbeat) -> None:
        self.auditor.beaten(beat)
        for one in self.coordinators:
            label = f"{node} beats {beat.sequence}"
            self.bus.send(node, one.name, label, lambda one=one: one.heartbeat(beat, node))  # type: ignore[misc]

    def _answer_heartbeat(self, source: str, node: str, answer: HeartbeatAnswer) -> None:
        agent = next(one for one in self.agents if one.name == node)
        label = f"{source} answers {node}"
        self.bus.send(source, node, label, lambda: agent.answered(answer))

    # -- running ----------------------------------------------------------------------------------

    @property
    def processes(self) -> tuple[Process, ...]:
        return (*self.coordinators, *self.agents)

    def over(self) -> bool:
        """Whether everything that was wanted has come to its end, in a fair world."""
        if self.auditor.violations:
            return True
        scheduler = self.scheduler
        if scheduler.now < self.horizon_us or scheduler.actions % LOOK_EVERY:
            return False
        quiet_us = scheduler.now - max(self.auditor.changed_at, self.horizon_us)
        if quiet_us > self.quiet_us:
            for text in self.auditor.unseen():
                self.auditor.violated(f"{text}, and nothing has happened for {quiet_us} us")
        if self.clients.waiting:
            return False
        books = self.auditor.books
        if any(wanted.run_id not in books for wanted in self.workload.runs):
            return False
        return all(book.ended_at is not None for book in books.values())

    def _rest(self) -> None:
        """Some worlds go on for a while after the last run has ended."""
        if not (self.auditor.violations or self.seed % RESTING):
            self.scheduler.run(self.scheduler.now + REST_US)
            self.auditor.rested()

    def run(self) -> Found:
        self.faults.plan(self.horizon_us)
        for process in self.processes:
            self.scheduler.after(
                self.scheduler.between(0, 0.5), f"boot {process.name}", process.boot
            )
        self.clients.begin()
        try:
            self.scheduler.run(self.horizon_us + self.whole_us, self.over)
            self._rest()
            if not self.auditor.violations:
                for text in ended(self.auditor, self.logs, self.workload, self.clients, engine()):
                    self.auditor.violated(text)
        except (DalsegnoError, AssertionError, LookupError, TypeError, ValueError, AttributeError):
            self.auditor.violated(f"something raised: {traceback.format_exc(limit=-4)}")
        return Found(
            seed=self.seed,
            violations=tuple(self.auditor.violations),
            trace_hash=self.scheduler.trace_hash,
            actions=self.scheduler.actions,
            runs=len(self.auditor.books),
            events=self.logs.events,
            virtual_s=self.scheduler.now / SECOND,
        )
