"""The databases of a world, seen together: one, or several with the shards shared among them."""

from collections.abc import Callable, Sequence

from events.envelope import Stored
from events.errors import Unavailable
from events.logmap import LogMap
from events.references import Payload
from orchestrator.adapters.memory.store import MemoryLog, MemoryStore
from orchestrator.coordinator.ports import Batch, IndexRow
from orchestrator.replay.routing import ReadableLog, Routed
from tests.simulation.keys import TwinKeyring

NAMES = ("main", "east", "west", "north")


class Logs:
    def __init__(self, count: int, shards: int, now: Callable[[], int], seed: int = 0) -> None:
        owns = {NAMES[place]: range(place, shards, count) for place in range(count)}
        self.map = LogMap(owns)
        self.each = {name: MemoryLog(now, keys=TwinKeyring(seed)) for name in owns}

    def name_of(self, batch: Batch) -> str:
        return self.map.of_stream(f"shard:{batch.leases[0].shard}")

    def of(self, stream: str) -> MemoryLog:
        return self.each[self.map.of_stream(stream)]

    def read(self, stream: str, limit: int) -> list[Stored]:
        return self.of(stream).read(stream, limit=limit)

    def index_row(self, run_id: str) -> IndexRow | None:
        return self.of(f"run:{run_id}").index_row(run_id)

    def put_payloads(self, payloads: Sequence[Payload]) -> None:
        """Into one of them; the others take a copy of what they need."""
        next(iter(self.each.values())).put_payloads(payloads)

    def load_payload(self, run_id: str, hash_: str) -> bytes | None:
        """From the log of the run, which needs no other."""
        return self.of(f"run:{run_id}").load_payload(hash_)

    @property
    def events(self) -> int:
        return sum(log.last_position() for log in self.each.values())

    def reader(self, is_down: Callable[[str], bool] = lambda _: False) -> ReadableLog:
        """All of them as one, for who reads."""

        async def log(name: str) -> ReadableLog:
            if is_down(name):
                raise Unavailable(f"log {name} is away")
            return MemoryStore(self.each[name])

        return Routed(self.map, log)
