"""Run ids that the command line makes when it is given none."""

import os
import time

from events.ids import ENTROPY_BYTES, mint


def new_run_id() -> str:
    """A fresh id; ids sort by the time they were made."""
    return mint(time.time_ns() // 1000, os.urandom(ENTROPY_BYTES)).lower()
