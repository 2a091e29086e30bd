"""The coordinator's bus over NATS: commands out, reports in, heartbeats and requests answered.

Guarantee: `publish` returns when the command stream has the batch; reports are delivered until they
are acknowledged, at least those of the last minute and for as long as their stream lives. Nothing
else is promised: the rest is reconciliation. Streams and consumers that vanish are declared again
by whoever misses them first.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from nats.aio.msg import Msg

from events.api import AnyAnswer, AnyRequest, Refused
from events.batches import pieces
from events.codec import encode
from events.connection import Connection
from events.errors import Corrupt, InvalidValue, Rejected, Unavailable
from events.jetstream import ACK, PullLimits, place_of
from events.messages import Command, Commands, Heartbeat, HeartbeatAnswer
from events.reading import HEARTBEAT, REQUEST
from events.reports import BadReport, read_reports
from events.streams import Topology
from orchestrator.adapters.nats.acks import Acks
from orchestrator.adapters.nats.declare import declare_consumer, declare_stream
from orchestrator.adapters.nats.handover import begins_at
from orchestrator.adapters.nats.link import Link
from orchestrator.adapters.nats.listen import Topic, listen
from orchestrator.adapters.nats.publish import Publisher
from orchestrator.adapters.nats.pull import Pull
from orchestrator.adapters.nats.session import Session
from orchestrator.adapters.nats.watching import watch
from orchestrator.coordinator.ports import Lease, ReportDelivery

QUEUE = "coordinators"
ANNOUNCE_S = 0.02
"""Shortest time between two announcements of positions."""

log = logging.getLogger("dalsegno.bus")


class NatsBus:
    """Implements `orchestrator.coordinator.ports.Bus`. `name` tells coordinators apart."""

    def __init__(
        self,
        connection: Connection,
        topology: Topology,
        name: str,
        pull_limits: PullLimits = PullLimits(),
    ) -> None:
        self.unreadable = 0
        """Messages that could not be decoded, since the start."""
        self.refused = 0
        """Reports that were refused out of their batch, since the start."""
        self._topology = topology
        self._subjects = topology.subjects
        self._name = name
        self._pull_limits = pull_limits
        self._link = Link(connection, f"coordinator {name}")
        self._commands = Publisher(self._link, topology.commands, topology.limits)
        self._acks = Acks()
        self._held: set[tuple[int, int]] = set()
        self._stream_created: datetime | None = None
        self._announced: tuple[str, int] | None = None

    async def start(self) -> None:
        """Connects and declares the streams. Raises `Unavailable`, and `Misconfigured` when waiting
        cannot help; without it everything begins on first use and waits for the server."""
        await self._link.start()
        session = await self._link.session()
        await declare_stream(session, self._topology.commands, update=True)
        await declare_stream(session, self._topology.reports, update=True)

    def connection(self) -> AsyncIterator[bool]:
        """First how it is, then every change; known within two seconds."""
        return watch(self._link)

    async def publish(self, node: str, incarnation: str, commands: Commands) -> None:
        """Raises `Unavailable`; `Rejected` for a command that no message can carry."""
        server_max = await self._commands.bytes_max()

        def message(part: Sequence[Command]) -> bytes:
            return encode(Commands(coordinator=commands.coordinator, commands=tuple(part)))

        bytes_max = min(server_max, self._topology.limits.message_bytes_max)
        for body in pieces(commands.commands, message, bytes_max):
            if len(body) > server_max:
                raise Rejected(
                    f"a command for {node} has {len(body)} bytes, NATS takes {server_max}: "
                    "make its inputs smaller or raise max_payload of the server"
                )
            await self._commands.publish(self._subjects.command(node, incarnation), body)

    async def reports(self, leases: Sequence[Lease]) -> AsyncIterator[list[ReportDelivery]]:
        """Batches of deliveries for the leased shards; ends with `close`."""
        if not leases:
            await self._link.pause(math.inf)
            return
        held = [(lease.shard, lease.epoch) for lease in leases]
        consumer = self._topology.report_consumer(self._name, held)
        self._acks.another_consumer({shard for shard, _ in set(held) & self._held})
        self._held = set(held)

        async def declare(session: Session) -> None:
            stream = await declare_stream(session, self._topology.reports, update=True)
            if stream.created != self._stream_created:
                self._acks.another_stream()
                self._stream_created = stream.created
            begin = self._acks.resume_at() or await begins_at(session, consumer, stream)
            await declare_consumer(session, consumer, stream, begin)

        async for batch in Pull(self._link, consumer, declare, self._pull_limits).batches():
            if deliveries := [read for message in batch if (read := self._read(message))]:
                yield deliveries
            elif subject := self._acks.done({}):
                self._acknowledge(subject)

    async def acknowledge(self, deliveries: Sequence[ReportDelivery]) -> None:
        """Best effort: an acknowledgement that is lost costs a repetition."""
        upto: dict[int, int] = {}
        for delivery in deliveries:
            upto[delivery.shard] = max(upto.get(delivery.shard, 0), delivery.sequence)
        if subject := self._acks.done(upto):
            self._acknowledge(subject)

    async def heartbeats(self) -> AsyncIterator[tuple[Heartbeat, str]]:
        async for message in listen(self._link, [Topic(self._subjects.heartbeat)]):
            try:
                yield HEARTBEAT.read(message.data), message.reply
            except Corrupt as error:
                self._complain(error)

    async def answer_heartbeat(self, reply_to: str, answer: HeartbeatAnswer) -> None:
        await self._send(reply_to, encode(answer))

    async def requests(self, shards: Sequence[int]) -> AsyncIterator[tuple[AnyRequest, str]]:
        topics = [
            Topic(self._subjects.api("*"), QUEUE),
            *(Topic(self._subjects.api("*", shard)) for shard in shards),
        ]
        async for message in listen(self._link, topics):
            try:
                yield REQUEST.read(message.data), message.reply
            except Corrupt as error:
                self._complain(error)
                refusal = Refused(code=InvalidValue.code, message=str(error))
                await self._send(message.reply, encode(refusal))

    async def answer(self, reply_to: str, answer: AnyAnswer) -> None:
        """Best effort; an answer that no message can carry becomes a refusal that says so."""
        body, session = encode(answer), self._link.live()
        if session is not None and len(body) > session.bytes_max:
            what = f"the answer has {len(body)} bytes, NATS takes {session.bytes_max}"
            body = encode(Refused(code=Rejected.code, message=f"{what}: read it from the log"))
        await self._send(reply_to, body)

    async def announce(self, log: str, position: int) -> None:
        """The newest of `ANNOUNCE_S`: who listens would otherwise be woken by each commit, while
        the agents need the machine."""
        is_under_way, self._announced = self._announced is not None, (log, position)
        if not is_under_way:
            asyncio.get_running_loop().call_later(ANNOUNCE_S, self._announce)

    async def close(self) -> None:
        await self._link.close()

    def _read(self, message: Msg) -> ReportDelivery | None:
        place = place_of(message.reply)
        try:
            shard = int(message.subject.rpartition(".")[2])
            received = read_reports(message.data)
        except (Corrupt, ValueError) as error:
            self._complain(error)
            self._acks.delivered(place.sequence, None, message.reply)
            return None
        reports = received.reports
        for bad in received.refused:
            self._tell(reports.node, bad)
        known = shard if reports.reports else None
        sequence = self._acks.delivered(place.sequence, known, message.reply)
        return None if sequence is None else ReportDelivery(shard, sequence, reports)

    def _announce(self) -> None:
        if self._announced is not None:
            (log, position), self._announced = self._announced, None
            self._send_later(self._subjects.position(log), str(position).encode())

    def _acknowledge(self, subject: str) -> None:
        self._send_later(subject, ACK)

    def _send_later(self, subject: str, body: bytes) -> None:
        """Not at once: the next message takes it along."""
        session = self._link.live()
        if session is None:
            return
        try:
            session.send_later(subject, body)
        except Unavailable as error:
            log.debug("%s", error)

    async def _send(self, subject: str, body: bytes) -> None:
        """To whom it may concern: lost when there is no connection or nobody to reply to."""
        session = self._link.live()
        if session is None or not subject:
            return
        try:
            await session.send(subject, body)
        except Unavailable as error:
            log.debug("%s", error)

    def _tell(self, node: str, bad: BadReport) -> None:
        """Each that costs an attempt; of the others, which may come every second, ever fewer."""
        self.refused += 1
        if bad.ends and bad.attempt is not None:
            text = "node %s sent a bad report of attempt %s, which fails for it: %s"
            log.error(text, node, bad.attempt, bad.problem)
        elif self.refused.bit_count() == 1:
            text = "node %s sent a bad report of attempt %s, left out (%d so far): %s"
            log.warning(text, node, bad.attempt or "unknown", self.refused, bad.problem)

    def _complain(self, error: Exception) -> None:
        """Told at every doubling of their number: who sends one sends many."""
        self.unreadable += 1
        if self.unreadable.bit_count() == 1:
            log.warning("a message was not understood (%d so far): %s", self.unreadable, error)
