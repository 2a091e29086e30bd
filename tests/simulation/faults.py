"""Faults: what strikes a world at seeded instants, and how it heals."""

from collections.abc import Callable, Sequence

from dalsegno.testing.twins.bus import BusTwin
from dalsegno.testing.twins.process import Armed, Process
from dalsegno.testing.twins.scheduler import Scheduler
from dalsegno.testing.twins.store import StoreTwin
from tests.simulation.processes import AuditedAgent, AuditedCoordinator
from tests.simulation.weather import POINTS_OF_AGENT, POINTS_OF_COORDINATOR, Weather

PASSES_MAX = 8
"""How often an armed process may come to its point before it dies there."""


class Faults:
    def __init__(
        self,
        scheduler: Scheduler,
        weather: Weather,
        processes: tuple[Sequence[AuditedCoordinator], Sequence[AuditedAgent]],
        servers: tuple[StoreTwin, BusTwin],
    ) -> None:
        self.coordinators, self.agents = processes
        self._scheduler = scheduler
        self._weather = weather
        self._store, self._bus = servers
        self._healed = False
        for process in (*self.coordinators, *self.agents):
            process.on_death = lambda process=process: self._boot_later(process)  # type: ignore[misc]

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
        self._store.down = self._bus.down = False
        self._bus.cut.clear()
        for process in (*self.coordinators, *self.agents):
            process.armed = None
            process.go_on()
            self._boot(process)

    # -- what may happen --------------------------------------------------------------------------

    def _strike(self, kind: str) -> None:  # noqa: C901, PLR0912 -- one arm for each kind
        rng = self._scheduler.rng
        coordinator, agent = rng.choice(self.coordinators), rng.choice(self.agents)
        match kind:
            case "crash coordinator":
                coordinator.crash("kill -9")
            case "crash coordinator at":
                coordinator.armed = self._armed(POINTS_OF_COORDINATOR)
            case "pause coordinator at":
                coordinator.armed = self._armed(("append", "outputs"))
                coordinator.armed.then = lambda: self._pause(coordinator)
            case "stop coordinator":
                coordinator.stop()
            case "crash agent":
                agent.crash("kill -9")
            case "crash agent at":
                agent.armed = self._armed(POINTS_OF_AGENT)
            case "power loss":
                agent.lose_power()
            case "drain agent":
                agent.drain()
            case "pause coordinator":
                self._pause(coordinator)
            case "pause agent":
                self._pause(agent)
            case "cut coordinator":
                self._cut(coordinator)
            case "cut agent":
                self._cut(agent)
            case _:
                self._strike_server(kind)

    def _armed(self, points: Sequence[str]) -> Armed:
        rng = self._scheduler.rng
        return Armed(rng.choice(points), rng.randrange(PASSES_MAX))

    def _strike_server(self, kind: str) -> None:
        if kind == "bus wipe":
            self._bus.wipe()
        elif kind == "bus outage":
            self._bus.down = True
            self._later(0.1, 8.0, "the bus is back", self._bus_back)
        else:
            self._store.down = True
            self._later(0.1, 8.0, "the store is back", self._store_back)

    def _bus_back(self) -> None:
        self._bus.down = False

    def _store_back(self) -> None:
        self._store.down = False

    def _pause(self, process: Process) -> None:
        process.pause()
        self._later(0.1, 14.0, f"{process.name} goes on", process.go_on)

    def _cut(self, process: Process) -> None:
        self._bus.cut.add(process.name)
        self._later(0.1, 14.0, f"{process.name} is reached", lambda: self._mend(process))

    def _mend(self, process: Process) -> None:
        self._bus.cut.discard(process.name)
