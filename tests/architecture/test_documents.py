"""Documents tell the truth: targets, files and records that they name exist."""

import re
from pathlib import Path

import pytest
from cyclopts import App

from orchestrator.cli.main import make_app
from tests.architecture.tree import ROOT, project

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# What tells users how to do things; decision records may speak of what was or will be.
HANDBOOK = [path for path in DOCUMENTS if "adr" not in path.parts and path.name != "CHANGELOG.md"]
RECORDS = sorted((ROOT / "docs/adr").glob("*.md"))


def _ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_make_help_lists_every_target() -> None:
    described = set(re.findall(r"^([a-z0-9-]+):.*?## \S", MAKEFILE, re.MULTILINE))
    assert described == TARGETS - {"moved"}


def test_every_target_is_phony() -> None:
    assert set(re.findall(r"^\.PHONY: ([a-z0-9-]+)$", MAKEFILE, re.MULTILINE)) >= TARGETS


@pytest.mark.parametrize("document", DOCUMENTS, ids=_ids)
def test_the_make_targets_it_names_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    in_code = re.findall(r"`make ([a-z0-9-]+)|^\s*(?:\$ )?make ([a-z0-9-]+)", text, re.MULTILINE)
    named = {one or other for one, other in in_code}
    assert named <= TARGETS, f"no such target: {sorted(named - TARGETS)}"


def test_the_commands_that_the_handbook_names_exist() -> None:
    app = make_app()
    unknown = [
        f"{_ids(document)}: dalsegno {group} {name}".strip()
        for document in HANDBOOK
        for group, name in _commands(document.read_text(encoding="utf-8"))
        if not _is_command(app, group, name)
    ]
    assert not unknown, f"no such command: {unknown}"


def _commands(text: str) -> list[tuple[str, str]]:
    """The first two words after `dalsegno` wherever a document shows code."""
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
    return re.findall(r"\bdalsegno +([a-z][a-z-]*)(?: +([a-z][a-z-]*))?", code)


def _is_command(app: App, group: str, name: str) -> bool:
    """Whether the command line knows it; the second word may be an argument of a plain command."""
    if group not in app:
        return False
    inner = [entry for entry in app[group] if not entry.startswith("-")]
    return not inner or not name or name in inner


@pytest.mark.parametrize("document", DOCUMENTS, ids=_ids)
def test_the_files_it_links_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
    missing = [link for link in links if not (document.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("document", HANDBOOK, ids=_ids)
def test_the_tests_it_names_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for path, name in re.findall(r"`(tests/[\w/.-]+)(?:::(\w+))?`", text):
        assert (ROOT / path).exists(), path
        code = (ROOT / path).read_text(encoding="utf-8") if name else ""
        assert not name or re.search(rf"def {name}\(", code), f"{path} has no {name}"


def test_every_guarantee_says_what_it_rests_on_and_what_attacks_it() -> None:
    text = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
    sections = re.split(
        r"^## (?=\d+\. )", text.partition("\n## What is not")[0], flags=re.MULTILINE
    )[1:]
    assert [int(section.partition(".")[0]) for section in sections] == list(range(1, 21))
    for section in sections:
        for part in ("Mechanism", "Considered", "Attacked by", "Not promised"):
            assert f"**{part}" in section, section[:40]
        attacked = section.partition("**Attacked by**")[2].partition("**Not promised")[0]
        assert re.search(r"tests/[\w/]+\.py", attacked), section[:40]


@pytest.mark.parametrize("record", RECORDS, ids=_ids)
def test_a_decision_record_has_its_parts(record: Path) -> None:
    number = record.name[:4]
    text = record.read_text(encoding="utf-8")
    assert re.match(rf"# {number}\. \S", text), f"the title starts with `# {number}. `"
    assert re.search(r"^## Status\n\n\w", text, re.MULTILINE), "its status is missing"
    parts = ["Context", "Decision", "Consequences", "Alternatives"]
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [heading for heading in headings if heading in parts] == parts


def test_decision_records_have_a_number_each() -> None:
    numbers = [record.name[:4] for record in RECORDS]
    assert len(numbers) == len(set(numbers))


def test_the_index_lists_every_document() -> None:
    index = ROOT / "docs/README.md"
    linked = set(re.findall(r"\]\(([^)]+\.md)\)", index.read_text(encoding="utf-8")))
    pages = {path.relative_to(index.parent).as_posix() for path in index.parent.rglob("*.md")}
    assert pages - {"README.md"} <= linked
    for record in RECORDS:
        title = record.read_text(encoding="utf-8").partition("\n")[0][len("# 0000. ") :]
        assert f"(adr/{record.name}) | {title} |" in index.read_text(encoding="utf-8")


def test_the_changelog_knows_the_version() -> None:
    version = project()["project"]["version"]
    expected = "Unreleased" if "dev" in version else version
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[?([^\]\s]+)", changelog, re.MULTILINE)
    assert newest is not None
    assert newest.group(1) == expected
