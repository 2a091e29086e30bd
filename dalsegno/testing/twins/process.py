"""A process: it lives, is stopped for a while, dies at any point, and comes back with nothing.

    alive ──stop──► paused ──continue──► alive ──crash──► dead ──boot──► alive

Whatever it planned belongs to its life: after a crash none of it happens. While it is paused what
it planned waits, as does everything that arrives.
"""

from collections.abc import Callable

import msgspec

from dalsegno.testing.twins.scheduler import Action, Scheduler

BEGAN_US = 1_000_000
"""Where monotonic clocks begin: no clock shows 0."""


LATE_US = 1000


def later(delay_us: int) -> int:
    """The delay of a wake-up: what is late already is not tried again in the same instant."""
    return delay_us if delay_us > 0 else LATE_US


class Armed(msgspec.Struct):
    """The point at which a process is to die, or to do something else, and how often it may pass
    there before."""

    point: str
    passes: int
    then: Action | None = None


class Clocks:
    """A process's clocks, in microseconds; these are exact."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    @property
    def monotonic(self) -> int:
        return BEGAN_US + self._scheduler.now

    @property
    def wall(self) -> int:
        return self._scheduler.wall


class Process:
    def __init__(self, scheduler: Scheduler, name: str, clocks: Clocks) -> None:
        self.scheduler = scheduler
        self.name = name
        self.clocks = clocks
        self.life = 0
        self.alive = False
        self.paused = False
        self.armed: Armed | None = None
        self.turns = 0
        self.doomed_turn = 0
        """The turn before which it dies, counted over all its lives; 0 for none."""
        self.on_death: Callable[[], None] = lambda: None
        self._wake_at: int | None = None
        self._waiting: list[Action] = []

    # -- clocks -----------------------------------------------------------------------------------

    @property
    def monotonic(self) -> int:
        return self.clocks.monotonic

    @property
    def wall(self) -> int:
        return self.clocks.wall

    # -- life -------------------------------------------------------------------------------------

    def begin_life(self) -> None:
        self.life += 1
        self.alive, self.paused = True, False
        self.armed = None
        self._wake_at = None
        self._waiting.clear()
        self.scheduler.note(f"{self.name} boots, life {self.life}")

    def boot(self) -> None:
        """Comes to life with nothing but what outlives it."""
        raise NotImplementedError

    def crash(self, why: str) -> None:
        if not self.alive:
            return
        self.scheduler.note(f"{self.name} dies: {why}")
        self.alive = self.paused = False
        self.armed = None
        self.died()
        self.on_death()

    def died(self) -> None:
        """What goes with the process."""

    def pause(self) -> None:
        if self.alive:
            self.paused = True

    def go_on(self) -> None:
        if not (self.alive and self.paused):
            return
        self.paused = False
        waiting, self._waiting = self._waiting, []
        self.wake(0)
        for action in waiting:
            self.soon(0, "", action)

    def reached(self, point: str) -> bool:
        """Comes to a point; true when it has died there."""
        armed = self.armed
        if armed is None or armed.point != point:
            return False
        if armed.passes:
            armed.passes -= 1
            return False
        self.armed = None
        if armed.then is None:
            self.crash(f"at {point}")
            return True
        self.scheduler.note(f"{self.name} stops at {point}")
        armed.then()
        return False

    # -- planning ---------------------------------------------------------------------------------

    def soon(self, delay_us: int, label: str, action: Action) -> None:
        """Plans an action of this life."""
        life = self.life
        self.scheduler.after(delay_us, label, lambda: self._act(life, action))

    def _act(self, life: int, action: Action) -> None:
        if life != self.life or not self.alive:
            return
        if self.paused:
            self._waiting.append(action)
        else:
            action()

    def wake(self, delay_us: int) -> None:
        """Sees to it that `turn` is called within so many microseconds of its own clock."""
        at = self.scheduler.now + max(0, delay_us)
        if self._wake_at is None or at < self._wake_at:
            self._wake_at = at
            self.soon(delay_us, "", lambda: self._woken(at))

    def _woken(self, at: int) -> None:
        if self._wake_at == at:
            self._wake_at = None
            self.turns += 1
            if self.turns == self.doomed_turn:
                self.crash(f"before turn {self.turns}")
            elif not self.reached("step"):
                self.turn()

    def turn(self) -> None:
        """Takes what has arrived and steps."""
        raise NotImplementedError
