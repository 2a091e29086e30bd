"""Wrong usage is told in one sentence, with the command whose help to read."""

import json

import pytest

from orchestrator.cli.main import run


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
