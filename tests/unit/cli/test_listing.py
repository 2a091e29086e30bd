"""Tables on wide and on narrow terminals."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from orchestrator.cli.output import rows, status, table

RUN = "01m7yf76f62v7psdcjdk5t27q3"


def shown(width: int, last: str = "short") -> str:
    made = rows(table("run", "status", "events>", "why"), [(RUN, status("failed"), "12", last)])
    return drawn(width, made)


def drawn(width: int, made: Table) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(made)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_wide_terminal_gets_a_table() -> None:
    header, line, *cells = shown(80).strip().splitlines()
    assert header.split() == ["run", "status", "events", "why"]
    assert set(line.strip()) == {"─"}
    assert cells[0].split() == [RUN, "failed", "12", "short"]


def test_a_long_word_in_the_last_column_is_folded_not_cut() -> None:
    word = "".join(f"{number:02}" for number in range(60))
    text = shown(80, word)
    assert "…" not in text
    assert text.split()[-2:] != [word]
    assert word in text.replace(" ", "").replace("\n", "")


def test_only_the_last_column_wraps() -> None:
    text = shown(80, "many words " * 20)
    assert RUN in text
    assert text.count("many") == 20
    assert max(map(len, text.splitlines())) <= 80


def test_only_the_last_column_wraps_as_long_as_the_others_fit() -> None:
    name = "the-regional-office-of-the-north-and-the-east"
    lines = [(name, status("waiting"), "signal approved until 2026-11-23T14:33:09Z")]
    text = drawn(80, rows(table("step", "kind?", "status", "waits for"), _with_kind(lines)))
    assert name in text
    assert "kind" not in text, "a spare column is left out first"


def test_long_names_are_folded_before_rows_become_blocks() -> None:
    run = "the-run-of-the-quarterly-consolidation-2026-q4-attempt-17"
    at = "2026-11-21 14:33:09"
    made = rows(table("run", "day", "of"), [(RUN, at, "shop"), (run, at, "shop")])
    header, _, first, *folded = drawn(56, made).splitlines()
    assert header.split() == ["run", "day", "of"]
    assert first.split() == [RUN, *at.split(), "shop"], "neither an id nor an instant is folded"
    assert "".join(line.split()[0] for line in folded) == run


def test_a_column_with_nothing_in_it_is_left_out() -> None:
    text = drawn(80, rows(table("run", "labels", "why"), [(RUN, "", ""), (RUN, "", "late")]))
    assert text.split()[:2] == ["run", "why"]


@pytest.mark.parametrize("width", [20, 40])
def test_a_narrow_terminal_gets_lines_with_nothing_cut(width: int) -> None:
    text = shown(width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    words = text.split()
    assert words[0] == "run"
    assert "".join(words[1 : words.index("status")]) == RUN
    assert words[words.index("status") :] == ["status", "failed", "events", "12", "why", "short"]


def test_what_goes_on_in_a_block_stands_below_its_value() -> None:
    lines = drawn(30, rows(table("run", "status"), [(RUN * 2, "failed")])).splitlines()
    assert lines[0].startswith("run     ")
    assert [line[:8] for line in lines[1:-1]] == [" " * 8] * (len(lines) - 2)
    assert "".join(line[8:].strip() for line in lines[:-1]) == RUN * 2


def test_empty_cells_take_no_line_on_a_narrow_terminal() -> None:
    assert "why" not in shown(40, "")
    assert not rows(table("run", "status"), []).rows


def _with_kind(lines: list[tuple[str, str, str]]) -> list[tuple[str, ...]]:
    return [(name, "wait", *more) for name, *more in lines]
