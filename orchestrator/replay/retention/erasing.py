"""Erasing: what goes with a data key, and what has to be so before it may.

    1 every run of the key has ended              else refused, naming one
    2 the key is closed to new runs
    3 `personal.erased` is recorded, with who and why, in a stream of its own
    4 the key's row is emptied; snapshots, and the lists that only these runs name, go with it

Broken off anywhere it is begun again; `doctor` names what was recorded and is not done. Events stay
as they are, so all chains hold: their values read as erased from then on.
"""

import re
from collections.abc import Iterable

import msgspec

from events.envelope import Stored
from events.errors import Rejected
from orchestrator.kernel.state import TERMINAL
from orchestrator.replay.ports import Log

PAGE = 1000
BEGINNING_S = 3600.0
"""For so long a run that was noted and has no event may still begin."""

HASH = re.compile(rb'"([0-9a-f]{64})"')


class KeyOfSubject(msgspec.Struct, frozen=True):
    id: str
    subject: str
    erased: bool


class RunOfKey(msgspec.Struct, frozen=True):
    """`status` "": it has no event. `noted_s`: for how long it has been noted."""

    run_id: str
    status: str
    noted_s: float


class Dropped(msgspec.Struct, frozen=True):
    """How many keys, snapshots and stored lists are gone."""

    keys: int
    snapshots: int
    lists: int


def check_ended(subject: str, runs: Iterable[RunOfKey]) -> None:
    """Raises `Rejected` naming a run that is open, or may be about to begin."""
    for run in runs:
        if run.status and run.status not in TERMINAL:
            raise Rejected(
                f"run {run.run_id} of {subject} is {run.status}: wait until it has ended, or "
                f"`dalsegno run cancel {run.run_id}`, and erase then"
            )
        if not run.status and run.noted_s < BEGINNING_S:
            raise Rejected(f"run {run.run_id} of {subject} is about to begin: try again")


async def lists_of(log: Log, runs: Iterable[str]) -> list[str]:
    """Hashes of stored lists that these runs name and no other run does. Reads the whole log, if
    they name any: one list is stored once for all who have the same."""
    streams = {f"run:{run_id}" for run_id in runs}
    own = set[str]()
    for stream in sorted(streams):
        after = 0
        while page := await log.read(stream, after, PAGE):
            own |= _hashes(page)
            after = page[-1].version
    position = 0
    while own and (page := await log.read_log(position, PAGE)):
        own -= _hashes(one for one in page if one.stream not in streams)
        position = page[-1].position or position + len(page)
    return sorted(own)


def _hashes(events: Iterable[Stored]) -> set[str]:
    return {
        found.decode()
        for event in events
        for data in (event.state, event.opened or b"")
        for found in HASH.findall(data)
    }
