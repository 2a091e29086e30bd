"""The client of programs: `from orchestrator.client import Client`."""

from orchestrator.api.operations.groups import (
    BatchGiven,
    Deed,
    DefinitionText,
    EventsWanted,
    ForkOptions,
    Note,
    RunsWanted,
    SettledDeed,
    StartOptions,
)
from orchestrator.client.client import Client, Start, every

__all__ = [
    "BatchGiven",
    "Client",
    "Deed",
    "DefinitionText",
    "EventsWanted",
    "ForkOptions",
    "Note",
    "RunsWanted",
    "SettledDeed",
    "Start",
    "StartOptions",
    "every",
]
