"""One configuration: defaults, file, environment, flags; each value knows its source."""

from pathlib import Path

import pytest

from events.configuration import combine, from_environment, from_toml, setting_types, variables_of
from events.errors import Misconfigured
from orchestrator.config import ALIASES, OTHER_SECTIONS, Config, load_config

DSN = "postgresql://u:p@host/db"


def test_later_layers_go_before_earlier_ones_and_say_so(tmp_path: Path) -> None:
    file = tmp_path / "dalsegno.toml"
    file.write_text('prefix = "file"\n[postgres]\ndsn = "file"\n[engine]\nlease_ttl_s = 3\n')
    environment = {"DALSEGNO_POSTGRES__DSN": "environment", "DALSEGNO_COORDINATOR__SHARDS": "4"}
    found = load_config({"postgres.dsn": DSN}, environment, file)
    assert found.value.postgres.dsn == DSN
    assert found.source("postgres.dsn") == "flag"
    assert found.value.coordinator.shards == 4
    assert found.source("coordinator.shards") == "environment"
    assert found.value.prefix == "file"
    assert found.source("engine.lease_ttl_s") == f"file {file}"
    assert found.source("postgres.migrate") == "default"


@pytest.mark.parametrize("variable", ["DALSEGNO_POSTGRES__DSN", "DALSEGNO_POSTGRES_DSN"])
def test_sections_are_apart_by_two_underscores_or_one(variable: str) -> None:
    assert load_config({}, {variable: DSN}, None).value.postgres.dsn == DSN


def test_the_address_of_nats_has_an_alias_and_lists_have_commas() -> None:
    found = load_config({}, {"DALSEGNO_NATS_URL": "nats://a, nats://b"}, None)
    assert found.value.nats.urls == ("nats://a", "nats://b")


def test_no_two_settings_share_a_variable() -> None:
    names = setting_types(Config)
    assert len(variables_of(names)) == len(
        {*(name.upper().replace(".", "_") for name in names)}
    ) + sum("." in name for name in names)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[postgres]\ndns = "x"', "there is no setting postgres.dns; did you mean postgres.dsn?"),
        ('prefx = "x"', "there is no setting prefx; did you mean prefix?"),
        ("[engin]\nlease_ttl_s = 1.0", "there is no setting engin.lease_ttl_s"),
        ('[engine]\nlease_ttl_s = "long"', "engine.lease_ttl_s is 'long': Expected float"),
        ("postgres = [", "is not TOML"),
        ("[coordinator]\nshards = 1.5", "coordinator.shards is 1.5: Expected int"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_mend(text: str, said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        combine(Config, [from_toml(text, "file x", Config, OTHER_SECTIONS)])
    assert said in str(refused.value)
    assert "file x" in str(refused.value)


def test_the_sections_of_other_processes_are_theirs() -> None:
    layer = from_toml('[agent]\nnode = "n"', "file x", Config, OTHER_SECTIONS)
    assert not layer.values


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("DALSEGNO_POSTGRS_DSN", "DALSEGNO_POSTGRES_DSN"),
        ("DALSEGNO_ENGINE__LEASE_TTL", "DALSEGNO_ENGINE__LEASE_TTL_S"),
    ],
)
def test_a_misspelt_variable_is_refused(variable: str, meant: str) -> None:
    with pytest.raises(Misconfigured, match=f"did you mean {meant}"):
        from_environment({variable: "1"}, Config, ALIASES)


@pytest.mark.parametrize(
    "variable", ["DALSEGNO_NODE", "DALSEGNO_LEASE_MARGIN_S", "DALSEGNO_SECRET_X", "HOME"]
)
def test_variables_of_other_processes_are_left_alone(variable: str) -> None:
    assert not from_environment({variable: "1"}, Config, ALIASES).values


def test_a_value_of_another_type_names_source_and_setting() -> None:
    with pytest.raises(Misconfigured, match=r"environment: engine\.tick_s is 'x'"):
        load_config({}, {"DALSEGNO_ENGINE__TICK_S": "x"}, None)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="there is no configuration file"):
        load_config({}, {}, tmp_path / "none.toml")
