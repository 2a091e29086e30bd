"""Ids: text, time-ordered where they are minted, derived where they can be.

Minted ids are 26 characters of Crockford base 32 (48 bits of milliseconds, 80 bits of entropy), so
they sort by time. An attempt's id is never minted: it is its task key and number, so the same
decision made again names the same attempt.
"""

import hashlib
from functools import cache
from zlib import crc32

import msgspec

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ENTROPY_BYTES = 10


def mint(at: int, entropy: bytes) -> str:
    """Returns a 26-character id for instant `at` (microseconds) and 10 bytes of entropy."""
    number = ((at // 1000) & (2**48 - 1)) << 80 | int.from_bytes(entropy[:ENTROPY_BYTES], "big")
    return "".join(ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def derived_id(*parts: str) -> str:
    """An id in the form of minted ones, in small letters, the same for the same parts."""
    hashed = hashlib.sha256(msgspec.json.encode(parts)).digest()
    number = int.from_bytes(hashed[:17], "big")
    return "".join(ALPHABET[(number >> 5 * place) & 31] for place in range(26)).lower()


def run_stream(run_id: str) -> str:
    return f"run:{run_id}"


def node_stream(node: str) -> str:
    return f"node:{node}"


def definition_stream(workflow: str) -> str:
    return f"definition:{workflow}"


def shard_stream(shard: int) -> str:
    return f"shard:{shard}"


def shard_of(run_id: str, shards: int) -> int:
    """The shard (0-based) that a run belongs to; stable for ever, in every process."""
    return crc32(run_id.encode()) % shards


def erasure_stream(key_id: str) -> str:
    return f"erasure:{key_id}"


def import_stream(run_id: str) -> str:
    return f"import:{run_id}"


CHILD_CHARS = 16
STEERING = b"h" * 12
"""The last characters of a child's id. Each is one of eight letters whose codes differ in three
bits, so that together they can reach every checksum."""


def child_run(run_id: str, step: str, generation: int, number: int) -> str:
    """The id of the run that a step starts: derived, so that the same decision names the same run,
    and with its parent's checksum, so that it is in its parent's shard however many there are."""
    name = f"{run_id}/{step}~{generation}@{number}"
    head = hashlib.sha256(name.encode()).hexdigest()[:CHILD_CHARS].encode()
    off = crc32(head + STEERING) ^ crc32(run_id.encode())
    tail = bytearray(STEERING)
    for lead, (effect, flips) in _steering().items():
        if off >> lead & 1:
            off ^= effect
            for place, bit in flips:
                tail[place] ^= bit
    return (head + tail).decode()


@cache
def _steering() -> dict[int, tuple[int, frozenset[tuple[int, int]]]]:
    """For each bit of a checksum, highest first, flips of bits in the tail that change it and no
    higher one. What a flip does to a checksum does not depend on what stands before (Gauss)."""
    base, found = crc32(STEERING), dict[int, tuple[int, frozenset[tuple[int, int]]]]()
    for place in range(len(STEERING)):
        for bit in (1, 2, 4):
            flipped = bytearray(STEERING)
            flipped[place] ^= bit
            effect, flips = crc32(flipped) ^ base, frozenset({(place, bit)})
            while effect and (lead := effect.bit_length() - 1) in found:
                effect, flips = effect ^ found[lead][0], flips ^ found[lead][1]
            if effect:
                found[effect.bit_length() - 1] = effect, flips
    return dict(sorted(found.items(), reverse=True))


def traceparent(run_id: str) -> str:
    """The W3C trace context of a run that came without one: derived, so that everybody agrees."""
    value = hashlib.sha256(run_id.encode()).hexdigest()
    return f"00-{value[:32]}-{value[32:48]}-01"


class Attempt(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One try of one task. `step` is the path with iterations; `number` counts from 1."""

    run_id: str
    step: str
    generation: int
    number: int

    @property
    def task_key(self) -> str:
        """Run, step path with iteration, and generation: what may complete only once."""
        return f"{self.run_id}/{self.step}~{self.generation}"

    def __str__(self) -> str:
        return f"{self.run_id}/{self.step}~{self.generation}@{self.number}"
