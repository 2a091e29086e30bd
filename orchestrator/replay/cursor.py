"""Cursors: a place in a run's history, and the state that the run had there.

    forward   decode the next event, fold it: the same code that a coordinator rebuilds runs with
    back      take the state from the window of those just before, where it is kept; else restore
              the newest keyframe before, and forward from there
    jump      whichever is the shortest of these

What an event is folded onto is the state so far; but for the first one of a fork that of its
source, and for one that restores that of the earlier version of the same run. Both come from the
recording, so that nothing is read and nothing can be changed: a cursor has no way to do anything.
"""

from collections.abc import Sequence

from events.envelope import Event, Header
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
from orchestrator.replay.window import Window


class Cursor:
    """`version`: that of the event that was folded last; 0: before the first one. `state` is to be
    read only: the next step changes it."""

    def __init__(self, recording: Recording, *, looks_back: bool = True) -> None:
        """`looks_back`: false for one that only goes on, in small steps: then it keeps no states of
        before, each of which costs as much as there are steps."""
        self.recording = recording
        self._looks_back = looks_back
        self.version = 0
        self.state = RunState()
        self._window = Window()
        self._keyframe_due = 0
        """Bytes of events, from the first one on, after which the next state is kept."""

    @property
    def last(self) -> int:
        """The version of the last event."""
        return self.recording.last

    @property
    def event(self) -> Event | None:
        """The one that led here; None before the first one."""
        return self.recording.event(self.version) if self.version else None

    @property
    def contents(self) -> Contents:
        """What expressions read here."""
        event = self.recording.decoded(self.version) if self.version else None
        return Contents(self.recording, self.state, event, self.changed)

    def changed(self) -> tuple[Change, ...]:
        """What the event that led here has changed. O(steps)."""
        if not self.version:
            return ()
        before = self._window.look(self.version - 1)
        if before is None:
            before = Cursor(self.recording).to(self.version - 1).state
        return changes(before, self.state)

    # -- going ------------------------------------------------------------------------------------

    def to(self, version: int) -> "Cursor":
        """Goes to a version, from 0 to the last one. Raises `NotFound` for any other, `Corrupt`
        or `InvariantViolation` when an event on the way cannot be decoded or folded; then it stands
        before that."""
        if not 0 <= version <= self.last:
            raise NotFound(
                f"run {self.recording.run_id} has no version {version}: they are 0 to {self.last}"
            )
        if version != self.version and not self._is_taken(version):
            self._begin(version)
            self._fold_to(version)
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

    def run_to(self, stops: Sequence[Stop], *, backwards: bool = False) -> Hit | None:
        """Goes to the next version at which one of the stops holds, or backwards to the last one
        before. Where none does it returns None, and stands at the last version, or at 0.
        Raises as `to`."""
        if any(stop.needs_state for stop in stops):
            hit = self._run_back(stops) if backwards else self._run_on(stops)
        else:
            hit = self._scan(stops, -1 if backwards else 1)
        self.to(hit.version if hit is not None else 0 if backwards else self.last)
        return hit

    # -- running ----------------------------------------------------------------------------------

    def _scan(self, stops: Sequence[Stop], way: int) -> Hit | None:
        """For stops that look at events alone: nothing is folded."""
        nothing = Contents(self.recording, self.state, None, tuple)
        for version in range(self.version + way, 0 if way < 0 else self.last + 1, way):
            header, fact = self.recording.decoded(version)
            stop = first_hit(stops, Seen(header, fact, nothing), {})
            if stop is not None:
                return Hit(version, stop)
        return None

    def _run_on(self, stops: Sequence[Stop]) -> Hit | None:
        return self._stretch(stops, self.last, first=True)

    def _run_back(self, stops: Sequence[Stop]) -> Hit | None:
        """From each keyframe on to the next one; the last hit of the latest stretch counts."""
        end = self.version - 1
        while end > 0:
            found = self.recording.keyframes.before(end - 1)
            start = found[0] if found else 0
            hit = self.to(start)._stretch(stops, end, first=False)
            if hit is not None:
                return hit
            end = start
        return None

    def _stretch(self, stops: Sequence[Stop], end: int, *, first: bool) -> Hit | None:
        """The first hit from here to a version, or the last one."""
        hit, held = None, dict[int, bool]()
        if self.version:
            first_hit(stops, self._seen(*self.recording.decoded(self.version)), held)
        looks_back = any(stop.needs_change for stop in stops)
        if not looks_back:
            self._unshare()
        while self.version < end:
            if looks_back:
                self._window.put(self.version, self.state)
            stop = first_hit(stops, self._seen(*self._step()), held)
            if stop is not None:
                hit = Hit(self.version, stop)
                if first:
                    break
        return hit

    def _seen(self, header: Header, fact: Fact) -> Seen:
        contents = Contents(self.recording, self.state, (header, fact), self.changed)
        return Seen(header, fact, contents)

    # -- folding ----------------------------------------------------------------------------------

    def _is_taken(self, version: int) -> bool:
        """Whether the state was in the window."""
        kept = self._window.take(version)
        if kept is not None:
            self.state, self.version = kept, version
            self._plan_keyframe()
        return kept is not None

    def _begin(self, version: int) -> None:
        """Takes the state from which to go forward to `version`."""
        found = self.recording.keyframes.before(version)
        nearest = found[0] if found else 0
        if not nearest <= self.version <= version:
            self._restore(found)

    def _restore(self, found: tuple[int, bytes] | None) -> None:
        self.version, self.state = (found[0], restore(found[1])) if found else (0, RunState())
        self._plan_keyframe()

    def _fold_to(self, version: int) -> None:
        """In a hurry at first, then with care, so that the last states are in the window."""
        hurried = version - (self._window.width(self.state) if self._looks_back else 0)
        if self.version < hurried:
            self._unshare()
        while self.version < version:
            if self.version >= hurried:
                self._window.put(self.version, self.state)
            self._step()

    def _unshare(self) -> None:
        """Nobody else has what is in the state, so that it may be changed in place."""
        self._window.clear()
        self.state.steps = dict(self.state.steps)

    def _step(self) -> tuple[Header, Fact]:
        version = self.version + 1
        try:
            header, fact = self.recording.decoded(version)
            self._ground(fact)
            evolve(self.state, fact, header.recorded_at)
        except DalsegnoError:
            self._stand_before(version)  # the fold may have stopped half way
            raise
        self.version = version
        is_due = self.recording.bytes_to(version) >= self._keyframe_due
        if is_due or version in self.recording.targets:
            self._keep()
        return header, fact

    def _stand_before(self, version: int) -> None:
        self._window.clear()
        self._restore(self.recording.keyframes.before(version - 1))
        while self.version < version - 1:
            self._step()

    def _keep(self) -> None:
        self.recording.keyframes.keep(self.version, serialise(self.state))
        self._plan_keyframe()

    def _plan_keyframe(self) -> None:
        frames = self.recording.keyframes
        version, state = frames.before(self.version) or (0, b"")
        self._keyframe_due = self.recording.bytes_to(version) + frames.apart(len(state))

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
        frames = self.recording.keyframes
        kept = frames.at(fact.version)
        if kept is None:
            kept = serialise(Cursor(self.recording).to(fact.version).state)
            frames.keep(fact.version, kept)
        return restore(kept)
