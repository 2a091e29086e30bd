"""Window: the states of the last versions, sharing what is the same in them.

A keyframe is a whole state, and to restore a large one takes its time. Who goes back step by step
would pay that at each step. So the states just before the place of a cursor are kept as they are:
their containers are copied, which is quick, and what these hold is shared. That asks for one care,
since a fold changes steps in place: while there is a window, each step that the fold takes into its
hand is first replaced by a copy (`Guarded`), and earlier states keep the old one.

    versions    … 96  97  98  99 │ 100       kept, nothing is folded to go there │ the cursor
    step a      ────────old──────┼─new       changed by event 100
    step b      ─────────────shared─
"""

from copy import copy
from typing import TypeVar, overload

import msgspec

from events.limits import WINDOW_STEPS_MAX
from orchestrator.kernel.state import RunState, StepState

STATES_MAX, STATES_MIN = 64, 4

T = TypeVar("T")
CONTAINERS = tuple(
    field.name
    for field in msgspec.structs.fields(RunState)
    if field.default_factory in (dict, list)
)
"""Fields of a state that a fold changes in place."""


class Guarded(dict[str, StepState]):
    """Steps of which each is copied before it is handed out, once since the last `share`."""

    def __init__(self, steps: dict[str, StepState]) -> None:
        super().__init__(steps)
        self.touched: set[str] = set()
        """Those that were handed out, added or taken away since then."""

    def share(self) -> None:
        """From now on somebody else has these steps as well."""
        self.touched = set()

    def __getitem__(self, name: str) -> StepState:
        step = super().__getitem__(name)
        if name not in self.touched:
            step = own(step)
            super().__setitem__(name, step)
            self.touched.add(name)
        return step

    @overload
    def get(self, name: str, default: None = None, /) -> StepState | None: ...
    @overload
    def get(self, name: str, default: StepState, /) -> StepState: ...
    @overload
    def get(self, name: str, default: T, /) -> StepState | T: ...
    def get(self, name: str, default: object = None, /) -> object:
        found: object = self[name] if name in self else default  # noqa: SIM401 -- this is it
        return found

    def setdefault(self, name: str, default: StepState, /) -> StepState:
        if name not in self:
            self[name] = default
        return self[name]

    def __setitem__(self, name: str, step: StepState) -> None:
        self.touched.add(name)
        super().__setitem__(name, step)

    def pop(self, name: str, *default: StepState) -> StepState:  # type: ignore[override]
        self.touched.add(name)
        return super().pop(name, *default)


def own(step: StepState) -> StepState:
    """A copy of a step that shares nothing that a fold changes in place."""
    mine = copy(step)
    if step.loop is not None:
        mine.loop = copy(step.loop)
        mine.loop.outputs = list(step.loop.outputs)
    if step.map is not None:
        mine.map = copy(step.map)
        mine.map.marks = bytearray(step.map.marks)
        mine.map.outputs, mine.map.pieces = list(step.map.outputs), list(step.map.pieces)
    if step.settling is not None:
        mine.settling = copy(step.settling)
    return mine


def shared(state: RunState) -> RunState:
    """A copy of a state that shares its steps with it; the state guards them from now on."""
    if isinstance(state.steps, Guarded):
        state.steps.share()
    else:
        state.steps = guarded(state.steps)
    mine = _apart(state)
    mine.steps = dict(state.steps)
    return mine


def guarded(steps: dict[str, StepState]) -> dict[str, StepState]:
    """Where there are none yet, there is nothing to guard; and a serialised state leaves out a
    plain `{}` only."""
    return Guarded(steps) if steps else {}


def _apart(state: RunState) -> RunState:
    """With containers of its own."""
    mine = copy(state)
    for name in CONTAINERS:
        setattr(mine, name, getattr(state, name).copy())
    return mine


class Window:
    """States by version, those around the one that was put in last."""

    def __init__(self, steps_max: int = WINDOW_STEPS_MAX) -> None:
        self._steps_max = steps_max
        self._states: dict[int, RunState] = {}

    def __contains__(self, version: int) -> bool:
        return version in self._states

    def __len__(self) -> int:
        return len(self._states)

    def width(self, state: RunState) -> int:
        """How many states as large as this one are kept."""
        fitting = self._steps_max // max(1, len(state.steps))
        return max(STATES_MIN, min(STATES_MAX, fitting))

    def put(self, version: int, state: RunState) -> None:
        """Keeps what is so at a version, instead of what is farthest from it. O(steps), quickly."""
        self._states[version] = shared(state)
        while len(self._states) > self.width(state):
            del self._states[max(self._states, key=lambda one: abs(one - version))]

    def look(self, version: int) -> RunState | None:
        """The state at a version as it is kept, to be looked at only."""
        return self._states.get(version)

    def take(self, version: int) -> RunState | None:
        """The state at a version, to be folded on from; None when it is not kept."""
        kept = self._states.get(version)
        if kept is None:
            return None
        mine = _apart(kept)
        mine.steps = guarded(kept.steps)
        return mine

    def clear(self) -> None:
        """Before folding without care: what is kept would change with it."""
        self._states.clear()
