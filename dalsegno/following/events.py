"""What a program sees of an event, and how it says which ones it wants."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from events.envelope import Event as Decoded
from events.errors import Corrupt
from events.facts import Fact
from events.values import Value
from orchestrator.insight.following.filters import Filter
from orchestrator.insight.following.positions import Place
from orchestrator.insight.following.sieve import Followed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which events are wanted; empty is every one.

    Several values of one kind are alternatives, kinds are all required. Names may have `*` and `?`;
    types may leave out their version. `tags` are of the run, all of them. `since` is where a
    subscription begins. `where` is CEL over `data`, the fields of the fact, and `event` (type, run,
    workflow, step, node, tags …).
    """

    types: Iterable[str] = ()
    streams: Iterable[str] = ()
    runs: Iterable[str] = ()
    workflows: Iterable[str] = ()
    steps: Iterable[str] = ()
    nodes: Iterable[str] = ()
    tags: Mapping[str, str] = {}
    correlations: Iterable[str] = ()
    since: datetime | None = None
    where: str = ""

    def made(self) -> Filter:
        return Filter(
            types=tuple(self.types),
            streams=tuple(self.streams),
            runs=tuple(self.runs),
            workflows=tuple(self.workflows),
            steps=tuple(self.steps),
            nodes=tuple(self.nodes),
            tags=dict(self.tags),
            correlations=tuple(self.correlations),
            since=None if self.since is None else _microseconds(self.since),
            where=self.where,
        )


class Event:
    """One event of a log. `data` are the fields of its fact, plain JSON values.

    One that cannot be read (damaged, written by a newer release, or personal without its key) comes
    as well, with `trouble` saying why: to leave it out would be to lose it. It has its place, type
    and stored bytes; asking for more raises `Corrupt`.
    """

    __slots__ = ("_data", "followed")

    def __init__(self, followed: Followed) -> None:
        self.followed = followed
        self._data: dict[str, Value] | None = None

    def __repr__(self) -> str:
        return f"Event({self.type} at {self.log}:{self.position}, {self.stream}/{self.version})"

    @property
    def log(self) -> str:
        return self.followed.log

    @property
    def position(self) -> int:
        """In its log."""
        return self.followed.position

    @property
    def stream(self) -> str:
        return self.followed.stored.stream

    @property
    def version(self) -> int:
        """In its stream, from 1."""
        return self.followed.stored.version

    @property
    def type(self) -> str:
        return self.followed.stored.type

    @property
    def trouble(self) -> str:
        """Why it cannot be read; empty when it can."""
        return self.followed.trouble

    @property
    def stored_bytes(self) -> bytes:
        return self.followed.stored.state

    @property
    def run_id(self) -> str:
        """Empty for an event of no run."""
        return self.followed.run_id

    @property
    def workflow(self) -> str:
        return self.followed.workflow

    @property
    def tags(self) -> Mapping[str, str]:
        """Of the run."""
        return self.followed.origin.tags

    @property
    def step(self) -> str:
        return self.followed.step

    @property
    def node(self) -> str:
        """That the event names, or comes from."""
        return self.followed.node

    @property
    def id(self) -> str:
        return self._decoded.header.id

    @property
    def recorded_at(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self._decoded.header.recorded_at)

    @property
    def actor(self) -> str:
        return self._decoded.header.actor

    @property
    def causation(self) -> str:
        return self._decoded.header.causation

    @property
    def correlation(self) -> str:
        """The business transaction; empty where it is the stream itself."""
        return self._decoded.header.correlation

    @property
    def traceparent(self) -> str:
        return self._decoded.header.traceparent

    @property
    def fact(self) -> Fact:
        """The fact itself, as one of the types of `events`."""
        return self._decoded.fact

    @property
    def data(self) -> dict[str, Value]:
        """Fields that are as usual are left out, as they are in the log."""
        if self._data is None:
            self._data = msgspec.to_builtins(self._decoded.fact)
        return self._data

    @property
    def _decoded(self) -> Decoded:
        if self.followed.event is None:
            raise Corrupt(self.followed.trouble)
        return self.followed.event


class Batch(msgspec.Struct, frozen=True):
    """The next events of one log: those wanted behind position `after` up to `place`. There may be
    none, and then only the position moves on."""

    log: str
    events: tuple[Event, ...]
    after: int
    place: Place


def _microseconds(at: datetime) -> int:
    """Raises `ValueError` for a time without its zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone: expected one, such as datetime.UTC")
    return (at - _EPOCH) // timedelta(microseconds=1)
