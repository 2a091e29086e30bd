"""What no file of the repository may contain."""

import re

import pytest

from tests.architecture.tree import ROOT, modules, tracked_texts

# Files that are not ours to word: generated, or a standard text.
FOREIGN = {"uv.lock", "LICENSE"}

FORBIDDEN = {
    "an open end; finish it, or write an issue and name it": re.compile(
        r"\b(?:T" + r"ODO|F" + r"IXME|X" + r"XX|H" + r"ACK)\b"
    ),
    "a folder of somebody's machine": re.compile(
        r"(?<![\w.}$/-])/(?:home|Users|root|work|workspace|mnt)/[A-Za-z.]"
    ),
    "a temporary folder that somebody used": re.compile(r"(?<![\w.}$-])/tmp/[a-z]"),
    "how a text came to be, which is no reader's business": re.compile(
        r"(?i)\bas an (?:AI|language model)\b|\b(?:AI|LLM|machine)[- ](?:generated|written)\b"
        r"|\bgenerated (?:by|with) (?:an? )?(?:AI|LLM|language model)\b"
    ),
    "a secret": re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bghp_[A-Za-z0-9]{36}\b"
    ),
    "a conflict marker": re.compile(r"(?m)^(?:<{7} |>{7} |={7}$)"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_contains(what: str) -> None:
    found = [
        f"{path}:{text.count(chr(10), 0, hit.start()) + 1}: {hit.group()!r}"
        for path, text in tracked_texts()
        if path not in FOREIGN
        for hit in FORBIDDEN[what].finditer(text)
    ]
    assert not found, f"{what}: {found}"


def test_texts_end_with_one_newline() -> None:
    untidy = [
        path
        for path, text in tracked_texts()
        if path not in FOREIGN
        and text
        and not path.startswith("tests/golden/")
        and (not text.endswith("\n") or text.endswith("\n\n"))
    ]
    assert not untidy


def test_every_package_says_what_it_is() -> None:
    silent = [
        module.path
        for module in modules()
        if not module.text.lstrip().startswith(('"""', 'r"""')) and module.text.strip()
    ]
    assert not silent, f"a module opens with what it is for: {silent}"


def test_large_files_stay_out() -> None:
    kilobytes_max = 512
    large = [
        path
        for path, _ in tracked_texts()
        if (ROOT / path).stat().st_size > kilobytes_max * 1024 and path not in FOREIGN
    ]
    assert not large
