"""The folders of one server: its home, the part that the server itself owns, and its programs.

    home/                the caller's data folder, or a temporary one; ours
      dalsegno.lock      held by the guard and the server (guard.py)
      secret             the password
      *.conf, server.log
      cluster/ | store/  the only part that belongs to the server's user

As root the home stays root's: the server's user, which other programs may share, cannot put links
in the place of files that root writes.
"""

import os
import secrets
import tempfile
from pathlib import Path

import msgspec

from orchestrator.adapters.embedded.account import (
    Account,
    first_closed,
    may,
    server_account,
    write_private,
)
from orchestrator.adapters.embedded.binaries import Binaries
from orchestrator.adapters.embedded.guard import LOCK_NAME
from orchestrator.adapters.embedded.handle import GuardHandle, required
from orchestrator.errors import Misconfigured

SECRET_BYTES = 24

# Where a folder of ours may be made when the usual place for temporary files is closed to the
# server's user, or when programs may not be run from there.
OTHER_TEMPORARY_ROOTS = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 -- only as parents of mkdtemp


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """A prepared home, whose lock is held."""

    path: Path
    account: Account | None
    is_temporary: bool
    binaries: Binaries

    @property
    def secret_path(self) -> Path:
        return self.path / "secret"

    @property
    def log_path(self) -> Path:
        return self.path / "server.log"

    def program(self, name: str) -> str:
        return str(self.binaries.program(name))

    def secret(self) -> str:
        """The password of this home, made when it is asked for the first time."""
        if not self.secret_path.exists():
            self.write("secret", secrets.token_urlsafe(SECRET_BYTES))
        return self.secret_path.read_text().strip()

    def write(self, name: str, text: str) -> Path:
        """Write a file that only the server's user reads, and root."""
        path = self.path / name
        write_private(path, text, self.account)
        return path

    def make_owned(self, name: str) -> Path:
        """Make a folder that belongs to the server's user."""
        path = self.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        if self.account is not None:
            self.account.give(path)
        return path


def prepare_home(
    guard: GuardHandle, kind: str, folder: Path | None, owned_name: str, binaries: Binaries
) -> Home:
    """Make or take over the home, hold its lock, put the programs where the server's user reaches.

    Raises:
        Misconfigured: the folder is not ours, in use, or cannot be reached by the server's user.
    """
    try:
        account = server_account(None if folder is None else folder / owned_name)
        programs_in_place = account is None or can_run(binaries, account)
        temporary = None
        if folder is None or not programs_in_place:
            root = temporary_root(account, runs_programs=not programs_in_place)
            mode = 0o700 if account is None else 0o711
            temporary = guard.make_temporary(root, f"dalsegno-{kind}-", mode)
        if folder is not None:
            open_data_folder(folder.absolute(), owned_name, account)
            guard.claim(folder.absolute())
        if temporary is not None and not programs_in_place:
            binaries = binaries.copied_to(temporary / "programs")
    except OSError as error:
        raise Misconfigured(
            f"cannot prepare the folder of the embedded {kind} server: {error}; "
            "give a data folder that this user may write"
        ) from error
    path = required(temporary) if folder is None else folder.absolute()
    return Home(path=path, account=account, is_temporary=folder is None, binaries=binaries)


def open_data_folder(folder: Path, owned_name: str, account: Account | None) -> None:
    """Check a lasting data folder, or make it with the folders above it that are missing.

    Raises:
        Misconfigured: it holds something else, belongs to another user, or is out of reach.
    """
    if account is not None:
        # Before anything is made, so that a refusal leaves nothing behind.
        check_is_reachable(folder, account)
    if folder.is_dir():
        check_is_ours(folder, owned_name)
    else:
        make_folders(folder, account)


def check_is_reachable(folder: Path, account: Account) -> None:
    """Look at the folders that exist; the missing ones will be ours."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    closed = first_closed(existing, account)
    if closed is not None:
        raise Misconfigured(
            f"the data folder {folder} is out of reach: started by root, the server runs as user "
            f"{account.name!r}, who may not enter {closed} (mode "
            f"{closed.stat().st_mode & 0o777:o}). Give a data folder elsewhere (such as one under "
            "/var/lib), or start as the ordinary user who owns it; no folder's mode is changed for "
            "you"
        )


def check_is_ours(folder: Path, owned_name: str) -> None:
    if not (folder / LOCK_NAME).exists() and any(folder.iterdir()):
        raise Misconfigured(
            f"{folder} is not empty and is no data folder of an embedded server (it has no "
            f"{LOCK_NAME}): give an empty or a new folder"
        )
    owned = folder / owned_name
    if owned.exists() and os.geteuid() not in {0, owned.stat().st_uid}:
        raise Misconfigured(
            f"{owned} belongs to user id {owned.stat().st_uid}, and this is user id "
            f"{os.geteuid()}: start as that user (or as root, if root made it), or give another "
            "data folder"
        )


def make_folders(folder: Path, account: Account | None) -> None:
    """As root, what we make ourselves lets the server's user through, whatever the umask says."""
    for missing in reversed([p for p in (folder, *folder.parents) if not p.exists()]):
        missing.mkdir(mode=0o700 if missing == folder else 0o777)
        if account is not None:
            missing.chmod(0o711 if missing == folder else 0o755)


def can_run(binaries: Binaries, account: Account) -> bool:
    """Whether the account reaches the programs where they are, and every part beside them."""
    parts = [binaries.base / member for member in binaries.members]
    programs = binaries.base / binaries.program_folder
    return first_closed(programs, account) is None and all(may(p, account, 0o5) for p in parts)


def temporary_root(account: Account | None, *, runs_programs: bool) -> Path:
    """The folder in which temporary homes and copies of programs are made.

    Raises:
        Misconfigured: the server's user is let into none of the usual ones.
    """
    candidates = (Path(tempfile.gettempdir()), *OTHER_TEMPORARY_ROOTS)
    for root in candidates:
        if not root.is_dir() or not os.access(root, os.W_OK):
            continue
        if account is not None and first_closed(root, account) is not None:
            continue
        if runs_programs and os.statvfs(root).f_flag & os.ST_NOEXEC:
            continue
        return root
    raise Misconfigured(
        "no folder for temporary files that the server's user may enter and run programs in (tried "
        f"{', '.join(map(str, candidates))}): set TMPDIR to one, or start as an ordinary user"
    )
