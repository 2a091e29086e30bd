"""What the agent needs of a bus. The NATS adapter implements it, fakes and twins imitate it.

The bus may lose, repeat, delay and reorder; nothing depends on it for truth. Every method that
waits for the other side returns or raises `Unavailable` within a timeout of its own.
"""

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from events.api import AnyAnswer, AnyRequest
from events.messages import Commands, Heartbeat, HeartbeatAnswer, Reports
from events.values import Value


class Delivery(msgspec.Struct, frozen=True):
    """One message of the command stream; `token` is the adapter's, for its acknowledgement."""

    commands: Commands
    token: object


class Lists(Protocol):
    """Lists that are too large for a value, as coordinators hand them out."""

    async def fetch_values(self, hash_: str, first: int) -> list[Value]:
        """Values of the chunk from the first on (counted from 0), one at least. Raises
        `Unavailable` when nobody answers, `Rejected` when there are none, `Corrupt` when what is
        stored is damaged."""


class Coordinators(Lists, Protocol):
    """What a node may ask coordinators for."""

    async def ask(self, request: AnyRequest, about: str) -> AnyAnswer:
        """What the owner of the run called `about` answers. Raises `Unavailable` when that is
        nobody, or not in time, and what it refuses the request with."""


class Bus(Coordinators, Protocol):
    """The command plane as one node sees it."""

    def commands(self, incarnation: str) -> AsyncIterator[Delivery]:
        """Commands for this incarnation, redelivered until acknowledged; goes on through
        reconnects, declares stream and consumer anew when they vanish. Ends with `close`."""

    async def acknowledge(self, delivery: Delivery) -> None:
        """After the journal has it: never delivered again (best effort)."""

    async def publish_reports(self, shard: int, reports: Reports) -> None:
        """Hands a batch to the report stream and waits until it is stored there. Raises
        `Unavailable` when that is not known to have happened: publish again; and `Rejected` when
        one report alone is larger than a message may be, which no repetition mends."""

    async def heartbeat(self, beat: Heartbeat) -> None:
        """Sends a heartbeat and does not wait; lost without an error while disconnected."""

    def answers(self) -> AsyncIterator[HeartbeatAnswer]:
        """Answers of coordinators to the heartbeats. Ends with `close`."""

    async def close(self) -> None: ...
