"""Faults: what strikes a world at seeded instants, and how it heals."""

from collections.abc import Callable, Sequence

import msgspec

from dalsegno.simulation.processes import StormyAgent, StormyCoordinator
from dalsegno.simulation.storms import StormyBus, StormyStore
from dalsegno.simulation.weather import (
    JUMP_S_MAX,
    POINTS_OF_AGENT,
    POINTS_OF_COORDINATOR,
    Weather,
)
from dalsegno.testing.twins.process import Armed, Process
from dalsegno.testing.twins.scheduler import Scheduler

PASSES_MAX = 8
"""How often an armed process may come to its point before it dies there."""
AGENT_JUMPS_S = (-600.0, -5.0, -0.5, 0.5, 5.0, 600.0)
COORDINATOR_JUMPS_S = (-JUMP_S_MAX, -0.5, 0.5, JUMP_S_MAX)
"""While the clock of a coordinator is ahead, timers of its runs are early, and late for the next
one: jumps of minutes would only make every world longer."""


class Struck(msgspec.Struct, frozen=True):
    """Whom a fault may strike, drawn before it is known what it is."""

    coordinator: StormyCoordinator
    agent: StormyAgent


class Faults:
    def __init__(
        self,
        scheduler: Scheduler,
        weather: Weather,
        processes: tuple[Sequence[StormyCoordinator], Sequence[StormyAgent]],
        servers: tuple[Sequence[StormyStore], StormyBus],
    ) -> None:
        self.coordinators, self.agents = processes
        self._scheduler = scheduler
        self._weather = weather
        self._stores, self._bus = servers
        self._healed = False
        for process in (*self.coordinators, *self.agents):
            process.on_death = lambda process=process: self._boot_later(process)  # type: ignore[misc]
        self._strikes: dict[str, Callable[[Struck], None]] = {
            "crash coordinator": lambda it: it.coordinator.crash("kill -9"),
            "crash coordinator at": lambda it: self._arm(it.coordinator, POINTS_OF_COORDINATOR),
            "pause coordinator at": self._arm_pause,
            "stop coordinator": lambda it: it.coordinator.stop(),
            "pause coordinator": lambda it: self._pause(it.coordinator),
            "cut coordinator": lambda it: self._cut(it.coordinator),
            "mute coordinator": lambda it: self._for_a_while(self._bus.mute, it.coordinator.name),
            "deafen coordinator": lambda it: self._for_a_while(self._bus.deaf, it.coordinator.name),
            "part coordinator and agent": self._part,
            "cut coordinator from store": lambda it: self._for_a_while(
                self._store_of(it).deaf, it.coordinator.name
            ),
            "lose answers of store": lambda it: self._for_a_while(
                self._store_of(it).mute, it.coordinator.name
            ),
            "crash agent": lambda it: it.agent.crash("kill -9"),
            "crash agent at": lambda it: self._arm(it.agent, POINTS_OF_AGENT),
            "power loss": lambda it: it.agent.lose_power(),
            "lose journal": lambda it: it.agent.lose_journal(),
            "slow disk of agent": self._slow_disk,
            "pause agent": lambda it: self._pause(it.agent),
            "cut agent": lambda it: self._cut(it.agent),
            "mute agent": lambda it: self._for_a_while(self._bus.mute, it.agent.name),
            "deafen agent": lambda it: self._for_a_while(self._bus.deaf, it.agent.name),
            "drain agent": lambda it: it.agent.drain(),
            "clock jump": self._jump,
            "slow store": lambda it: self._slow_store(self._store_of(it)),
            "store outage": lambda it: self._store_away(self._store_of(it)),
            "bus outage": lambda _: self._bus_away(),
            "bus wipe": lambda _: self._bus.wipe(),
        }

    def plan(self, horizon_us: int) -> None:
        """Draws when what happens; at the horizon everything heals for good."""
        rng = self._scheduler.rng
        for _ in range(self._weather.faults):
            kind = rng.choice(self._weather.kinds)
            at = int(rng.random() * horizon_us * 0.9)
            self._scheduler.after(at, f"fault: {kind}", lambda kind=kind: self._strike(kind))  # type: ignore[misc]
        self._scheduler.after(horizon_us, "all is well from now on", self._heal)

    def _later(self, low_s: float, high_s: float, label: str, action: Callable[[], None]) -> None:
        self._scheduler.after(self._scheduler.between(low_s, high_s), label, action)

    def _boot_later(self, process: Process) -> None:
        most_s = 1.0 if self._healed else self._scheduler.rng.choice((0.3, 3.0, 12.0))
        self._later(0.05, most_s, f"boot {process.name}", lambda: self._boot(process))

    def _boot(self, process: Process) -> None:
        if not process.alive:
            process.boot()

    def _heal(self) -> None:
        self._healed = True
        self._weather.clear_up()
        self._bus.down = False
        for store in self._stores:
            store.down = store.slow = False
            store.deaf.clear()
            store.mute.clear()
        self._bus.mute.clear()
        self._bus.deaf.clear()
        self._bus.parted.clear()
        for agent in self.agents:
            agent.disk_is_slow = False
        for process in (*self.coordinators, *self.agents):
            process.armed = None
            process.go_on()
            self._boot(process)

    # -- what may happen --------------------------------------------------------------------------

    def _strike(self, kind: str) -> None:
        rng = self._scheduler.rng
        self._strikes[kind](Struck(rng.choice(self.coordinators), rng.choice(self.agents)))

    def _arm(
        self, process: Process, points: Sequence[str], then: Callable[[], None] | None = None
    ) -> None:
        rng = self._scheduler.rng
        process.armed = Armed(rng.choice(points), rng.randrange(PASSES_MAX), then)

    def _arm_pause(self, it: Struck) -> None:
        coordinator = it.coordinator
        self._arm(coordinator, ("append", "outputs"), lambda: self._pause(coordinator))

    def _pause(self, process: Process) -> None:
        """SIGSTOP: nothing of it happens, and time goes on."""
        process.pause()
        self._later(0.1, 14.0, f"{process.name} goes on", process.go_on)

    def _for_a_while(self, struck: set[str], name: str) -> None:
        struck.add(name)
        self._later(0.1, 14.0, f"{name} is well again", lambda: struck.discard(name))

    def _cut(self, process: Process) -> None:
        self._for_a_while(self._bus.mute, process.name)
        self._for_a_while(self._bus.deaf, process.name)

    def _part(self, it: Struck) -> None:
        """What one says does not get to the other; the other way it does, or not."""
        rng, names = self._scheduler.rng, (it.coordinator.name, it.agent.name)
        ways = rng.choice(((names,), (names[::-1],), (names, names[::-1])))
        self._bus.parted.update(ways)
        self._later(0.1, 14.0, "they meet again", lambda: self._bus.parted.difference_update(ways))

    def _jump(self, it: Struck) -> None:
        rng = self._scheduler.rng
        if rng.random() < 0.5:
            it.coordinator.clock.jump(rng.choice(COORDINATOR_JUMPS_S))
        else:
            it.agent.clock.jump(rng.choice(AGENT_JUMPS_S))

    def _slow_disk(self, it: Struck) -> None:
        it.agent.disk_is_slow = True

        def mended() -> None:
            it.agent.disk_is_slow = False

        self._later(1.0, 14.0, f"the disk of {it.agent.name} is quick again", mended)

    def _store_of(self, it: Struck) -> StormyStore:
        return next(store for store in self._stores if store is it.coordinator.world.store)

    def _slow_store(self, store: StormyStore) -> None:
        store.slow = True

        def mended() -> None:
            store.slow = False

        self._later(1.0, 10.0, "the store is quick again", mended)

    def _bus_away(self) -> None:
        self._bus.down = True

        def back() -> None:
            self._bus.down = False

        self._later(0.1, 8.0, "the bus is back", back)

    def _store_away(self, store: StormyStore) -> None:
        store.down = True

        def back() -> None:
            store.down = False

        self._later(0.1, 8.0, "the store is back", back)
