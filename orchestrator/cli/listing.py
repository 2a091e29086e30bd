"""A table that stays readable on a narrow terminal.

Where it does not fit, first the last column wraps, then columns that tell least are left out, then
long texts are folded; and when even that is not enough, each row becomes lines of its own. Nothing
is ever cut: a run id or a status of which only the first letters are there helps nobody.
"""

from collections.abc import Iterable, Sequence

import msgspec
from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table

from orchestrator.cli.output import DIM

FIRST_MIN = 26
"""Columns of the terminal that the first column always has, if it needs them: as many as an id that
we make, so that it stays in one piece."""
LAST_MIN = 24
LAST_FOLDED_MIN = 16
"""Of the last column, where others are folded too."""
OTHER_MIN = 20
"""So that an instant is never folded."""
MAX = 10_000
GAP = 2


class Column(msgspec.Struct, frozen=True):
    """`is_spare`: it may be left out where there is no room; of several the last one goes first."""

    name: str
    is_number: bool = False
    is_spare: bool = False


class Listing(Table):
    """Rows under a header where that fits, else one block of `name  value` lines a row. Columns
    with nothing in them are left out."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__(
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, GAP - 1, 0, 0),
            header_style="bold",
        )
        self._given = list(columns)
        for column in columns:
            self.add_column(
                column.name, justify="right" if column.is_number else "left", overflow="fold"
            )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        whole = {
            index: self._width(console, options, index)
            for index, column in enumerate(self.columns)
            if not self.rows or any(column.cells)
        }
        found = self._fitting(whole, options.max_width)
        if found is None:
            yield from self._blocks(list(whole))
        else:
            yield from self._of(found).__rich_table__(console, options)

    def __rich_table__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from super().__rich_console__(console, options)

    def _width(self, console: Console, options: ConsoleOptions, index: int) -> int:
        """What the longest line of the column needs."""
        column, endless = self.columns[index], options.update(width=MAX)
        cells = [column.header, *column.cells]
        return max(Measurement.get(console, endless, cell).maximum for cell in cells)

    def _fitting(self, whole: dict[int, int], room: int) -> dict[int, int] | None:
        """The width of each column that is shown; None when they do not fit."""
        shown = dict(whole)
        last = max(whole, default=0)
        for spare in [None, *(index for index in reversed(whole) if self._given[index].is_spare)]:
            if spare is not None:
                del shown[spare]
            if found := narrowed(shown, {last: LAST_MIN}, room):
                return found
        texts = {index: OTHER_MIN for index in shown if not self._given[index].is_number}
        texts = {**texts, last: LAST_FOLDED_MIN, min(shown, default=0): MAX}
        first = {min(shown, default=0): FIRST_MIN}
        return narrowed(shown, texts, room) or narrowed(shown, texts | first, room)

    def _of(self, widths: dict[int, int]) -> "Listing":
        """The same rows, with these columns only."""
        made = Listing([self._given[index] for index in widths])
        for column, width in zip(made.columns, widths.values(), strict=True):
            column.width = width
        for cells in zip(*(self.columns[index].cells for index in widths), strict=True):
            made.add_row(*cells)
        return made

    def _blocks(self, shown: Sequence[int]) -> RenderResult:
        names = [self._given[index].name for index in shown]
        columns = (self.columns[index].cells for index in shown)
        for number, cells in enumerate(zip(*columns, strict=True)):
            if number:
                yield ""
            yield block_of(zip(names, map(str, cells), strict=True))


def block_of(lines: Iterable[tuple[str, str]]) -> Table:
    """`name  value`, a line each, without those that have no value."""
    made = Table.grid(padding=(0, GAP, 0, 0))
    made.add_column(style=DIM, no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in lines:
        if value:
            made.add_row(name, value)
    return made


def narrowed(whole: dict[int, int], least: dict[int, int], room: int) -> dict[int, int] | None:
    """The widths with those that may be less made so, the widest first, until all fit; None when
    they cannot."""
    found, over = dict(whole), sum(whole.values()) + GAP * (len(whole) - 1) - room
    while over > 0:
        wide = [index for index in least if found[index] > least[index]]
        if not wide:
            return None
        found[max(wide, key=lambda index: found[index])] -= 1
        over -= 1
    return found
