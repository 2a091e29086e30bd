"""The projections' store in memory: the twin of the one over Postgres, where none is needed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Self

import msgspec

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.envelope import Stored, unseal
from events.ids import definition_stream
from events.net import Net
from orchestrator.insight.counting.auditing import Kept
from orchestrator.insight.counting.glimpse import Row, Unread
from orchestrator.insight.counting.projections import Change, Generation
from orchestrator.insight.counting.tallies import MINUTE_S, Key, Label, NodeState, Tally

replace = msgspec.structs.replace


class Contents:
    """What is kept of one generation, as bytes: nobody else holds a part of it."""

    def __init__(self) -> None:
        self.tallies: dict[Key, bytes] = {}
        self.labels: set[Label] = set()
        self.nodes: dict[str, NodeState] = {}
        self.unread: list[Unread] = []

    def rows(self) -> int:
        return len(self.tallies) + len(self.labels) + len(self.nodes) + len(self.unread)


class Shared:
    """The database: a log and the generations, shared by all connections."""

    def __init__(self, log: Sequence[Stored] = (), large_bytes: int = 64 * 1024) -> None:
        self.log = list(log)
        self.large_bytes = large_bytes
        self.generations: dict[int, Generation] = {}
        self.contents: defaultdict[int, Contents] = defaultdict(Contents)
        self.drawn = 0
        self.holder: object = None


class MemoryProjections:
    """One connection."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared

    # -- the log

    async def rows(self, after: int, limit: int) -> list[Row]:
        log = self.shared.log
        return [
            self._row(at, log[at - 1]) for at in range(after + 1, min(after + limit, len(log)) + 1)
        ]

    def _row(self, position: int, event: Stored) -> Row:
        large = len(event.state) > self.shared.large_bytes
        return Row(position, None if large else event.state, event.stream, event.version)

    async def state_of(self, position: int) -> bytes:
        return self.shared.log[position - 1].state

    async def past(self, streams: Mapping[str, int], until: int, limit: int) -> list[Row]:
        found: list[Row] = []
        for stream, after in streams.items():
            rows = [
                self._row(at, event)
                for at, event in enumerate(self.shared.log, 1)
                if event.stream == stream and event.version > after and at <= until
            ]
            found += rows[:limit]
        return found

    async def nets(self, workflow: str) -> Mapping[str, Net]:
        stream, catalogue = definition_stream(workflow), Catalogue()
        found = [unseal(e, catalogue).fact for e in self.shared.log if e.stream == stream]
        return {f.workflow_version: f.net for f in found if isinstance(f, DefinitionRegistered)}

    # -- generations

    async def hold(self) -> bool:
        self.shared.holder = self.shared.holder or self
        return self.shared.holder is self

    async def generations(self) -> list[Generation]:
        return list(self.shared.generations.values())

    async def begin(self, fold: int) -> None:
        shared = self.shared
        serves = any(one.state == "serving" for one in shared.generations.values())
        shared.drawn += 1
        shared.generations[shared.drawn] = Generation(
            number=shared.drawn, fold=fold, state="building" if serves else "serving"
        )

    async def retire(self, generation: int) -> None:
        found = self.shared.generations[generation]
        if found.state == "building":
            self.shared.generations[generation] = replace(found, state="retired")

    async def remove(self, generation: int, limit: int) -> bool:
        if self.shared.contents[generation].rows() >= limit:
            self.shared.contents[generation] = Contents()
            return False
        self.shared.contents.pop(generation)
        return self.shared.generations.pop(generation, None) is not None

    async def switch(self, generation: int) -> bool:
        all_ = self.shared.generations
        new = all_[generation]
        for old in [one for one in all_.values() if one.state == "serving"]:
            if new.state != "building" or new.position < old.position:
                return False
            all_[old.number] = replace(old, state="retired")
        all_[generation] = replace(new, state="serving")
        return True

    # -- what is in them

    async def nodes(self, generation: int) -> dict[str, NodeState]:
        return dict(self.shared.contents[generation].nodes)

    async def tallies(self, generation: int, keys: Sequence[Key]) -> dict[Key, Tally]:
        kept = self.shared.contents[generation].tallies
        return {key: msgspec.json.decode(kept[key], type=Tally) for key in keys if key in kept}

    async def apply(self, change: Change) -> bool:
        shared, gathered = self.shared, change.gathered
        found = shared.generations.get(change.generation)
        if found is None or found.position != change.after or found.state == "retired":
            return False
        shared.generations[change.generation] = replace(
            found,
            position=gathered.position,
            recorded_at=gathered.recorded_at or found.recorded_at,
            unread=found.unread + len(gathered.unread),
        )
        kept = shared.contents[change.generation]
        kept.tallies |= {key: msgspec.json.encode(one) for key, one in change.tallies.items()}
        kept.labels |= set(gathered.labels)
        kept.nodes |= gathered.nodes
        kept.unread += gathered.unread
        return True

    async def forget_minutes(self, generation: int, before: int, limit: int) -> int:
        kept = self.shared.contents[generation].tallies
        old = [key for key in kept if key.width_s == MINUTE_S and key.at < before][:limit]
        for key in old:
            del kept[key]
        return len(old)

    async def all(self, generation: int) -> Kept:
        kept = self.shared.contents[generation]
        return Kept(
            position=self.shared.generations[generation].position,
            tallies=await self.tallies(generation, list(kept.tallies)),
            labels=frozenset(kept.labels),
            nodes=dict(kept.nodes),
            unread=tuple(kept.unread),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.shared.holder is self:
            self.shared.holder = None
