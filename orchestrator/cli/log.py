"""`dalsegno events show`, `export` and `tail`: the log itself."""

import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from events.catalogue import Catalogue
from events.envelope import Event, Stored, unseal
from events.errors import Corrupt, Misconfigured, Rejected, Unavailable
from events.ids import run_stream
from events.limits import EVENTS_LISTED_MAX
from events.redaction import redact_text
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import COMMON, Common, configured, go, keys_of, log_address
from orchestrator.cli.following import bell_of
from orchestrator.cli.nearest import about
from orchestrator.cli.output import (
    ACTIVE,
    CALLED_OFF,
    DIM,
    UNSURE,
    WAITING,
    clock,
    console,
    instant,
    plain,
)
from orchestrator.cli.output import BAD as RED
from orchestrator.cli.progress import is_seen
from orchestrator.insight.follow import follow as follow_log
from orchestrator.insight.follow import pages
from orchestrator.replay.export import export as export_run

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

PAGE = 500
POSITION_MAX = 2**63 - 1
COLOURS = {
    "run": "bold",
    "task": ACTIVE,
    "attempt": UNSURE,
    "node": CALLED_OFF,
    "lease": DIM,
    "definition": WAITING,
}
BAD = ("failed", "lost", "suspected", "timed_out", "cancelled")
SHOWN_FIRST = ("step", "attempt", "node", "task", "status", "failure", "why", "reason")
DATA_CHARS = 100
DATA_COLUMNS_MIN = 40
INDENT = 6


def show(run_id: str, *, common: Common = COMMON) -> None:
    """Show all events of a run: a table, or with --json one envelope a line, as it is stored.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.

    Examples
    --------
    dalsegno events show 01m7yf4vgw1tqq5ay37h9hvpzk
    dalsegno events show nightly-17 --json
        For `jq` and other programs: a line an event, nothing left out.
    """
    printer = Printer(as_json=common.json, with_stream=False)

    async def read(store: PostgresStore) -> None:
        stream, version = run_stream(run_id), 0
        while page := await store.read(stream, version, PAGE):
            printer.print(page)
            version = page[-1].version
        if not version:
            raise Rejected(f"there is no run {run_id}: `dalsegno run list` shows those there are")

    with about(common, run_id):
        with_store(common, read)


def export(run_id: str, *, output: str = "", common: Common = COMMON) -> None:
    """Write a run's history as it is stored, an event a line, for `replay_history` of the test kit.

    Nothing is left out of it or covered: secrets that a workflow was given as input are in it.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    output
        The file to write; standard output when not given. One that is there is not overwritten.

    Examples
    --------
    dalsegno events export nightly-17 --output nightly-17.jsonl
    """

    async def read(store: PostgresStore) -> list[bytes]:
        return [line async for line in export_run(store, Catalogue(), run_id)]

    with about(common, run_id):
        lines = with_store(common, read)
    data = b"".join(line + b"\n" for line in lines)
    if not output:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    try:
        with Path(output).open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise Misconfigured(f"--output {output}: there is such a file; remove it first") from None
    except OSError as error:
        raise Misconfigured(f"--output {output} cannot be written: {error.strerror}") from None
    print(f"{output}: {len(lines) - 1} events", file=sys.stderr)


def tail(
    *,
    follow: bool = False,
    after: int | None = None,
    limit: int = 20,
    stream: str = "",
    common: Common = COMMON,
) -> None:
    """Show the last events of the log; with --follow also those that come, as soon as they do.

    Parameters
    ----------
    follow
        Go on until Ctrl-C.
    after
        Begin after this position instead of --limit events before the end.
    limit
        How many of the last events.
    stream
        Only streams that begin with this, such as run: or node:agent-1.

    Examples
    --------
    dalsegno events tail --limit 50
    dalsegno events tail --follow --stream run:
        Facts of runs as they are committed, until Ctrl-C.
    dalsegno events tail --after 1200 --json
        Everything since a position that you remember.
    """
    if not 0 <= limit <= EVENTS_LISTED_MAX:
        raise Misconfigured(f"--limit is {limit}: expected 0 to {EVENTS_LISTED_MAX}")
    if after is not None and not 0 <= after <= POSITION_MAX:
        raise Misconfigured(f"--after is {after}: expected a position, 0 to {POSITION_MAX}")
    printer = Printer(as_json=common.json, with_stream=True, prefix=stream)

    async def read(store: PostgresStore) -> None:
        last = await store.last_position()
        position = max(0, last - limit) if after is None else after
        if not follow:
            async for page in pages(store, position):
                printer.print(page)
            return
        if is_seen():
            print("Following the log; Ctrl-C ends it.", file=sys.stderr)
        async with bell_of(configured(common), store.info.name) as bell:
            trouble = _Trouble()
            async for page in follow_log(store, position, bell, trouble.tell):
                trouble.over()
                printer.print(page)

    with_store(common, read)


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


def with_store(common: Common, read: Callable[[PostgresStore], Awaitable[T]]) -> T:
    config = configured(common)
    dsn, keys = log_address(config), keys_of(config)

    async def opened() -> T:
        async with await PostgresStore.open(dsn, keys=keys) as store:
            return await read(store)

    return go(opened)


class Printer:
    """Prints stored events; one that cannot be decoded is shown as that and stops nobody."""

    def __init__(self, *, as_json: bool, with_stream: bool, prefix: str = "") -> None:
        self._as_json = as_json
        self._with_stream = with_stream
        self._prefix = prefix
        self._catalogue = Catalogue()
        self._console: Console | None = None if as_json else console()

    def print(self, page: Iterable[Stored]) -> None:
        for stored in page:
            if not stored.stream.startswith(self._prefix):
                continue
            if self._console is None:
                sys.stdout.write(self._json(stored) + "\n")
            else:
                show_line(self._console, *self._line(stored))
        sys.stdout.flush()

    def _json(self, stored: Stored) -> str:
        """The whole envelope, also what is not stored because it is the default, and the position
        when it is known; `corrupt` says why, and the bytes follow, when it cannot be decoded.
        """
        place = {} if stored.position is None else {"position": stored.position}
        try:
            event = unseal(stored, self._catalogue)
            header = msgspec.structs.asdict(event.header)
            header.pop("data", None)
            shown = {**place, **header, "digest": event.digest, "data": event.fact}
        except Corrupt as error:
            where = {"stream": stored.stream, "version": stored.version, "type": stored.type}
            shown = {**place, **where, "corrupt": str(error), "bytes": stored.state}
        return redact_text(msgspec.json.encode(shown).decode())

    def _line(self, stored: Stored) -> tuple[str, str]:
        """What and when it was, and its data, both as markup."""
        place = f"{stored.position:>7} " if stored.position is not None else ""
        stream = f"[{DIM}]{plain(stored.stream)}[/] " if self._with_stream else ""
        try:
            event = unseal(stored, self._catalogue)
        except Corrupt as error:
            return f"{place}{stored.version:>5} {stream}", f"[{RED}]{plain(str(error))}[/]"
        colour = RED if any(word in stored.type for word in BAD) else _colour(stored.type)
        at = clock(event.header.recorded_at)
        kind = f"[{colour}]{stored.type:<24}[/]"
        head = f"[{DIM}]{place}[/]{stored.version:>5} [{DIM}]{at}[/] {kind} {stream}"
        return head.rstrip(), _data(event)


def show_line(out: "Console", head: str, data: str) -> None:
    """One line where that fits. On a narrow terminal the data is wrapped behind its head, or
    below it; a file or pipe always gets one line."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    left = Text.from_markup(head)
    if not out.is_terminal or left.cell_len + len(data) < out.width:
        out.print(f"{head} {data}", soft_wrap=True)
    elif out.width - left.cell_len < DATA_COLUMNS_MIN:
        out.print(head, soft_wrap=True)
        out.print(Padding(Text.from_markup(data, overflow="fold"), (0, 0, 0, INDENT)))
    else:
        line = Table.grid(padding=(0, 1, 0, 0))
        line.add_column(no_wrap=True)
        line.add_column(overflow="fold")
        line.add_row(left, data)
        out.print(line)


def _colour(kind: str) -> str:
    return COLOURS.get(kind.partition(".")[0], "default")


def _data(event: Event) -> str:
    """The most telling fields first, cut to a line."""
    fields = msgspec.to_builtins(event.fact)
    fields.pop("type", None)
    ordered = {key: fields[key] for key in SHOWN_FIRST if key in fields}
    ordered |= {key: value for key, value in fields.items() if key not in ordered}
    text = " ".join(f"{key}={_value(key, value)}" for key, value in ordered.items())
    cut = text if len(text) <= DATA_CHARS else f"{text[:DATA_CHARS]}…"
    return plain(cut)


def _value(key: str, value: object) -> str:
    """Texts as they are, instants as times, all else as JSON."""
    if key.endswith("_at") and isinstance(value, int):
        return instant(value) or ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
