"""The agent's bus over NATS: commands in, reports and heartbeats out.

Guarantee: a command is delivered until it is acknowledged, as long as its stream lives; a report is
in its stream when `publish_reports` returns. Stream and consumer that vanish are declared again.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import anyio
from nats.nuid import NUID

from events.api import AnyAnswer, AnyRequest, Fetched, FetchValues, Hello, Here, Refused
from events.batches import pieces
from events.codec import decode, encode
from events.connection import Connection
from events.errors import BY_CODE, Corrupt, Rejected, Unavailable
from events.ids import shard_of
from events.jetstream import ACK, TERMINATE, Call, PullLimits, place_of
from events.messages import Heartbeat, HeartbeatAnswer, Report, Reports
from events.reading import ANSWER, COMMANDS, HEARTBEAT_ANSWER
from events.streams import Topology
from events.subjects import token
from events.values import Value
from node_agent.adapters.nats.declare import declare_consumer, declare_stream
from node_agent.adapters.nats.link import Closed, Link
from node_agent.adapters.nats.listen import Topic, listen
from node_agent.adapters.nats.publish import Publisher
from node_agent.adapters.nats.pull import Pull
from node_agent.adapters.nats.resume import Resume
from node_agent.adapters.nats.session import Session
from node_agent.ports import Delivery

ANSWER_S = 5.0
"""Seconds that one question waits for its answer; then it is asked again."""

log = logging.getLogger("dalsegno.bus")


class _Token(NamedTuple):
    """What is needed to acknowledge a delivery."""

    reply: str
    sequence: int
    resume: Resume


class NatsBus:
    """Implements `node_agent.ports.Bus` for the node called `node`, which must be a subject
    token."""

    def __init__(
        self,
        connection: Connection,
        topology: Topology,
        node: str,
        pull_limits: PullLimits = PullLimits(messages=64),
    ) -> None:
        self.unreadable = 0
        """Messages that could not be decoded, since the start."""
        self._shards = 0
        self._topology = topology
        self._subjects = topology.subjects
        self._node = token(node, "the node's name")
        self._pull_limits = pull_limits
        self._link = Link(connection, f"node {node}")
        self._reports = Publisher(self._link, topology.reports, topology.limits)
        self._answers_to = f"{connection.inbox_prefix}.{NUID().next().decode()}"

    async def start(self) -> None:
        """Connects. Raises `Unavailable`, and `Misconfigured` when waiting cannot help; without it
        everything begins on first use and waits for the server."""
        await self._link.start()

    async def commands(self, incarnation: str) -> AsyncIterator[Delivery]:
        """Commands for this incarnation; ends with `close`."""
        consumer = self._topology.command_consumer(self._node, incarnation)
        resume = Resume()

        async def declare(session: Session) -> None:
            stream = await declare_stream(session, self._topology.commands, update=False)
            resume.reads(stream.created)
            await declare_consumer(session, consumer, stream, resume.at())

        async for batch in Pull(self._link, consumer, declare, self._pull_limits).batches():
            for message in batch:
                token = _Token(message.reply, place_of(message.reply).sequence, resume)
                resume.delivered(token.sequence)
                try:
                    yield Delivery(COMMANDS.read(message.data), token)
                except Corrupt as error:
                    self._complain(error)
                    self._done(token, TERMINATE)

    async def acknowledge(self, delivery: Delivery) -> None:
        """Best effort: an acknowledgement that is lost costs a repetition."""
        if isinstance(delivery.token, _Token):
            self._done(delivery.token, ACK)

    async def publish_reports(self, shard: int, reports: Reports) -> None:
        """Raises `Unavailable`; `Rejected` for a report that no message can carry."""
        server_max = await self._reports.bytes_max()

        def message(part: Sequence[Report]) -> bytes:
            batch = Reports(node=reports.node, incarnation=reports.incarnation, reports=tuple(part))
            return encode(batch)

        bytes_max = min(server_max, self._topology.limits.message_bytes_max)
        for body in pieces(reports.reports, message, bytes_max):
            if len(body) > server_max:
                raise Rejected(
                    f"a report of {self._node} has {len(body)} bytes, NATS takes {server_max}: "
                    "make the task's output smaller or raise max_payload of the server"
                )
            await self._reports.publish(self._subjects.report(shard), body)

    async def heartbeat(self, beat: Heartbeat) -> None:
        """Sent when there is a connection, else lost; the next one says the same."""
        await self._send(self._subjects.heartbeat, encode(beat), self._answers_to)

    async def answers(self) -> AsyncIterator[HeartbeatAnswer]:
        async for message in listen(self._link, [Topic(self._answers_to)]):
            if not message.data:
                continue  # the server says that no coordinator listens now
            try:
                yield HEARTBEAT_ANSWER.read(message.data)
            except Corrupt as error:
                self._complain(error)

    async def fetch_values(self, hash_: str, first: int) -> list[Value]:
        """Of any coordinator. Raises `Unavailable`, `Rejected`, `Corrupt`."""
        request = FetchValues(actor=f"node:{self._node}", hash=hash_, first=first)
        answer = await self._asked(request, None)
        if not isinstance(answer, Fetched):
            raise Unavailable(f"a coordinator answers {type(answer).__name__} to fetch_values")
        values: list[Value] = decode(answer.values, list, f"chunk {hash_}")
        return values

    async def ask(self, request: AnyRequest, about: str) -> AnyAnswer:
        """Of the owner of a run. Raises `Unavailable`, and what it refuses the request with."""
        if not self._shards:
            here = await self._asked(Hello(), None)
            if not isinstance(here, Here):
                raise Unavailable(f"a coordinator answers {type(here).__name__} to hello")
            self._shards = here.shards
        return await self._asked(request, shard_of(about, self._shards))

    async def _asked(self, request: AnyRequest, shard: int | None) -> AnyAnswer:
        verb = str(request.__struct_config__.tag)
        call = Call(self._subjects.api(verb, shard), encode(request))
        try:
            with anyio.fail_after(ANSWER_S):
                session = await self._link.session()
        except (TimeoutError, Closed):
            raise Unavailable(f"there is no connection to NATS at {self._link.shown}") from None
        answer = ANSWER.read(await session.ask(call, ANSWER_S))
        if isinstance(answer, Refused):
            raise BY_CODE.get(answer.code, Rejected)(answer.message)
        return answer

    async def close(self) -> None:
        await self._link.close()

    def _done(self, token: "_Token", how: bytes) -> None:
        """Not at once: the first report of a command usually takes its acknowledgement along."""
        token.resume.acknowledged(token.sequence)
        session = self._link.live()
        if session is None:
            return
        try:
            session.send_later(token.reply, how)
        except Unavailable as error:
            log.debug("%s", error)

    async def _send(self, subject: str, body: bytes, reply: str = "") -> None:
        session = self._link.live()
        if session is None:
            return
        try:
            await session.send(subject, body, reply)
        except Unavailable as error:
            log.debug("%s", error)

    def _complain(self, error: Exception) -> None:
        """Told at every doubling of their number: who sends one sends many."""
        self.unreadable += 1
        if self.unreadable.bit_count() == 1:
            log.warning("a message was not understood (%d so far): %s", self.unreadable, error)
