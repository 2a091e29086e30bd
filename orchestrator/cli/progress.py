"""Live progress: a line or two on a terminal while something is awaited, silence everywhere else.

It is drawn on stderr and wiped at the end, so that stdout has the result and nothing else.
"""

import os
import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
import msgspec

from events.api import RunAnswer, RunView, ShowRun, StartRun
from events.errors import Rejected, Unavailable
from orchestrator.adapters.nats.client import Client
from orchestrator.cli.output import ACTIVE, BAD, DIM, GOOD, UNSURE, console, counted, plain

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live
    from rich.spinner import Spinner

EVERY_S = 0.5
REFRESH_PER_S = 8
NAMES_SHOWN = 3
DONE_STATUSES = frozenset({"completed", "skipped"})
UNDER_WAY = frozenset({"dispatched", "running", "retrying", "calling", "waiting", "entered"})


def is_seen() -> bool:
    """Whether somebody looks at stderr, and it can be painted over."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Progress(AbstractContextManager["Progress"]):
    """A line that says what goes on; nothing at all where nobody would see it."""

    def __init__(self, words: str) -> None:
        self._live: Live | None = None
        if is_seen():
            self._spinner, self._live = _live(words)

    @property
    def is_live(self) -> bool:
        return self._live is not None

    def say(self, words: str) -> None:
        """`words` may have markup; user text in it is escaped by the caller."""
        if self._live is not None:
            self._spinner.update(text=words)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()


class OneLine(msgspec.Struct, frozen=True):
    """What is painted over must not change its height: it is cut where the terminal ends."""

    spinner: "Spinner"

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        yield from console.render(self.spinner, options.update(no_wrap=True, overflow="ellipsis"))


def _live(words: str) -> "tuple[Spinner, Live]":
    from rich.live import Live
    from rich.spinner import Spinner

    spinner = Spinner("dots", words, style=ACTIVE)
    live = Live(
        OneLine(spinner),
        console=console(sys.stderr),
        refresh_per_second=REFRESH_PER_S,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # else what goes to a file would land on the terminal
    )
    return spinner, live


async def awaited(client: Client, run: RunView) -> RunView:
    """The run when it has ended; its progress is shown meanwhile where somebody looks."""
    with Progress(words_of(run)) as progress:
        return await followed(client, run.run_id, progress)


async def played(client: Client, request: StartRun, progress: Progress) -> RunView:
    """Starts a run and returns it when it has ended."""
    if not progress.is_live:
        return await client.run(request)
    await client.request(request)
    return await followed(client, request.run_id, progress)


async def followed(client: Client, run_id: str, progress: Progress) -> RunView:
    """The same, shown by a progress that is there already."""
    if not progress.is_live:
        return await client.await_run(run_id)
    async with anyio.create_task_group() as group:
        group.start_soon(_follow, client, run_id, progress)
        ended = await client.await_run(run_id)
        group.cancel_scope.cancel()
    return ended


async def _follow(client: Client, run_id: str, progress: Progress) -> None:
    while True:
        await anyio.sleep(EVERY_S)
        try:
            answer = await client.request(ShowRun(run_id=run_id))
        except (Unavailable, Rejected):
            continue  # the one who awaits the run will tell
        if isinstance(answer, RunAnswer):
            progress.say(words_of(answer.run))


def words_of(run: RunView) -> str:
    """A line about a run under way."""
    done = sum(step.status in DONE_STATUSES for step in run.steps)
    failed = sum(step.status == "failed" for step in run.steps)
    busy = [step.name for step in run.steps if step.status in UNDER_WAY]
    parts = [
        f"{plain(run.run_id)} [{ACTIVE}]{run.status}[/]",
        f"[{GOOD}]{counted(done, 'step')} done[/]",
    ]
    if failed:
        parts.append(f"[{BAD}]{failed} failed[/]")
    if busy:
        more = f" and {len(busy) - NAMES_SHOWN} more" if len(busy) > NAMES_SHOWN else ""
        parts.append(f"[{DIM}]at {plain(', '.join(busy[:NAMES_SHOWN]))}{more}[/]")
    elif obstacle := _obstacle(run):
        parts.append(f"[{UNSURE}]{plain(obstacle)}[/]")
    return "  ".join(parts)


def _obstacle(run: RunView) -> str:
    """What a run waits for of which nothing is at work; who only sees it turn would wait for ever
    for a node that has the task."""
    if run.pending:
        return run.pending
    waiting = (task for task in run.tasks if task.status == "ready" and task.pending)
    return next((f"{task.name} waits for {task.pending}" for task in waiting), "")
