"""What the weather does to clocks, messages and questions to the store."""

from dalsegno.testing.twins.bus import BusTwin
from dalsegno.testing.twins.process import Clocks
from dalsegno.testing.twins.scheduler import Scheduler
from dalsegno.testing.twins.store import StoreTwin
from orchestrator.adapters.memory.store import MemoryLog
from tests.simulation.weather import Weather

PPM = 1_000_000


class DriftingClocks(Clocks):
    """No two processes begin at the same number, run at the same speed, or know the same time."""

    def __init__(self, scheduler: Scheduler, skew_s: float) -> None:
        super().__init__(scheduler)
        rng = scheduler.rng
        self._offset_us = rng.randrange(1, 10**12)
        self._skew_us = int((2 * rng.random() - 1) * skew_s * 1_000_000)
        self._drift_ppm = rng.randrange(-300, 300)

    @property
    def monotonic(self) -> int:
        now = self._scheduler.now
        return self._offset_us + now + now * self._drift_ppm // PPM

    @property
    def wall(self) -> int:
        return self._scheduler.wall + self._skew_us


class StormyBus(BusTwin):
    """Loses, repeats, delays and so reorders messages."""

    def __init__(self, scheduler: Scheduler, weather: Weather) -> None:
        super().__init__(scheduler)
        self._weather = weather

    def loses(self) -> bool:
        return self._scheduler.chance(self._weather.lose)

    def copies(self) -> int:
        return 2 if self._scheduler.chance(self._weather.repeat) else 1

    def travel(self) -> int:
        scheduler, weather = self._scheduler, self._weather
        if scheduler.chance(weather.late):
            return scheduler.between(0.001, weather.late_s)
        return 100 + int(scheduler.rng.random() * 1500)


class StormyStore(StoreTwin):
    """Answers late, and dies before and after a commit."""

    def __init__(self, scheduler: Scheduler, weather: Weather, log: MemoryLog) -> None:
        super().__init__(scheduler, log)
        self._weather = weather

    def dies_before(self) -> bool:
        return self._scheduler.chance(self._weather.store_dies_before)

    def dies_after(self) -> bool:
        return self._scheduler.chance(self._weather.store_dies_after)

    def travel(self) -> int:
        scheduler, weather = self._scheduler, self._weather
        if scheduler.chance(weather.store_slow):
            return scheduler.between(0.01, weather.store_slow_s)
        return 200 + int(scheduler.rng.random() * 2000)
