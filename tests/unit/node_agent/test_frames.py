"""The journal's bytes: torn tails are cut off, damage is named."""

import struct
import zlib

import pytest

from events.ids import Attempt
from events.messages import Completed
from node_agent.errors import JournalDamaged
from node_agent.frames import MAGIC, frame, read_segment
from node_agent.journal import (
    Accepted,
    Begun,
    Compacted,
    Ended,
    Forgot,
    Incarnated,
    Ledger,
    Live,
    Record,
)


def attempt(number: int) -> Attempt:
    return Attempt("run", "step", 0, number)


RECORDS: list[tuple[Record, ...]] = [
    (Compacted("i0", 0),),
    (Incarnated("i1"),),
    (Accepted(attempt(1), 3, 5), Accepted(attempt(2), 3)),
    (Begun(attempt(2), 7),),
    (Ended(3, Completed(attempt=attempt(1), output={"a": [1, 2.5, None, "ä"]})),),
    (Forgot((attempt(1),)),),
]


def written(synced: int = 0) -> tuple[bytes, list[int]]:
    """A segment, and where each of its frames begins."""
    data, starts = b"", []
    for records in RECORDS:
        starts.append(len(data))
        data += frame(records, synced)
    return data, starts


def test_frames_read_back_as_they_were_written() -> None:
    data, _ = written()
    segment = read_segment(data, "s")
    assert segment.frames == RECORDS
    assert segment.length == len(data)


def test_a_segment_cut_anywhere_reads_as_its_whole_frames() -> None:
    data, starts = written()
    for length in range(len(data)):
        whole = sum(1 for end in [*starts[1:], len(data)] if end <= length)
        segment = read_segment(data[:length], "s")
        assert segment.frames == RECORDS[:whole]
        assert segment.length == [*starts, len(data)][whole]


def test_a_changed_byte_in_what_was_not_durable_ends_the_segment_there() -> None:
    data, starts = written(synced=0)
    for at in range(len(data)):
        changed = bytes([*data[:at], data[at] ^ 0x40, *data[at + 1 :]])
        hit = sum(1 for start in starts if start <= at) - 1
        assert read_segment(changed, "s").frames == RECORDS[:hit]


def test_a_changed_byte_in_what_was_durable_is_named_with_its_place() -> None:
    data, starts = written()
    last = frame((Forgot(()),), synced=len(data))
    for at in range(len(data)):
        changed = bytes([*data[:at], data[at] ^ 0x40, *data[at + 1 :]]) + last
        hit = starts[sum(1 for start in starts if start <= at) - 1]
        with pytest.raises(JournalDamaged, match=rf"journal-7 is damaged at byte {hit}, .* move"):
            read_segment(changed, "journal-7")


def test_a_hole_left_by_a_loss_of_power_is_a_torn_tail() -> None:
    """Pages reach the disk in any order: the second half may be there and the first may not."""
    data, starts = written()
    hole = bytes(data[: starts[3]]) + bytes(starts[5] - starts[3]) + data[starts[5] :]
    assert read_segment(hole, "s").frames == RECORDS[:3]


def test_records_that_are_not_ours_are_named() -> None:
    body = bytes(8) + b'[[99,"?"]]'
    data = MAGIC + struct.pack("<II", len(body), zlib.crc32(body)) + body
    with pytest.raises(JournalDamaged, match="s has records at byte 0 that are not ours"):
        read_segment(data, "s")


def test_a_segment_begins_whole_when_all_that_was_live_is_there() -> None:
    head = frame((Compacted("i", 2), Accepted(attempt(1), 0)), 0)
    rest = frame((Accepted(attempt(2), 0),), 0)
    assert not read_segment(b"", "s").begins_whole
    assert not read_segment(head, "s").begins_whole
    assert read_segment(head + rest, "s").begins_whole
    assert not read_segment(rest, "s").begins_whole


def test_the_fold_keeps_what_is_not_forgotten() -> None:
    ledger = Ledger()
    for records in RECORDS:
        ledger.extend(records)
    assert list(ledger.live.values()) == [Live(attempt(2), 3, 7)]
    assert ledger.incarnation == "i1"


def test_a_compacted_fold_folds_to_the_same() -> None:
    ledger = Ledger()
    for records in RECORDS[:5]:
        ledger.extend(records)
    again = Ledger()
    again.extend(ledger.compacted())
    assert list(again.live.values()) == [
        Live(attempt(1), 3, 0, Completed(attempt=attempt(1), output={"a": [1, 2.5, None, "ä"]})),
        Live(attempt(2), 3, 7),
    ]


def test_a_reset_forgets_everything_before_it() -> None:
    ledger = Ledger()
    ledger.extend([Accepted(attempt(1), 0), Incarnated("i2", True), Accepted(attempt(2), 0)])
    assert list(ledger.live) == [attempt(2)]
