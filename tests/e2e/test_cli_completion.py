"""Completion in the real shells that are there; bash is on every machine that runs these tests."""

import os
import pty
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command_line import dalsegno

SHELLS = [shell for shell in ("bash", "zsh", "fish") if shutil.which(shell)]
ASKED = [
    ("run re", {"retry", "resume"}),
    ("run start --wa", {"--wait"}),
    ("completion z", {"zsh"}),
    ("workflow ch", {"check"}),
]
BASH = """
source {script}
COMP_WORDS=(dalsegno {words}); COMP_CWORD={last}
_dalsegno
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH_DEADLINE_S = 20.0


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("completion")
    found = {}
    for shell in SHELLS:
        done = dalsegno(folder, "completion", shell)
        assert done.code == 0, done
        found[shell] = folder / f"script.{shell}"
        found[shell].write_text(done.out)
    return found


def test_bash_is_among_the_shells() -> None:
    assert "bash" in SHELLS


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("words", "expected"), ASKED)
@pytest.mark.parametrize("shell", SHELLS)
def test_words_are_completed(
    scripts: dict[str, Path], shell: str, words: str, expected: set[str]
) -> None:
    if shell == "zsh":
        found = _zsh(scripts[shell], words)
    elif shell == "fish":
        script = f"source {scripts[shell]}; complete -C 'dalsegno {words}'"
        found = {line.split("\t")[0] for line in _said([shell, "--no-config", "-c", script])}
    else:
        script = BASH.format(script=scripts[shell], words=words, last=len(words.split()))
        found = set(_said([shell, "--norc", "-c", script]))
    assert expected <= found
    if shell != "fish":  # which also takes what has the letters somewhere
        assert all(one.startswith(words.rsplit(maxsplit=1)[-1]) for one in found if one)


def _said(command: list[str]) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.splitlines()


def _zsh(script: Path, words: str) -> set[str]:
    """Types the words and a tab into a zsh: its completion works nowhere but on a terminal."""
    with _terminal(["zsh", "-f"], script.parent) as typed:
        typed.say(f"autoload -Uz compinit; compinit -D -u; source {script}; print -r re''ady\n")
        typed.until("ready")
        typed.say(f"dalsegno {words}\t\t")
        expected = next(names for asked, names in ASKED if asked == words)
        for name in expected:
            typed.until(name)
    return expected


class _terminal:  # noqa: N801 -- used as a function
    """A process on a terminal of its own; killed at the end."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "vt100", "HOME": str(folder), "COLUMNS": "100"}
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment
        )
        os.close(theirs)
        os.set_blocking(self._ours, False)
        self.said = ""

    def __enter__(self) -> "_terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def say(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def until(self, word: str) -> None:
        deadline = time.monotonic() + ZSH_DEADLINE_S
        for part in self._parts(deadline):
            self.said += part
            if word in self.said:
                return
        raise AssertionError(f"no {word!r} in {self.said!r}")

    def _parts(self, deadline: float) -> Iterator[str]:
        yield ""
        while time.monotonic() < deadline:
            try:
                yield os.read(self._ours, 65536).decode(errors="replace")
            except BlockingIOError:
                os.sched_yield()


def test_it_is_installed_where_the_shell_finds_it(tmp_path: Path) -> None:
    done = dalsegno(tmp_path, "completion", "bash", "--install", HOME=str(tmp_path))
    assert done.code == 0, done
    written = tmp_path / ".local/share/bash-completion/completions/dalsegno"
    assert done.out.startswith(f"{written} is written")
    assert str(written) in (tmp_path / ".bashrc").read_text()
    assert subprocess.run(["bash", "-n", written], check=False, timeout=30).returncode == 0


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / ".local").write_text("in the way")
    done = dalsegno(tmp_path, "completion", "bash", "--install", HOME=str(tmp_path))
    assert done.code == 2, done
    assert "put what `dalsegno completion bash` prints where your shell reads it" in done.err
