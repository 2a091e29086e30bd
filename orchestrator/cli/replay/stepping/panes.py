"""The panes of a session: events, state, changes, graph, timeline."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.geometry import Region, Size, Spacing
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static, Tree
from textual.widgets.tree import TreeNode

from orchestrator.cli.output import DIM, UNSURE, clock, plain
from orchestrator.cli.replay.gantt import gantt
from orchestrator.cli.replay.stepping.telling import (
    branch_line,
    change_line,
    graph_line,
    kind,
    short,
    watch_line,
)
from orchestrator.insight.stepping.answers import EventRow, Watched
from orchestrator.insight.stepping.branches import Branch, branches_of, inside
from orchestrator.insight.stepping.graph import Line
from orchestrator.insight.stepping.session import Session
from orchestrator.insight.timelines.spans import Timeline, fewer
from orchestrator.replay.differences import Change
from orchestrator.replay.moments import Moment

LINES_KEPT = 4_000
GANTT_ROWS = 200
PAGE = 10
"""Events that a page of them has."""
TYPE = 15
"""Columns of a type; longer ones are rare and take more."""
AROUND = Spacing(2, 0, 2, 0)
"""Rows that are in sight before and after where it stands."""
OPENED_FIRST = frozenset({"run", "watches", "variables", "tasks"})


class EventsPane(ScrollView, can_focus=True, inherit_bindings=False):
    """All events, a row each and one for what is before the first; only those seen are made. Keys
    that elsewhere scroll step here, and the rows follow."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "app.step(1)", show=False),
        Binding("up,k", "app.step(-1)", show=False),
        Binding("pagedown", f"app.step({PAGE})", show=False),
        Binding("pageup", f"app.step(-{PAGE})", show=False),
    ]
    COMPONENT_CLASSES = {"events--here"}

    class Chosen(Message):
        """A row was clicked."""

        def __init__(self, version: int) -> None:
            super().__init__()
            self.version = version

    def __init__(self, session: Session) -> None:
        super().__init__(id="events", classes="pane")
        self.border_title = "1 events"
        self._session = session
        self._texts: dict[int, Text] = {}
        self._digits = len(str(session.last))
        self.virtual_size = Size(0, session.last + 1)

    def show(self) -> None:
        """Brings the row of the session's version into sight."""
        version = self._session.version
        self.border_subtitle = f"{version} of {self._session.last}"
        self.scroll_to_region(Region(0, version, 1, 1), animate=False, spacing=AROUND)
        self.refresh()

    def on_resize(self) -> None:
        self.show()

    def render_line(self, y: int) -> Strip:
        version = self.scroll_offset.y + y
        width = self.scrollable_content_region.width
        if version > self._session.last:
            return Strip.blank(width, self.rich_style)
        here = version == self._session.version
        style = self.get_component_rich_style("events--here") if here else self.rich_style
        text = self._text(version).copy()
        if version > self._session.version:
            text.stylize(DIM)
        text.truncate(width, overflow="ellipsis")
        strip = Strip(text.render(self.app.console), text.cell_len)
        return strip.extend_cell_length(width).apply_style(style)

    def _text(self, version: int) -> Text:
        if len(self._texts) > LINES_KEPT:
            self._texts.clear()
        if version not in self._texts:
            self._texts[version] = self._line(version)
        return self._texts[version]

    def _line(self, version: int) -> Text:
        if not version:
            return Text(f"{0:>{self._digits}} before the first event", style=DIM, end="")
        row: EventRow = self._session.row(version)
        line = Text(f"{version:>{self._digits}} ", end="", no_wrap=True)
        line.append(f"{clock(row.at)} ", style=DIM)
        line.append_text(Text.from_markup(kind(short(row.type).ljust(TYPE))))
        line.append(f"  {row.sentence}")
        return line

    def on_click(self, event: events.Click) -> None:
        version = self.scroll_offset.y + event.y - self.gutter.top
        if 0 <= version <= self._session.last:
            self.post_message(self.Chosen(version))


class StatePane(Tree[Branch], inherit_bindings=False):
    """The state as a tree. What is open stays open while the session moves."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "cursor_down", show=False),
        Binding("up,k", "cursor_up", show=False),
        Binding("pagedown", "page_down", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("enter,space", "toggle_node", show=False),
    ]

    def __init__(self) -> None:
        super().__init__("state", id="state", classes="pane")
        self.border_title = "2 state"
        self.show_root = False
        self.guide_depth = 2
        self._open: set[tuple[str, ...]] = {(name,) for name in OPENED_FIRST}

    def show(self, moment: Moment, left_out: int, watches: Sequence[Watched]) -> None:
        """Makes the tree anew, with the cursor in the same place as far as it is there."""
        line = self.cursor_line
        self.border_subtitle = f"after event {moment.version}" if moment.version else "at the start"
        self.clear()
        found = branches_of(moment, left_out)
        if watches:
            self._watches(watches)
        self._hang(self.root, found, ())
        self.root.expand()
        self.cursor_line = min(line, self.last_line)

    def _watches(self, watches: Sequence[Watched]) -> None:
        node = self.root.add("watches", expand=True)
        for one in watches:
            node.add_leaf(Text.from_markup(watch_line(one)))

    def _hang(
        self, node: TreeNode[Branch], branches: Iterable[Branch], path: tuple[str, ...]
    ) -> None:
        for branch in branches:
            here = (*path, branch.name)
            label = Text.from_markup(branch_line(branch))
            below = branch.branches or _of_value(branch)
            if not below:
                node.add_leaf(label, data=branch)
                continue
            inner = node.add(label, data=branch, expand=here in self._open)
            if here in self._open:
                self._hang(inner, below, here)

    def _path(self, node: TreeNode[Branch]) -> tuple[str, ...]:
        names: list[str] = []
        found: TreeNode[Branch] | None = node
        while found is not None and found.data is not None:
            names.append(found.data.name)
            found = found.parent
        return tuple(reversed(names))

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[Branch]) -> None:
        """What is inside is made when it is looked at."""
        event.stop()
        node = event.node
        if node.data is None:
            return
        path = self._path(node)
        self._open.add(path)
        if not node.children:
            self._hang(node, node.data.branches or _of_value(node.data), path)

    def on_tree_node_collapsed(self, event: Tree.NodeCollapsed[Branch]) -> None:
        event.stop()
        self._open.discard(self._path(event.node))

    def on_tree_node_selected(self, event: Tree.NodeSelected[Branch]) -> None:
        event.stop()

    @property
    def step(self) -> str:
        """The step that the cursor is at, or inside of; empty elsewhere."""
        node = self.cursor_node
        path = self._path(node) if node is not None else ()
        return path[1] if len(path) > 1 and path[0] in {"tasks", "steps"} else ""


def _of_value(branch: Branch) -> tuple[Branch, ...]:
    return () if branch.value is msgspec.UNSET else inside(branch.name, branch.value)


class TextPane(VerticalScroll, can_focus=True, inherit_bindings=False):
    """Lines that are scrolled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_down", show=False),
        Binding("up,k", "scroll_up", show=False),
        Binding("pagedown", "page_down", show=False),
        Binding("pageup", "page_up", show=False),
    ]

    def __init__(self, name: str, title: str) -> None:
        super().__init__(id=name, classes="pane")
        self.border_title = title
        self._shown = Static("", markup=False)

    @property
    def allow_maximize(self) -> bool:
        """A container that scrolls does not by itself."""
        return True

    def compose(self) -> ComposeResult:
        yield self._shown

    def put(self, parts: Iterable[RenderableType]) -> None:
        self._shown.update(Group(*(_rendered(one) for one in parts)))

    @property
    def text(self) -> Static:
        return self._shown


def _rendered(part: RenderableType) -> RenderableType:
    return Text.from_markup(part) if isinstance(part, str) else part


class ChangesPane(TextPane):
    def __init__(self) -> None:
        super().__init__("changes", "3 changes")

    def show(self, version: int, found: Sequence[Change], more: int) -> None:
        self.border_subtitle = f"by event {version}" if version else ""
        lines = [change_line(one) for one in found]
        if more:
            lines.append(f"[{DIM}]… {more} more[/]")
        self.put(lines or [f"[{DIM}]nothing is different[/]"])


class GraphPane(TextPane):
    def __init__(self) -> None:
        super().__init__("graph", "4 graph")

    def show(self, lines: Sequence[Line], touched: frozenset[str]) -> None:
        """`touched`: steps that the event was about, which are marked and brought into sight."""
        made: list[RenderableType] = []
        first = None
        for number, line in enumerate(lines):
            text = graph_line(line)
            if line.step and line.step in touched:
                first = number if first is None else first
                text.append("  ◀", style=f"bold {UNSURE}")
            made.append(text)
        self.put(made)
        if first is not None:
            self.scroll_to(y=max(0, first - self.size.height // 2), animate=False)

    def without(self, why: str) -> None:
        """There is none."""
        self.put([f"[{DIM}]{plain(why)}[/]"])


class TimelinePane(TextPane):
    def __init__(self) -> None:
        super().__init__("timeline", "5 timeline")
        self._whole: Timeline | None = None
        self._found: Timeline | None = None
        self._now = 0

    def show(self, found: Timeline, now: int) -> None:
        """All of the run, with a line where it stands."""
        if found is not self._whole:
            self._whole, self._found = found, fewer(found, GANTT_ROWS)
        self._now = now
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width = self.scrollable_content_region.width
        if self._found is not None and width:
            self.put(gantt(self._found, width, self._now))
