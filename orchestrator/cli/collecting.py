"""How often Python looks for cycles of garbage: rarely. What a process loads and remembers is
long-lived and without cycles, and Python's 700 new objects come together in a moment."""

import gc

COLLECT_AFTER = (50_000, 20, 10)
"""Objects made and not freed before the youngest are looked through, and so on. At 700 that is a
sixth of the start of each command, and a fifth of a busy coordinator's time, in pauses of tens of
milliseconds."""


def collect_rarely() -> None:
    """At the beginning of a process."""
    gc.set_threshold(*COLLECT_AFTER)


def keep_what_is_loaded() -> None:
    """Before a process settles down to its work: it is never looked through again."""
    gc.collect()
    gc.freeze()
