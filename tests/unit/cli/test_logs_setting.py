"""Several logs in the configuration: all shards, each in one of them."""

from pathlib import Path

import msgspec
import pytest

from events.errors import Misconfigured
from events.redaction import redact
from node_agent.config import load_config as load_agent_config
from orchestrator.config import databases, load_config, log_map

FILE = """
[coordinator]
shards = 8
[[logs]]
name = "east"
dsn = "postgresql://u:geheim@east/db"
shards = "0-3"
[[logs]]
name = "west"
dsn = "postgresql://u:geheim@west/db"
shards = "4-7"
"""


def told(name: str = "east", shards: str = "0-7", **more: str) -> dict[str, str]:
    return {"name": name, "dsn": f"postgresql://{name}/db", "shards": shards, **more}


def variable(*places: dict[str, str]) -> dict[str, str]:
    return {"DALSEGNO_LOGS": msgspec.json.encode(places).decode()}


def test_a_file_tells_the_logs_with_their_shards(tmp_path: Path) -> None:
    file = tmp_path / "dalsegno.toml"
    file.write_text(FILE)
    found = load_config({}, {}, file)
    assert log_map(found.value).text == '{"east":"0-3","west":"4-7"}'
    first, second = databases(found.value)
    assert (first.log, first.map, second.log) == ("east", second.map, "west")
    assert found.source("logs") == f"file {file}"
    shown = str(redact(found.value.logs, "logs"))
    assert "east" in shown
    assert "geheim" not in shown


def test_an_agent_passes_the_logs_over(tmp_path: Path) -> None:
    file = tmp_path / "dalsegno.toml"
    file.write_text(FILE)
    assert load_agent_config({"agent.node": "n1"}, {}, file).value.agent.node == "n1"


def test_a_variable_tells_them_as_json() -> None:
    found = load_config({}, variable(told(shards="0,2-7"), told("west", "1")), None).value
    assert [one.dsn for one in databases(found)] == ["postgresql://east/db", "postgresql://west/db"]


def test_one_log_has_no_map_and_no_name() -> None:
    (only,) = databases(load_config({"postgres.dsn": "postgresql://one/db"}, {}, None).value)
    assert (only.log, only.map) == ("", "")
    assert databases(load_config({}, {}, None).value) == ()


@pytest.mark.parametrize(
    ("places", "why"),
    [
        ([told(shards="0-3"), told("west", "3-7")], "logs: shard 3 is in log east and in log west"),
        ([told(shards="0-3"), told("west", "5-7")], "logs: no log has shard 4"),
        ([told(shards="0-3"), told("west", "4-9")], "logs have 10 shards, coordinator.shards is 8"),
        ([told(shards="0-3"), told(shards="4-7")], "logs: the name east is given to two logs"),
        (
            [told(shards="0-3", dsn="d"), told("west", "4-7", dsn="d")],
            "logs: the address d is given to two logs",
        ),
        ([told(shards="0-x")], "logs: shards are '0-x': expected numbers and ranges"),
        ([told("no.dots")], "logs is"),
        ([told(more="x")], "logs is"),
    ],
)
def test_what_is_no_map_is_refused(places: list[dict[str, str]], why: str) -> None:
    with pytest.raises(Misconfigured, match=f"environment: {why}"):
        load_config({}, variable(*places), None)


def test_one_log_beside_several_is_refused() -> None:
    flags = {"postgres.dsn": "postgresql://u:geheim@one/db"}
    with pytest.raises(
        Misconfigured, match=r"postgres\.dsn .*: expected none beside logs"
    ) as told_:
        load_config(flags, variable(told()), None)
    assert "geheim" not in str(told_.value)
