"""The JetStream topology in one place: which streams and consumers there are, and their limits.

Both streams are transport. A command follows from the state of its run and an agent keeps a report
until it is settled, so a stream may lose anything, and may be deleted, without loss to anybody:
whoever notices declares it again. Retention is by limits, because work-queue streams refuse to
acknowledge all up to a sequence; limits also bound what a stream that nobody reads can take.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from events.codec import digest
from events.subjects import Subjects, token


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """Base of declarations."""


class StreamLimits(Declared, frozen=True, kw_only=True):
    """What a stream may take; beyond it the oldest messages go."""

    age_max_s: float
    bytes_max: int


class Stream(Declared, frozen=True, kw_only=True):
    name: str
    subjects: tuple[str, ...]
    limits: StreamLimits
    replicas: int = 1
    description: str = ""
    duplicates_s: float = 0.1
    """How long message ids are remembered; where nobody sends them the least that is allowed."""


class Consumer(Declared, frozen=True, kw_only=True):
    """A pull consumer that vanishes when nobody has pulled for `inactive_s`.

    `acks`: "all" acknowledges everything up to a message, "each" only that one. `replay_s`: how far
    a new one reaches back; None means to the beginning of the stream.
    """

    stream: str
    name: str
    subjects: tuple[str, ...]
    acks: Literal["all", "each"]
    replay_s: float | None = None
    ack_wait_s: float = 30.0
    ack_pending_max: int = 4096
    inactive_s: float = 300.0
    description: str = ""


class BusLimits(Declared, frozen=True, kw_only=True):
    """Limits of the command plane.

    Commands live as long as anybody could want to start them; a node that was away longer is given
    its attempts anew. Reports live for an hour for the operator's eyes; a new owner reads on where
    the one before it has stopped, or reads back `report_replay_s` if nobody knows; what is older
    comes back by reconciliation.
    """

    commands: StreamLimits = StreamLimits(age_max_s=600.0, bytes_max=128 * 2**20)
    reports: StreamLimits = StreamLimits(age_max_s=3600.0, bytes_max=256 * 2**20)
    report_replay_s: float = 60.0
    ack_wait_s: float = 30.0
    """What was delivered and not acknowledged for so long is delivered again."""
    publish_timeout_s: float = 3.0
    stuck_s: float = 8.0
    """A stream that exists and has taken no message for so long is deleted and declared anew."""
    message_bytes_max: int = 512 * 2**10
    """A batch is split beyond this, or beyond the server's own limit when that is lower."""


class Topology(Declared, frozen=True, kw_only=True):
    """Every stream and consumer under one prefix."""

    subjects: Subjects = Subjects()
    limits: BusLimits = BusLimits()
    replicas: int = 1
    """Servers that keep each stream and the place of its readers: 1, 3 or 5."""

    def __post_init__(self) -> None:
        """Raises `Misconfigured` for a prefix that cannot be in a subject."""
        for part in self.subjects.prefix.split("."):
            token(part, "a part of the prefix of NATS subjects")

    @property
    def commands(self) -> Stream:
        return Stream(
            name=self.subjects.command_stream,
            subjects=(self.subjects.all_commands,),
            limits=self.limits.commands,
            replicas=self.replicas,
            description="Commands of coordinators to nodes; may be deleted at any time",
        )

    @property
    def reports(self) -> Stream:
        return Stream(
            name=self.subjects.report_stream,
            subjects=(self.subjects.all_reports,),
            limits=self.limits.reports,
            replicas=self.replicas,
            description="Reports of nodes to coordinators; may be deleted at any time",
        )

    def feed(self, log: str, limits: StreamLimits) -> Stream:
        """Where the events of a log are put for whoever follows them over NATS."""
        return Stream(
            name=self.subjects.feed_stream(log),
            subjects=(self.subjects.feed(log, ">"),),
            limits=limits,
            replicas=self.replicas,
            description=f"Events of log {log} as CloudEvents; may be deleted at any time",
            duplicates_s=120.0,
        )

    def command_consumer(self, node: str, incarnation: str) -> Consumer:
        """What a node reads its commands with; another incarnation has another one."""
        return Consumer(
            stream=self.subjects.command_stream,
            name=f"node-{node}-{incarnation}",
            subjects=(self.subjects.command(node, incarnation),),
            acks="each",
            ack_wait_s=self.limits.ack_wait_s,
            description=f"commands for {node}",
        )

    def report_consumer(self, owner: str, leases: Iterable[tuple[int, int]]) -> Consumer:
        """What an owner reads the reports of its (shard, epoch) leases with: one for all of them.

        Another set of leases is another consumer; the old one vanishes by inactivity.
        """
        held = sorted(leases)
        names = " ".join(f"{shard}@{epoch}" for shard, epoch in held)
        return Consumer(
            stream=self.subjects.report_stream,
            name=f"owner-{digest(f'{owner} {names}'.encode())[:16]}",
            subjects=tuple(self.subjects.report(shard) for shard, _ in held),
            acks="all",
            ack_wait_s=self.limits.ack_wait_s,
            replay_s=self.limits.report_replay_s,
            description=f"reports for {owner}: shards {names}"[:1000],
        )
