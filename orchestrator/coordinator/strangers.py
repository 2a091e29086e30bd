"""Reports of what the log does not know: attempts of runs that are not in it, or that it has not
got to, or that it has dispatched anew under the same name.

In ordinary life there are none, as nothing leaves a coordinator before it is durable. They come
when the database was restored from a backup: nodes report what the log knew once. Nothing of them
is recorded; they are counted by node, so that somebody is told.
"""

from collections.abc import Iterator

import msgspec

from events.api import StrangeReports
from events.limits import STRANGE_NODES_MAX
from events.messages import Report
from orchestrator.coordinator import signals as s
from orchestrator.kernel.histories import is_of_another_history, is_unheard_of
from orchestrator.kernel.state import RunState


class _Count(msgspec.Struct):
    number: int
    since: int
    reported: int


class Strangers:
    """Counts since this coordinator began; the counts of nodes beyond a limit go to one, `""`."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    def look(self, state: RunState, node: str, report: Report, now: int) -> s.Strange | None:
        """Counts a report that the run does not know; returns what is to be told of it, if anything
        is: of a number that doubles, so of many not each."""
        if is_of_another_history(state, report):
            return self.note(node, report, "it was dispatched anew since, under the same name", now)
        if is_unheard_of(state, report):
            return self.note(node, report, "its run has not got to it", now)
        return None

    def note(self, node: str, report: Report, why: str, now: int) -> s.Strange | None:
        name = node if node in self._counts or len(self._counts) < STRANGE_NODES_MAX else ""
        count = self._counts.setdefault(name, _Count(0, now, 0))
        count.number += 1
        count.reported = now
        if count.number.bit_count() > 1:
            return None
        return s.Strange(node=node, attempt=report.attempt, why=why, number=count.number)

    def told(self) -> tuple[StrangeReports, ...]:
        return tuple(self._told())

    def _told(self) -> Iterator[StrangeReports]:
        for node, count in sorted(self._counts.items()):
            yield StrangeReports(
                node=node, number=count.number, since=count.since, last_at=count.reported
            )
