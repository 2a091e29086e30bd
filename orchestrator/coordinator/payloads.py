"""Payloads: chunks of large lists, from clients, for them, and for the parts of maps."""

from itertools import accumulate, takewhile

import msgspec

from events.api import Fetched, FetchValues, KeepValues, Kept
from events.codec import decode, encode
from events.errors import Corrupt, DalsegnoError, NotFound, Rejected, Unavailable
from events.references import Payload, check_hash
from events.values import Value, admit
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w
from orchestrator.coordinator.memory import Memory


def payload_request(memory: Memory, request: KeepValues | FetchValues, reply_to: str) -> None:
    """A client stores a chunk; or somebody, such as a task's handler, asks for values of one."""
    most = memory.settings.chunk_requests_max
    if not reply_to:
        return
    try:
        if memory.chunk_requests >= most:
            raise Unavailable(f"{most} requests of chunks wait for the database: try again")
        if isinstance(request, FetchValues):
            memory.out.append(_wanted(request, reply_to))
        else:
            payload = _admitted(memory, request)
            memory.out.append(s.KeepPayload(payload=payload, reply_to=reply_to))
    except DalsegnoError as error:
        memory.refuse(reply_to, error)
    else:
        memory.chunk_requests += 1


def _wanted(request: FetchValues, reply_to: str) -> s.LoadPayload:
    """Raises `Rejected`."""
    check_hash(request.hash)
    if request.first < 0:
        raise Rejected(f"first is {request.first}: expected 0 or more")
    return s.LoadPayload(hash=request.hash, reply_to=reply_to, first=request.first)


def _admitted(memory: Memory, request: KeepValues) -> Payload:
    """Raises `Rejected` for what no map could go through."""
    limits, count = memory.engine.limits, len(request.values)
    if not 1 <= count <= limits.map_part_items_max:
        raise Rejected(f"a chunk has {count} values: expected 1 to {limits.map_part_items_max}")
    data = encode(admit(request.values, "values"))
    if len(data) > limits.payload_bytes_max:
        raise Rejected(
            f"a chunk has {len(data)} bytes, over the limit of {limits.payload_bytes_max}: "
            "store fewer values in each"
        )
    return Payload.of(data)


def payload_kept(memory: Memory, given: s.PayloadKept) -> None:
    memory.chunk_requests -= 1
    if given.trouble:
        memory.refuse(given.reply_to, Unavailable(given.trouble))
    else:
        memory.answer(given.reply_to, Kept(hash=given.hash))


def payload_not_loaded(memory: Memory, asked: s.LoadPayload) -> None:
    """The store is away: a client asks again if it still wants it, a part of a map always does."""
    if asked.reply_to:
        memory.chunk_requests -= 1
        memory.refuse(asked.reply_to, Unavailable("the database cannot be reached: try again"))
    else:
        memory.out.append(asked)


def payload_loaded(memory: Memory, given: s.PayloadLoaded) -> None:
    """For a client, or for the works that wait for it."""
    if given.reply_to:
        memory.chunk_requests -= 1
        _answer(memory, given)
        return
    works = memory.loaded(f"payload:{given.hash}")
    for work in works:
        if isinstance(work, w.CallWork):
            work.loaded = given
    memory.intake.extendleft(reversed(works))


def _answer(memory: Memory, given: s.PayloadLoaded) -> None:
    try:
        found = _slice(given, memory.engine.limits.values_answer_bytes_max)
    except DalsegnoError as error:
        memory.refuse(given.reply_to, error)
    else:
        memory.answer(given.reply_to, Fetched(values=found))


def _slice(given: s.PayloadLoaded, bytes_max: int) -> msgspec.Raw:
    """As many values from the first wanted on as an answer may hold, and one in any case. Raises
    `Corrupt`, or `Rejected` when there are none."""
    if given.damaged:
        raise Corrupt(given.damaged)
    if given.data is None:
        raise NotFound(f"there are no values under {given.hash!r}: no run has stored any there")
    if given.first == 0 and len(given.data) <= bytes_max:
        return msgspec.Raw(given.data)
    values = decode(given.data, list[msgspec.Raw], f"payload {given.hash}")
    sizes = accumulate(len(memoryview(value)) + 1 for value in values[given.first :])
    count = max(1, sum(1 for size in takewhile(lambda size: size < bytes_max, sizes)))
    found = values[given.first :][:count]
    if not found:
        raise Rejected(f"chunk {given.hash} has {len(values)} values, none at {given.first}")
    return msgspec.Raw(encode(found))


def values_of(loaded: s.PayloadLoaded, count: int) -> list[Value]:
    """A chunk of so many values; raises `Corrupt` when what is stored is damaged, and `Rejected`
    when nothing was ever stored there, or other values than its reference says."""
    if loaded.damaged:
        raise Corrupt(loaded.damaged)
    if loaded.data is None:
        raise Rejected(f"there are no values under {loaded.hash!r}: store them before naming them")
    values: list[Value] = decode(loaded.data, list, f"payload {loaded.hash}")
    if len(values) != count:
        raise Rejected(f"payload {loaded.hash} has {len(values)} values, its reference {count}")
    return values
