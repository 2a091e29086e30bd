"""The store's twin behind a wire; what the wire does to questions may be said by `failure` and
`travel`: by itself it answers at once."""

from collections.abc import Callable
from typing import TypeVar

from dalsegno.testing.twins.process import Process
from dalsegno.testing.twins.scheduler import Scheduler
from events.errors import Unavailable
from orchestrator.adapters.memory.store import MemoryLog

T = TypeVar("T")


class StoreTwin:
    """`log` is the database: one for all, it survives everything."""

    def __init__(self, scheduler: Scheduler, log: MemoryLog) -> None:
        self.log = log
        self.down = False
        self._scheduler = scheduler

    def travel(self) -> int:
        """Microseconds that a question, or an answer, takes."""
        return 0

    def dies_before(self) -> bool:
        """Whether the connection is lost before the work is done."""
        return False

    def dies_after(self) -> bool:
        """Whether the connection is lost before the answer is there."""
        return False

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
            self.travel(), f"{process.name} {label}", lambda: self._work(process, work, answer)
        )

    def _work(
        self,
        process: Process,
        work: Callable[[], T],
        answer: Callable[[T | Unavailable], None],
    ) -> None:
        outcome: T | Unavailable
        if self.down:
            outcome = Unavailable("the store is away")
        elif self.dies_before():
            outcome = Unavailable("the connection was lost", unknown=True)
        else:
            outcome = work()
            if self.dies_after():
                outcome = Unavailable("the connection was lost", unknown=True)
        process.soon(self.travel(), f"{process.name} answer", lambda: answer(outcome))
