"""Coordinators and agents in the weather: everything takes them time, clocks are off, and disks
lose what was not synced."""

from dalsegno.simulation.disks import TornJournal
from dalsegno.simulation.storms import DriftingClocks
from dalsegno.testing.twins.agent import AgentTwin, Host
from dalsegno.testing.twins.coordinator import CoordinatorTwin, Kind, Surroundings
from events.facts import HostSample
from events.ids import ENTROPY_BYTES, mint
from node_agent.settings import Settings
from orchestrator.coordinator import signals as s

PROBE_US = 1_000_000
"""How late a coordinator may know that the bus cannot be reached, or can be again."""


class StormyCoordinator(CoordinatorTwin):
    def __init__(self, world: Surroundings, name: str, skew_s: float, kind: Kind) -> None:
        self.clock = DriftingClocks(world.scheduler, skew_s)
        super().__init__(world, name, self.clock, kind)
        self._connected = True

    def boot(self) -> None:
        super().boot()
        self._connected = True
        self._probe()

    def _probe(self) -> None:
        connected = self.world.bus.reaches(self.name)
        if connected != self._connected:
            self._connected = connected
            self.hear(s.BusChanged(connected=connected))
        self.soon(PROBE_US, "", self._probe)

    def gathers(self) -> int:
        return 100

    def hesitates(self) -> int:
        return self.scheduler.rng.randrange(500)


class StormyAgent(AgentTwin):
    def __init__(self, world: Host, settings: Settings, clock: DriftingClocks) -> None:
        self.clock = clock
        super().__init__(world, settings, clock)
        self.disk_is_slow = False
        self._torn = self.journal = TornJournal()

    def _mint(self, at: int) -> str:
        """As the product does: by the wall clock, which may have been set back."""
        return mint(at, self.scheduler.rng.randbytes(ENTROPY_BYTES))

    def sample(self) -> HostSample:
        return HostSample(load=self.life / 10)

    def gathers(self) -> int:
        return 50

    def syncs(self) -> int:
        scheduler = self.scheduler
        if self.disk_is_slow:
            return scheduler.between(0.5, 6.0)
        slow = scheduler.chance(0.02)
        return scheduler.between(0.1, 1.0) if slow else scheduler.rng.randrange(200, 4000)

    def lose_power(self) -> None:
        """Dies, and what was not synced may be there in part."""
        self.crash("loss of power")
        self._torn.tear(self.scheduler.rng)

    def lose_journal(self) -> None:
        """Dies, and comes back on an empty disk."""
        self.crash("loss of its disk")
        self._torn = self.journal = TornJournal()
