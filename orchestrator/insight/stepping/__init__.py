"""Stepping through a recorded run: a session and its commands, without any terminal."""
