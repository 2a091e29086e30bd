"""A script steps through a run without a terminal: what it prints can be compared."""

import json
from pathlib import Path

import pytest

from events.errors import Misconfigured, Rejected
from events.limits import SCRIPT_LINES_MAX
from orchestrator.adapters.cel import CelExpressions
from orchestrator.cli.replay.stepping.script import WIDTH, read_script, run_script
from orchestrator.cli.replay.stepping.telling import TELLERS, text_of
from orchestrator.insight.stepping.answers import Answer
from orchestrator.insight.stepping.session import Session
from tests.builders import Play, started, task, workflow
from tests.recordings import recorded

ALONE = (
    "step",
    "back",
    "breaks",
    "state",
    "changes",
    "event",
    "events",
    "graph",
    "why",
    "timeline",
)
"""Commands that need nothing behind them."""
DEFINITION = workflow(task("a", inputs={"api_key": "${ input.api_key }"}), task("b"))


def played() -> Play:
    play = started(DEFINITION, value={"api_key": "hunter2", "note": "password=hunter3"})
    play.wait(1).place("a", node="north")
    play.wait(1).complete("a", {"total": 40})
    play.wait(1).place("b")
    play.wait(1).fail("b", code="broken", retryable=False)
    return play


def printed(capsys: pytest.CaptureFixture[str], *lines: str, as_json: bool = False) -> str:
    run_script(recorded(played()), "look.txt", lines, 0, as_json=as_json)
    return capsys.readouterr().out


def test_each_command_is_printed_with_its_answer(capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(capsys, "# where does it fail", "break error", "", "continue", "state steps.a")
    assert said.splitlines()[:6] == [
        "> break error",
        "1  break  error",
        "> continue",
        "5 of 6  waiting  22:13:24.000  task.failed.v1",
        "  b failed for good with broken (attempt 1 of 1 was the last): nothing takes its failure",
        "  breakpoint 1: error",
    ]


def test_the_same_script_prints_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    script = ["goto 3", "watch vars", *ALONE, "goto 5", *ALONE]
    assert printed(capsys, *script) == printed(capsys, *script)


def test_a_line_that_is_refused_ends_it_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Rejected, match=r"look\.txt:2: there is no command 'nonsense'"):
        printed(capsys, "step", "nonsense", "step")
    assert capsys.readouterr().out.count("> ") == 1


def test_quit_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "step", "quit", "nonsense").count("> ") == 2


def test_with_json_each_answer_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    script = ["step 5", "changes", "why", "timeline", "graph", "state", "events", "breaks", "event"]
    said = printed(capsys, *script, as_json=True)
    answers = [json.loads(line) for line in said.splitlines()]
    kinds = ["here", "changes", "why", "timeline", "graph", "moment", "events", "breaks", "event"]
    assert [one["type"] for one in answers] == kinds
    assert "hunter" not in said


def test_secrets_are_covered_in_texts(capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(
        capsys, "goto end", "state", "state input", "goto 1", "changes", "event", "print input"
    )
    assert "hunter" not in said
    assert "***" in said


def test_no_line_is_wider_than_it_should_be(capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(capsys, "goto end", "state", "events", "why", "changes", "timeline", "help")
    assert max(map(len, said.splitlines())) <= WIDTH


def test_every_kind_of_answer_is_told() -> None:
    assert set(TELLERS) == set(Answer.__args__)
    session = Session(recorded(played()), CelExpressions())
    assert text_of(session.here(), 80) == "0 of 6  pending  before the first event\n"


def test_a_script_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"cannot be read: No such file"):
        read_script(str(tmp_path / "none.txt"))


@pytest.mark.edge("SCRIPT_LINES_MAX")
def test_a_script_without_end_is_refused_before_it_begins(tmp_path: Path) -> None:
    file = tmp_path / "look.txt"
    file.write_text("step\n" * SCRIPT_LINES_MAX)
    assert len(read_script(str(file))) == SCRIPT_LINES_MAX
    file.write_text("step\n" * (SCRIPT_LINES_MAX + 1))
    with pytest.raises(Rejected, match=f"expected at most {SCRIPT_LINES_MAX}"):
        read_script(str(file))
