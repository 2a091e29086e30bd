"""A table that stays readable on a narrow terminal: there each row becomes lines of its own.

A run id or a status that is cut to its first letters helps nobody, and cannot be copied.
"""

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

LAST_COLUMN_MIN = 16
"""Of the last column, which may wrap; all others keep their width."""


class Listing(Table):
    """Rows under a header where that fits, else one block of `name  value` lines a row."""

    def __init__(self) -> None:
        super().__init__(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._least(console, options) <= options.max_width:
            yield from super().__rich_console__(console, options)
        else:
            yield from self._blocks()

    def _least(self, console: Console, options: ConsoleOptions) -> int:
        """Columns of the terminal under which cells would be cut."""
        *kept, last = [
            max(
                Measurement.get(console, options.update(width=10_000), cell).maximum
                for cell in [column.header, *column.cells]
            )
            for column in self.columns
        ]
        return sum(kept) + min(last, LAST_COLUMN_MIN) + 3 * len(kept) + 2

    def _blocks(self) -> RenderResult:
        names = [str(column.header) for column in self.columns]
        wide = max(map(len, names))
        for cells in zip(*(column.cells for column in self.columns), strict=True):
            yield Text("")
            for name, cell in zip(names, cells, strict=True):
                if cell:
                    line = Text(overflow="fold").append(f"{name:<{wide}}  ", style="dim")
                    yield line.append_text(Text.from_markup(str(cell)))
