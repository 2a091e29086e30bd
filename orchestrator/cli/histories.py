"""A RUN on the command line that is only read: the id of a run in the log, or an exported file."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.envelope import unseal
from events.errors import Corrupt, Misconfigured, Rejected
from events.ids import definition_stream
from events.net import Net
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import Common, go
from orchestrator.cli.nearest import about
from orchestrator.cli.stores import log_of, with_store
from orchestrator.kernel.state import RunState
from orchestrator.replay.export import Exported, read_export
from orchestrator.replay.ports import History

T = TypeVar("T")
PAGE = 500


class Opened(msgspec.Struct, frozen=True):
    """A history and the run in it that is meant; `name`: as it is called in what we print."""

    history: History
    run_id: str
    name: str


def with_histories(
    common: Common, runs: Iterable[str], read: Callable[[list[Opened]], Awaitable[T]]
) -> T:
    """What `read` returns of the runs named; no log is asked when all are files.

    Raises `Rejected` with what was probably meant, `Misconfigured`, `Corrupt`, `Unavailable`.
    """
    with ExitStack() as stack:
        named = [stack.enter_context(_named(common, run)) for run in runs]
        if all(isinstance(one, Exported) for one in named):
            return go(lambda: read([_from(one) for one in named if isinstance(one, Exported)]))

        async def opened(store: PostgresStore) -> T:
            return await read([await _open(store, one) for one in named])

        return with_store(common, opened)


def with_history(common: Common, run: str, read: Callable[[Opened], Awaitable[T]]) -> T:
    """The same of one run."""
    return with_histories(common, (run,), lambda opened: read(opened[0]))


@contextmanager
def _named(common: Common, run: str) -> Iterator[str | Exported]:
    """A file's content, or the id of a run, of which a refusal inside names the nearest."""
    path = Path(run)
    if run and (path.suffix or "/" in run) and path.is_file():
        yield _exported(path)
        return
    with about(common, run) as given:
        yield given


def _exported(path: Path) -> Exported:
    try:
        with path.open("rb") as file:
            return read_export(file, Catalogue(), str(path))
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from None


def _from(file: Exported) -> Opened:
    return Opened(file, file.run_id, file.run_id)


async def _open(store: PostgresStore, named: str | Exported) -> Opened:
    if isinstance(named, Exported):
        return _from(named)
    return Opened(await log_of(store, named), named, named)


def no_run(run_id: str) -> Rejected:
    return Rejected(f"there is no run {run_id}: `dalsegno run list` shows those there are")


async def net_in(history: History, catalogue: Catalogue, state: RunState) -> Net:
    """The compiled net that a run keeps to. Raises `Corrupt`."""
    stream, after = definition_stream(state.workflow), 0
    while page := await history.read(stream, after, PAGE):
        for stored in page:
            fact = unseal(stored, catalogue).fact
            if (
                isinstance(fact, DefinitionRegistered)
                and fact.workflow_version == state.workflow_version
            ):
                return fact.net
        after = page[-1].version
    raise Corrupt(f"version {state.workflow_version} of {state.workflow} is not in the log")
