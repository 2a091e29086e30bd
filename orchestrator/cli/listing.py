"""A table that stays readable on a narrow terminal: there each row becomes lines of its own.

Columns that tell least are left out first. A run id or a status that is cut to its first letters
helps nobody, and cannot be copied.
"""

from collections.abc import Sequence

import msgspec
from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from orchestrator.cli.output import DIM

LAST_COLUMN_MIN = 16
"""Of the last column, which may wrap; all others keep their width."""


class Column(msgspec.Struct, frozen=True):
    """`is_spare`: it may be left out where there is no room; of several the last one goes first."""

    name: str
    is_number: bool = False
    is_spare: bool = False


class Listing(Table):
    """Rows under a header where that fits, else one block of `name  value` lines a row."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        self._spare = [index for index, column in enumerate(columns) if column.is_spare]
        for column in columns:
            self.add_column(
                column.name, justify="right" if column.is_number else "left", overflow="fold"
            )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        left_out: set[int] = set()
        for index in [None, *reversed(self._spare)]:
            left_out |= set() if index is None else {index}
            if self._least(console, options, left_out) <= options.max_width:
                yield from self._without(left_out).__rich_table__(console, options)
                return
        yield from self._blocks()

    def __rich_table__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from super().__rich_console__(console, options)

    def _without(self, left_out: set[int]) -> "Listing":
        """The same rows without these columns."""
        if not left_out:
            return self
        made = Listing(())
        kept = [one for index, one in enumerate(self.columns) if index not in left_out]
        for column in kept:
            made.add_column(column.header, justify=column.justify, overflow=column.overflow)
        for cells in zip(*(column.cells for column in kept), strict=True):
            made.add_row(*cells)
        return made

    def _least(self, console: Console, options: ConsoleOptions, left_out: set[int]) -> int:
        """Columns of the terminal under which cells would be cut."""
        *kept, last = [
            max(
                Measurement.get(console, options.update(width=10_000), cell).maximum
                for cell in [column.header, *column.cells]
            )
            for index, column in enumerate(self.columns)
            if index not in left_out
        ]
        return sum(kept) + min(last, LAST_COLUMN_MIN) + 3 * len(kept) + 2

    def _blocks(self) -> RenderResult:
        names = [str(column.header) for column in self.columns]
        wide = max(map(len, names))
        for cells in zip(*(column.cells for column in self.columns), strict=True):
            yield Text("")
            for name, cell in zip(names, cells, strict=True):
                if cell:
                    line = Text(overflow="fold").append(f"{name:<{wide}}  ", style=DIM)
                    yield line.append_text(Text.from_markup(str(cell)))
