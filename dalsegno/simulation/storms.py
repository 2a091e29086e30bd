"""What the weather does to clocks, messages and questions to the store."""

from collections.abc import Callable
from typing import TypeVar

from dalsegno.simulation.weather import Weather
from dalsegno.testing.twins.bus import BusTwin
from dalsegno.testing.twins.process import Clocks, Process
from dalsegno.testing.twins.scheduler import Scheduler
from dalsegno.testing.twins.store import StoreTwin
from events.errors import Unavailable
from orchestrator.adapters.memory.store import MemoryLog

PPM = 1_000_000
T = TypeVar("T")


class DriftingClocks(Clocks):
    """No two processes begin at the same number, run at the same speed, or know the same time."""

    def __init__(self, scheduler: Scheduler, skew_s: float) -> None:
        super().__init__(scheduler)
        rng = scheduler.rng
        self._offset_us = rng.randrange(1, 10**12)
        self._skew_us = int((2 * rng.random() - 1) * skew_s * 1_000_000)
        self._drift_ppm = rng.randrange(-300, 300)

    def jump(self, seconds: float) -> None:
        """Somebody, or a time server, sets the wall clock."""
        self._skew_us += int(seconds * 1_000_000)

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
    """Answers late, dies before and after a commit, and may be out of reach for some only."""

    def __init__(self, scheduler: Scheduler, weather: Weather, log: MemoryLog) -> None:
        super().__init__(scheduler, log)
        self._weather = weather
        self.deaf: set[str] = set()
        """Whose questions do not get here."""
        self.mute: set[str] = set()
        """Whose questions get here, and the answers get lost."""
        self.slow = False
        """Whether its disk takes seconds for everything."""

    def ask(
        self,
        process: Process,
        label: str,
        work: Callable[[], T],
        answer: Callable[[T | Unavailable], None],
    ) -> None:
        """A question that finds no way fails after a while; so does one without an answer."""
        if process.name in self.deaf:
            self._fails(process, answer)
            return

        def heard(outcome: T | Unavailable) -> None:
            if process.name in self.mute:
                self._fails(process, answer)
            else:
                answer(outcome)

        super().ask(process, label, work, heard)

    def _fails(self, process: Process, answer: Callable[[T | Unavailable], None]) -> None:
        lost = Unavailable("the store cannot be reached", unknown=True)
        delay_us = self._scheduler.between(0.1, 2.0)
        process.soon(delay_us, f"{process.name} no answer", lambda: answer(lost))

    def dies_before(self) -> bool:
        return self._scheduler.chance(self._weather.store_dies_before)

    def dies_after(self) -> bool:
        return self._scheduler.chance(self._weather.store_dies_after)

    def travel(self) -> int:
        scheduler, weather = self._scheduler, self._weather
        if self.slow:
            return scheduler.between(0.2, 2.5)
        if scheduler.chance(weather.store_slow):
            return scheduler.between(0.01, weather.store_slow_s)
        return 200 + int(scheduler.rng.random() * 2000)
