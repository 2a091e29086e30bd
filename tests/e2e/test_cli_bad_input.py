"""Bad input at the command line: one clear message, a documented exit code, no traceback."""

import socket
from pathlib import Path

import psycopg
import pytest

from orchestrator.adapters.embedded import EmbeddedPostgres
from orchestrator.adapters.postgres.schema import migrate
from tests.e2e.command_line import TASKS, dalsegno
from tests.servers import DatabaseFactory

pytest_plugins = ["tests.servers"]

STEP = "  - {id: a, task: t}\n"


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (
            "  - {id: a, task: t, depends_on: [b]}\n  - {id: b, task: t, depends_on: [a]}\n",
            "a loop: `a` waits for `b`",
        ),
        ("  - {id: a, task: t, depends_on: [z]}\n", "z"),
        (STEP + STEP, "a"),
        ("  - {id: '', task: t}\n", "id"),
        ("  - {id: a, task: t, timeouts: {start_to_close: 5 parsecs}}\n", "5 parsecs"),
        ("  - {id: a, task: t, when: 'input.n >'}\n", "bad.yaml:3:"),
        ("  - {id: a, task: t, with: {n: .nan}}\n", "nan"),
        ("  - {id: a, task: t, with: {n: 18446744073709551616}}\n", "64"),
        ("  - {id: a, task: t, with: {1: 2}}\n", "bad.yaml:3:"),
    ],
    ids=["cycle", "unknown", "twice", "empty", "duration", "cel", "nan", "integer", "key"],
)
def test_a_definition_that_is_wrong_is_refused(tmp_path: Path, steps: str, said: str) -> None:
    (tmp_path / "bad.yaml").write_text(f"workflow: bad\nsteps:\n{steps}")
    done = dalsegno(tmp_path, "workflow", "check", "bad.yaml", "--json")
    assert done.code == 3, done
    assert "bad.yaml" in done.err
    assert said in done.err
    assert done.json["exit_code"] == 3


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("workflow check none.yaml", 3, "none.yaml cannot be read"),
        ("workflow check broken.py", 3, "ZeroDivisionError: division by zero"),
        ("workflow check ok.yaml --import none.py", 2, "none.py: there is no such file"),
        ("run start x --input {n:1}", 3, "--input is not JSON"),
        ('run start x --input {"n":NaN}', 3, "input.n is nan"),
        ("run start x --input [9223372036854775808]", 3, "input[0] is an integer of 64 bits"),
        ("run start x --input @none.json", 3, "--input @none.json cannot be read: No such file"),
        ("run list", 2, "postgres.dsn is not set"),
        ("run list --dsn nonsense", 2, "DSN cannot be parsed"),
        ("run list --dsn postgresql://u:hunter2@127.0.0.1:1/x", 4, "cannot be reached"),
        ("run list --status done --dsn postgresql://h/x", 2, "--status is 'done': expected one of"),
        ("coordinator --dsn postgresql://u:hunter2@127.0.0.1:1/x", 4, "cannot be reached"),
        ("run list --config none.toml", 2, "there is no configuration file none.toml"),
        ("run list --config bad.toml", 2, "did you mean postgres.dsn?"),
        ("dev --agents -1", 2, "--agents is -1: expected 0 to"),
        ("verify", 2, "expected one run id, or --all"),
        ("runn list", 2, "runn"),
        ("run list --limitt 3", 2, "--limitt"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, command: str, code: int, said: str) -> None:
    (tmp_path / "ok.yaml").write_text(f"workflow: ok\nsteps:\n{STEP}")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "bad.toml").write_text('[postgres]\ndns = "x"\n')
    done = dalsegno(tmp_path, *command.split())
    assert done.code == code, done
    assert said in done.err
    assert "hunter2" not in done.err
    assert len(done.err.strip().splitlines()) <= 3, done.err


def test_nobody_answers(tmp_path: Path) -> None:
    done = dalsegno(tmp_path, "nodes", "list", "--nats-url", "nats://tok3n@127.0.0.1:1")
    assert done.code == 4, done
    assert "127.0.0.1:1" in done.err
    assert "tok3n" not in done.err


@pytest.mark.parametrize("flag", ["--nats-port", "--postgres-port"])
def test_a_port_in_use_is_named(data_folder: Path, flag: str) -> None:
    (data_folder / "greet.py").write_text(TASKS)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = dalsegno(data_folder, "dev", flag, port)
    assert done.code == 2, done
    assert f"port {port} on 127.0.0.1 is in use" in done.err
    assert not (data_folder / ".dalsegno/connection.json").exists()


def test_a_password_that_is_wrong_is_misconfigured(
    tmp_path: Path, postgres_server: EmbeddedPostgres
) -> None:
    secret = postgres_server.dsn.split(":")[2].split("@")[0]
    dsn = postgres_server.dsn.replace(secret, "wr0ng")
    done = dalsegno(tmp_path, "run", "list", DALSEGNO_POSTGRES__DSN=dsn)
    assert done.code == 2, done
    assert "wr0ng" not in done.err


NEWER = (
    "INSERT INTO dalsegno.migration (number, name) VALUES (9999, 'later'); "
    "UPDATE dalsegno.log SET schema_min = 9999, release_min = '9.9.0'"
)
OLDER = "DELETE FROM dalsegno.migration WHERE number = (SELECT max(number) FROM dalsegno.migration)"


@pytest.mark.parametrize(
    ("statement", "command", "said"),
    [
        ("DROP SCHEMA dalsegno CASCADE", "run list", "run `dalsegno migrate`"),
        (OLDER, "run list", "run `dalsegno migrate`"),
        (OLDER, "verify --all", "run `dalsegno migrate`"),
        (NEWER, "run list", "9.9.0"),
        (NEWER, "migrate", "9.9.0"),
        (NEWER, "coordinator", "9.9.0"),
    ],
)
def test_another_schema_is_refused(
    tmp_path: Path, database_factory: DatabaseFactory, statement: str, command: str, said: str
) -> None:
    dsn = database_factory(None)
    migrate(dsn)
    with psycopg.connect(dsn) as connection:
        connection.execute(statement.encode())
    done = dalsegno(tmp_path, *command.split(), "--dsn", dsn)
    assert done.code == 2, done
    assert said in done.err
    assert "schema" in done.err
    assert len(done.err.strip().splitlines()) == 1, done.err
