"""Subjects and stream names."""

import pytest

from events.errors import Misconfigured
from events.subjects import Subjects, token


def test_every_subject_begins_with_the_prefix() -> None:
    subjects = Subjects("acme.test")
    assert subjects.command("n1", "i1") == "acme.test.cmd.n1.i1"
    assert subjects.report(3) == "acme.test.report.3"
    assert subjects.heartbeat == "acme.test.heartbeat"
    assert subjects.api("start_run") == "acme.test.api.start_run"
    assert subjects.api("show_run", 0) == "acme.test.api.show_run.0"
    assert subjects.position("main") == "acme.test.position.main"
    assert (subjects.all_commands, subjects.all_reports) == (
        "acme.test.cmd.>",
        "acme.test.report.>",
    )


def test_streams_are_named_after_the_prefix_too() -> None:
    subjects = Subjects("acme.test")
    assert subjects.command_stream == "ACME_TEST_COMMANDS"
    assert subjects.report_stream == "ACME_TEST_REPORTS"


@pytest.mark.parametrize("text", ["n1", "a-b_C9", "x" * 64])
def test_a_token_is_letters_digits_dash_and_underscore(text: str) -> None:
    assert token(text, "node") == text


@pytest.mark.parametrize("text", ["", "a.b", "a b", "*", ">", "é", "x" * 65, "a\n"])
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(Misconfigured, match="node name is"):
        token(text, "node name")
