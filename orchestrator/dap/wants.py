"""Wants: what a session cannot do itself, since it reads and writes nothing; an edge does it and
comes back with what came of it."""

from typing import Protocol

import msgspec

from events.values import Value
from orchestrator.dap.arguments import Attach
from orchestrator.dap.messages import Request


class OpenRun(msgspec.Struct, frozen=True):
    """Open what a client wants to attach to."""

    request: Request
    attach: Attach


class OpenCalled(msgspec.Struct, frozen=True):
    """Open a run that a step has called, to step into it."""

    run_id: str


class Change(msgspec.Struct, frozen=True):
    """Other values of variables of a run at a version, which only a fork can have."""

    run_id: str
    version: int
    variables: dict[str, Value]


class Foresee(msgspec.Struct, frozen=True):
    """Say what a fork with a change would execute again. `shown` is the value that the client wants
    to see back."""

    request: Request
    change: Change
    shown: Value


class Fork(msgspec.Struct, frozen=True):
    """Begin the fork that was foreseen."""

    request: Request
    change: Change


Want = OpenRun | OpenCalled | Foresee | Fork


class Files(Protocol):
    """What the paths of clients mean."""

    def key(self, path: str) -> str:
        """The same for every path of the same file."""
        ...
