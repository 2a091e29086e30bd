"""Bundles: runs in one compressed file that stands for itself, and in which any run is found.

A file is a sequence of zstd frames of JSON lines, so that whoever can decompress can read it:

    head      what it is, which runs were asked for, and which fields were taken out
    events    of each stream some frames, of at most `FRAME_BYTES` each: every line is an event
              as it was stored
    values    the stored values that these events name
    manifest  each stream with its frames, their places and digests, and where it ends
    trailer   place and digest of the manifest; a frame that decompressors pass over

So the digest in the trailer is that of everything: it vouches for the manifest, that for each
frame, and the events are chained besides. Nothing is in a bundle of when, where or by whom it was
made: the same runs give the same bytes, also from a cluster that they were brought into.
"""

import msgspec

from events.limits import MIB

FORMAT = "dalsegno.bundle.v1"
SUFFIX = ".bundle"
FRAME_BYTES = 1 * MIB
"""A frame of events ends when it has so many, uncompressed: what is read for one event."""
FRAME_EVENTS = 500


class Head(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first line. `run_ids`: those that were asked for. `redacted`: fields whose values were
    taken out; the events were chained anew then."""

    bundle: str
    run_ids: tuple[str, ...]
    redacted: tuple[str, ...] = ()


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """Events of a stream, `count` from version `first` on. `offset`, `bytes`: where it is;
    `sha256`: of these bytes."""

    first: int
    count: int
    offset: int
    bytes: int
    sha256: str


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """`version` and `digest`: of its last event."""

    stream: str
    version: int
    digest: str
    frames: tuple[Frame, ...]


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of stored values: their hashes, in the order of its lines."""

    hashes: tuple[str, ...]
    offset: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    head: Head
    streams: tuple[Stream, ...]
    values: tuple[Values, ...] = ()


class Trailer(msgspec.Struct, frozen=True, kw_only=True):
    """Of the manifest's frame."""

    offset: int
    bytes: int
    sha256: str
