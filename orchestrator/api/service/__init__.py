"""Carrying operations out: over coordinators that are asked, and over the log."""
