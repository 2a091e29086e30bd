"""What runs are asked for: conditions on status, workflow, time, tags and search attributes."""

import math
import re
from typing import Literal

import msgspec

from orchestrator.insight.counting.tallies import label_text
from orchestrator.replay.ports import IndexRow

Comparison = Literal["=", "<", "<=", ">", ">="]
LabelKind = Literal["tag", "attribute"]
CONDITION = re.compile(r"([^=<>]+)(<=|>=|=|<|>)(.*)", re.DOTALL)


class LabelCondition(msgspec.Struct, frozen=True, kw_only=True):
    """A tag, or a search attribute, whose value compares so with `value`; greater and less are for
    numbers. Raises `ValueError` when made with what is no number for those."""

    kind: LabelKind
    name: str
    comparison: Comparison
    value: str

    def __post_init__(self) -> None:
        if self.comparison != "=" and self.number is None:
            raise ValueError(f"{self.value!r} is no number")

    @property
    def number(self) -> float | None:
        try:
            number = float(self.value)
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    @property
    def texts(self) -> list[str]:
        """As what the value may be kept: as it is written, and as a number is."""
        number = self.number if self.kind == "attribute" else None
        return sorted({self.value, self.value if number is None else label_text(number)})


def condition(kind: LabelKind, text: str) -> LabelCondition:
    """Raises `ValueError` with what is wrong, for what is no condition."""
    found = CONDITION.fullmatch(text)
    forms = "KEY=VALUE" if kind == "tag" else "KEY=VALUE, or KEY and one of < <= > >= and a number"
    if found is None or (kind == "tag" and found[2] != "="):
        raise ValueError(f"{kind} is {text!r}: expected {forms}")
    comparisons: dict[str, Comparison] = {one: one for one in ("=", "<", "<=", ">", ">=")}
    name, comparison, value = found[1], comparisons[found[2]], found[3]
    try:
        return LabelCondition(kind=kind, name=name, comparison=comparison, value=value)
    except ValueError as error:
        raise ValueError(f"{kind} is {text!r}: {error}: expected {forms}") from None


class RunQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first; empty conditions hold for all. `since` and `until` (which is excluded) are of a
    run's start, in microseconds. `before`: the last run of the page before; `before_at` its start,
    where the run may be in another log."""

    status: str = ""
    workflow: str = ""
    since: int | None = None
    until: int | None = None
    labels: tuple[LabelCondition, ...] = ()
    before: str = ""
    before_at: int | None = None
    limit: int = 20


def newest_first(found: list[IndexRow], limit: int) -> list[IndexRow]:
    """The first of the runs of all logs, as each of them lists its own."""
    return sorted(found, key=lambda row: (row.started_at, row.run_id), reverse=True)[:limit]
