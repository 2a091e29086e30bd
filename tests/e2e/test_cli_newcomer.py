"""What an impatient newcomer does: no server yet, Ctrl-C, pipes to `head`, a narrow terminal."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from tests.e2e.command_line import (
    COMMAND,
    TASKS,
    dalsegno,
    dev,
    environment,
    lines_until,
    started,
)

pytest_plugins = ["tests.servers"]


@pytest.mark.parametrize("command", ["nodes list", "run show x", "run start x", "run cancel x"])
def test_without_any_server_the_mend_is_told(tmp_path: Path, command: str) -> None:
    done = dalsegno(tmp_path, *command.split())
    assert done.code == 4, done
    assert "NATS cannot be reached at nats://127.0.0.1:4222" in done.err
    assert "run in the folder of a running `dalsegno dev`" in done.err


@pytest.mark.parametrize("command", ["run show", "run cancel", "run start x --id"])
def test_an_empty_run_id_is_refused(tmp_path: Path, command: str) -> None:
    done = dalsegno(tmp_path, *command.split(), "")
    assert done.code == 3, done
    assert "the run id is empty" in done.err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.yaml", b"", "empty.yaml:1:1: empty: expected a workflow"),
        ("empty.py", b"", "must hold exactly one Workflow, found none"),
        ("binary.yaml", b"\x7fELF\xff\x00", "binary.yaml:1:5: not UTF-8"),
        ("binary.py", b"\x7fELF\xff\x00", "cannot contain null bytes"),
        ("tab.yaml", b"workflow: x\nsteps:\n\t- {id: a, task: t}\n", "tab.yaml:3:1: a tab"),
        ("syntax.py", b"x = 1\ndef f(:\n", "syntax.py:2: SyntaxError: invalid syntax"),
        ("text.txt", b"x", "expected .yaml, .yml, .json or .py"),
        ("folder.yaml", None, "folder.yaml cannot be read: Is a directory"),
    ],
)
def test_a_file_that_is_no_workflow(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    path = tmp_path / name
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    done = dalsegno(tmp_path, "try", name)
    assert done.code == 3, done
    assert said in done.err


@pytest.mark.parametrize(
    ("command", "module", "said"),
    [
        ("dev", "none.py", "there is no such file"),
        ("dev", "syntax.py", "SyntaxError: invalid syntax"),
        ("dev", "nothing.py", "declares no task"),
        ("try ok.yaml", "no.such.module", "there is no module no"),
        ("workflow check ok.yaml", ".", "expected a module, dotted, or a .py file"),
        ("workflow check ok.yaml", "./tasks", "expected a module, dotted, or a .py file"),
    ],
)
def test_a_module_that_has_no_tasks(tmp_path: Path, command: str, module: str, said: str) -> None:
    (tmp_path / "syntax.py").write_text("def f(:\n")
    (tmp_path / "nothing.py").write_text("")
    (tmp_path / "ok.yaml").write_text("workflow: ok\nsteps:\n  - {id: a, task: t}\n")
    done = dalsegno(tmp_path, *command.split(), "--import", module)
    assert done.code == 2, done
    assert said in done.err
    assert not (tmp_path / ".dalsegno").exists()


@pytest.mark.parametrize("command", ["try greet.py", "dev", "coordinator", "run list"])
def test_a_configuration_that_is_wrong_is_refused_at_once(tmp_path: Path, command: str) -> None:
    (tmp_path / "greet.py").write_text(TASKS)
    (tmp_path / "dalsegno.toml").write_text('[engine]\ntick_s = "soon"\n')
    done = dalsegno(tmp_path, *command.split())
    assert done.code == 2, done
    assert "file dalsegno.toml: engine.tick_s is 'soon': expected a number" in done.err


@pytest.mark.timeout(120)
def test_another_data_folder_is_not_promised_to_be_found(data_folder: Path) -> None:
    elsewhere = data_folder / "with blanks"
    with started(data_folder, "dev", "--data-dir", str(elsewhere)) as process:
        said = lines_until(process, "Commands ")
        assert said[-1] == f"Commands take --dsn and --nats-url from {elsewhere}/connection.json\n"
        (processes,) = (line for line in said if line.startswith("  processes "))
        assert re.fullmatch(
            r"  processes coordinator \d+, projections \d+, agent-1 \d+\n", processes
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not (elsewhere / "connection.json").exists()


@pytest.mark.timeout(240)
def test_ctrl_c_ends_dev_in_good_order_and_the_rest_works_in_between(data_folder: Path) -> None:
    (data_folder / "greet.py").write_text(TASKS)
    with dev(data_folder, "--import", "greet.py") as process:
        dalsegno(data_folder, "workflow", "register", "greet.py")
        started = ("run", "start", "greet", "--input", '{"name": "bo", "fail": false}')
        assert dalsegno(data_folder, *started, "--id", "narrow", "--wait").code == 0
        _reader_that_leaves(data_folder)
        _narrow_terminal(data_folder)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        rest = process.stdout.read()
        assert process.wait(30) == 0
    stopping, stopped = rest.splitlines()
    assert stopping == "Stopping; agents have 10 s for what they work at, Ctrl-C again is quicker"
    assert stopped == f"Stopped; data stays in {data_folder}/.dalsegno"


def _reader_that_leaves(folder: Path) -> None:
    """As `| head -0` would: our end of the pipe is closed before anything is written."""
    for flags in ([], ["--json"]):
        for command in (["events", "show", "narrow"], ["run", "list"], ["run", "show", "narrow"]):
            reading, writing = os.pipe()
            os.close(reading)
            done = subprocess.run(
                [*COMMAND, *command, *flags],
                cwd=folder,
                env=environment(),
                stdout=writing,
                stderr=subprocess.PIPE,
                timeout=30,
                check=False,
            )
            os.close(writing)
            assert (done.returncode, done.stderr) == (0, b"")


def _narrow_terminal(folder: Path) -> None:
    listed = on_terminal(folder, 40, "run", "list")
    assert f"{'run':<13}  narrow" in re.sub(r"\x1b\[[\d;]*m", "", listed)
    assert "completed" in listed
    assert "\x1b[38;5;28m" in listed
    plain = on_terminal(folder, 40, "run", "list", NO_COLOR="1")
    assert "\x1b[3" not in plain
    assert "…" not in listed + plain


def on_terminal(folder: Path, columns: int, *arguments: str, **more: str) -> str:
    """What a command prints on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(TERM="xterm-256color", **more),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # nobody holds the other end any more
            break
        said += part
    os.close(ours)
    assert process.wait(30) == 0, said
    return said.decode()
