"""Ids on the command line: of runs, given or made, and of the person who asks."""

import getpass
import os
import time

from events.errors import Rejected
from events.ids import ENTROPY_BYTES, mint


def new_run_id() -> str:
    """A fresh id; ids sort by the time they were made."""
    return mint(time.time_ns() // 1000, os.urandom(ENTROPY_BYTES)).lower()


def given_run_id(text: str) -> str:
    """Refuses an empty one, such as a shell's variable that is not set: it names no run, and a
    start that made up an id instead would run twice when it is repeated. Raises `Rejected`."""
    if not text:
        raise Rejected("the run id is empty: expected one such as `dalsegno run list` shows")
    return text


def me() -> str:
    """Who acts, for the record: the name that the system knows us by."""
    try:
        return f"user:{getpass.getuser()}"[:200]
    except (KeyError, OSError):
        return "user"
