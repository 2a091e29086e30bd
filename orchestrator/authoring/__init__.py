"""Authoring: from what a person writes to a checked definition and its net."""
