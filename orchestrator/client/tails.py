"""The ends of logs, for many followers: one subscription to announcements rings for all."""

from collections.abc import Awaitable, Callable

from events.subjects import Subjects
from orchestrator.adapters.nats.announcements import announcements
from orchestrator.adapters.nats.link import Link
from orchestrator.api.service.ports import LogPart
from orchestrator.insight.follow import Bell


class NatsTail:
    """The end of one log; `run` listens."""

    def __init__(self, name: str, part: Callable[[], Awaitable[LogPart]]) -> None:
        self._name = name
        self._part = part
        self._bells: set[Bell] = set()

    async def part(self) -> LogPart:
        """The log itself. Raises `Unavailable`."""
        return await self._part()

    def join(self) -> Bell:
        bell = Bell()
        self._bells.add(bell)
        return bell

    def leave(self, bell: Bell) -> None:
        self._bells.discard(bell)

    async def run(self, link: Link, subjects: Subjects) -> None:
        """Rings whenever the log is said to have grown; silent while NATS is away."""
        async for position in announcements(link, subjects, self._name):
            for bell in self._bells:
                bell.ring(position)
