"""Comparing: where two runs part, and which value that comes from."""
