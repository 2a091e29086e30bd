"""Durable subscriptions: how far a program has got, kept beside each log, one reader at a time.

      acquire (epoch + 1) ──► reading ──advance──► reading ──release──► free
            ▲                    │ no advance for `ttl_s`                 │
            └──── another one ◄──┴──────────────────────────────◄────────┘

Guarantee. What is behind a subscription's position was handed out and asked beyond, so each event
is handed out at least once. Of two readers of one name the later one has the greater epoch, and
only it moves the position; the earlier one learns so when it next tries (`Fenced`), and what it had
in hand comes again with the other. Expiry is judged by the database's clock alone.
"""

from typing import Protocol

import msgspec

from events.errors import Rejected
from orchestrator.insight.following.filters import Filter

TTL_S = 30.0


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """As one log has it; times in microseconds."""

    name: str
    position: int
    filter: Filter
    owner: str = ""
    held: bool = False
    created_at: int = 0
    updated_at: int = 0


class Held(msgspec.Struct, frozen=True):
    """One reader's hold of a subscription in one log: the place to go on from, and where it all
    began."""

    name: str
    epoch: int
    position: int
    filter: Filter
    began_at: int


class Subscriptions(Protocol):
    """Those of one log. Every method may raise `Unavailable`."""

    async def create(self, name: str, position: int, filter_: Filter) -> bool:
        """False when there is one of this name. Raises `Rejected` when there are too many."""

    async def all(self, name: str = "") -> list[Subscription]:
        """In order of name; with a name that one, if there is one."""

    async def acquire(self, name: str, owner: str, ttl_s: float) -> Held | None:
        """None when another one holds it, or there is none."""

    async def advance(self, held: Held, position: int, ttl_s: float) -> None:
        """Also renews the hold. Raises `Fenced` when another one has it, or it was set anew."""

    async def release(self, held: Held) -> None: ...

    async def reset(self, name: str, position: int, filter_: Filter) -> bool:
        """Sets it anew; whoever reads it is fenced. False when there is none."""

    async def delete(self, name: str) -> bool: ...


def no_subscription(name: str) -> Rejected:
    return Rejected(
        f"there is no subscription {name}: `dalsegno subscription list` shows those there are"
    )


def is_same(one: Filter, other: Filter) -> bool:
    """Whether two filters want the same; `since` is only where a subscription begins."""
    return msgspec.structs.replace(one, since=None) == msgspec.structs.replace(other, since=None)
