"""The fold of the log into statistics: pages of events in, what they add out. Pure.

Guarantee. What a log adds up to does not depend on where it is cut into pages, on what was
forgotten between two pages, or on who folds: two folds of the same events give equal additions.

How. An event counts by itself and by what its own run said before: which workflow it is of, since
when a task has been ready, where it was sent. That is a `Track`, which is a cache: what is not
there is made again from the run's own events up to the page. So nothing of it is ever stored, and a
fold that was killed goes on from its position alone. A page is taken in steps:

    glimpses ──► strangers: runs that go on here and are not known; the caller reads their past
             ──► unknown: workflows whose definition is not known; the caller reads it
             ──► recall(past) ──► apply(page) ──► Added

`FOLD` numbers what the fold makes of a log; it grows with every change of that, and projections
that an older one made are built anew.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from events.limits import TRACKS_MAX
from events.net import Map, Net, Task
from orchestrator.insight.counting.glimpse import Data, Glimpse, NodeEvent, Seen, Unread
from orchestrator.insight.counting.tallies import (
    MINUTE_S,
    Key,
    Label,
    NodeState,
    Tally,
    label_number,
    label_text,
)
from orchestrator.insight.nodes import node_after
from orchestrator.insight.recent import Recent
from orchestrator.kernel.instances import static_of

FOLD = 3


RUN = "run:"
MINUTE_US = MINUTE_S * 1_000_000

PASSED = frozenset(
    {
        "signal.received.v1",
        "wait.ended.v1",
        "loop.advanced.v1",
        "map.advanced.v1",
        "map.decided.v1",
        "group.given_up.v1",
        "map.completed.v1",
        "map.part_completed.v1",
        "child.called.v1",
        "child.completed.v1",
        "child.failed.v1",
        "update.accepted.v1",
        "run.paused.v1",
        "run.resumed.v1",
        "run.closing.v1",
        "run.pinned.v1",
        "task.moved.v1",
        "task.pending.v1",
        "task.started.v1",
        "task.progressed.v1",
        "task.recalled.v1",
        "task.deferred.v1",
        "run.halted.v1",
        "task.settling.v1",
        "task.settled.v1",
        "once.recorded.v1",
        "task.dead_lettered.v1",
        "lease.acquired.v1",
        "personal.erased.v1",
        "run.imported.v1",
        "lease.released.v1",
        "definition.registered.v1",
    }
)
"""Types that count for nothing but the tasks that their flow makes ready."""


class Open:
    """A task that is not over: since when it is ready; when it was sent (0: it was not), where."""

    __slots__ = ("node", "ready_at", "sent_at")

    def __init__(self, ready_at: int) -> None:
        self.ready_at = ready_at
        self.sent_at = 0
        self.node = ""


class Track:
    """What is known of an open run."""

    __slots__ = ("open", "started_at", "tasks", "waits", "workflow")

    def __init__(self, workflow: str, tasks: Mapping[str, str], started_at: int) -> None:
        self.workflow = workflow
        self.tasks = tasks
        self.started_at = started_at
        self.waits = True
        self.open: dict[str, Open] = {}


class Minute:
    """What one page adds to one key: times are gathered and counted by bins once, at the end."""

    __slots__ = ("counts", "times")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.times: dict[str, list[int]] = {"duration": [], "wait": [], "queue": []}

    def count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def tally(self) -> Tally:
        made = Tally(counts=self.counts)
        for name, times in self.times.items():
            if times:
                made.time(name).take(times)
        return made


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """What a page adds: to tallies of minutes; `nodes` are whole. `recorded_at`: of its last
    event."""

    tallies: dict[Key, Tally]
    labels: tuple[Label, ...] = ()
    nodes: dict[str, NodeState] = {}
    unread: tuple[Unread, ...] = ()
    events: int = 0
    position: int = 0
    recorded_at: int = 0


class Gathered:
    """What several pages add together."""

    def __init__(self) -> None:
        self.tallies: dict[Key, Tally] = {}
        self.labels: list[Label] = []
        self.nodes: dict[str, NodeState] = {}
        self.unread: list[Unread] = []
        self.events = 0
        self.position = 0
        self.recorded_at = 0

    def add(self, added: Added) -> None:
        for key, tally in added.tallies.items():
            self.tallies.setdefault(key, Tally()).add(tally)
        self.labels.extend(added.labels)
        self.nodes.update(added.nodes)
        self.unread.extend(added.unread)
        self.events += added.events
        self.position = added.position
        self.recorded_at = added.recorded_at or self.recorded_at


class Fold:
    """`nodes`: the nodes as of the position from which it goes on."""

    def __init__(
        self, nodes: Mapping[str, NodeState] | None = None, entries_max: int = TRACKS_MAX
    ) -> None:
        self._tracks = Recent[str, Track](entries_max)
        self._nets = Recent[tuple[str, str], Mapping[str, str]](entries_max)
        self._nodes = dict(nodes or {})
        self._handlers: dict[str, Callable[[Glimpse, Track], None]] = {
            "run.started.v1": self._started,
            "run.forked.v1": self._started,
            "run.restored.v1": self._restored,
            "run.completed.v1": self._ended("completed"),
            "run.failed.v1": self._ended("failed"),
            "run.cancelled.v1": self._ended("cancelled"),
            "run.timed_out.v1": self._ended("timed_out"),
            "task.dispatched.v1": self._dispatched,
            "task.completed.v1": self._completed,
            "task.failed.v1": self._failed,
            "task.cancelled.v1": self._cancelled,
            "task.retry_due.v1": self._retry_due,
            "attempt.failed.v1": self._attempt_failed,
            "result.given.v1": self._given,
        }
        self._begin()

    def _begin(self) -> None:
        self._minutes: dict[tuple[int, str, str | None, str], Minute] = {}
        self._labels: list[Label] = []
        self._changed: dict[str, NodeState] = {}

    @property
    def handled(self) -> frozenset[str]:
        """Types of runs' events with a rule of their own."""
        return frozenset(self._handlers)

    @property
    def remembered(self) -> int:
        """How many runs have a track."""
        return len(self._tracks)

    # ------------------------------------------------------------------ before a page

    def strangers(self, page: Sequence[Seen]) -> list[str]:
        """Streams of runs that go on in the page and whose past is not known any more. Forgets
        first, so that what is known now is known until the page is applied."""
        self._tracks.turn_over()
        self._nets.turn_over()
        first: dict[str, int] = {}
        for seen in page:
            if isinstance(seen, Glimpse):
                first.setdefault(seen.stream, seen.version)
        return [
            stream
            for stream, version in first.items()
            if version > 1 and stream.startswith(RUN) and self._tracks.get(stream) is None
        ]

    def unknown(self, page: Iterable[Seen]) -> list[str]:
        """Workflows of runs that start there in a version that is not known yet."""
        return sorted(
            {
                seen.data.workflow
                for seen in page
                if isinstance(seen, Glimpse)
                and seen.data.workflow_version
                and seen.stream.startswith(RUN)
                and self._nets.get((seen.data.workflow, seen.data.workflow_version)) is None
            }
        )

    def learn(self, workflow: str, nets: Mapping[str, Net]) -> None:
        """The nets of a workflow by version."""
        for version, net in nets.items():
            tasks = {
                step.id: step.action.task for step in net.steps if isinstance(step.action, Task)
            }
            tasks |= {s.id: s.action.body.task for s in net.steps if isinstance(s.action, Map)}
            self._nets.put((workflow, version), tasks)
            self._nets.weigh(len(tasks))

    def recall(self, past: Iterable[Seen]) -> None:
        """What strangers said before the page, in the order of each one's events; counts nothing.
        May be called several times for one page."""
        for seen in past:
            if isinstance(seen, Glimpse):
                self._run_event(seen)
        self._begin()

    # ------------------------------------------------------------------ a page

    def apply(self, page: Sequence[Seen], position: int) -> Added:
        """What a page adds; `position` is that of its last event."""
        unread, recorded_at = [], 0
        for seen in page:
            if isinstance(seen, Glimpse):
                recorded_at = seen.recorded_at
                if seen.stream.startswith(RUN):
                    self._run_event(seen)
            elif isinstance(seen, NodeEvent):
                recorded_at = seen.recorded_at
                self._node_event(seen)
            else:
                unread.append(seen)
        added = Added(
            tallies={_key(*key): minute.tally() for key, minute in self._minutes.items()},
            labels=tuple(self._labels),
            nodes=self._changed,
            unread=tuple(unread),
            events=len(page),
            position=position,
            recorded_at=recorded_at,
        )
        self._begin()
        return added

    def _run_event(self, seen: Glimpse) -> None:
        track = self._tracks.get(seen.stream)
        if track is None:
            # A run whose beginning could not be read is of no workflow that we know.
            track = Track("", {}, seen.recorded_at)
            self._tracks.put(seen.stream, track)
        handler = self._handlers.get(seen.type)
        if handler is not None:
            handler(seen, track)
        if (flow := seen.data.flow) is not None and flow.enabled:
            if seen.version == 1:
                track = self._tracks.get(seen.stream) or track
            for enabled in flow.enabled:
                track.open[enabled.step] = Open(seen.recorded_at)
            self._tracks.weigh(len(flow.enabled))

    # ------------------------------------------------------------------ runs

    def _run_minute(self, at: int, track: Track) -> Minute:
        key = (at // MINUTE_US, track.workflow, None, "")
        found = self._minutes.get(key)
        if found is None:
            found = self._minutes[key] = Minute()
        return found

    def _started(self, seen: Glimpse, _: Track) -> None:
        data, at = seen.data, seen.recorded_at
        tasks = self._nets.get((data.workflow, data.workflow_version))
        track = Track(data.workflow, tasks or {}, at)
        for renewed in data.renewed:
            track.open[renewed.step] = Open(at)
        self._tracks.put(seen.stream, track)
        self._run_minute(at, track).count("started")
        if data.options is not None:
            self._labels.extend(_labels(seen))
        if data.source_run_id:
            self._labels.append(_fork(seen))

    def _ended(self, status: str) -> Callable[[Glimpse, Track], None]:
        def ended(seen: Glimpse, track: Track) -> None:
            minute = self._run_minute(seen.recorded_at, track)
            minute.count(status)
            minute.times["duration"].append(seen.recorded_at - track.started_at)
            self._tracks.drop(seen.stream)

        return ended

    def _restored(self, seen: Glimpse, track: Track) -> None:
        """What nodes had is none of the run's any more; what was open then is ready anew."""
        for step, task in track.open.items():
            if task.sent_at:
                self._task_minute(seen.recorded_at, track, step, task.node).count("cancelled")
        track.open = {renewed.step: Open(seen.recorded_at) for renewed in seen.data.renewed}
        self._tracks.weigh(len(track.open))

    # ------------------------------------------------------------------ tasks

    def _task_minute(self, at: int, track: Track, step: str, node: str) -> Minute:
        task = track.tasks.get(step)
        if task is None:
            task = track.tasks.get(static_of(step), "")
        key = (at // MINUTE_US, track.workflow, task, node)
        found = self._minutes.get(key)
        if found is None:
            found = self._minutes[key] = Minute()
        return found

    def _dispatched(self, seen: Glimpse, track: Track) -> None:
        data, at = seen.data, seen.recorded_at
        task = track.open.get(data.step)
        if task is None:
            task = track.open[data.step] = Open(at)
        task.sent_at, task.node = at, data.node
        minute = self._task_minute(at, track, data.step, data.node)
        minute.count("dispatched")
        minute.times["wait"].append(at - task.ready_at)
        if track.waits:
            track.waits = False
            self._run_minute(at, track).times["wait"].append(at - track.started_at)

    def _over(self, seen: Glimpse, track: Track, what: str) -> tuple[Minute, Open]:
        """A task's end, counted for the node that had it."""
        data = seen.data
        task = track.open.pop(data.step, None) or Open(seen.recorded_at)
        minute = self._task_minute(seen.recorded_at, track, data.step, task.node)
        minute.count(what)
        _queued(minute, task, data)
        return minute, task

    def _completed(self, seen: Glimpse, track: Track) -> None:
        minute, _ = self._over(seen, track, "completed")
        minute.times["duration"].append(seen.data.ended_at - seen.data.started_at)

    def _failed(self, seen: Glimpse, track: Track) -> None:
        self._over(seen, track, "failed")

    def _cancelled(self, seen: Glimpse, track: Track) -> None:
        self._over(seen, track, "cancelled")

    def _attempt_failed(self, seen: Glimpse, track: Track) -> None:
        self._over(seen, track, f"retried_{seen.data.kind or 'failed'}")
        track.open[seen.data.step] = Open(seen.data.next_attempt_at)

    def _given(self, seen: Glimpse, track: Track) -> None:
        """An operator's result is a task's end, but nothing that a node has spent time on; that of
        any other step counts for nothing."""
        if seen.data.step in track.open:
            self._over(seen, track, seen.data.status)

    def _retry_due(self, seen: Glimpse, track: Track) -> None:
        track.open[seen.data.step] = Open(seen.recorded_at)

    # ------------------------------------------------------------------ nodes

    def _node_event(self, event: NodeEvent) -> None:
        state = node_after(self._nodes.get(event.node), event)
        self._nodes[event.node] = self._changed[event.node] = state


def _queued(minute: Minute, task: Open, data: Data) -> None:
    if data.started_at and task.sent_at:
        minute.times["queue"].append(data.started_at - task.sent_at)


def _key(minute: int, workflow: str, task: str | None, node: str) -> Key:
    at = minute * MINUTE_US
    if task is None:
        return Key("run", MINUTE_S, at, workflow)
    return Key("task", MINUTE_S, at, workflow, task, node)


def _labels(seen: Glimpse) -> Iterable[Label]:
    options, run_id, at = seen.data.options, seen.stream.removeprefix(RUN), seen.recorded_at
    if options is None:
        return
    for name, text in options.tags.items():
        yield Label(run_id, "tag", _clean(name), _clean(text), None, at)
    for name, value in options.attributes.items():
        yield Label(
            run_id, "attribute", _clean(name), _clean(label_text(value)), label_number(value), at
        )


def _fork(seen: Glimpse) -> Label:
    run_id, source = seen.stream.removeprefix(RUN), _clean(seen.data.source_run_id)
    return Label(run_id, "fork", source, str(seen.data.source_version), None, seen.recorded_at)


def _clean(text: str) -> str:
    """Databases hold no null character in text."""
    return text.replace("\0", "\ufffd")
