"""Declaring streams and consumers on a server, as often as they vanish.

Declaring is idempotent, so nobody asks first who ought to do it. A stream is deleted in one case
only: it is there and takes no message. That is what a server makes of a stream whose directory was
removed under it: it answers for the stream's settings, stays silent to publishers, and heals by
nothing else.

The same file lies in the other process's adapter; see `link.py`.
"""

import logging

from events.errors import Misconfigured, Unavailable
from events.jetstream import (
    CONSUMER_NOT_FOUND,
    NO_CLUSTER,
    STREAM_DIFFERS,
    STREAM_NOT_FOUND,
    TOO_FEW_SERVERS,
    ApiAnswer,
    Call,
    answer_of,
    consumer_info,
    create_consumer,
    create_stream,
    delete_stream,
    stream_info,
    update_stream,
)
from events.streams import Consumer, Stream
from orchestrator.adapters.nats.session import NobodyAnswers, Session

API_TIMEOUT_S = 3.0

log = logging.getLogger("dalsegno.bus")


async def declare_stream(session: Session, stream: Stream, update: bool) -> ApiAnswer:
    """Makes sure that the stream exists. One that differs is changed when `update`, else left as it
    is. Raises `Unavailable`, and `Misconfigured` when the stream cannot become what it has to
    be."""
    answer = await _ask(session, create_stream(stream))
    if answer.error is not None and answer.error.err_code == STREAM_DIFFERS:
        answer = await _ask(session, stream_info(stream))
        if answer.config is not None and set(answer.config.subjects) != set(stream.subjects):
            raise Misconfigured(
                f"stream {stream.name} of NATS carries {', '.join(answer.config.subjects)}: "
                "choose another prefix, this one is too much like that of another cluster"
            )
        if update and answer.error is None:
            answer = await _ask(session, update_stream(stream))
    if (error := answer.error) is None:
        return answer
    what = f"stream {stream.name} of NATS cannot be declared: {error.description}"
    if error.err_code == NO_CLUSTER:
        raise Misconfigured(
            f"{what}: nats.replicas is {stream.replicas} and this is one server by itself; set it "
            "to 1, or name servers of a cluster"
        )
    if error.err_code == TOO_FEW_SERVERS:
        raise Unavailable(f"{what}; fewer than {stream.replicas} servers of its cluster are there")
    if error.code == 400:
        raise Misconfigured(f"{what}; delete the one that is in its way, nothing in it is needed")
    raise Unavailable(what)


async def declare_consumer(
    session: Session, consumer: Consumer, server: ApiAnswer, resume_at: int | None
) -> None:
    """Makes sure that the consumer exists; one that does keeps its place, a new one begins at the
    sequence `resume_at`. `server` is the answer to the declaration of its stream. Raises
    `Unavailable`."""
    answer = await _ask(session, consumer_info(consumer))
    if answer.error is not None and answer.error.err_code in {CONSUMER_NOT_FOUND, STREAM_NOT_FOUND}:
        answer = await _ask(session, create_consumer(consumer, server.ts, resume_at))
    if answer.error is not None:
        raise Unavailable(
            f"consumer {consumer.name} of NATS cannot be declared: {answer.error.description}"
        )


async def renew_stream(session: Session, stream: Stream, failing_s: float) -> None:
    """Deletes and declares a stream that has taken no message for `failing_s`, unless somebody has
    renewed it since. Raises `Unavailable`."""
    info = await _ask(session, stream_info(stream))
    if info.error is None and _age_s(info) > failing_s:
        log.error("stream %s of NATS takes no message: deleting it to declare it anew", stream.name)
        await _ask(session, delete_stream(stream))
    await declare_stream(session, stream, update=False)


def _age_s(info: ApiAnswer) -> float:
    if info.created is None or info.ts is None:
        return 0.0
    return (info.ts - info.created).total_seconds()


async def _ask(session: Session, call: Call) -> ApiAnswer:
    try:
        return answer_of(await session.ask(call, API_TIMEOUT_S))
    except NobodyAnswers as error:
        raise Unavailable(f"{error}: is JetStream enabled there (nats-server -js)?") from error
