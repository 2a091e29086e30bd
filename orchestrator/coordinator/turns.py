"""Turns: which works are decided when.

With nothing in flight a turn takes everything that has arrived, in order, and goes to the log at
once. While a commit is in flight the next turn *gathers*: it takes what has arrived about runs that
the commit does not write to, and goes when the commit has landed. So the two never share a stream:
whatever becomes of the one, nothing of the other has to be undone.

Works that concern more than one run or none (nodes, workflows, leases, calls, forks) are left to a
turn with nothing in flight, and so is everything behind them.
"""

from collections.abc import Collection

from events.api import ForkRun
from orchestrator.coordinator import works as w
from orchestrator.coordinator.committing import Committing, waits_for
from orchestrator.coordinator.memory import Memory
from orchestrator.coordinator.placing import note_waiting, place_ready
from orchestrator.coordinator.reconcile import reconcile
from orchestrator.coordinator.transaction import Transaction
from orchestrator.coordinator.turn import Turn


class Turns:
    def __init__(self, memory: Memory, committing: Committing) -> None:
        self._memory = memory
        self._committing = committing
        self._gathering: Turn | None = None
        self._notes_waiting = False
        self.unfinished = False
        """Whether more can be decided at once."""

    def go_on(self) -> None:
        """Decides what can be decided now, and hands it to the log if that is free."""
        self.unfinished = False
        if not self._memory.ownership.held:
            return
        flight = self._committing.flight
        if flight is not None:
            self._gather(flight)
        elif self._gathering is not None:
            gathered, self._gathering = self._gathering, None
            self._committing.begin(gathered.tx)
            self.unfinished = True
        else:
            self._take_all()

    def note_waiting(self) -> None:
        """The next turn says why tasks are waiting."""
        self._notes_waiting = True

    def forget(self, shards: Collection[int]) -> None:
        """Shards that are lost: nothing that was decided about them goes to the log."""
        if self._gathering is not None:
            self._gathering.tx.without(lambda touched: touched.shard in shards)

    def _take_all(self) -> None:
        memory = self._memory
        turn = self._begin()
        if turn is None:
            return
        for _ in range(len(memory.intake)):
            if not turn.has_room:
                break
            turn.take(memory.intake.popleft())
        place_ready(turn)
        self._committing.begin(turn.tx)
        self.unfinished = bool(memory.intake)

    def _gather(self, flight: Transaction) -> None:
        """A part at a time, so that the end of the commit is heard soon."""
        memory = self._memory
        if not flight.only_runs:
            return
        turn = self._gathering
        if turn is None:
            turn = self._gathering = self._begin(flight)
        elif self._can_gather(turn):
            turn.go_on()
        else:
            return
        if turn is None:
            return
        for _ in range(memory.settings.gathered_at_once_max):
            if not self._can_gather(turn):
                break
            work = memory.intake.popleft()
            if turn.is_in_flight(w.run_of(work)):
                memory.wait(waits_for(flight.id), work)
            else:
                turn.take(work)
        place_ready(turn)
        self.unfinished = self._can_gather(turn)

    def _begin(self, flight: Transaction | None = None) -> Turn | None:
        """A new turn, with what nodes have said; None when there is nothing to decide.

        Only here are heartbeats and waiting tasks looked at: they come again and again, and while
        the log is away what follows from them must not pile up.
        """
        memory = self._memory
        if self._notes_waiting:
            note_waiting(memory)
            self._notes_waiting = False
        if not (memory.intake or memory.beats or memory.runs.ready):
            return None
        turn = Turn(memory, flight)
        beats, memory.beats = memory.beats, {}
        for beat in beats.values():
            reconcile(turn, beat)
        return turn

    def _can_gather(self, turn: Turn) -> bool:
        intake = self._memory.intake
        return bool(intake) and turn.has_room and _is_of_one_run(intake[0])


def _is_of_one_run(work: w.AnyWork) -> bool:
    match work:
        case w.ReportWork() | w.RunWork():
            return True
        case w.RequestWork():
            return not isinstance(work.request, ForkRun)
        case _:
            return False
