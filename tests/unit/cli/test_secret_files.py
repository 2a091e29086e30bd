"""Settings from files that variables name, as secrets of containers come."""

from pathlib import Path

import pytest

from events.errors import Misconfigured
from node_agent.config import load_config as load_agent_config
from orchestrator.config import load_config

DSN = "postgresql://u:hunter2@db/log"


@pytest.mark.parametrize("variable", ["DALSEGNO_POSTGRES_DSN", "DALSEGNO_POSTGRES__DSN"])
def test_a_file_holds_the_value(tmp_path: Path, variable: str) -> None:
    (tmp_path / "dsn").write_text(f"{DSN}\n")
    found = load_config({}, {f"{variable}_FILE": str(tmp_path / "dsn")}, None)
    assert found.value.postgres.dsn == DSN
    assert found.source("postgres.dsn") == "environment"


def test_agents_read_files_too(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2")
    found = load_agent_config({}, {"DALSEGNO_NATS_PASSWORD_FILE": str(tmp_path / "password")}, None)
    assert found.value.nats.password == "hunter2"


def test_a_setting_that_is_a_file_stays_one(tmp_path: Path) -> None:
    found = load_config({}, {"DALSEGNO_NATS_CREDENTIALS_FILE": str(tmp_path / "creds")}, None)
    assert found.value.nats.credentials_file == str(tmp_path / "creds")


def test_both_at_once_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text(DSN)
    environment = {
        "DALSEGNO_POSTGRES_DSN": DSN,
        "DALSEGNO_POSTGRES_DSN_FILE": str(tmp_path / "dsn"),
    }
    with pytest.raises(Misconfigured, match="are both set: give one"):
        load_config({}, environment, None)


@pytest.mark.parametrize(
    ("text", "said"), [(None, "there is no configuration file"), (" \n", "is empty")]
)
def test_no_value_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "dsn"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Misconfigured, match=said):
        load_config({}, {"DALSEGNO_POSTGRES_DSN_FILE": str(path)}, None)
