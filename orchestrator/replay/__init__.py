"""Replay: a run's state at any version, rebuilt from the log alone."""
