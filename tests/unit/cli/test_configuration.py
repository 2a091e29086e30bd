"""One configuration: defaults, file, environment, flags; each value knows its source."""

from pathlib import Path

import msgspec
import pytest

from events.configuration import combine, from_environment, from_toml, setting_types, variables_of
from events.errors import Misconfigured
from node_agent.config import Config as AgentConfig
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
        (
            '[engine]\nlease_ttl_s = "long"',
            "engine.lease_ttl_s is 'long': expected a number, more than 0",
        ),
        ("postgres = [", "is not TOML"),
        (
            "[coordinator]\nshards = 1.5",
            "coordinator.shards is 1.5: expected a whole number, 1 to 4096",
        ),
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


WRONG = [
    ("coordinator.shards", "x", "'x': expected a whole number, 1 to 4096"),
    ("engine.tick_s", "soon", "'soon': expected a number, more than 0"),
    ("coordinator.shards", "0", "0: expected 1 to 4096"),
    ("coordinator.shards", "-3", "-3: expected 1 to 4096"),
    ("coordinator.shards", "5000", "5000: expected 1 to 4096"),
    ("coordinator.name", " ", "' ': expected 1 to 200 printable characters"),
    ("coordinator.name", "a\nb", "'a\\nb': expected 1 to 200 printable characters"),
    ("prefix", "a b", "'a b': expected letters, digits"),
    ("prefix", "a..b", "'a..b': expected letters, digits"),
    ("prefix", "dalsegno\n", "'dalsegno\\n': expected letters, digits"),
    ("nats.urls", "nats://h:70000", "expected one or more of the form nats://host:port"),
    ("nats.urls", "http://h:4222", "expected one or more of the form nats://host:port"),
    ("nats.urls", "nats://a:4222,nats://b:x", "ports 1 to 65535"),
    ("nats.connect_timeout_s", "0", "0.0: expected more than 0"),
    ("nats.replicas", "2", "'2': expected 1, 3 or 5"),
    ("engine.lease_ttl_s", "-1", "-1.0: expected more than 0, at most ten years"),
    ("engine.lease_ttl_s", "nan", "nan: expected more than 0"),
    ("engine.lease_ttl_s", "inf", "inf: expected more than 0, at most ten years in seconds"),
    ("engine.lease_margin_s", "-0.1", "-0.1: expected 0 or more"),
    ("engine.suspect_share", "1.5", "1.5: expected more than 0, at most 1"),
    ("engine.intake_max", "0", "0: expected 1 or more"),
    ("engine.conflicts_max", "-1", "-1: expected 0 or more"),
    ("limits.payload_bytes_max", "0", "0: expected 1 or more"),
    ("limits.nesting_max", "5000", "5000: expected 1 to 100"),
]


@pytest.mark.parametrize(("name", "text", "said"), WRONG)
def test_a_value_out_of_range_names_source_setting_and_range(
    name: str, text: str, said: str
) -> None:
    with pytest.raises(Misconfigured) as refused:
        load_config({name: text}, {}, None)
    assert str(refused.value).startswith(f"flag: {name} is ")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[coordinator]\nshards = 0", "file x: coordinator.shards is 0: expected 1 to 4096"),
        ('prefix = ""', "file x: prefix is '': expected letters, digits"),
        ('[coordinator]\nname = ""', "file x: coordinator.name is '': expected 1 to 200"),
        ("[nats]\nurls = []", "file x: nats.urls is []: expected one or more of the form nats://"),
        ("[engine]\nlease_ttl_s = nan", "file x: engine.lease_ttl_s is nan: expected more than"),
    ],
)
def test_a_file_with_a_value_out_of_range_is_refused(text: str, said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        combine(Config, [from_toml(text, "file x", Config, OTHER_SECTIONS)])
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            {"engine.lease_margin_s": "6"},
            "flag: engine.lease_margin_s is 6.0: expected at most half of the lease; engine",
        ),
        (
            {"engine.lease_ttl_s": "1.5"},
            "default: engine.lease_margin_s is 1.0: expected at most half of the lease; engine",
        ),
        ({"engine.tick_s": "60"}, "flag: engine.tick_s is 60.0: expected no longer than a lease"),
        ({"engine.observer_gap_s": "0.01"}, "flag: engine.observer_gap_s is 0.01: expected at"),
        ({"engine.due_horizon_s": "0.5"}, "flag: engine.due_horizon_s is 0.5: expected at least"),
        ({"limits.refused_delay_s": "9"}, "default: limits.refused_delay_s_max is 5.0: expected"),
        ({"nats.tls_certificate_file": "c"}, "default: nats.tls_key_file is '': expected a key"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(flags: dict[str, str], said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        load_config(flags, {}, None)
    assert str(refused.value).startswith(said)


def test_the_settings_that_one_does_not_fit_to_are_shown_with_their_sources() -> None:
    with pytest.raises(Misconfigured, match=r"; engine\.lease_ttl_s is 1\.5 \(environment\)$"):
        load_config({}, {"DALSEGNO_ENGINE__LEASE_TTL_S": "1.5"}, None)


def test_a_refused_value_is_shown_without_its_secrets() -> None:
    with pytest.raises(Misconfigured) as refused:
        load_config({"nats.urls": "nats://u:hidden@h:0"}, {}, None)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["h", "h:4222", "nats://h", "tls://u:p@h.example:4222/", "nats://[::1]:65535", "wss://t@h:1"],
)
def test_urls_of_every_form_are_taken(url: str) -> None:
    assert load_config({"nats.urls": url}, {}, None).value.nats.urls == (url,)


@pytest.mark.parametrize("schema", [Config, AgentConfig])
def test_every_default_is_one_that_could_be_given(schema: type[msgspec.Struct]) -> None:
    types = setting_types(schema)
    for one in combine(schema, []).settings:
        assert msgspec.convert(one.value, types[one.name]) == one.value


def test_every_number_has_a_range() -> None:
    """A new one is noticed here: what may it be?"""
    types = {**setting_types(Config), **setting_types(AgentConfig)}
    assert [name for name, kind in types.items() if kind in (int, float)] == []
