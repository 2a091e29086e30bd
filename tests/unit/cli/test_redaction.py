"""The redactor covers secrets by field name and by shape, and nothing else."""

import logging
import random
from collections.abc import Mapping

import msgspec
import pytest

from events import redaction
from events.catalogue import Catalogue
from events.envelope import Head, Stamp, seal, unseal
from events.redaction import is_secret_name, redact, redact_text, redacted_json
from events.run_facts import RunStarted
from orchestrator.cli.events.showing import json_line
from orchestrator.cli.logs import JsonFormatter, TextFormatter
from orchestrator.insight.following.sieve import Followed


@pytest.mark.parametrize(
    "name", ["password", "db_password", "API_KEY", "api-key", "token", "auth.token", "secrets"]
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["password_file", "tokens_max", "key", "monkey", "secretary", "credentials_file"]
)
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:hunter2@h:5432/db", "postgresql://u:***@h:5432/db"),
        ("nats://tok3n@h:4222", "nats://***@h:4222"),
        ("host=h password=hunter2 user=u", "host=h password=*** user=u"),
        ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer ***"),
        ("-----BEGIN " + "PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----", "***"),
        ("http://host/path?n=1", "http://host/path?n=1"),
        ("the token is expected", "the token is expected"),
    ],
)
def test_shapes_of_secrets_inside_texts(text: str, shown: str) -> None:
    assert redact_text(text) == shown


@pytest.mark.parametrize("seed", range(50))
def test_a_text_that_is_not_looked_at_closely_has_nothing_to_cover(seed: int) -> None:
    chance = random.Random(seed)
    parts = [*redaction._SIGNS, *"=: \"'/@-_.,", "Key", "API", "abcdefghij", "\u017fecret", "n"]
    for _ in range(200):
        text = "".join(chance.choice(parts) for _ in range(chance.randint(1, 6)))
        text = text.upper() if chance.random() < 0.3 else text
        covered = text
        for pattern, replacement in redaction._PATTERNS:
            covered = pattern.sub(replacement, covered)
        assert redact_text(text) == covered
        if redaction.SECRET_NAME.search(text):
            assert redaction._has_signs(text)
            assert redacted_json({text: "x"}) == redacted_json({text: "***"})


def test_values_are_copied_and_covered_by_their_names() -> None:
    value = {"user": "ann", "password": "x", "inner": [{"token": 7, "n": 1}], "empty_token": ""}
    assert redact(value) == {
        "user": "ann",
        "password": "***",
        "inner": [{"token": "***", "n": 1}],
        "empty_token": "",
    }
    assert value["password"] == "x"


@pytest.mark.parametrize(
    "value",
    [
        {"password": 'a "quoted" one'},
        {"token": 5, "note": "x"},
        {"secret": ["a", "b"]},
        {"note": 'password: "hunter2", and more'},
        {"key": "-----BEGIN RSA " + "PRIVATE KEY-----\nhunter2"},
        {"deep": [{"api_key": "hunter2\\"}]},
    ],
)
def test_what_is_shown_as_json_stays_json(value: object) -> None:
    shown = redacted_json(value)
    assert type(msgspec.json.decode(shown)) is dict
    assert b"***" in shown
    assert b"hunter2" not in shown
    assert b"quoted" not in shown
    assert b'"a"' not in shown


def test_events_are_shown_as_json_whatever_secrets_they_have() -> None:
    fact = RunStarted(
        run_id="r", workflow="w", workflow_version="1", input={"password": 'x "y', "n": 1}
    )
    stored = seal(Head("run:r"), fact, "e1", Stamp(recorded_at=1))
    shown = msgspec.json.decode(json_line(Followed("", stored, unseal(stored, Catalogue()))))
    assert shown["data"]["input"] == {"password": "***", "n": 1}
    assert shown["data"]["run_id"] == "r"


def record(extra: Mapping[str, object]) -> logging.LogRecord:
    made = logging.LogRecord("dalsegno.x", logging.INFO, "", 0, "at %s", ("nats://t@h",), None)
    vars(made).update(extra)
    return made


def test_a_log_line_carries_ids_and_no_secrets() -> None:
    line = msgspec.json.decode(JsonFormatter().format(record({"run_id": "r", "password": "x"})))
    assert (line["run_id"], line["password"], line["level"]) == ("r", "***", "INFO")
    assert line["message"] == "at nats://***@h"
    text = TextFormatter().format(record({"run_id": "r"}))
    assert text.endswith("x: at nats://***@h run_id=r")
