"""Formats: runs and events in the shapes that other tools read."""
