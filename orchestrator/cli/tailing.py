"""Showing the end of the log, or of all logs of a cluster, and following them.

Each log has its own order and its own positions. What several have at their ends is shown together
by the time at which it was recorded; what comes afterwards as it comes.
"""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import msgspec

from events.catalogue import Catalogue
from events.envelope import Stored, unseal
from events.errors import Corrupt, Misconfigured, Unavailable
from events.redaction import redact_text
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.following import bell_of
from orchestrator.cli.progress import is_seen
from orchestrator.cli.showing import Printer
from orchestrator.config import Config
from orchestrator.insight.follow import follow as follow_log
from orchestrator.insight.follow import pages

POSITION_MAX = 2**63 - 1


class Followed(msgspec.Struct, frozen=True):
    """One log, and who prints its events."""

    store: PostgresStore
    printer: Printer


@asynccontextmanager
async def opened(
    settings: Sequence[Settings], printer: Printer
) -> AsyncIterator[dict[str, Followed]]:
    """Each log by its name. Raises `Misconfigured` and `Unavailable`."""
    async with AsyncExitStack() as stack:
        found: dict[str, Followed] = {}
        for one in settings:
            store = await stack.enter_async_context(await PostgresStore.open(one))
            own = printer.of_log(one.log) if one.log else printer
            found[store.info.name] = Followed(store, own)
        yield found


async def show_ends(logs: dict[str, Followed], limit: int) -> dict[str, int]:
    """Shows the last events; returns the positions that were reached."""
    found: list[tuple[int, Followed, Stored]] = []
    reached: dict[str, int] = {}
    for name, log in logs.items():
        last = await log.store.last_position()
        reached[name] = max(0, last - limit)
        async for page in pages(log.store, reached[name]):
            found += ((_recorded_at(one), log, one) for one in page)
            reached[name] = page[-1].position or reached[name]
    if len(logs) > 1:
        found = sorted(found, key=lambda one: one[0])[-limit:] if limit else []
    for _, log, event in found:
        log.printer.print([event])
    return reached


async def show_after(logs: dict[str, Followed], after: dict[str, int]) -> dict[str, int]:
    """Shows what each log has after a position; returns the positions that were reached."""
    reached = dict(after)
    for name, log in logs.items():
        async for page in pages(log.store, after[name]):
            log.printer.print(page)
            reached[name] = page[-1].position or reached[name]
    return reached


async def follow_all(config: Config, logs: dict[str, Followed], after: dict[str, int]) -> None:
    """Shows what comes, until it is cancelled."""
    if is_seen():
        print("Following the log; Ctrl-C ends it.", file=sys.stderr)
    async with anyio.create_task_group() as group:
        for name, log in logs.items():
            group.start_soon(_follow, config, log, after[name])


async def _follow(config: Config, log: Followed, after: int) -> None:
    async with bell_of(config, log.store.info.name) as bell:
        trouble = _Trouble()
        async for page in follow_log(log.store, after, bell, trouble.tell):
            trouble.over()
            log.printer.print(page)


def _recorded_at(stored: Stored) -> int:
    """0 for an event that cannot be read: it is shown among the first."""
    try:
        return unseal(stored, Catalogue()).header.recorded_at
    except Corrupt:
        return 0


def positions(text: str, names: Sequence[str]) -> dict[str, int]:
    """`1200`, or `east:1200,west:80` where there are several logs; those that are not named are
    shown from their beginning. Raises `Misconfigured`."""
    if len(names) == 1 and ":" not in text:
        return {names[0]: _position(text, text)}
    found = dict.fromkeys(names, 0)
    for part in text.split(","):
        name, _, number = part.strip().rpartition(":")
        if name not in found:
            known = ", ".join(f"{one}:POSITION" for one in names)
            raise Misconfigured(f"--after is {text!r}: expected {known}")
        found[name] = _position(number, text)
    return found


def _position(number: str, text: str) -> int:
    if number.isdecimal() and int(number) <= POSITION_MAX:
        return int(number)
    raise Misconfigured(f"--after is {text!r}: expected a position, 0 to {POSITION_MAX}")


class _Trouble:
    """Tells once for each time of trouble that the log cannot be read."""

    def __init__(self) -> None:
        self._told = ""

    def over(self) -> None:
        self._told = ""

    def tell(self, error: Unavailable) -> None:
        if (said := redact_text(str(error))) != self._told:
            self._told = said
            print(f"dalsegno: {said}; trying again until it is there", file=sys.stderr)
