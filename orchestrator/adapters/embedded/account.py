"""As whom the servers run, and what that user can reach.

Postgres refuses to run as root, so a root parent gives its servers to an unprivileged user that the
machine already has. No user is made and no folder that we did not make changes its mode or owner.
"""

import contextlib
import os
import pwd
import secrets
from pathlib import Path

import msgspec

from orchestrator.errors import Misconfigured

NOBODY = "nobody"
NOBODY_UID = 65_534


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An unprivileged user to become; only root has the choice."""

    uid: int
    gid: int
    name: str

    def give(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid, follow_symlinks=False)


def server_account(owned: Path | None = None) -> Account | None:
    """The user to become, None for an ordinary user, who stays who they are.

    `owned` is the server's part of an existing data folder: it stays with the user who has it.

    Raises:
        Misconfigured: root, and the machine has no unprivileged user to become.
    """
    if os.geteuid() != 0:
        return None
    if owned is not None and owned.exists() and owned.stat().st_uid != 0:
        with contextlib.suppress(KeyError):
            return as_account(pwd.getpwuid(owned.stat().st_uid))
    with contextlib.suppress(KeyError):
        return as_account(pwd.getpwnam(NOBODY))
    with contextlib.suppress(KeyError):
        return as_account(pwd.getpwuid(NOBODY_UID))
    raise Misconfigured(
        f"Postgres does not run as root, and this machine has no user {NOBODY!r} and no user id "
        f"{NOBODY_UID} to give it to: start as an ordinary user, or give the address of a running "
        "Postgres"
    )


def as_account(entry: pwd.struct_passwd) -> Account:
    return Account(uid=entry.pw_uid, gid=entry.pw_gid, name=entry.pw_name)


def first_closed(path: Path, account: Account) -> Path | None:
    """The first folder on the way to `path`, itself included, that the account cannot enter."""
    resolved = path.resolve()
    folders = [*reversed(resolved.parents), resolved]
    return next((f for f in folders if f.is_dir() and not may(f, account, 0o1)), None)


def may(path: Path, account: Account, bits: int) -> bool:
    """Whether the mode of `path` allows the account `bits` (4 read, 2 write, 1 enter or run)."""
    status = path.stat()
    if status.st_uid == account.uid:
        shift = 6
    elif status.st_gid == account.gid:
        shift = 3
    else:
        shift = 0
    return (status.st_mode >> shift) & bits == bits


def write_private(path: Path, text: str, account: Account | None) -> None:
    """Write a file that only the server's user reads, replacing whatever has that name."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
        if account is not None:
            os.fchown(descriptor, account.uid, account.gid)
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # a secret that a power cut takes away locks its data folder for good
    finally:
        os.close(folder)
