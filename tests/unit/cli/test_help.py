"""Help that teaches: every command has examples, and every example is accepted by the parser."""

import re
import shlex
from pathlib import Path

import pytest

from orchestrator.cli.help_page import beside
from orchestrator.cli.main import make_app, run
from orchestrator.cli.teaching import Example, examples, examples_of, page_end, teach_all

ROOT = Path(__file__).parents[3]
COMMANDS = dict(teach_all(make_app()))
LINES = [one.line for command in COMMANDS.values() for one in examples_of(command)]
OFFLINE = ("workflow check", "workflow diff examples", "config show", "completion")
COLUMNS = 80


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_of_its_own(name: str) -> None:
    found = examples_of(COMMANDS[name])
    assert found, f"`dalsegno {name}` has no section Examples in its docstring"
    assert all(
        one.line.split()[: len(name.split()) + 1] == ["dalsegno", *name.split()] for one in found
    )


@pytest.mark.parametrize("line", LINES)
def test_every_example_is_accepted(line: str) -> None:
    words = shlex.split(line.partition(" | ")[0])[1:]
    if words[0] == "agent":  # its arguments are read by the agent
        return
    make_app().parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.parametrize(
    "line",
    [
        line
        for line in LINES
        if line.startswith(tuple(f"dalsegno {one}" for one in OFFLINE)) and "--install" not in line
    ],
)
def test_examples_that_need_no_cluster_work(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(line)[1:]
    if any("@" in word or word == "greet" for word in words):  # of a cluster's registry
        return
    assert run(words) == ("diff" in words)
    assert capsys.readouterr().out


def test_files_in_examples_exist() -> None:
    named = {word for line in LINES for word in shlex.split(line) if word.startswith("examples/")}
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_the_examples_in_a_page_fit_the_terminal() -> None:
    ends = (page_end(examples_of(command)) for command in COMMANDS.values())
    lines = [line for end in ends for line in end.splitlines()]
    assert [line for line in lines if len(line) > COLUMNS] == []


@pytest.mark.parametrize("name", ["run start", "workflow plan", "events tail"])
def test_a_page_says_all_of_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "--help"]) == 0
    said = capsys.readouterr().out
    assert examples_of(COMMANDS[name])[0].line in said
    assert "Where the cluster is" in said


OWN_PAGE = ("agent",)
"""Its page is made by the agent."""


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in OWN_PAGE])
def test_a_page_is_text_that_fits(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: dalsegno {name}")
    assert not set(said) & set("╭╮╰╯│─\x1b")
    assert max(map(len, said.splitlines())) <= COLUMNS
    assert "\n\n\n" not in said
    assert not re.search(r"\b(STR|INT|FLOAT|ARGS|True)\b", said)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in OWN_PAGE])
def test_every_parameter_is_explained(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "--help"]) == 0
    lines = capsys.readouterr().out.partition("\nExamples:")[0].splitlines()
    alone = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if re.match("  (--|[A-Z]{2})", line)
        and "  " not in line.strip()
        and not following.startswith(" " * 6)
    ]
    assert alone == []


def test_text_is_filled_anew_wherever_the_source_breaks_it() -> None:
    assert beside("--limit N", "Most runs.", 9, 40) == "  --limit N  Most runs."
    long = beside("--a-name-that-is-long N", "one two three four five six", 6, 26)
    assert long.splitlines() == [
        "  --a-name-that-is-long N",
        "          one two three",
        "          four five six",
    ]
    assert beside("--limit N", "", 9, 40) == "  --limit N"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("run wait", "dalsegno run wait [OPTIONS] RUN-ID..."),
        ("verify", "dalsegno verify [OPTIONS] [RUN-ID]"),
        ("demo", "dalsegno demo"),
        ("agent", "dalsegno agent [ARGUMENT...]"),
    ],
)
def test_usage(name: str, said: str) -> None:
    assert COMMANDS[name].usage == said


def test_a_page_keeps_what_the_docstring_says_beyond_its_first_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["try", "--help"]) == 0
    assert "Exit code 0 if the run completed, 1 if it ended otherwise." in capsys.readouterr().out


def test_the_first_page_lists_the_commands_in_their_groups(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    groups = [
        "Processes",
        "Workflows and runs",
        "History and state",
        "Care",
        "Options",
        "First steps",
    ]
    assert sorted(groups, key=said.index) == groups
    assert max(map(len, said.splitlines())) <= COLUMNS


def test_a_section_of_examples() -> None:
    def command() -> None:
        """Do it.

        Examples
        --------
        dalsegno do it
            With words
            on two lines.
        dalsegno do --more
        """

    assert examples(command) == [
        Example(line="dalsegno do it", words="With words on two lines."),
        Example(line="dalsegno do --more", words=""),
    ]
    assert page_end(examples(command)).splitlines() == [
        "Examples:",
        "  dalsegno do it",
        "      With words on two lines.",
        "  dalsegno do --more",
    ]
    assert page_end([]) == ""
