"""Lineage: which events made a state, when some were gone back behind and some are another run's.

    … 12 13 14 15 (restored to 12) 16 17     what made the state at 17: 15-17, and 1-12
    source 1 … 40 ─ fork 1 2 3               what made the state at 3: 1-3, and the source's 1-40

An event outside of these stretches was there, and left nothing.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from orchestrator.replay.recording import Recording


class Stretch(NamedTuple):
    """Events of a recording that follow each other, both ends included."""

    recording: "Recording"
    first: int
    last: int


def lineage(recording: "Recording | None", version: int) -> Iterator[Stretch]:
    """The stretches that made the state at a version, newest first. O(restores)."""
    while recording is not None:
        for restored in sorted(recording.restores, reverse=True):
            if restored <= version:
                yield Stretch(recording, restored, version)
                version = recording.restores[restored]
        if version:
            yield Stretch(recording, 1, version)
        recording = recording.source
        version = recording.last if recording is not None else 0
