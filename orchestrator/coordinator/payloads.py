"""Payloads: chunks of large lists, from clients, for them, and for the parts of maps."""

import msgspec

from events.api import Fetched, FetchValues, KeepValues, Kept
from events.codec import decode, encode
from events.errors import Corrupt, DalsegnoError, Rejected
from events.references import Payload, check_hash
from events.values import Value, admit
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w
from orchestrator.coordinator.memory import Memory


def payload_request(memory: Memory, request: KeepValues | FetchValues, reply_to: str) -> None:
    """A client stores a chunk, or asks for one."""
    try:
        if isinstance(request, FetchValues):
            check_hash(request.hash)
            memory.out.append(s.LoadPayload(hash=request.hash, reply_to=reply_to))
            return
        payload = _admitted(memory, request)
    except DalsegnoError as error:
        memory.refuse(reply_to, error)
        return
    answer = s.Answer(reply_to=reply_to, answer=Kept(hash=payload.hash))
    memory.out.append(s.KeepPayload(payload=payload, answer=answer))


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


def payload_loaded(memory: Memory, given: s.PayloadLoaded) -> None:
    """For a client, or for the works that wait for it."""
    if given.reply_to:
        _answer(memory, given)
        return
    works = memory.loaded(f"payload:{given.hash}")
    for work in works:
        if isinstance(work, w.CallWork):
            work.loaded = given
    memory.intake.extendleft(reversed(works))


def _answer(memory: Memory, given: s.PayloadLoaded) -> None:
    if given.damaged:
        memory.refuse(given.reply_to, Corrupt(given.damaged))
    elif given.data is None:
        memory.refuse(given.reply_to, Rejected(f"there are no values under {given.hash!r}"))
    else:
        memory.answer(given.reply_to, Fetched(values=msgspec.Raw(given.data)))


def values_of(loaded: s.PayloadLoaded, count: int) -> list[Value]:
    """A chunk of so many values; raises `Corrupt` when it is missing, damaged, or another one."""
    if loaded.damaged:
        raise Corrupt(loaded.damaged)
    if loaded.data is None:
        raise Corrupt(f"there are no values under {loaded.hash!r}: store them before naming them")
    values: list[Value] = decode(loaded.data, list, f"payload {loaded.hash}")
    if len(values) != count:
        raise Corrupt(f"payload {loaded.hash} has {len(values)} values, its reference {count}")
    return values
