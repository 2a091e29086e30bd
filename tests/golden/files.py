"""The recorded files: one folder a release, one line a sample, the bytes as they are.

<release>/facts.txt       stored name, variant, data of the event
<release>/messages.txt    name, variant, message
<release>/histories/*.txt the net, the events as stored, the end that they lead to
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from events.codec import encode
from events.envelope import Stored
from events.net import Net
from events.values import Value

FOLDER = Path(__file__).parent
RELEASE = "0.3.0"
"""The release whose formats are written today; folders of others are never written again."""
FROZEN = {
    "0.1.0": "f60504cc71c329dcdbe35ef1cb3445eb05a5b6ac150a798454dcffdeaab646b6",
    "0.2.0": "21919ac2ea3b7d82345aacceac8e761198ae1da7886ae6b2365954d92bebe4ef",
}
"""Release → digest of its folder, from the day that it was published."""


class Line(NamedTuple):
    name: str
    variant: str
    data: bytes


class End(msgspec.Struct, frozen=True, kw_only=True):
    """Where a history leads: what people can see of a run. Empty status: it is still open."""

    status: str
    output: Value = None
    variables: dict[str, Value] = {}
    steps: dict[str, str] = {}
    order: list[str] = []


class History(NamedTuple):
    net: Net
    events: list[Stored]
    end: End


def releases() -> list[str]:
    return sorted(path.name for path in FOLDER.iterdir() if (path / "facts.txt").exists())


def digest(release: str) -> str:
    """Of all that a release has recorded."""
    paths = sorted((FOLDER / release).rglob("*.txt"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def write_lines(name: str, lines: Iterable[Line]) -> None:
    data = b"".join(
        b"%s\t%s\t%s\n" % (line.name.encode(), line.variant.encode(), line.data) for line in lines
    )
    path = FOLDER / RELEASE / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def read_lines(release: str, name: str) -> Iterator[Line]:
    for row in (FOLDER / release / f"{name}.txt").read_bytes().splitlines():
        kind, variant, data = row.split(b"\t", 2)
        yield Line(kind.decode(), variant.decode(), data)


def write_history(name: str, history: History) -> None:
    path = FOLDER / RELEASE / "histories" / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [encode(history.net), *(event.state for event in history.events), encode(history.end)]
    path.write_bytes(b"".join(row + b"\n" for row in rows))


def histories() -> list[Path]:
    return sorted(FOLDER.glob("*/histories/*.txt"))


def read_history(path: Path) -> History:
    net, *events, end = path.read_bytes().splitlines()
    return History(
        msgspec.json.decode(net, type=Net),
        [_stored(state) for state in events],
        msgspec.json.decode(end, type=End),
    )


class _Place(msgspec.Struct):
    stream: str
    version: int
    type: str


def _stored(state: bytes) -> Stored:
    place = msgspec.json.decode(state, type=_Place)
    return Stored(place.stream, place.version, place.type, state)
