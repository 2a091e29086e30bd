"""What only the first event of a run says: its workflow and its tags, kept for the runs seen last.

of(runs) ──known──► answered          bounded: the run that was asked for longest ago leaves,
    └────unknown──► first events ───► and is read again when it comes again
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from events.catalogue import Catalogue
from events.envelope import Stored, unseal
from events.errors import Corrupt
from events.ids import run_stream
from events.limits import ORIGINS_KEPT_MAX
from events.run_facts import RunForked, RunStarted

ASKED_AT_ONCE = 500


class Origin(msgspec.Struct, frozen=True):
    """`readable`: false where there is a first event and it cannot be read."""

    workflow: str = ""
    tags: Mapping[str, str] = {}
    readable: bool = True


class FirstEvents(Protocol):
    async def begins_of(self, streams: Sequence[str]) -> list[Stored]:
        """The first events of these streams, of those that have one. Raises `Unavailable`."""


class Origins:
    def __init__(self, log: FirstEvents, kept: int = ORIGINS_KEPT_MAX) -> None:
        self._log = log
        self._kept = kept
        self._known: OrderedDict[str, Origin] = OrderedDict()
        self._catalogue = Catalogue()

    async def of(self, run_ids: Iterable[str]) -> dict[str, Origin]:
        """The origins of runs; nothing is known of one whose first event is not there, or cannot be
        read. Raises `Unavailable`."""
        asked = dict.fromkeys(run_ids)
        found = {run_id: self._known[run_id] for run_id in asked if run_id in self._known}
        for run_id in found:
            self._known.move_to_end(run_id)
        missing = [run_stream(run_id) for run_id in asked if run_id not in found]
        for at in range(0, len(missing), ASKED_AT_ONCE):
            for stored in await self._log.begins_of(missing[at : at + ASKED_AT_ONCE]):
                run_id = stored.stream.removeprefix(run_stream(""))
                found[run_id] = self._known[run_id] = self._origin(stored)
        while len(self._known) > self._kept:
            self._known.popitem(last=False)
        return found

    def _origin(self, stored: Stored) -> Origin:
        try:
            fact = unseal(stored, self._catalogue).fact
        except Corrupt:
            return Origin(readable=False)
        if isinstance(fact, (RunStarted, RunForked)):
            return Origin(fact.workflow, fact.options.tags)
        return Origin()
