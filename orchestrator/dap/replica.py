"""Replica: one run opened to be stepped through: its history, a cursor on it, and its text.

A *place* in a history is finer than a version: an event may end one step and begin several, one
after the other. They are numbered: -1 is what the event itself is about, 0 and on are the steps
that it begins. The state is that after the event at each of them.
"""

import msgspec

from events.definition import Definition
from events.facts import Fact
from events.run_facts import RunCancelled, RunCompleted, RunFailed, RunTimedOut
from orchestrator.dap.beginnings import Failed, about, begun, changed, ended, failed
from orchestrator.dap.layout import MAIN, Layout
from orchestrator.dap.sources import Sources
from orchestrator.kernel.state import TERMINAL, RunState, StepState
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.recording import Recording

OVER = frozenset({"completed", "failed", "cancelled", "skipped"})
ITSELF = -1
"""The place of what an event is about."""


class At(msgspec.Struct, frozen=True, order=True):
    """A place in a history."""

    version: int
    place: int = ITSELF


class Told(msgspec.Struct, frozen=True):
    """What an event says of steps."""

    about: str
    begun: tuple[str, ...]
    ended: tuple[str, ...]
    failed: tuple[Failed, ...]
    changed: tuple[str, ...]


class Replica:
    """Of one run. `cursor` is where the session stands; conditions that are asked about other
    places use `aside`."""

    def __init__(self, recording: Recording, definition: Definition, sources: Sources) -> None:
        self.recording = recording
        self.definition = definition
        self.layout = Layout(definition)
        self.sources = sources
        self.cursor = Cursor(recording)
        self._aside: Cursor | None = None
        self._told: dict[int, Told] = {}

    @property
    def run_id(self) -> str:
        return self.recording.run_id

    @property
    def last(self) -> int:
        return self.recording.last

    @property
    def aside(self) -> Cursor:
        if self._aside is None:
            self._aside = Cursor(self.recording, looks_back=False)
        return self._aside

    # -- what happened ----------------------------------------------------------------------------

    def fact(self, version: int) -> Fact:
        return self.recording.fact(version)

    def told(self, version: int) -> Told:
        """What the event at a version says; decoded once."""
        found = self._told.get(version)
        if found is None:
            fact = self.recording.fact(version)
            found = self._told[version] = Told(
                about=about(fact),
                begun=begun(fact, self.layout),
                ended=ended(fact, self.layout),
                failed=failed(fact),
                changed=changed(fact),
            )
        return found

    def has_ended_at(self, version: int) -> bool:
        """Whether the event at a version is the run's last."""
        return self.recording.type(version) in LAST

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, so that nothing can follow."""
        return self.last > 0 and self.has_ended_at(self.last)

    def focus(self, at: At) -> str:
        """The instance that a place is about; empty for the run itself."""
        if not at.version:
            return ""
        told = self.told(at.version)
        return told.about if at.place == ITSELF else told.begun[at.place]

    def first_at(self, version: int) -> At:
        """The place where one looks at a version: its first beginning, or itself."""
        return At(version, 0 if version and self.told(version).begun else ITSELF)

    def after(self, at: At) -> At | None:
        """The next place, None at the end of what is known."""
        if at.version and at.place + 1 < len(self.told(at.version).begun):
            return At(at.version, at.place + 1)
        return At(at.version + 1) if at.version < self.last else None

    def before(self, at: At) -> At | None:
        """The place before, None at the beginning."""
        if at <= self.first_at(1):
            return None
        if at.place > ITSELF:
            return At(at.version, at.place - 1)
        return At(at.version - 1, len(self.told(at.version - 1).begun) - 1)

    # -- what is under way ------------------------------------------------------------------------

    def is_active(self, instance: str, state: RunState | None = None) -> bool:
        found = (state or self.cursor.state).steps.get(instance)
        return found is not None and found.status not in OVER

    def active(self, state: RunState | None = None) -> list[str]:
        """The instances that are under way, in the order of the definition."""
        steps = (state or self.cursor.state).steps
        found = [
            name for name, step in steps.items() if step.status not in OVER and name in self.layout
        ]
        return sorted(found, key=self.layout.order)

    def threads(self, focus: str = "") -> list[str]:
        """The keys of the threads that there are, the run's own first."""
        active = [] if self.has_ended else self.active()
        there = sorted((*active, focus), key=self.layout.order) if focus else active
        return list(dict.fromkeys((MAIN, *(self.layout.thread(one) for one in there))))

    @property
    def has_ended(self) -> bool:
        """Whether it has where the cursor is."""
        return self.cursor.state.status in TERMINAL

    def leaf(self, thread: str, focus: str = "") -> str:
        """The instance that a thread is at: the focus if it is one of its, else the innermost that
        is under way, else what ended last; empty where nothing is known of it."""
        if focus and self.layout.thread(focus) == thread:
            return focus
        state = self.cursor.state
        mine = [one for one in self.active() if self.layout.thread(one) == thread]
        if mine and not self.has_ended:
            return max(mine, key=lambda one: (len(self.layout.levels(one)), self.layout.order(one)))
        if self.has_ended and state.failed_step in self.layout:
            return state.failed_step
        over = (one for one in reversed(state.order) if self.layout.thread(one) == thread)
        return next((one for one in over if one in self.layout), "")

    def depth(self, instance: str) -> int:
        """In how many frames an instance is."""
        return len(self.layout.levels(instance))

    def step(self, instance: str) -> StepState | None:
        return self.cursor.state.steps.get(instance)


LAST = frozenset(kind.TYPE for kind in (RunCompleted, RunFailed, RunCancelled, RunTimedOut))
"""Types of the events that end a run."""
