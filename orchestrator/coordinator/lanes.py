"""Lanes: the tasks that await placement, put together by what they want of a node.

All tasks of a lane would be placed on the same nodes, so when there is no room for its oldest one
there is none for the others, and they are not looked at. Whatever makes a task peculiar (a node to
be avoided, a build to keep to, a limit of its run, an agent that died with it) gives it, or its
run, a lane of its own. Of lanes the one of higher priority comes first, then the one whose oldest
task has waited longest; so nobody waits behind tasks for nodes that are full.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from orchestrator.kernel.instances import static_of
from orchestrator.kernel.pinning import wanted_build
from orchestrator.kernel.state import RunState

Key = tuple[str, str]
"""Run id and step."""
Kind = tuple[int, str, str, str, bool, str]
"""What a lane has in common: priority, workflow, version, step, whether it is asked what became of
a transaction, and run if it is of one only."""


FIRST = -1
"""The place in time of a task that was with a node already: before all others."""


class Lane:
    """`run_id`: the run that has it for itself, or "". `tasks`: the oldest first, with the
    monotonic instant since which each waits. `untold`: those that were not looked at since they
    came."""

    __slots__ = ("_changes", "_full", "priority", "run_id", "tasks", "untold")

    def __init__(self, priority: int, run_id: str) -> None:
        self.priority = priority
        self.run_id = run_id
        self.tasks: OrderedDict[Key, int] = OrderedDict()
        self.untold: dict[Key, None] = {}
        self._changes = -1
        self._full: tuple[str, ...] = ()

    def close(self, changes: int, full: Iterable[str] = ()) -> None:
        """There was room on none of the `full` nodes, the only ones that could take the tasks in
        the cluster as it was after so many `changes`."""
        self._changes, self._full = changes, tuple(full)

    def is_closed(self, changes: int, free: set[str]) -> bool:
        """Whether nothing has changed since for the better."""
        return self._changes == changes and free.isdisjoint(self._full)

    def is_hopeless(self, changes: int) -> bool:
        """Whether no node of the cluster could ever take the tasks."""
        return self._changes == changes and not self._full


class Lanes:
    """Every ready task in exactly one lane; an empty lane is forgotten."""

    def __init__(self) -> None:
        self._lanes: dict[Kind, Lane] = {}
        self._kinds: dict[Key, Kind] = {}
        self.unnoted: OrderedDict[Key, int] = OrderedDict()
        """Those that nobody has been told why they wait, in order of arrival, with its instant."""

    def __len__(self) -> int:
        return len(self._kinds)

    def __iter__(self) -> Iterator[Lane]:
        return iter(list(self._lanes.values()))

    def add(self, state: RunState, step_id: str, now: int, *, again: bool = False) -> None:
        """A task that is there already keeps its place, unless it belongs elsewhere now."""
        key, kind = (state.run_id, step_id), _kind(state, step_id)
        known = self._kinds.get(key)
        if known == kind:
            return
        if known is not None:
            self.remove(key)
        lane = self._lanes.get(kind)
        if lane is None:
            lane = self._lanes[kind] = Lane(kind[0], kind[-1])
        lane.tasks[key] = FIRST if again else now
        if again:
            lane.tasks.move_to_end(key, last=False)
        lane.untold[key] = None
        self._kinds[key] = kind
        self.unnoted[key] = now

    def remove(self, key: Key) -> None:
        kind = self._kinds.pop(key, None)
        if kind is None:
            return
        lane = self._lanes[kind]
        del lane.tasks[key]
        lane.untold.pop(key, None)
        self.unnoted.pop(key, None)
        if not lane.tasks:
            del self._lanes[kind]


def _kind(state: RunState, step_id: str) -> Kind:
    step, options = state.steps[step_id], state.options
    is_alone = bool(step.excluded or step.kills or step.target or step.off or step.transactional)
    is_apart = is_alone or options.concurrency_max is not None or bool(wanted_build(state))
    return (
        options.priority,
        state.workflow,
        state.workflow_version,
        step_id if is_alone else static_of(step_id),
        step.settling is not None,
        state.run_id if is_apart else "",
    )
