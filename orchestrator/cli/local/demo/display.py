"""What is seen while the demo runs: a live picture on a terminal, else a line for each remark."""

import os
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.cli.local.demo.story import Remark, Story
from orchestrator.cli.local.demo.timeline import HUES
from orchestrator.cli.output import BAD, DIM, GOOD, UNSURE

REMARKS_SHOWN = 9
BAR_CELLS_MAX = 60
EVERY_TASKS = 8
PLAIN_WIDTH = 100
STATES = {"healthy": GOOD, "killed": f"bold {BAD}", "lost": BAD}


class Display(Protocol):
    """Shows the story so far, again and again."""

    def show(self, story: Story, now: int) -> None:
        """Called several times a second."""

    def __enter__(self) -> Self:
        """Begins to show."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves the last picture standing."""


def make_console() -> Console:
    """A terminal in its width; a file or pipe in a width of its own, without colours."""
    made = Console(highlight=False)
    if made.is_terminal and os.environ.get("TERM") != "dumb":
        return made
    return Console(highlight=False, width=PLAIN_WIDTH, no_color=True, force_terminal=False)


def make_display(console: Console) -> Display:
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)


class PlainDisplay:
    """Lines that also read well in a log."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = 0
        self._done = 0

    def show(self, story: Story, now: int) -> None:
        for remark in story.remarks[self._told :]:
            self._console.print(remark_line(remark, story))
        self._told = len(story.remarks)
        if story.done >= self._done + EVERY_TASKS:
            self._done = story.done
            self._console.print(f"         {story.done} of {story.steps} tasks are completed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return


class LiveDisplay:
    """One picture that is painted over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)

    def show(self, story: Story, now: int) -> None:
        self._live.update(picture(story, now, self._console.width), refresh=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)


def picture(story: Story, now: int, width: int) -> RenderableType:
    remarks = [remark_line(remark, story) for remark in story.remarks[-REMARKS_SHOWN:]]
    return Group(_progress(story, now, width), Text(), _nodes(story, width), Text(), *remarks)


def _progress(story: Story, now: int, width: int) -> Text:
    cells = min(BAR_CELLS_MAX, width - 40)
    filled = round(cells * story.done / story.steps)
    seconds = ((story.ended_at or now) - story.started_at) / 1_000_000 if story.started_at else 0.0
    line = Text("  run ", style="bold", no_wrap=True)
    line.append("━" * filled, GOOD)
    line.append("━" * (cells - filled), DIM)
    line.append(f" {story.done}/{story.steps} tasks", "bold")
    line.append(f"  {seconds:.1f} s  {story.events} events", DIM)
    return line


def _nodes(story: Story, width: int) -> Table:
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(width=13, no_wrap=True)
    made.add_column(width=8, no_wrap=True)
    made.add_column(width=8, justify="right", no_wrap=True)
    made.add_column(no_wrap=True, max_width=max(20, width - 42))
    state = Text("down", f"bold {BAD}") if story.is_coordinator_down else Text("deciding", GOOD)
    made.add_row(Text("  coordinator", "bold"), state, "", Text(f"epoch {story.epoch}", DIM))
    for number, name in enumerate(sorted(story.nodes)):
        node = story.nodes[name]
        held = ", ".join(one.step for one in story.held(name))
        is_well = node.state == "healthy"
        made.add_row(
            Text(f"  {name}", f"bold {HUES[number % len(HUES)]}"),
            Text(node.state, STATES.get(node.state, "")),
            f"{node.done} done",
            Text(held if is_well else f"✗ {held}" if held else "", "" if is_well else BAD),
        )
    return made


def remark_line(remark: Remark, story: Story) -> Text:
    seconds = (remark.at - story.started_at) / 1_000_000 if story.started_at else 0.0
    is_bad = any(word in remark.text for word in ("killed", "lost"))
    line = Text(f"{max(0.0, seconds):6.1f} s ", style=DIM)
    line.append(remark.text, BAD if is_bad else UNSURE if " goes from " in remark.text else "")
    return line
