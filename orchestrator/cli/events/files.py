"""Exported files where a run is asked for: `dalsegno replay FILE` in place of a run of the log."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from events.errors import Rejected
from orchestrator.adapters.archives.opening import open_file
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import Common, go
from orchestrator.cli.names import alike
from orchestrator.cli.nearest import about
from orchestrator.cli.stores import with_store
from orchestrator.replay.exchange.bundles import SUFFIX
from orchestrator.replay.exchange.opened import FileInfo, OpenedFile

T = TypeVar("T")
SUFFIXES = (SUFFIX, ".jsonl")
NAMED_MAX = 20


def is_file(target: str) -> bool:
    """Whether a file is meant, and not the id of a run: it is there, or is called like one."""
    return "/" in target or target.endswith(SUFFIXES) or Path(target).is_file()


def chosen(info: FileInfo, run_id: str) -> str:
    """The run of a file that is meant: the one named, else the only one that was asked for when it
    was written. Raises `Rejected`."""
    if not run_id and len(info.run_ids) == 1:
        return info.run_ids[0]
    if not run_id:
        raise Rejected(f"{info.name} has several runs: name one with --run: {_some(info)}")
    if run_id not in info.runs:
        raise Rejected(
            f"there is no run {run_id} in {info.name}{alike(run_id, list(info.runs))}: "
            f"expected one of {_some(info)}"
        )
    return run_id


def _some(info: FileInfo) -> str:
    more = len(info.runs) - NAMED_MAX
    return ", ".join(info.runs[:NAMED_MAX]) + (f" … and {more} more" if more > 0 else "")


def with_history(
    common: Common,
    target: str,
    run_id: str,
    read: Callable[[PostgresStore | OpenedFile, str], Awaitable[T]],
) -> T:
    """What `read` returns of the run `target` of the log, or of a run in the file `target`: the one
    called `run_id`, or the only one. Raises `Rejected`."""
    if not is_file(target):
        with about(common, target) as given:
            return with_store(common, lambda store: read(store, given))

    async def opened() -> T:
        with await open_file(Path(target)) as file:
            return await read(file, chosen(file.info, run_id))

    return go(opened)


def with_histories(
    common: Common,
    targets: Sequence[str],
    read: Callable[[PostgresStore | OpenedFile, tuple[str, ...]], Awaitable[T]],
) -> T:
    """The same for several runs of the log, or all runs that a file was written for."""
    if len(targets) == 1 and is_file(targets[0]):

        async def opened() -> T:
            with await open_file(Path(targets[0])) as file:
                return await read(file, file.info.run_ids)

        return go(opened)
    with ExitStack() as stack:
        given = tuple(stack.enter_context(about(common, one)) for one in targets)
        return with_store(common, lambda store: read(store, given))
