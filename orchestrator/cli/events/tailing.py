"""Showing the end of the log, or of all logs of a cluster, and following them.

Each log has its own order and its own positions. What several have at their ends is shown together
by the time at which it was recorded; what comes afterwards as it comes.
"""

import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, aclosing, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from events.errors import Misconfigured, Rejected, Unavailable
from events.limits import LOOKED_BACK_MAX
from events.redaction import redact_text, redacted_json
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.events.cursor_file import CursorFile, Kept, OutputFile, require_none
from orchestrator.cli.events.filtering import sieve_of
from orchestrator.cli.events.following import Logs, feed_of
from orchestrator.cli.events.showing import Printer, json_line
from orchestrator.cli.progress import is_seen
from orchestrator.config import Config
from orchestrator.insight.following.bells import Bells
from orchestrator.insight.following.feed import Feed, Page
from orchestrator.insight.following.filters import Filter
from orchestrator.insight.following.positions import (
    Place,
    confirm,
    place_of,
    position_before,
    positions_of,
)
from orchestrator.insight.following.sieve import Followed
from orchestrator.insight.formats.cloudevents import cloudevent

Format = Literal["text", "json", "cloudevents"]
END = "end"
WINDOW = 10_000
"""Events that are looked at first for the last ones that are wanted; then ever more before them."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Keeping:
    """Options of a follower: how it writes, and what it keeps."""

    cursor: Annotated[
        Path | None,
        Parameter(
            help="Keep in this file how far it got, and go on from there; the first time from the "
            "beginning, --after or --since."
        ),
    ] = None
    output: Annotated[
        Path | None,
        Parameter(
            help="Write into this file, with --cursor: each event is in it once, even if this "
            "process is killed."
        ),
    ] = None
    format: Annotated[
        Format | None, Parameter(help="How events are written; else text, or JSON with --json.")
    ] = None

    def form(self, *, as_json: bool) -> Format:
        """Raises `Misconfigured` for what a file cannot have."""
        form: Format = self.format or ("json" if as_json or self.output else "text")
        if self.output is not None and form == "text":
            raise Misconfigured("--output has --format json or cloudevents")
        return form

    def file(self) -> Path | None:
        """The output, by its full name. Raises `Misconfigured` without a cursor."""
        if self.output is not None and self.cursor is None:
            raise Misconfigured("--output goes with --cursor: give both, or redirect the output")
        return self.output and self.output.resolve()


NOT_KEPT = Keeping()


class Sink:
    """Where events go: standard output, or an output file; and the cursor that knows how far."""

    def __init__(self, form: Format, *, with_log: bool) -> None:
        self._form = form
        self._with_log = with_log
        self._printer = Printer(as_json=form == "json", with_stream=True)
        self._cursor: CursorFile | None = None
        self._kept = Kept(places={})
        self._output: OutputFile | None = None

    def keep(self, cursor: CursorFile, kept: Kept, output: OutputFile | None) -> None:
        """From now on what was written is kept track of."""
        self._cursor, self._kept, self._output = cursor, kept, output

    async def write(self, page: Page, store: PostgresStore) -> None:
        """Returns when the page is written and the cursor says so."""
        self.show(page.events)
        if self._cursor is not None:
            place = await place_of(store, page.reached)
            places = {**self._kept.places, page.log: place}
            self._kept = msgspec.structs.replace(self._kept, places=places)
            self._cursor.save(self._kept)

    def show(self, events: Sequence[Followed]) -> None:
        if self._output is not None:
            lines = b"".join(self._line(one) + b"\n" for one in events)
            length = self._output.write(lines)
            self._kept = msgspec.structs.replace(self._kept, output_bytes=length)
        elif self._form == "cloudevents":
            sys.stdout.buffer.write(b"".join(self._line(one) + b"\n" for one in events))
            sys.stdout.flush()
        else:
            self._printer.show(map(self._told, events))

    def _line(self, seen: Followed) -> bytes:
        if self._form == "cloudevents":
            return redacted_json(cloudevent(seen))
        return json_line(self._told(seen)).encode()

    def _told(self, seen: Followed) -> Followed:
        return seen if self._with_log else msgspec.structs.replace(seen, log="")


class Tail(ExitStack):
    """One `events tail`: what is wanted of which logs, and where it goes. A context manager, for
    the files that it keeps open."""

    def __init__(self, config: Config, logs: Logs, filter_: Filter, sink: Sink) -> None:
        """Raises `Rejected` for a filter that can want nothing."""
        super().__init__()
        self._config = config
        self._logs = logs
        self._sieve = sieve_of(filter_)
        self._sink = sink
        self._told = ""

    async def begin_at(self, after: str) -> dict[str, int]:
        """Positions to begin after: those given, `end`, or what the filter's time allows to pass
        by. Raises `Misconfigured`."""
        stores = self._logs.stores
        if after and after != END:
            return positions_of(after, self._logs.names, "--after")
        ends = {name: await store.last_position() for name, store in stores.items()}
        if after:
            return ends
        since = self._sieve.filter.since
        if since is None:
            return dict.fromkeys(stores, 0)
        return {
            name: await position_before(store, since, ends[name]) for name, store in stores.items()
        }

    async def keep(self, path: Path, output: Path | None, after: str) -> dict[str, int]:
        """Where the cursor is, or where it begins when there is none yet; from now on it is kept.

        Raises `Rejected` when it was kept for something else, `Misconfigured` and `Corrupt`.
        """
        cursor = self.enter_context(closing(CursorFile(path)))
        named = str(output or "")
        kept = cursor.load()
        if kept is not None:
            await self._confirm(path, kept, named)
            self._sieve = sieve_of(kept.filter)
        else:
            if output is not None:
                require_none(output)
            kept = Kept(
                places={
                    name: await place_of(self._logs.stores[name], position)
                    for name, position in (await self.begin_at(after)).items()
                },
                filter=self._sieve.filter,
                output=named,
            )
            cursor.save(kept)
        file = None
        if output is not None:
            file = self.enter_context(closing(OutputFile(output, kept.output_bytes)))
        self._sink.keep(cursor, kept, file)
        return {name: kept.places.get(name, Place(0)).position for name in self._logs.names}

    async def _confirm(self, path: Path, kept: Kept, output: str) -> None:
        """Times are those of the cursor: `2h` back from now is another instant each time."""
        if _timeless(kept.filter) != _timeless(self._sieve.filter):
            said = msgspec.json.encode(kept.filter).decode()
            raise Rejected(
                f"cursor {path} was kept for other events, {said}: ask for the same, or give a "
                "cursor of its own"
            )
        if kept.output != output:
            wants = f"--output {kept.output}" if kept.output else "no --output"
            raise Rejected(f"cursor {path} was kept with {wants}: give the same, or another cursor")
        for name, place in kept.places.items():
            if name not in self._logs.stores:
                raise Rejected(f"cursor {path} is of a log {name}, which this cluster has not")
            await confirm(self._logs.stores[name], name, place)

    async def show_ends(self, limit: int) -> dict[str, int]:
        """Shows the last wanted events; returns the positions that were reached."""
        found: list[Followed] = []
        reached: dict[str, int] = {}
        for name, store in self._logs.stores.items():
            reached[name] = await store.last_position()
            found += await self._last(name, reached[name], limit)
        if len(self._logs.names) > 1:
            found = sorted(found, key=_recorded_at)[-limit:] if limit else []
        self._sink.show(found)
        return reached

    async def _last(self, log: str, end: int, limit: int) -> list[Followed]:
        """The last wanted events of a log up to a position, of those that are looked back at."""
        found: deque[Followed] = deque(maxlen=limit)
        window, until = WINDOW, end
        while until > 0 and len(found) < limit and end - until < LOOKED_BACK_MAX:
            begin = max(0, until - window)
            before = deque[Followed](maxlen=limit - len(found))
            async for page in self._pages(log, begin):
                before += (one for one in page.events if one.position <= until)
                if page.reached >= until:
                    break
            found.extendleft(reversed(before))
            until, window = begin, 2 * window
        return list(found)

    async def _pages(self, log: str, after: int) -> AsyncIterator[Page]:
        feed = Feed({log: self._logs.stores[log]}, Bells())
        async with aclosing(feed.pages({log: after}, self._sieve, endless=False)) as pages:
            async for page in pages:
                yield page

    async def show_after(self, after: Mapping[str, int]) -> None:
        """Shows what the logs have after these positions now."""
        feed = Feed(self._logs.stores, Bells())
        await self._write(feed, after, endless=False)

    async def follow(self, after: Mapping[str, int]) -> None:
        """Shows what they have, and what comes, until it is cancelled."""
        if is_seen():
            print("Following the log; Ctrl-C ends it.", file=sys.stderr)
        trouble = _Trouble()
        async with feed_of(self._config, self._logs, trouble.tell) as feed:
            await self._write(feed, after, endless=True, over=trouble.over)

    async def _write(
        self,
        feed: Feed,
        after: Mapping[str, int],
        *,
        endless: bool,
        over: Callable[[str], None] = lambda log: None,
    ) -> None:
        async with aclosing(feed.pages(after, self._sieve, endless=endless)) as pages:
            async for page in pages:
                over(page.log)
                await self._sink.write(page, self._logs.stores[page.log])
                self._tell_failed()

    def _tell_failed(self) -> None:
        """Why --where has no value, once for each reason in a row."""
        if (said := self._sieve.failed) != self._told:
            self._told = said
            print(f"dalsegno: --where is not true of an event: {said}", file=sys.stderr)


def _timeless(filter_: Filter) -> Filter:
    return msgspec.structs.replace(filter_, since=None, until=None)


class _Trouble:
    """Tells once for each time of trouble that a log cannot be read."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def over(self, log: str) -> None:
        self._told.pop(log, None)

    def tell(self, log: str, error: Unavailable) -> None:
        if (said := redact_text(str(error))) != self._told.get(log):
            self._told[log] = said
            print(f"dalsegno: {said}; trying again until it is there", file=sys.stderr)


def _recorded_at(seen: Followed) -> int:
    """0 for an event that cannot be read: it is shown among the first."""
    return seen.event.header.recorded_at if seen.event is not None else 0
