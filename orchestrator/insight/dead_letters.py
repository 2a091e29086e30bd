"""Dead letters: tasks that are given to no agent any more, as people are shown them."""

from collections.abc import Iterable
from typing import Protocol

import msgspec

from events.catalogue import Catalogue
from events.envelope import Stored, unseal
from events.ids import run_stream
from events.task_facts import Killed, TaskDeadLettered
from events.values import Value

RUN = "run:"
POSITION_MAX = 2**63 - 1
PAGE = 500


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """`position`: in the log, 0 where only its run was read; `version`: in its run."""

    run_id: str
    step: str
    task: str
    code: str
    at: int
    version: int
    position: int = 0
    kills: tuple[Killed, ...] = ()
    details: Value = None

    @property
    def nodes(self) -> tuple[str, ...]:
        """Whose agents died, each once, in order."""
        return tuple(dict.fromkeys(one.node for one in self.kills))


class Letters(Protocol):
    """As much of a store as is needed."""

    async def dead_letters(self, before: int, limit: int) -> list[Stored]:
        """Events that are dead letters, with positions < `before`, the newest first."""

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        """Events of a stream with versions > `after`, in order."""


async def newest(store: Letters, limit: int, before: int = POSITION_MAX) -> list[DeadLetter]:
    """The newest first. Raises `Corrupt`, `Unavailable`."""
    return _letters(await store.dead_letters(before, limit))


async def of_run(store: Letters, run_id: str) -> tuple[list[DeadLetter], int]:
    """A run's in order, and how many events it has. Raises `Corrupt`, `Unavailable`."""
    found: list[DeadLetter] = []
    version = 0
    while page := await store.read(run_stream(run_id), version, PAGE):
        found += _letters(one for one in page if one.type == TaskDeadLettered.TYPE)
        version = page[-1].version
    return found, version


def _letters(page: Iterable[Stored]) -> list[DeadLetter]:
    catalogue = Catalogue()
    found: list[DeadLetter] = []
    for stored in page:
        event = unseal(stored, catalogue)
        if isinstance(event.fact, TaskDeadLettered):
            found.append(_letter(stored, event.fact, event.header.recorded_at))
    return found


def _letter(stored: Stored, fact: TaskDeadLettered, at: int) -> DeadLetter:
    return DeadLetter(
        run_id=stored.stream.removeprefix(RUN),
        step=fact.step,
        task=fact.task,
        code=fact.code,
        at=at,
        version=stored.version,
        position=stored.position or 0,
        kills=fact.kills,
        details=fact.details,
    )
