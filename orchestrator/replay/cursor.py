"""Cursors: a place in a run's history, and the state that the run had there.

    forward   decode the next event, fold it: the same code that a coordinator rebuilds runs with
    back      restore the newest keyframe before, and forward from there
    jump      whichever of both is shorter

What an event is folded onto is the state so far; but for the first one of a fork that of its
source, and for one that restores that of the earlier version of the same run. Both come from the
recording, so that nothing is read and nothing can be changed: a cursor has no way to do anything.
"""

from collections.abc import Sequence

from events.envelope import Event
from events.errors import Corrupt, DalsegnoError, NotFound
from events.facts import Fact
from events.operator_facts import RunRestored
from events.run_facts import RunForked
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.restoring import rewind
from orchestrator.kernel.snapshot import restore
from orchestrator.kernel.state import RunState, serialise
from orchestrator.replay.contents import Contents
from orchestrator.replay.differences import Change, changes
from orchestrator.replay.recording import Recording
from orchestrator.replay.stops import Hit, Seen, Stop, first_hit


class Cursor:
    """`version`: that of the event that was folded last; 0: before the first one. `state` is to be
    read only: the next step changes it."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.version = 0
        self.state = RunState()
        self.keyframes = recording.keyframes
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
        """Goes to a version, from 0 to the last one. Raises `NotFound` for any other, `Corrupt`
        or `InvariantViolation` when an event on the way cannot be decoded or folded; then it stands
        before that."""
        if not 0 <= version <= self.last:
            raise NotFound(
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

    def run_to(self, stops: Sequence[Stop], *, backwards: bool = False) -> Hit | None:
        """Goes to the next version at which one of the stops holds, or backwards to the last one
        before. Where none does it returns None, and stands at the last version, or at 0.
        Raises as `to`."""
        if any(stop.needs_state for stop in stops):
            return self._run_back(stops) if backwards else self._run_on(stops)
        step = -1 if backwards else 1
        for version in range(self.version + step, 0 if backwards else self.last + 1, step):
            header, fact = self.recording.decoded(version)
            nothing = Contents(self.recording, self.state, None, tuple)
            stop = first_hit(stops, Seen(header, fact, nothing), {})
            if stop is not None:
                self.to(version)
                return Hit(version, stop)
        self.to(0 if backwards else self.last)
        return None

    @property
    def contents(self) -> Contents:
        """What expressions read here."""
        event = self.recording.decoded(self.version) if self.version else None
        return Contents(self.recording, self.state, event, self.changed)

    def changed(self) -> tuple[Change, ...]:
        """What the event that led here has changed."""
        if not self.version:
            return ()
        before = Cursor(self.recording).to(self.version - 1)
        return changes(before.state, self.state)

    def to_time(self, at: int) -> "Cursor":
        """To how it was at an instant (microseconds): before the first event that was recorded
        later. Raises as `to`."""
        return self.to(self.recording.version_at(at))

    # -- running ----------------------------------------------------------------------------------

    def _run_on(self, stops: Sequence[Stop]) -> Hit | None:
        held = self._held(stops)
        while self.version < self.last:
            self.to(self.version + 1)
            stop = first_hit(stops, self._seen(), held)
            if stop is not None:
                return Hit(self.version, stop)
        return None

    def _run_back(self, stops: Sequence[Stop]) -> Hit | None:
        """From each keyframe on to the next one; the last hit of the latest stretch counts."""
        end = self.version - 1
        while end > 0:
            found = self.keyframes.before(end - 1)
            start = found[0] if found else 0
            hit, held = None, self.to(start)._held(stops)
            while self.version < end:
                self.to(self.version + 1)
                stop = first_hit(stops, self._seen(), held)
                hit = hit if stop is None else Hit(self.version, stop)
            if hit is not None:
                self.to(hit.version)
                return hit
            end = start
        self.to(0)
        return None

    def _held(self, stops: Sequence[Stop]) -> dict[int, bool]:
        """Which of the stops hold here that are to become true."""
        held: dict[int, bool] = {}
        if self.version:
            first_hit(stops, self._seen(), held)
        return held

    def _seen(self) -> Seen:
        header, fact = self.recording.decoded(self.version)
        contents = Contents(self.recording, self.state, (header, fact), self.changed)
        return Seen(header, fact, contents)

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
            kept = serialise(Cursor(self.recording).to(fact.version).state)
            self.keyframes.keep(fact.version, kept)
        return restore(kept)
