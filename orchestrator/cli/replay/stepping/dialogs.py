"""What a session shows above its panes: an answer to be read, and help."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from orchestrator.cli.output import DIM, plain
from orchestrator.insight.stepping.language import SPECS


class Reading(ModalScreen[None]):
    """Something to be read; any of a few keys puts it away."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark", "dismiss", "close"),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown,space", "scroll(20)", show=False),
        Binding("pageup", "scroll(-20)", show=False),
    ]

    def __init__(self, title: str, parts: Iterable[RenderableType]) -> None:
        super().__init__()
        self._title = title
        self._parts = [Text.from_markup(part) if isinstance(part, str) else part for part in parts]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="reading") as box:
            box.border_title = self._title
            box.border_subtitle = "Esc closes"
            yield Static(Group(*self._parts), id="read")

    def action_scroll(self, lines: int) -> None:
        self.query_one("#reading", VerticalScroll).scroll_relative(y=lines, animate=False)


KEYS = (
    ("→  l  s", "one event on"),
    ("←  h", "one event back"),
    ("↓ ↑  j k", "the same in the events; elsewhere they scroll the pane"),
    ("PgDn PgUp", "ten events on, or back; elsewhere a page of the pane"),
    ("Home End", "to before the first event, to the last"),
    ("g", "to a version (14), a time of day (07:05:25), or so long after the beginning (+2s)"),
    ("b", "a breakpoint: event task.failed · step load · error · when vars.total > 9"),
    ("c  r", "on to the next breakpoint; back to the last one before"),
    ("/  n  N", "find a text in events; the next one; the one before"),
    ("p  +  -", "play; faster; slower"),
    ("w", "why the event came about, or the step is so that the state's cursor is at"),
    ("e", "the whole event"),
    ("x", "an expression to be watched: vars.total"),
    ("1 to 5  Tab", "to a pane; z shows it alone, and all of them again"),
    (":", "any command, as in a script"),
    ("?  q", "this; end"),
)


def help_parts() -> Sequence[RenderableType]:
    """Keys, then commands."""
    keys = Table.grid(padding=(0, 2, 0, 0))
    for key, words in KEYS:
        keys.add_row(f"[bold]{plain(key)}[/]", plain(words))
    commands = Table.grid(padding=(0, 2, 0, 0))
    for one in SPECS:
        commands.add_row(plain(one.usage), plain(one.short), f"[{DIM}]{plain(one.words)}[/]")
    return [keys, "", "[bold]Commands[/]", commands]
