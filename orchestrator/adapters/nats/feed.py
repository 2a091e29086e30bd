"""A log's events on a JetStream stream: each after the one before it, or not at all.

Every message says which sequence the stream must have reached before it. So of many that are under
way none is stored behind one that was not, and of two publishers one is refused: the stream holds
the events in the order of the log, without a gap and without one twice, whatever became of answers.
Message ids name the event and its sequence: the same event behind a purge is no duplicate.
"""

from base64 import b64decode
from collections.abc import Sequence

import anyio
import msgspec

from events.errors import Conflict, Corrupt, Unavailable
from events.jetstream import (
    EXPECTED_LAST_SEQUENCE,
    MESSAGE_ID,
    WRONG_LAST_SEQUENCE,
    Call,
    answer_of,
    found_in,
    last_message,
)
from events.limits import FEED_IN_FLIGHT_MAX
from events.streams import Stream
from orchestrator.adapters.nats.declare import API_TIMEOUT_S, declare_stream
from orchestrator.adapters.nats.link import Closed, Link
from orchestrator.adapters.nats.session import NobodyAnswers, Session
from orchestrator.insight.following.publishing import Last, Message

CONNECT_S = 10.0
PUBLISH_S = 5.0


class _Told(msgspec.Struct, frozen=True):
    """As much of a message of ours as says which event it is."""

    id: str
    sequence: str


class NatsFeed:
    """The stream of one log. `subject` is that of its messages, without their type."""

    def __init__(self, link: Link, stream: Stream, subject: str) -> None:
        self._link = link
        self._stream = stream
        self._subject = subject

    async def last(self) -> Last:
        """Declares the stream where it is missing. Raises `Unavailable`, `Misconfigured`."""
        session = await self._session()
        declared = await declare_stream(session, self._stream, update=True)
        reached = declared.state.last_seq if declared.state is not None else 0
        call = last_message(self._stream.name, f"{self._subject}.>")
        try:
            found = found_in(await session.ask(call, API_TIMEOUT_S)).message
            if found is None:
                return Last(reached)
            told = msgspec.json.decode(b64decode(found.data), type=_Told)
            return Last(reached, int(told.sequence), told.id)
        except (msgspec.DecodeError, ValueError, Corrupt):
            return Last(reached)  # what somebody else has put there says nothing

    async def bytes_max(self) -> int:
        """What the server takes in one message."""
        return (await self._session()).bytes_max

    async def publish(self, messages: Sequence[Message], after: int) -> int:
        """Returns the sequence of the last, when the stream has them all. Raises `Conflict` when
        something else stands behind sequence `after`, `Unavailable`; some may be stored then."""
        session = await self._session()
        for start in range(0, len(messages), FEED_IN_FLIGHT_MAX):
            part = messages[start : start + FEED_IN_FLIGHT_MAX]
            await self._store(session, part, after)
            after += len(part)
        return after

    async def _store(self, session: Session, messages: Sequence[Message], after: int) -> None:
        failed: list[Unavailable | Conflict] = []

        async def store(message: Message, expected: int) -> None:
            headers = {
                MESSAGE_ID: f"{message.id}/{expected + 1}",
                EXPECTED_LAST_SEQUENCE: str(expected),
                "content-type": message.content_type,
            }
            call = Call(f"{self._subject}.{message.kind}", message.body, headers)
            try:
                self._check(await session.ask(call, PUBLISH_S), expected + 1)
            except NobodyAnswers as error:
                failed.append(Conflict(f"stream {self._stream.name} has vanished: {error}"))
            except (Unavailable, Conflict) as error:
                failed.append(error)

        async with anyio.create_task_group() as group:
            for number, message in enumerate(messages):
                group.start_soon(store, message, after + number)
        if failed:
            raise failed[0]

    def _check(self, data: bytes, sequence: int) -> None:
        answer = answer_of(data)
        if answer.error is not None:
            what = f"stream {self._stream.name} of NATS: {answer.error.description}"
            if answer.error.err_code == WRONG_LAST_SEQUENCE:
                raise Conflict(what)
            raise Unavailable(what)
        if answer.seq != sequence:
            raise Conflict(
                f"stream {self._stream.name} of NATS has the message at {answer.seq}, not "
                f"at {sequence}: it was there already"
            )

    async def _session(self) -> Session:
        try:
            with anyio.fail_after(CONNECT_S):
                return await self._link.session()
        except TimeoutError:
            raise Unavailable(f"there is no connection to NATS at {self._link.shown}") from None
        except Closed:
            raise Unavailable("the connection to NATS is closed") from None
