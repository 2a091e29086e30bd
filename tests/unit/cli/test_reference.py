"""The reference of settings and commands is complete and tells the truth."""

import re
from pathlib import Path
from typing import Literal, get_args, get_origin

import msgspec

from events.configuration import combine, setting_types
from events.constraints import bare, expectation
from orchestrator.cli import exits
from orchestrator.config import Config

REFERENCE = Path(__file__).parents[3] / "docs/reference"


def test_every_setting_is_described_with_its_default() -> None:
    text = (REFERENCE / "configuration.md").read_text("utf-8")
    found = re.findall(r"^\| `([a-z_.]+)` \| `(.*?)` \| (.*?) \| \S", text, re.MULTILINE)
    types = setting_types(Config)
    expected = [
        (one.name, msgspec.json.encode(one.value).decode(), allowed(types[one.name]))
        for one in combine(Config, []).settings
    ]
    assert sorted(found) == sorted(expected)


def allowed(kind: object) -> str:
    """What a setting may be, as the reference says it."""
    if get_origin(kind) is Literal:
        return ", ".join(f"`{one}`" for one in get_args(kind))
    return expectation(kind) or ("`true`, `false`" if bare(kind) is bool else "text")


def test_every_exit_code_is_described() -> None:
    text = (REFERENCE / "cli.md").read_text("utf-8")
    described = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    defined = {value for value in vars(exits).values() if type(value) is int}
    assert described == defined
