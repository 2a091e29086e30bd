"""`dalsegno events export`: runs as a file, for another cluster or another tool."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, assert_never

import msgspec
from cyclopts import Parameter

from events.catalogue import Catalogue
from events.errors import Misconfigured
from orchestrator.adapters.archives.bundling import bundled
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import COMMON, Common
from orchestrator.cli.events.files import with_histories
from orchestrator.cli.output import counted
from orchestrator.insight.formats.chrome_trace import chrome_trace
from orchestrator.insight.formats.cloudevents import exported
from orchestrator.insight.formats.ocel import ocel2
from orchestrator.replay.exchange.export import lines
from orchestrator.replay.exchange.importing import redacted_before
from orchestrator.replay.exchange.opened import OpenedFile
from orchestrator.replay.exchange.redacting import Redaction, redacted
from orchestrator.replay.exchange.selecting import Exportable, Item, Told, select, walk
from orchestrator.replay.fields import field_of

Format = Literal["bundle", "jsonl", "cloudevents", "ocel2", "chrome-trace"]
Redact = Annotated[list[str] | None, Parameter(negative="")]
Out = Annotated[Path | None, Parameter(name=("--out", "--output"))]


def export(
    *run_ids: str,
    format: Format = "jsonl",  # noqa: A002 -- it is called so on the command line
    out: Out = None,
    children: bool = False,
    redact: Redact = None,
    common: Common = COMMON,
) -> None:
    """Write runs to a file: to replay it anywhere, or to import it into another cluster.

    A run comes with its definition, with the runs that it was forked from, and with the stored
    values that it names. Without --redact nothing is left out of it or covered: secrets that a
    workflow was given as input are in it. Of personal runs the sealed values are in it, and no key.

    Parameters
    ----------
    run_ids
        The runs, or one file that was exported, all of whose runs are written in another format.
    format
        bundle: one compressed file, in which any run is found, and whose hashes are checked.
        jsonl: an event a line, as it is stored. These two are replayed and imported; the others
        are for other tools. cloudevents: CloudEvents 1.0, one a line. ocel2: an object-centric
        event log, OCEL 2.0 as JSON, such as pm4py reads. chrome-trace: for Perfetto, speedscope
        and chrome://tracing.
    out
        The file to write; standard output when not given. One that is there is not overwritten.
    children
        Also the runs that these have started.
    redact
        A field whose values are taken out, wherever they are: a name, or the end of a path, such
        as customer.email; may be repeated. Fields with a secret's name go as well.

    Examples
    --------
    dalsegno events export nightly-17 --format bundle --out nightly-17.bundle
    dalsegno events export nightly-17 nightly-18 --children --out nights.jsonl
        A line for each event of both runs and of those that they started.
    dalsegno events export order-81 --format bundle --out o.bundle --redact email
        Such as may be given to somebody else.
    """
    if not run_ids:
        raise Misconfigured("expected the ids of runs: `dalsegno run list` shows them")
    fields = [field_of(one) for text in redact or () for one in text.split(",")]
    counts: list[int] = []

    async def write(store: PostgresStore | OpenedFile, asked: tuple[str, ...]) -> None:
        catalogue = Catalogue()
        taken = await _taken_before(store, catalogue, asked)
        history: Exportable = store
        if fields:
            history, told = await redacted(store, catalogue, asked, fields, children=children)
            asked, taken = told.run_ids, tuple(dict.fromkeys((*taken, *told.fields)))
            _tell(told)
        selection = await select(history, catalogue, asked, children=children)
        counter = _Counter(lambda: walk(history, catalogue, selection))
        with ExitStack() as stack:
            file = stack.enter_context(_Output(out))
            async for data in _written(format, counter.items, _Whole(asked, taken, _log(store))):
                file.write(data)
        counts.append(counter.events)

    with_histories(common, run_ids, write)
    if out is not None:
        print(f"{out}: {counted(counts[0], 'event')}", file=sys.stderr)


class _Whole(msgspec.Struct, frozen=True):
    """What is said of a whole export."""

    run_ids: tuple[str, ...]
    redacted: tuple[str, ...]
    log: str


async def _written(
    wanted: Format, items: Callable[[], AsyncIterator[Item]], whole: _Whole
) -> AsyncIterator[bytes]:
    match wanted:
        case "bundle":
            chunks = bundled(items(), whole.run_ids, whole.redacted)
        case "jsonl":
            chunks = _ended(lines(items(), whole.redacted))
        case "cloudevents":
            chunks = exported(items(), whole.log)
        case "ocel2":
            chunks = ocel2(items)
        case "chrome-trace":
            chunks = chrome_trace(items())
        case _:
            assert_never(wanted)
    async for chunk in chunks:
        yield chunk


async def _ended(texts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for text in texts:
        yield text + b"\n"


def _log(store: PostgresStore | OpenedFile) -> str:
    """Where events come from, by its name."""
    return store.info.name or "cluster" if isinstance(store, PostgresStore) else "file"


async def _taken_before(
    store: PostgresStore | OpenedFile, catalogue: Catalogue, asked: tuple[str, ...]
) -> tuple[str, ...]:
    if isinstance(store, PostgresStore):
        return tuple(await redacted_before(store, catalogue, asked))
    return store.info.redacted


def _tell(told: Redaction) -> None:
    """On stderr, as the file may go to stdout."""
    weak = ""
    if told.weak:
        weak = (
            f"; {told.weak} of them, too short or too common to be looked for inside texts, only "
            "where they stand by themselves"
        )
    count = counted(told.values + told.weak, "value")
    print(f"{count} of {', '.join(told.fields)} taken out{weak}", file=sys.stderr)


class _Counter:
    """Counts events, of the last time that they were read."""

    def __init__(self, walked: Callable[[], AsyncIterator[Item]]) -> None:
        self._walked = walked
        self.events = 0

    async def items(self) -> AsyncIterator[Item]:
        self.events = 0
        async for item in self._walked():
            self.events += isinstance(item, Told)
            yield item


class _Output:
    """A new file, or standard output. Of a file that could not be finished nothing stays."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: BinaryIO = sys.stdout.buffer

    def __enter__(self) -> "_Output":
        if self._path is not None:
            try:
                self._file = self._path.open("xb")
            except FileExistsError:
                raise Misconfigured(
                    f"--out {self._path}: there is such a file; remove it first"
                ) from None
            except OSError as error:
                raise Misconfigured(
                    f"--out {self._path} cannot be written: {error.strerror}"
                ) from None
        return self

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            if self._path is None:
                raise  # a broken pipe, which `main` knows
            raise Misconfigured(f"--out {self._path} cannot be written: {error.strerror}") from None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._path is None:
            sys.stdout.flush()
            return
        self._file.close()
        if kind is not None:
            self._path.unlink(missing_ok=True)
