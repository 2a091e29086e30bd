"""Snapshots from the shell: taken, listed, shown, deleted; a damaged one is named and not used."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.e2e.command_line import TASKS, dalsegno, dev


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with a running `dev` in it, and two runs that have ended."""
    made = Path(tempfile.mkdtemp(prefix="dalsegno-tests-cli-"))
    made.chmod(0o755)
    (made / "greet.py").write_text(TASKS)
    with dev(made, "--import", "greet.py"):
        for run_id in ("r1", "r2"):
            given = ("--input", '{"name": "you", "fail": false}', "--id", run_id, "--wait")
            done = dalsegno(made, "run", "start", "greet.py", *given)
            assert done.code == 0, done
        yield made
    shutil.rmtree(made)


def sql(folder: Path, statement: str) -> None:
    found = json.loads((folder / ".dalsegno/connection.json").read_text())
    with psycopg.connect(found["dsn"], autocommit=True) as connection:
        connection.execute(statement.encode())


def listed(folder: Path) -> list[str]:
    return [one["id"] for one in json.loads(dalsegno(folder, "snapshot", "list", "--json").out)]


@pytest.mark.timeout(120)
def test_from_taking_one_to_deleting_it(folder: Path) -> None:
    why = ("--reason", "before the move", "--note", "ticket=OPS-17", "--json")
    made = dalsegno(folder, "snapshot", "create", "r1", "--at", "3", *why)
    assert made.json["id"] == "r1@3-manual", made
    assert dalsegno(folder, "snapshot", "create", "r1").code == 0
    table = dalsegno(folder, "snapshot", "list", "r1")
    assert "before the move" in table.out
    shown = dalsegno(folder, "snapshot", "show", "r1@3-manual")
    assert shown.code == 0, shown
    for words in ("ticket=OPS-17", "which fits", "hello"):
        assert words in shown.out
    replayed = dalsegno(folder, "replay", "r1", "--at", "4", "--json")
    assert replayed.json["snapshot_version"] == 3
    unknown = dalsegno(folder, "snapshot", "delete", "r1@3-manual", "r1@4-manual")
    assert (unknown.code, "no manual snapshot of run:r1 at version 4" in unknown.err) == (3, True)
    assert (
        dalsegno(folder, "snapshot", "delete", "--older-than", "0s").out == "0 snapshots deleted\n"
    )
    assert "r1@3-manual" in listed(folder)
    assert dalsegno(folder, "snapshot", "delete", "r1@3-manual").out == "1 snapshot deleted\n"
    old = ("--older-than", "0s", "--kind", "manual", "--run", "r1")
    assert dalsegno(folder, "snapshot", "delete", *old).out == "1 snapshot deleted\n"
    assert [one for one in listed(folder) if one.startswith("r1")] == []


@pytest.mark.timeout(120)
def test_a_flipped_byte_is_named_and_costs_only_time(folder: Path) -> None:
    for at in ("3", "5"):
        assert dalsegno(folder, "snapshot", "create", "r2", "--at", at).code == 0
    flip = "state = set_byte(state, 9, get_byte(state, 9) # 1)"
    sql(folder, f"UPDATE dalsegno.kept_snapshots SET {flip} WHERE version = 5")
    audited = dalsegno(folder, "verify", "r2")
    assert (audited.code, "snapshots: event 5" in audited.err) == (5, True), audited
    assert dalsegno(folder, "verify", "r1").code == 0
    shown = dalsegno(folder, "snapshot", "show", "r2@5-manual")
    assert (shown.code, "checksum does not fit" in shown.err) == (5, True), shown
    replayed = dalsegno(folder, "replay", "r2")
    assert replayed.code == 0
    assert "and the same from snapshot 3 on" in replayed.out
    assert "warning: snapshot at version 5 is left aside" in replayed.err
    assert dalsegno(folder, "snapshot", "delete", "r2@5-manual").code == 0
    assert dalsegno(folder, "verify", "r2").code == 0


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("delete",), "expected ids of snapshots, or --older-than"),
        (("delete", "r1@3-manual", "--kind", "manual"), "are for --older-than"),
        (("list", "--kind", "own"), "expected one of automatic, manual, recovery"),
        (("create", "r1", "--at", "0"), "expected a version from 1"),
        (("create", "r1", "--note", "x"), "expected KEY=VALUE"),
        (("create", "r1", "--at", "99"), "has no version 99"),
        (("create", "nobody"), "there is no run nobody"),
        (("show", "r1"), "no id of a snapshot"),
    ],
)
def test_what_is_wrong_is_refused(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    done = dalsegno(folder, "snapshot", *arguments)
    assert done.code in {2, 3}
    assert said in done.err
