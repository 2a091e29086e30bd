"""Numbering: lines and columns as a client counts them, from 0 or from 1; ours are from 1."""

import msgspec

Shown = dict[str, object]


class Numbering(msgspec.Struct, frozen=True):
    """`lines` and `columns` are what the client calls the first one."""

    lines: int = 1
    columns: int = 1

    def line(self, given: int) -> int:
        """A client's line as ours."""
        return given + 1 - self.lines

    def column(self, given: int) -> int:
        """A client's column as ours."""
        return given + 1 - self.columns

    def told(self, shown: Shown) -> Shown:
        """With our `line` and `column` as the client counts them."""
        found = dict(shown)
        for name, first in (("line", self.lines), ("column", self.columns)):
            value = found.get(name)
            if isinstance(value, int):
                found[name] = max(value - 1 + first, 0)
        return found
