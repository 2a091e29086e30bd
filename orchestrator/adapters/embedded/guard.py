"""The guard: a small process that owns one server's processes and temporary folder.

Guarantee: when the process that started a server is gone, for whatever reason (SIGKILL included),
the server and all its children end, and the temporary folder goes with them.

    parent ──stdin: requests; its end means the parent is gone──► guard ──► initdb, postgres,
           ◄─stdout: one answer a request──────────────────────              nats-server

- The parent ends, is killed, or closes the pipe: the guard shuts its server down, then removes its
  folder. A copy of the pipe that a forked child of the parent keeps open would hide the parent's
  end, so the guard also looks twice a second at who its own parent is.
- The guard ends by a signal that can be caught: the same.
- The guard is killed -9: the kernel sends the server its death signal (PR_SET_PDEATHSIG; the guard
  has one thread, so "the thread that forked has ended" and "the guard has ended" are the same). The
  folder stays, and the next guard that makes a temporary folder in the same place removes it.
- The server is killed -9: its orphans fall to the guard (PR_SET_CHILD_SUBREAPER), not to init, so
  the guard can end and count them.

Locks: a folder is held by `flock` on its lock file, and every server process inherits the
descriptor. So the lock is free only when the guard *and* the last process of its server are gone:
who gets it may remove what a crash left behind.

This file is run by path in a bare interpreter (`python -I -S`): it starts fast, needs nothing but
the standard library, and is not changed by what is installed or set in the environment.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

LOCK_NAME = "dalsegno.lock"
PARENT_LOOK_S = 0.5
POLL_S = 0.002
KILL_WAIT_S = 10.0

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
IPC_RMID = 0

Message = dict[str, Any]
Account = tuple[int, int] | None


class Ended(Exception):
    """The parent is gone, or somebody asked the guard to go."""


class Refused(Exception):
    """A request that cannot be met; the message goes to the parent."""


class Guard:
    """One server at a time, one temporary folder at most, any number of held locks."""

    def __init__(self, parent_pid: int) -> None:
        self._parent_pid = parent_pid
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._child: subprocess.Popen[bytes] | None = None
        self._request: Message = {}
        self._temporary: Path | None = None
        self._locks: list[int] = []

    # ------------------------------------------------------------------ requests

    def serve(self) -> None:
        """Answer requests until the parent closes the pipe or is gone."""
        handlers: dict[str, Callable[[Message], Message]] = {
            "temporary": self._make_temporary,
            "claim": self._claim,
            "run": self._run,
            "wait": self._wait,
            "stop": self._stop,
            "kill": self._kill,
        }
        for request in self._requests():
            try:
                answer = handlers[request["do"]](request)
            except (Refused, OSError, subprocess.SubprocessError) as error:
                answer = {"error": str(error)}
            self._answer({"id": request["id"], **answer})

    def _requests(self) -> Iterator[Message]:
        poll = select.poll()
        poll.register(0, select.POLLIN)
        buffered = b""
        while os.getppid() == self._parent_pid:
            self._reap()
            if not poll.poll(PARENT_LOOK_S * 1000):
                continue
            chunk = os.read(0, 65536)
            if not chunk:
                return
            *lines, buffered = (buffered + chunk).split(b"\n")
            for line in lines:
                yield json.loads(line)

    @staticmethod
    def _answer(answer: Message) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(1, json.dumps(answer).encode() + b"\n")

    def _make_temporary(self, request: Message) -> Message:
        root, prefix = Path(request["root"]), request["prefix"]
        remove_abandoned(root, prefix)
        self._temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
        self._temporary.chmod(request["mode"])
        self._locks.append(lock_new(self._temporary))
        return {"path": str(self._temporary)}

    def _claim(self, request: Message) -> Message:
        """Hold the folder; wait for a former owner that is still shutting down."""
        deadline = time.monotonic() + request["wait_s"]
        path = Path(request["folder"]) / LOCK_NAME
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        while not try_lock(lock):
            if time.monotonic() > deadline:
                holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
                os.close(lock)
                raise Refused(f"it is in use by process {holder}")
            time.sleep(POLL_S)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(self._parent_pid).encode(), 0)
        self._locks.append(lock)
        return {}

    def _run(self, request: Message) -> Message:
        if self._child is not None and self._child.poll() is None:
            raise Refused(f"process {self._child.pid} is still running")
        self._kill_all()  # orphans of a server that somebody else killed
        self._request = request
        self._clear_leftovers()
        log = open_log(Path(request["log"]), request["log_bytes_max"])
        account: Account = request["account"]
        uid, gid = account or (None, None)
        try:
            self._child = subprocess.Popen(
                request["argv"],
                env=request["environment"],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                umask=0o077,
                user=uid,
                group=gid,
                extra_groups=None if account is None else [],
                pass_fds=self._locks,
                # After the change of user, which would clear it; and the guard has no other thread.
                preexec_fn=self._die_with_me(request["death_signal"]),  # noqa: PLW1509
            )
        finally:
            os.close(log)
        return {"pid": self._child.pid}

    def _die_with_me(self, death_signal: int) -> Callable[[], None]:
        guard_pid, prctl = os.getpid(), self._libc.prctl

        def set_death_signal() -> None:
            prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
            if os.getppid() != guard_pid:  # it died before the line above
                os._exit(1)

        return set_death_signal

    def _wait(self, request: Message) -> Message:
        return {"code": self._exit_within(request["timeout_s"])}

    def _stop(self, request: Message) -> Message:
        self._end_child(request["farewell"])
        return {}

    def _kill(self, _: Message) -> Message:
        self._kill_all()
        return {}

    # ------------------------------------------------------------------ ends

    def end(self) -> None:
        """Shut the server down, remove what it and this guard made outside a data folder."""
        self._end_child(self._request.get("farewell", []))
        self._clear_leftovers()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _exit_within(self, timeout_s: float) -> int | None:
        if self._child is None:
            return None
        deadline = time.monotonic() + timeout_s
        while self._child.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return self._child.returncode

    def _end_child(self, farewell: list[tuple[int, float]]) -> None:
        for number, grace_s in farewell:
            if self._child is None or self._child.poll() is not None:
                break
            self._child.send_signal(number)
            self._exit_within(grace_s)
        self._kill_all()

    def _reap(self) -> bool:
        """Collect the ended processes; true when none is left."""
        # The child's own status first: reaping "any child" could take it away from `Popen`.
        if self._child is not None and self._child.poll() is None:
            return False
        return reap_orphans()

    def _kill_all(self) -> None:
        """SIGKILL every descendant and reap it; one forked meanwhile falls to the next round."""
        deadline = time.monotonic() + KILL_WAIT_S
        while time.monotonic() < deadline:
            living = descendants(os.getpid())
            for pid in living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if self._reap():
                return
            time.sleep(POLL_S)

    def _clear_leftovers(self) -> None:
        pid_file = self._request.get("pid_file")
        if pid_file is not None:
            clear_shared_memory(Path(pid_file), self._request["account"], self._libc)


# ---------------------------------------------------------------------- processes


def descendants(root: int) -> list[int]:
    """Pids of the living processes below `root`, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            # The name, in brackets, may hold anything; what follows is: state, parent, ...
            state, parent = (
                (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            )
            if state not in "ZX":
                children.setdefault(int(parent), []).append(int(entry.name))
    found = list(children.get(root, []))
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def reap_orphans() -> bool:
    """Collect the ended children; true when none is left."""
    try:
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return False
    except ChildProcessError:
        return True


def clear_shared_memory(pid_file: Path, account: Account, libc: ctypes.CDLL) -> None:
    """Remove what a killed Postgres leaves: its System V segment, and the pid file that names it.

    The number of attached processes decides, as it does for Postgres itself; the pid in the file
    does not, since another process may have that number by now.
    """
    try:
        identifier = int(pid_file.read_text().splitlines()[6].split()[1])
        table = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    except (OSError, IndexError, ValueError):
        return
    attached = [int(row[6]) for row in map(str.split, table) if int(row[1]) == identifier]
    if any(attached):
        return
    if attached:
        # As the owner: root without CAP_SYS_ADMIN may not remove another user's segment.
        as_account(account, lambda: libc.shmctl(identifier, IPC_RMID, None))
    pid_file.unlink(missing_ok=True)


def as_account(account: Account, act: Callable[[], object]) -> None:
    """Do something in a fork that has become another user (safe: the guard has one thread)."""
    pid = os.fork()
    if pid == 0:
        try:
            if account is not None:
                os.setgroups([])
                os.setgid(account[1])
                os.setuid(account[0])
            act()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


# ---------------------------------------------------------------------- folders and locks


def try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_new(folder: Path) -> int:
    """A held lock in a new folder: locked first and named then, so nobody ever sees it free."""
    unnamed = folder / f"{LOCK_NAME}.new"
    lock = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unnamed.rename(folder / LOCK_NAME)
    return lock


def remove_abandoned(root: Path, prefix: str) -> None:
    """Remove temporary folders of guards that were killed: ours by owner and name, lock free."""
    for folder in root.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid != os.geteuid() or not stat.S_ISDIR(folder.lstat().st_mode):
                continue
            lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if try_lock(lock):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def open_log(path: Path, bytes_max: int) -> int:
    if path.exists() and path.stat().st_size > bytes_max:
        path.replace(path.with_name(f"{path.name}.1"))
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def main() -> None:
    def asked_to_end(number: int, _: object) -> NoReturn:
        raise Ended(number)

    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in signals:
        signal.signal(number, asked_to_end)
    guard = Guard(parent_pid=int(sys.argv[1]))
    try:
        guard.serve()
    except Ended:
        pass
    finally:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        guard.end()


if __name__ == "__main__":
    main()
