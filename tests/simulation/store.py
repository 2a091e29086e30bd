"""The store's twin behind a wire: it answers late, is away, and dies before and after a commit."""

from collections.abc import Callable
from typing import TypeVar

from events.errors import Unavailable
from orchestrator.adapters.memory.store import MemoryLog
from tests.simulation.process import Process
from tests.simulation.scheduler import Scheduler
from tests.simulation.weather import Weather

T = TypeVar("T")


class StoreTwin:
    """`log` is the database: one for all, it survives everything."""

    def __init__(self, scheduler: Scheduler, weather: Weather, log: MemoryLog) -> None:
        self.log = log
        self.down = False
        self._scheduler = scheduler
        self._weather = weather

    def ask(
        self,
        process: Process,
        label: str,
        work: Callable[[], T],
        answer: Callable[[T | Unavailable], None],
    ) -> None:
        """Does `work` at the store, even if who asked is dead by then; `answer` gets the outcome.

        `Unavailable.unknown` is true when the work may have been done.
        """
        self._scheduler.after(
            self._travel(), f"{process.name} {label}", lambda: self._work(process, work, answer)
        )

    def _work(
        self,
        process: Process,
        work: Callable[[], T],
        answer: Callable[[T | Unavailable], None],
    ) -> None:
        scheduler, weather = self._scheduler, self._weather
        outcome: T | Unavailable
        if self.down:
            outcome = Unavailable("the store is away")
        elif scheduler.chance(weather.store_dies_before):
            outcome = Unavailable("the connection was lost", unknown=True)
        else:
            outcome = work()
            if scheduler.chance(weather.store_dies_after):
                outcome = Unavailable("the connection was lost", unknown=True)
        process.soon(self._travel(), f"{process.name} answer", lambda: answer(outcome))

    def _travel(self) -> int:
        scheduler, weather = self._scheduler, self._weather
        if scheduler.chance(weather.store_slow):
            return scheduler.between(0.01, weather.store_slow_s)
        return 200 + int(scheduler.rng.random() * 2000)
