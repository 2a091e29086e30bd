"""The reference of settings and commands is complete and tells the truth."""

import re
from pathlib import Path

import msgspec

from events.configuration import combine
from orchestrator.cli import exits
from orchestrator.config import Config

REFERENCE = Path(__file__).parents[3] / "docs/reference"


def test_every_setting_is_described_with_its_default() -> None:
    text = (REFERENCE / "configuration.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| `(.*?)` \| \S", text, re.MULTILINE))
    settings = combine(Config, []).settings
    defaults = {one.name: msgspec.json.encode(one.value).decode() for one in settings}
    assert rows == defaults


def test_every_exit_code_is_described() -> None:
    text = (REFERENCE / "cli.md").read_text("utf-8")
    described = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    defined = {value for value in vars(exits).values() if type(value) is int}
    assert described == defined
