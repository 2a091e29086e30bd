"""Ends what an agent's tasks have started, once the agent is gone.

Run by path in a bare interpreter: `python -I -S warden.py MARK`. It waits for the end of its stdin,
which the agent alone holds open, and then kills every process whose environment carries the mark,
looking again until there is none.
"""

import os
import signal
import sys
import time
from pathlib import Path

LOOK_AGAIN_S = 0.05
LOOKS_MAX = 100


def main(mark: bytes) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    for _ in range(LOOKS_MAX):
        if not kill_marked(mark):
            return
        time.sleep(LOOK_AGAIN_S)


def kill_marked(mark: bytes) -> int:
    """Returns how many processes were found alive."""
    found = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid() and is_marked(folder, mark):
            found += 1
            kill(int(folder.name))
    return found


def is_marked(folder: Path, mark: bytes) -> bool:
    try:
        return mark in (folder / "environ").read_bytes().split(b"\0")
    except OSError:
        return False  # gone, or another user's


def kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except OSError:
        return


if __name__ == "__main__":
    main(os.fsencode(sys.argv[1]))
