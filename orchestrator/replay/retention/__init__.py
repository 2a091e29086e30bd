"""Retention: what leaves the log, as archives that stand for themselves or by erasing its key."""
