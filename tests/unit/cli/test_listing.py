"""Tables on wide and on narrow terminals."""

import io

import pytest
from rich.console import Console

from orchestrator.cli.output import rows, status, table

RUN = "01m7yf76f62v7psdcjdk5t27q3"


def shown(width: int, last: str = "short") -> str:
    made = rows(table("run", "status", "events>", "why"), [(RUN, status("failed"), "12", last)])
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


@pytest.mark.parametrize("width", [20, 40, 50])
def test_a_narrow_terminal_gets_lines_with_nothing_cut(width: int) -> None:
    text = shown(width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    together = "".join(line.rstrip() for line in text.splitlines())
    assert RUN in together
    assert "status  failed" in together
    assert "events  12" in together


def test_empty_cells_take_no_line_on_a_narrow_terminal() -> None:
    assert "why" not in shown(40, "")
    assert not rows(table("run", "status"), []).rows
