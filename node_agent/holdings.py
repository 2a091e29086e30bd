"""What the node knows of attempts: those held and unsettled, and the memory of those that are over.

Pure bookkeeping, bounded: who is held, which attempt of a task is the newest, how much there is of
it.
"""

from collections.abc import Iterable

from events.ids import Attempt
from events.limits import (
    ATTEMPTS_KNOWN_MAX,
    HELD_PER_CREDIT_MAX,
    REMEMBERED_MAX,
    UNSETTLED_BYTES_MAX,
)
from node_agent.attempts import Held, Key, Memory, State, key_of
from node_agent.journal import Final
from node_agent.outcomes import size_of


class Holdings:
    def __init__(self, credit: int) -> None:
        self._open_max = HELD_PER_CREDIT_MAX * credit
        self._held: dict[Attempt, Held] = {}
        self._newest: dict[Key, Attempt] = {}
        self._over = Memory(REMEMBERED_MAX)
        self._unsettled_bytes = 0
        self.open_count = 0
        """Attempts accepted and not ended."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held and nothing awaits settlement."""
        return not self._held

    @property
    def is_full(self) -> bool:
        return (
            len(self._held) >= ATTEMPTS_KNOWN_MAX
            or self.open_count >= self._open_max
            or self._unsettled_bytes >= UNSETTLED_BYTES_MAX
        )

    def listed(self) -> tuple[tuple[Attempt, ...], tuple[Attempt, ...]]:
        """Returns attempts not ended, and attempts ended and not settled."""
        ended = State.ENDED
        held = tuple(a for a, entry in self._held.items() if entry.state is not ended)
        unsettled = tuple(a for a, entry in self._held.items() if entry.state is ended)
        return held, unsettled

    def report_of(self, attempt: Attempt) -> tuple[Final, int] | None:
        """The report that may be sent, and its size in bytes."""
        entry = self._held.get(attempt)
        if entry is None or entry.report is None or not entry.durable:
            return None
        return entry.report, entry.size

    def get(self, attempt: Attempt) -> Held | None:
        return self._held.get(attempt)

    def ended(self, attempt: Attempt) -> Held | None:
        """The attempt, if it is here and has ended."""
        entry = self._held.get(attempt)
        return entry if entry is not None and entry.state is State.ENDED else None

    def some(self, attempts: Iterable[Attempt]) -> list[Held]:
        """Those that are here, each once."""
        known = map(self._held.get, dict.fromkeys(attempts))
        return [entry for entry in known if entry is not None]

    def all_in(self, *states: State) -> list[Held]:
        return [entry for entry in self._held.values() if entry.state in states]

    def newest_of_task(self, attempt: Attempt) -> Attempt | None:
        """The highest attempt of its task that is here."""
        return self._newest.get(key_of(attempt))

    def is_over(self, attempt: Attempt) -> bool:
        """Whether it was here, or must never begin here, and nothing else is known of it."""
        return attempt in self._over

    def remember(self, attempt: Attempt) -> None:
        """It must never begin here."""
        self._over.add(attempt)

    def add(self, attempt: Attempt, shard: int) -> tuple[Held, Held | None]:
        """Holds it from now on; returns also the earlier attempt of its task that it supersedes."""
        entry = self._held[attempt] = Held(attempt, shard)
        key = key_of(attempt)
        other = self._newest.get(key)
        if other is not None and other.number > attempt.number:
            return entry, None
        self._newest[key] = attempt
        return entry, self._held[other] if other is not None else None

    def end(self, entry: Held, report: Final) -> None:
        """It has ended with this report, or this one takes the place of an earlier."""
        self._unsettled_bytes -= entry.size
        entry.state = State.ENDED
        entry.execute = None
        entry.report = report
        entry.size = size_of(report)
        self._unsettled_bytes += entry.size

    def forget(self, entry: Held) -> None:
        """Nothing remains of it but that it is over."""
        attempt = entry.attempt
        del self._held[attempt]
        self._over.add(attempt)
        self._unsettled_bytes -= entry.size
        if entry.state is not State.ENDED:
            self.open_count -= 1
            entry.state = State.ENDED
        key = key_of(attempt)
        if self._newest.get(key) == attempt:
            del self._newest[key]

    def forget_all(self) -> None:
        for entry in list(self._held.values()):
            self.forget(entry)
