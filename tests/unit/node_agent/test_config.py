"""Configuration: which source wins, and what is refused in words."""

from pathlib import Path

import pytest

from events.errors import Misconfigured
from events.policies import Needs
from node_agent.config import Given, label, load_config, settings_of


def refusal(flags: Given, environment: dict[str, str], file: Path | None = None) -> str:
    with pytest.raises(Misconfigured) as caught:
        load_config(flags, environment, file)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dalsegno.toml"
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
        "DALSEGNO_CREDITS": "50",
        "DALSEGNO_NATS_URL": "nats://one:1, nats://two:2",
        "DALSEGNO_POSTGRES_DSN": "of another process",
    }
    effective = load_config({"credits": "60", "imports": ["my.tasks"]}, environment, file)
    config = effective.config
    assert (config.node, config.slots, config.credits) == ("from-file", 5, 60)
    assert (config.prefix, config.imports) == ("shop", ("my.tasks",))
    assert (config.labels, config.capacity) == ({"zone": "a"}, Needs(cpu=2.5))
    assert config.nats.urls == ("nats://one:1", "nats://two:2")
    assert config.nats.user == "u"
    assert effective.sources["node"] == f"file {file}"
    assert effective.sources["slots"] == "environment"
    assert effective.sources["credits"] == "flag"
    assert "lease_margin_s" not in effective.sources


def test_labels_and_imports_come_as_lists_from_the_environment() -> None:
    environment = {"DALSEGNO_LABELS": "zone=a, disk=ssd", "DALSEGNO_IMPORTS": "a.tasks,b.py"}
    config = load_config({}, environment, None).config
    assert config.labels == {"zone": "a", "disk": "ssd"}
    assert config.imports == ("a.tasks", "b.py")


def test_a_node_without_a_name_is_called_like_its_host() -> None:
    assert load_config({}, {}, None).config.node


def test_slots_and_credits_follow_from_the_cores_when_not_given() -> None:
    config = load_config({"node": "n"}, {}, None).config
    small = settings_of(config, {"t": None, "u": 4.0}, Needs(cpu=1))
    assert (small.slots, small.credits) == (8, 32)
    assert (small.tasks, small.timeouts_s) == (frozenset("tu"), {"u": 4.0})
    large = settings_of(config, {}, Needs(cpu=16))
    assert (large.slots, large.credits) == (64, 256)


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        ({"slots": "many"}, {}, "flag: slots: Expected int, got str"),
        ({}, {"DALSEGNO_DRAIN_TIMEOUT_S": "x"}, "environment: drain_timeout_s: Expected float"),
        ({}, {"DALSEGNO_NATS_CONNECT_TIMEOUT_S": "x"}, "environment: nats.connect_timeout_s"),
        ({"node": "a b"}, {}, "the node's name is 'a b'"),
        ({"slots": -1}, {}, "slots is -1: expected 0 or more"),
        ({"heartbeat_interval_s": 0}, {}, "heartbeat_interval_s is 0.0: expected more than 0"),
        ({"log_level": "LOUD"}, {}, "log_level is 'LOUD': expected DEBUG"),
        ({"log_format": "xml"}, {}, "log_format is 'xml': expected text or json"),
        ({}, {"DALSEGNO_LABELS": "zone"}, "label 'zone': expected key=value"),
    ],
)
def test_bad_settings_are_named(flags: Given, environment: dict[str, str], message: str) -> None:
    assert refusal(flags, environment).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[agent]\nslotz = 1", "slotz"),
        ("[nats]\nurlz = 1", "there is no setting nats.urlz"),
        ("agent = 3", "agent must be a section"),
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


def test_a_label_may_contain_an_equals_sign() -> None:
    assert label("a=b=c") == ("a", "b=c")
