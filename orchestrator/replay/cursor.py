"""Cursors: a place in a run's history, and the state that the run had there.

    forward   decode the next event, fold it: the same code that a coordinator rebuilds runs with
    back      restore the newest keyframe before, and forward from there
    jump      whichever of both is shorter

What an event is folded onto is the state so far; but for the first one of a fork that of its
source, and for one that restores that of the earlier version of the same run. Both come from the
recording, so that nothing is read and nothing can be changed: a cursor has no way to do anything.
"""

from events.envelope import Event
from events.errors import Corrupt, DalsegnoError, Rejected
from events.facts import Fact
from events.operator_facts import RunRestored
from events.run_facts import RunForked
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.restoring import rewind
from orchestrator.kernel.snapshot import restore
from orchestrator.kernel.state import RunState, serialise
from orchestrator.replay.keyframes import Keyframes
from orchestrator.replay.recording import Recording
from orchestrator.replay.traces import Traces


class Cursor:
    """`version`: that of the event that was folded last; 0: before the first one. `state` is to be
    read only: the next step changes it."""

    def __init__(self, recording: Recording, keyframes: Keyframes | None = None) -> None:
        self.recording = recording
        self.version = 0
        self.state = RunState()
        self.traces = Traces(recording)
        self.keyframes = keyframes or Keyframes(recording.targets)
        self._tail_bytes = 0
        self._frame_bytes = 0

    @property
    def last(self) -> int:
        """The version of the last event."""
        return self.recording.last

    @property
    def event(self) -> Event | None:
        """The one that led here; None before the first one."""
        return self.recording.event(self.version) if self.version else None

    def to(self, version: int) -> "Cursor":
        """Goes to a version, from 0 to the last one. Raises `Rejected` for any other, `Corrupt`
        or `InvariantViolation` when an event on the way cannot be decoded or folded; then it stands
        before that."""
        if not 0 <= version <= self.last:
            raise Rejected(
                f"run {self.recording.run_id} has no version {version}: they are 0 to {self.last}"
            )
        self._begin(version)
        while self.version < version:
            try:
                self._step()
            except DalsegnoError:
                self._go_back_to(self.version)  # the fold may have stopped half way
                raise
        return self

    def forward(self, count: int = 1) -> "Cursor":
        """So many events on, or to the last one. Raises as `to`."""
        return self.to(min(self.last, self.version + count))

    def back(self, count: int = 1) -> "Cursor":
        """So many events back, or to before the first one. Raises as `to`."""
        return self.to(max(0, self.version - count))

    def to_time(self, at: int) -> "Cursor":
        """To how it was at an instant (microseconds): before the first event that was recorded
        later. Raises as `to`."""
        return self.to(self.recording.version_at(at))

    # -- folding ----------------------------------------------------------------------------------

    def _begin(self, version: int) -> None:
        """Takes the state from which to go forward to `version`."""
        found = self.keyframes.before(version)
        nearest = found[0] if found else 0
        if nearest <= self.version <= version:
            return
        self._restore(found)

    def _go_back_to(self, version: int) -> None:
        self._restore(self.keyframes.before(version))
        while self.version < version:
            self._step()

    def _restore(self, found: tuple[int, bytes] | None) -> None:
        self.state = restore(found[1]) if found else RunState()
        self.version = found[0] if found else 0
        self._tail_bytes, self._frame_bytes = 0, len(found[1]) if found else 0

    def _step(self) -> None:
        version = self.version + 1
        header, fact = self.recording.decoded(version)
        self._ground(fact)
        evolve(self.state, fact, header.recorded_at)
        self.version = version
        self._tail_bytes += self.recording.size(version)
        due = self.keyframes.is_due(self._tail_bytes, self._frame_bytes)
        if due or version in self.keyframes.pinned:
            self._keep()

    def _keep(self) -> None:
        state = serialise(self.state)
        self.keyframes.keep(self.version, state)
        self._tail_bytes, self._frame_bytes = 0, len(state)

    def _ground(self, fact: Fact) -> None:
        """What the event is folded onto."""
        source = self.recording.source
        if isinstance(fact, RunForked):
            if source is None:
                raise Corrupt(f"the events that {self.recording.stream} was forked from are absent")
            self.state = Cursor(source).to(source.last).state
        elif isinstance(fact, RunRestored):
            rewind(self.state, self._earlier(fact))

    def _earlier(self, fact: RunRestored) -> RunState:
        if not 0 < fact.version < fact.at:
            raise Corrupt(
                f"event {fact.at} of {self.recording.stream} goes back to version {fact.version}, "
                "which is not before it"
            )
        kept = self.keyframes.at(fact.version)
        if kept is None:
            kept = serialise(Cursor(self.recording, self.keyframes).to(fact.version).state)
            self.keyframes.keep(fact.version, kept)
        return restore(kept)
