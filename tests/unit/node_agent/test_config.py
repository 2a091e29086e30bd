"""Configuration: which source wins, and what is refused in words."""

from pathlib import Path

import pytest

from events.configuration import setting_types, variables_of
from events.errors import Misconfigured
from events.policies import Needs
from node_agent.config import ALIASES, Config, label, load_config, settings_of
from orchestrator.config import Config as OrchestratorConfig
from orchestrator.config import load_config as load_orchestrator_config


def refusal(flags: dict[str, str], environment: dict[str, str], file: Path | None = None) -> str:
    with pytest.raises(Misconfigured) as caught:
        load_config(flags, environment, file)
    return str(caught.value)


def loaded(flags: dict[str, str], environment: dict[str, str]) -> Config:
    return load_config(flags, environment, None).value


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.toml"
    path.write_text(
        'prefix = "shop"\n'
        '[agent]\nnode = "from-file"\nslots = 3\nlabels = { zone = "a" }\n'
        "[agent.capacity]\ncpu = 2.5\n"
        '[nats]\nurls = ["nats://file:4222"]\nuser = "u"\n'
        '[postgres]\ndsn = "of another process"\n'
    )
    return path


def test_flags_win_over_the_environment_and_that_over_the_file(file: Path) -> None:
    environment = {
        "DALSEGNO_SLOTS": "5",
        "DALSEGNO_AGENT__CREDITS": "50",
        "DALSEGNO_NATS_URL": "nats://one:1, nats://two:2",
        "DALSEGNO_POSTGRES__DSN": "of another process",
        "DALSEGNO_ENGINE__LEASE_MARGIN_S": "3",
    }
    flags = {"agent.credits": "60", "agent.imports": "my.tasks"}
    effective = load_config(flags, environment, file)
    config, agent = effective.value, effective.value.agent
    assert (agent.node, agent.slots, agent.credits) == ("from-file", 5, 60)
    assert (config.prefix, agent.imports) == ("shop", ("my.tasks",))
    assert (agent.labels, agent.capacity) == ({"zone": "a"}, Needs(cpu=2.5))
    assert config.nats.urls == ("nats://one:1", "nats://two:2")
    assert config.nats.user == "u"
    assert agent.lease_margin_s == 0.5
    assert effective.source("agent.node") == f"file {file}"
    assert effective.source("agent.slots") == "environment"
    assert effective.source("agent.credits") == "flag"
    assert effective.source("agent.lease_margin_s") == "default"


def test_the_file_of_the_working_folder_is_read_when_none_is_named(file: Path) -> None:
    file.rename("dalsegno.toml")
    assert loaded({}, {}).agent.node == "from-file"


def test_labels_and_imports_come_from_the_environment() -> None:
    environment = {
        "DALSEGNO_LABELS": '{"zone": "a", "disk": "ssd"}',
        "DALSEGNO_IMPORT": "a.tasks,b.py",
        "DALSEGNO_LEASE_MARGIN_S": "0.25",
    }
    agent = loaded({}, environment).agent
    assert agent.labels == {"zone": "a", "disk": "ssd"}
    assert agent.imports == ("a.tasks", "b.py")
    assert agent.lease_margin_s == 0.25


def test_a_node_without_a_name_is_called_like_its_host() -> None:
    assert loaded({}, {}).agent.node


def test_slots_and_credits_follow_from_the_cores_when_not_given() -> None:
    agent = loaded({"agent.node": "n"}, {}).agent
    small = settings_of(agent, {"t": None, "u": 4.0}, Needs(cpu=1))
    assert (small.slots, small.credits) == (8, 32)
    assert (small.tasks, small.timeouts_s) == (frozenset("tu"), {"u": 4.0})
    large = settings_of(agent, {}, Needs(cpu=16))
    assert (large.slots, large.credits) == (64, 256)


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        ({"agent.slots": "many"}, {}, "flag: agent.slots is 'many': expected a whole number"),
        ({}, {"DALSEGNO_DRAIN_TIMEOUT_S": "x"}, "environment: agent.drain_timeout_s is 'x'"),
        ({}, {"DALSEGNO_NATS__CONNECT_TIMEOUT_S": "x"}, "environment: nats.connect_timeout_s"),
        ({}, {"DALSEGNO_AGENT__SLOTZ": "1"}, "environment: there is no setting for DALSEGNO_AGENT"),
        ({"agent.node": "a b"}, {}, "flag: agent.node is 'a b': expected at most 64 letters"),
        ({"agent.slots": "-1"}, {}, "flag: agent.slots is -1: expected 0 or more"),
        ({"agent.credits": "-1"}, {}, "flag: agent.credits is -1: expected 0 or more"),
        (
            {"agent.credits": "3"},
            {"DALSEGNO_SLOTS": "4"},
            "flag: agent.credits is 3: expected at least agent.slots, or 0 for four a slot; agent",
        ),
        (
            {},
            {"DALSEGNO_HEARTBEAT_INTERVAL_S": "0"},
            "environment: agent.heartbeat_interval_s is 0.0: expected more than 0",
        ),
        ({}, {"DALSEGNO_LEASE_MARGIN_S": "nan"}, "environment: agent.lease_margin_s is nan: exp"),
        ({}, {"DALSEGNO_DRAIN_TIMEOUT_S": "-1"}, "environment: agent.drain_timeout_s is -1.0: exp"),
        ({"agent.output_bytes_max": "0"}, {}, "flag: agent.output_bytes_max is 0: expected 1 or"),
        ({"agent.labels": '{"": "x"}'}, {}, "flag: agent.labels is {'': 'x'}: expected at most 64"),
        (
            {"agent.capacity": '{"cpu": -1}'},
            {},
            "flag: agent.capacity is {'cpu': -1.0, 'memory_bytes': 0",
        ),
        (
            {"nats.urls": "nats://h:0"},
            {},
            "flag: nats.urls is ['nats://h:0']: expected one or more of the form nats://host:port",
        ),
        (
            {"log.level": "LOUD"},
            {},
            "flag: log.level is 'LOUD': expected DEBUG, INFO, WARNING or ERROR",
        ),
        ({}, {"DALSEGNO_LABELS": "zone"}, "environment: agent.labels is 'zone': Expected object"),
    ],
)
def test_bad_settings_are_named(
    flags: dict[str, str], environment: dict[str, str], message: str
) -> None:
    assert refusal(flags, environment).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[agent]\nslotz = 1", "there is no setting agent.slotz; did you mean agent.slots?"),
        ("[nats]\nurlz = 1", "there is no setting nats.urlz"),
        ("[agent", "is not TOML"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    told = refusal({}, {}, path)
    assert message in told
    assert str(path) in told


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal({}, {}, tmp_path / "none.toml").startswith("there is no configuration file")


def test_labels_are_key_and_value() -> None:
    assert label("a=b=c") == ("a", "b=c")
    with pytest.raises(Misconfigured, match="label 'zone': expected key=value"):
        label("zone")


def test_settings_of_the_other_process_are_left_to_it() -> None:
    """Both are strict about misspelt variables, and must not take the other's for such."""
    ours = {*variables_of(setting_types(Config)), *ALIASES}
    theirs = set(variables_of(setting_types(OrchestratorConfig)))
    for variable in theirs - ours:
        load_config({}, {variable: "1"}, None)
    for variable in ours - theirs - {"DALSEGNO_NATS_URL"}:
        load_orchestrator_config({}, {variable: "1"}, None)
