"""Announcements of new log positions, as coordinators send them after each commit.

They may be lost, repeated, late, or somebody's invention: a reason to look at the log, no more.
"""

from collections.abc import AsyncIterator

from events.subjects import Subjects
from orchestrator.adapters.nats.link import Link
from orchestrator.adapters.nats.listen import Topic, listen

DIGITS_MAX = 19


async def announcements(link: Link, subjects: Subjects, log: str) -> AsyncIterator[int]:
    """Positions that `log` is said to have reached; goes on through reconnects, and ends when the
    link is closed."""
    async for message in listen(link, [Topic(subjects.position(log))]):
        if len(message.data) <= DIGITS_MAX and message.data.isdigit():
            yield int(message.data)
