"""What commands do at their limits: what is just within is no matter, one more is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from events.errors import Misconfigured
from events.limits import (
    CONFIG_BYTES_MAX,
    EVENTS_LISTED_MAX,
    INPUT_BYTES_MAX,
    LABELS_ASKED_MAX,
    LOCAL_AGENTS_MAX,
    RUNS_AGAINST_MAX,
    RUNS_LISTED_MAX,
    WORKERS_AGAINST_MAX,
)
from node_agent import config as agent_config
from orchestrator.cli.main import run
from orchestrator.cli.run.inputs import read_input
from orchestrator.cli.run.lists import labels
from orchestrator.config import load_config
from orchestrator.errors import Rejected

NOBODY = ["--dsn", "postgresql://nobody@127.0.0.1:1/none"]


@pytest.mark.parametrize(
    ("command", "flag", "most"),
    [
        pytest.param(
            ["run", "list", *NOBODY],
            "--limit",
            RUNS_LISTED_MAX,
            marks=pytest.mark.edge("RUNS_LISTED_MAX"),
        ),
        pytest.param(
            ["replay", "--against", "examples/orders.yaml", "--all-of", "orders", *NOBODY],
            "--limit",
            RUNS_AGAINST_MAX,
            marks=pytest.mark.edge("RUNS_AGAINST_MAX"),
        ),
        pytest.param(
            ["replay", "--against", "examples/orders.yaml", "--all-of", "orders", *NOBODY],
            "--workers",
            WORKERS_AGAINST_MAX,
            marks=pytest.mark.edge("WORKERS_AGAINST_MAX"),
        ),
        pytest.param(
            ["events", "tail", *NOBODY],
            "--limit",
            EVENTS_LISTED_MAX,
            marks=pytest.mark.edge("EVENTS_LISTED_MAX"),
        ),
        pytest.param(
            ["dev", "--import", "there_is_no_such_module"],
            "--agents",
            LOCAL_AGENTS_MAX,
            marks=pytest.mark.edge("LOCAL_AGENTS_MAX"),
        ),
    ],
)
def test_a_flag_has_a_most(
    command: list[str], flag: str, most: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run([*command, flag, str(most)])
    assert flag not in capsys.readouterr().err, "what is wrong then is something else"

    assert run([*command, flag, str(most + 1)]) == 2
    assert f"{flag} is {most + 1}" in capsys.readouterr().err


@pytest.mark.edge("LABELS_ASKED_MAX")
def test_a_search_asks_for_so_many_labels() -> None:
    tags = [f"t{number}=x" for number in range(LABELS_ASKED_MAX)]
    assert len(labels(tags, [])) == LABELS_ASKED_MAX

    with pytest.raises(Misconfigured, match=f"over {LABELS_ASKED_MAX}"):
        labels(tags, ["a=1"])


@pytest.mark.edge("INPUT_BYTES_MAX")
def test_an_input_file_is_read_up_to_a_size(tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_bytes(b"1" + b" " * (INPUT_BYTES_MAX - 1))
    assert read_input(f"@{file}") == 1

    with file.open("ab") as more:
        more.write(b" ")
    with pytest.raises(Rejected, match=f"over {INPUT_BYTES_MAX} bytes"):
        read_input(f"@{file}")


@pytest.mark.edge("CONFIG_BYTES_MAX")
@pytest.mark.parametrize("load", [load_config, agent_config.load_config])
def test_a_configuration_file_has_a_size(load: Callable[..., object], tmp_path: Path) -> None:
    file = tmp_path / "dalsegno.toml"
    file.write_text("#" * CONFIG_BYTES_MAX)
    load({}, {}, file)

    file.write_text("#" * (CONFIG_BYTES_MAX + 1))
    with pytest.raises(Misconfigured, match=f"over {CONFIG_BYTES_MAX} bytes"):
        load({}, {}, file)
