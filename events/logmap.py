"""Which log each shard is in. The shards of a cluster are one range of numbers, for ever; each lies
in one log (database), also for ever, and whoever takes part in the cluster says the same map.

A stream lies where its name's shard does. One kind has copies besides: a log keeps every definition
that its runs use, wherever it was registered.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Self

import msgspec

from events.constraints import SHARDS_MAX
from events.errors import Corrupt, Misconfigured
from events.ids import shard_of


class LogMap:
    """`logs`: the shards of each, by its name. Raises `Misconfigured` unless these are all numbers
    from 0 on, each once."""

    def __init__(self, logs: Mapping[str, Collection[int]]) -> None:
        self._own = {name: tuple(sorted(own)) for name, own in logs.items()}
        self._log: dict[int, str] = {}
        for name, own in self._own.items():
            for shard in own:
                if other := self._log.get(shard):
                    raise Misconfigured(f"shard {shard} is in log {other} and in log {name}")
                self._log[shard] = name
        self.shards = len(self._log)
        missing = sorted(set(range(self.shards)) - set(self._log))
        if missing or not self.shards:
            told = shards_text(missing) if missing else "0"
            raise Misconfigured(f"no log has shard {told}: expected that all from 0 on are in one")
        if empty := [name for name, own in self._own.items() if not own]:
            raise Misconfigured(f"log {empty[0]} has no shards")

    @classmethod
    def of_text(cls, text: str) -> Self:
        """The map that has this text. Raises `Misconfigured` and `Corrupt`."""
        try:
            parts = msgspec.json.decode(text, type=dict[str, str])
        except msgspec.DecodeError as error:
            raise Corrupt(f"the map of logs cannot be read: {error}") from error
        return cls({name: shards_of_text(shards) for name, shards in parts.items()})

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._own)

    def own(self, log: str) -> tuple[int, ...]:
        """The shards of a log, in order."""
        return self._own[log]

    def of(self, name: str) -> str:
        """The log that has the run, node or workflow of this name."""
        return self._log[shard_of(name, self.shards)]

    def of_stream(self, stream: str) -> str:
        """The log that has a stream; raises `Corrupt` for a name that no stream has."""
        kind, _, name = stream.partition(":")
        if kind != "shard":
            return self.of(name)
        if not name.isdecimal() or int(name) not in self._log:
            raise Corrupt(f"there is no stream {stream}")
        return self._log[int(name)]

    @property
    def text(self) -> str:
        """As it is stored: the same map has the same text."""
        told = {name: shards_text(self._own[name]) for name in sorted(self._own)}
        return msgspec.json.encode(told).decode()


def told(text: str) -> str:
    """A stored map in words; "" is one log with all."""
    if not text:
        return "one log with all shards"
    parts = msgspec.json.decode(text, type=dict[str, str])
    return ", ".join(f"log {name} with shards {shards}" for name, shards in parts.items())


def shards_of_text(text: str) -> tuple[int, ...]:
    """`0-31` or `0-3,8`: raises `Misconfigured` for anything else."""
    return tuple(sorted({shard for part in text.split(",") for shard in _range(part, text)}))


def _range(part: str, whole: str) -> Iterator[int]:
    first, dash, last = part.strip().partition("-")
    if not (first.isdecimal() and (last.isdecimal() if dash else True)):
        raise Misconfigured(f"shards are {whole!r}: expected numbers and ranges such as 0-31")
    begin, end = int(first), int(last or first)
    if not begin <= end < SHARDS_MAX:
        raise Misconfigured(f"shards are {whole!r}: expected ranges within 0-{SHARDS_MAX - 1}")
    return iter(range(begin, end + 1))


def shards_text(shards: Collection[int]) -> str:
    """The shortest text for `shards_of_text`."""
    runs: list[list[int]] = []
    for shard in sorted(shards):
        if runs and runs[-1][1] == shard - 1:
            runs[-1][1] = shard
        else:
            runs.append([shard, shard])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
