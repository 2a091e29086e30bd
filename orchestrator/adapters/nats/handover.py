"""Where an owner of shards begins to read reports: where the owner before it has stopped.

The server knows: it lists the consumers of the stream, and of each how far it has acknowledged,
which is done after the commit. So a successor reads what was not recorded, and no more. What the
server cannot tell (its consumers are gone, ours may not ask) is read back by time instead, and so
is what is older than that: one report that could not be recorded does not bring back an hour of
others. Nothing depends on it for truth: what is passed over comes back by reconciliation.
"""

import logging

from events.errors import Corrupt, Unavailable
from events.jetstream import (
    ApiAnswer,
    Reader,
    first_message,
    found_in,
    handed_over,
    list_consumers,
    readers_of,
)
from events.streams import Consumer
from orchestrator.adapters.nats.session import Session

ASK_TIMEOUT_S = 1.0

log = logging.getLogger("dalsegno.bus")


async def begins_at(session: Session, consumer: Consumer, stream: ApiAnswer) -> int | None:
    """The stream's sequence; None for as far back as the consumer says. `stream` is the answer to
    its declaration."""
    try:
        at = handed_over(consumer.subjects, await _readers(session, consumer.stream))
        if at is None or await _is_too_old(session, consumer, stream, at):
            return None
    except (Unavailable, Corrupt) as error:
        log.info("reports are read back by time: %s", error)
        return None
    return at


async def _readers(session: Session, stream: str) -> list[Reader]:
    readers: list[Reader] = []
    while True:
        call = list_consumers(stream, len(readers))
        page = readers_of(await session.ask(call, ASK_TIMEOUT_S))
        if not page.consumers:
            return readers
        readers += page.consumers
        if len(readers) >= page.total:
            return readers


async def _is_too_old(session: Session, consumer: Consumer, stream: ApiAnswer, at: int) -> bool:
    """Whether the first message to be read is from before the time that is read back."""
    if consumer.replay_s is None or stream.ts is None:
        return False
    call = first_message(consumer.stream, at)
    found = found_in(await session.ask(call, ASK_TIMEOUT_S)).message
    return found is not None and (stream.ts - found.time).total_seconds() > consumer.replay_s
