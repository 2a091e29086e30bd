"""Records the formats that are written today: `python -m tests.golden.record`.

Free to run until a release is published; from then on its files are its promise, and a test that
fails says that the promise is about to be broken. A new release gets a folder of its own.
"""

from collections.abc import Iterable, Iterator

import msgspec

from events.codec import encode
from events.envelope import Head, Stamp, seal
from events.sealing import EventKey
from orchestrator.adapters.crypto.keyring import DataKey
from tests.golden import samples
from tests.golden.files import FROZEN, RELEASE, Line, write_history, write_lines
from tests.golden.scenes import SCENES, history


def name_of(sample: msgspec.Struct) -> str:
    """How the type is called on the wire: its tag, or its class for types that stand alone."""
    tag = sample.__struct_config__.tag
    return tag if isinstance(tag, str) else type(sample).__name__


def facts() -> Iterator[Line]:
    for fact in samples.FACTS:
        yield Line(fact.TYPE, "full", encode(fact))
        yield Line(fact.TYPE, "bare", encode(samples.bare(fact)))


def personal() -> Iterator[Line]:
    """Facts as they are stored in personal runs, whole envelopes, under the key `samples.KEY`."""
    for fact in samples.RUN_FACTS:
        head = Head("run:run-1", 4, "before", key=EventKey("k1", DataKey(samples.KEY)))
        yield Line(fact.TYPE, "full", seal(head, fact, "e1", Stamp(recorded_at=samples.AT)).state)


def both(family: str, found: Iterable[msgspec.Struct]) -> Iterator[Line]:
    for sample in found:
        name = f"{family}/{name_of(sample)}"
        yield Line(name, "full", encode(sample))
        yield Line(name, "bare", encode(samples.bare(sample)))


def messages() -> Iterator[Line]:
    yield from both("command", samples.COMMANDS)
    yield from both("report", samples.REPORTS)
    yield from both("heartbeat_answer", samples.HEARTBEAT_ANSWERS)
    yield from both("message", samples.BATCHES)
    yield from both("request", samples.REQUESTS)
    yield from both("answer", samples.ANSWERS)


def main() -> None:
    if RELEASE in FROZEN:
        raise SystemExit(f"{RELEASE} is published: its formats are frozen, the next has a folder")
    write_lines("facts", facts())
    write_lines("personal", personal())
    write_lines("messages", messages())
    for name, scene in SCENES.items():
        write_history(name, history(scene()))


if __name__ == "__main__":
    main()
