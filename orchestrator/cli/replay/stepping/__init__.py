"""Stepping through a run: in a terminal of one's own, or by a script."""
