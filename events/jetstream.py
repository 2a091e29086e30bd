"""JetStream's protocol as data: requests of its API, answers, statuses, a pull consumer's demand.

Pure, so that coordinator and agent share it; their adapters only move bytes. The forms are those
of the server's JSON API (NATS architecture decisions 1, 13, 15, 37), checked against a server.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from events.codec import decode, encode
from events.errors import Corrupt
from events.streams import Consumer, Stream

API = "$JS.API"
ACK, TERMINATE = b"+ACK", b"+TERM"
NANOSECONDS = 1_000_000_000

STREAM_NOT_FOUND = 10059
STREAM_DIFFERS = 10058
TOO_FEW_SERVERS = 10005
NO_CLUSTER = 10074
CONSUMER_NOT_FOUND = 10014
WRONG_LAST_SEQUENCE = 10071
EXPECTED_LAST_SEQUENCE = "Nats-Expected-Last-Sequence"
MESSAGE_ID = "Nats-Msg-Id"


class Call(msgspec.Struct, frozen=True):
    """A request to the server's API."""

    subject: str
    body: bytes = b""
    headers: dict[str, str] | None = None


class ApiError(msgspec.Struct, frozen=True):
    code: int = 500
    err_code: int = 0
    description: str = ""


class StreamConfig(msgspec.Struct, frozen=True):
    subjects: tuple[str, ...] = ()


class StreamState(msgspec.Struct, frozen=True):
    last_seq: int = 0


class ApiAnswer(msgspec.Struct, frozen=True):
    """What we read of any answer: of a stream, a consumer, or a publish (`stream` and `seq`)."""

    error: ApiError | None = None
    config: StreamConfig | None = None
    state: StreamState | None = None
    created: datetime | None = None
    ts: datetime | None = None
    """The server's clock."""
    stream: str = ""
    seq: int = 0


def answer_of(data: bytes) -> ApiAnswer:
    """Raises `Corrupt` when the bytes are no answer of a JetStream server."""
    return decode(data, ApiAnswer, "the answer of JetStream")


# -- streams and consumers -----------------------------------------------------------------------


def create_stream(stream: Stream) -> Call:
    """Declares the stream; does nothing when it exists as declared."""
    return Call(f"{API}.STREAM.CREATE.{stream.name}", encode(_stream_fields(stream)))


def update_stream(stream: Stream) -> Call:
    return Call(f"{API}.STREAM.UPDATE.{stream.name}", encode(_stream_fields(stream)))


def delete_stream(stream: Stream) -> Call:
    return Call(f"{API}.STREAM.DELETE.{stream.name}")


def stream_info(stream: Stream) -> Call:
    return Call(f"{API}.STREAM.INFO.{stream.name}")


def consumer_info(consumer: Consumer) -> Call:
    return Call(f"{API}.CONSUMER.INFO.{consumer.stream}.{consumer.name}")


def create_consumer(consumer: Consumer, server_now: datetime | None, resume_at: int | None) -> Call:
    """Declares the consumer, to begin at the sequence `resume_at`, or as it says itself;
    `server_now` is the server's clock, None where it did not tell."""
    config: dict[str, object] = {
        "name": consumer.name,
        "description": consumer.description,
        "ack_policy": "all" if consumer.acks == "all" else "explicit",
        "filter_subjects": consumer.subjects,
        "ack_wait": _nanoseconds(consumer.ack_wait_s),
        "max_ack_pending": consumer.ack_pending_max,
        "inactive_threshold": _nanoseconds(consumer.inactive_s),
        # A lost acknowledgement costs a repetition, which everybody bears: no disk write for it.
        "mem_storage": True,
        "deliver_policy": "all",
    }
    if resume_at is not None:
        config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": resume_at}
    elif consumer.replay_s is not None and server_now is not None:
        since = server_now - timedelta(seconds=consumer.replay_s)
        config |= {"deliver_policy": "by_start_time", "opt_start_time": since}
    body = encode({"stream_name": consumer.stream, "config": config})
    return Call(f"{API}.CONSUMER.CREATE.{consumer.stream}.{consumer.name}", body)


def _stream_fields(stream: Stream) -> dict[str, object]:
    limits = stream.limits
    return {
        "name": stream.name,
        "description": stream.description,
        "subjects": stream.subjects,
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_age": _nanoseconds(limits.age_max_s),
        "max_bytes": limits.bytes_max,
        "num_replicas": stream.replicas,
        "duplicate_window": _nanoseconds(stream.duplicates_s),
    }


def _nanoseconds(seconds: float) -> int:
    return round(seconds * NANOSECONDS)


# -- where another consumer has got to -----------------------------------------------------------


class Sequences(msgspec.Struct, frozen=True):
    stream_seq: int = 0


class ReaderConfig(msgspec.Struct, frozen=True):
    filter_subject: str = ""
    filter_subjects: tuple[str, ...] = ()


class Reader(msgspec.Struct, frozen=True):
    """A consumer of a stream, as the server lists it."""

    created: datetime
    config: ReaderConfig = ReaderConfig()
    ack_floor: Sequences = Sequences()
    """Everything of its subjects up to here is acknowledged."""

    @property
    def subjects(self) -> tuple[str, ...]:
        return self.config.filter_subjects or (self.config.filter_subject,)


class Readers(msgspec.Struct, frozen=True):
    """A page of the list; `total` in all. An error has no consumers."""

    consumers: tuple[Reader, ...] | None = None
    total: int = 0


class StoredMessage(msgspec.Struct, frozen=True):
    time: datetime
    seq: int = 0
    data: str = ""
    """In base 64."""


class Found(msgspec.Struct, frozen=True):
    """A message of a stream, if there is one."""

    message: StoredMessage | None = None


def list_consumers(stream: str, offset: int) -> Call:
    return Call(f"{API}.CONSUMER.LIST.{stream}", encode({"offset": offset}))


def readers_of(data: bytes) -> Readers:
    """Raises `Corrupt`."""
    return decode(data, Readers, "the list of consumers of JetStream")


def first_message(stream: str, sequence: int) -> Call:
    """The first that is stored from `sequence` on."""
    return Call(f"{API}.STREAM.MSG.GET.{stream}", encode({"seq": sequence, "next_by_subj": ">"}))


def last_message(stream: str, subject: str) -> Call:
    """The last that is stored with such a subject."""
    return Call(f"{API}.STREAM.MSG.GET.{stream}", encode({"last_by_subj": subject}))


def found_in(data: bytes) -> Found:
    """Raises `Corrupt`."""
    return decode(data, Found, "a message of JetStream")


def handed_over(subjects: Sequence[str], readers: Iterable[Reader]) -> int | None:
    """The first sequence that whoever read these subjects last has not acknowledged for one of
    them; None when there is a subject that nobody has read."""
    newest = dict[str, Reader]()
    for reader in sorted(readers, key=lambda one: one.created):
        newest |= dict.fromkeys(reader.subjects, reader)
    if not all(subject in newest for subject in subjects):
        return None
    return 1 + min((newest[subject].ack_floor.stream_seq for subject in subjects), default=0)


# -- pulling -------------------------------------------------------------------------------------


class PullLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`messages` are asked for ahead of need; a request ends after `expires_s`, and while it is
    open the server says something at least every `heartbeat_s`."""

    messages: int = 256
    bytes_max: int = 8 * 2**20
    expires_s: float = 30.0
    heartbeat_s: float = 2.0

    @property
    def silence_s(self) -> float:
        """After this long without a word the request is taken for lost."""
        return 2.5 * self.heartbeat_s


def pull(consumer: Consumer, messages: int, limits: PullLimits) -> Call:
    body = {
        "batch": messages,
        "max_bytes": limits.bytes_max,
        "expires": _nanoseconds(limits.expires_s),
        "idle_heartbeat": _nanoseconds(limits.heartbeat_s),
    }
    return Call(f"{API}.CONSUMER.MSG.NEXT.{consumer.stream}.{consumer.name}", encode(body))


class Status(msgspec.Struct, frozen=True):
    """What the server says about a pull request instead of a message.

    `idle`: nothing to deliver, all is well; `ended`: the request is over, `pending` of its messages
    undelivered (None: unknown); `gone`: there is no such consumer (any more).
    """

    kind: Literal["idle", "ended", "gone"]
    pending: int | None
    text: str


GONE = ("consumer deleted", "consumer is push based", "consumer not found")


def status_of(code: str, description: str, pending: str | None) -> Status:
    """Reads the status headers of a message on the pull's inbox."""
    text = f"{code} {description}".strip()
    if code == "100":
        return Status("idle", None, text)
    if code in {"400", "503"} or description.lower().startswith(GONE):
        return Status("gone", None, text)
    return Status("ended", int(pending) if pending and pending.isdigit() else None, text)


class Demand:
    """How many messages a pull consumer was asked for that have not come yet.

    Asks early enough that the server never runs out of demand while the reader keeps up, and never
    for more than `messages` above what the reader has not taken: the reader's pace is the limit.
    """

    __slots__ = ("_asked", "_messages")

    def __init__(self, messages: int) -> None:
        self._messages = messages
        self._asked = 0

    def ask(self, untaken: int) -> int:
        """Returns how many to ask for now, 0 for none; counts them as asked for."""
        open_demand = self._asked + untaken
        if open_demand > self._messages // 2:
            return 0
        self._asked += (more := self._messages - open_demand)
        return more

    def arrived(self, messages: int = 1) -> None:
        self._asked = max(0, self._asked - messages)

    def ended(self, pending: int | None) -> None:
        """A request is over; with an unknown rest all of them are taken for over."""
        self._asked = 0 if pending is None else max(0, self._asked - pending)


class Place(msgspec.Struct, frozen=True):
    """Where a delivered message stands, read from the subject that awaits its acknowledgement."""

    sequence: int
    deliveries: int


def place_of(reply: str) -> Place:
    """Reads `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<…>.<…>.<pending>`, also with
    domain and account after `ACK`. Raises `Corrupt` for anything else."""
    tokens = reply.split(".")
    first = 2 if len(tokens) == 9 else 4
    try:
        return Place(sequence=int(tokens[first + 3]), deliveries=int(tokens[first + 2]))
    except (IndexError, ValueError) as error:
        raise Corrupt(f"{reply!r} is not a subject for acknowledgements") from error
