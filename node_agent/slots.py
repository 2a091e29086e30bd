"""Who may start next: slots, leases and task keys.

    add ─► queue ─► take ─► occupied ─► release
             ▲ │
             │ ├─ its shard's lease is not valid, or does
             │ │  not cover it ────────────────────► parked, until the lease is granted
             │ └─ another attempt of its task runs ─► blocked, until that has ended
             └────────────────────────────────────────┘

A slot and a task key are occupied until the execution has really ended, whatever became of its
attempt meanwhile. Entries that are no longer queued when their turn comes are passed over.
"""

from collections import deque

from events.ids import Attempt
from events.limits import ATTEMPTS_KNOWN_MAX
from node_agent.attempts import Held, Key, State, key_of
from node_agent.leases import Leases


class Slots:
    def __init__(self, count: int, leases: Leases) -> None:
        self._count = count
        self._leases = leases
        self._queue: deque[Held] = deque()
        self._parked: dict[int, list[Held]] = {}
        self._blocked: dict[Key, Held] = {}
        self._running: dict[Attempt, None] = {}
        self._keys: dict[Key, Attempt] = {}

    @property
    def running(self) -> tuple[Attempt, ...]:
        """Executions under way, strays included."""
        return tuple(self._running)

    def is_running(self, attempt: Attempt) -> bool:
        return attempt in self._running

    def add(self, entry: Held) -> None:
        self._queue.append(entry)

    def add_first(self, entry: Held) -> None:
        self._queue.appendleft(entry)

    def granted(self, shards: tuple[int, ...]) -> None:
        """What waited for these leases goes before what came later."""
        for shard in shards:
            self._queue.extendleft(reversed(self._parked.pop(shard, ())))

    def take(self, now_us: int) -> Held | None:
        """Removes and returns the next that may start, or whose window has passed; None when there
        is none.
        """
        while self._queue and len(self._running) < self._count:
            entry = self._queue.popleft()
            if entry.state is not State.QUEUED:
                continue
            if entry.start_due_us is not None and entry.start_due_us <= now_us:
                return entry
            if self._leases.until(entry.shard) <= now_us or not self._leases.covers(entry):
                self._park(entry)
            elif (key := key_of(entry.attempt)) in self._keys:
                self._blocked[key] = entry
            else:
                return entry
        return None

    def occupy(self, attempt: Attempt) -> None:
        self._running[attempt] = None
        self._keys[key_of(attempt)] = attempt

    def release(self, attempt: Attempt) -> None:
        """Its execution is over: whoever waited for its key is next."""
        self._running.pop(attempt, None)
        key = key_of(attempt)
        if self._keys.get(key) == attempt:
            del self._keys[key]
        if (waiting := self._blocked.pop(key, None)) is not None:
            self._queue.appendleft(waiting)

    def forget_waiting(self) -> None:
        self._queue.clear()
        self._parked.clear()
        self._blocked.clear()

    def _park(self, entry: Held) -> None:
        parked = self._parked.setdefault(entry.shard, [])
        parked.append(entry)
        if len(parked) > ATTEMPTS_KNOWN_MAX:
            parked[:] = [one for one in parked if one.state is State.QUEUED]
