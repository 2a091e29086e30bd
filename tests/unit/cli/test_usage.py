"""Wrong usage is told in one sentence, with the command whose help to read."""

import json

import pytest

from orchestrator.cli.main import run


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run skip r1 a --yes", "--reason is missing, and nothing was done: say why"),
        ("run terminate r1 --reason x", "nobody is there to confirm this, and nothing was done"),
        ("run complete r1 a --output 1 --reason", "--reason requires an argument"),
        ("run restore r1 --reason x --yes", "expected either --to VERSION or --snapshot ID"),
        ("run restore r1 --to 0 --reason x --yes", "--to is 0: expected a version from 1"),
        ("run rerun r1 --all --failed --reason x", "expected one of --step, --failed and --all"),
    ],
)
def test_operators_say_why_and_what(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is asked of a cluster; there is none."""
    assert run(line.split()) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "said", "help_of"),
    [
        ("run show", "`dalsegno run show`: RUN-ID is missing.", "run show"),
        ("run start x --input", "`dalsegno run start`: --input requires an argument.", "run start"),
        ("dev now", "`dalsegno dev` takes no 'now'.", "dev"),
        ("run list --limitt 3", "Unknown option: --limitt. Did you mean --limit?", "run list"),
        ("run list --limit few", 'unable to convert "few" into int', "run list"),
        ("node list", '`dalsegno` has no command "node" (did you mean nodes?): expected try,', ""),
        ("run stop", '`dalsegno run` has no command "stop": expected start, list,', "run"),
        ("--nope", '`dalsegno` has no command "--nope": expected try,', ""),
    ],
)
def test_wrong_usage(
    line: str, said: str, help_of: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line.split()) == 2
    told, mend = capsys.readouterr().err.splitlines()
    assert told.startswith("dalsegno: ")
    assert said in told
    assert mend == f"Try `{' '.join(['dalsegno', help_of]).strip()} --help`."


def test_a_program_that_uses_it_wrongly_gets_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "show", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["exit_code"] == 2
    assert told["error"]["code"] == "misconfigured"
    assert "RUN-ID is missing" in told["error"]["message"]
