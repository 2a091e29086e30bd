"""Exported files that are opened: the same streams, states and values as in the cluster."""

from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from struct import pack

import pytest
import zstandard

from events.codec import encode
from events.errors import Corrupt, Misconfigured
from events.ids import run_stream
from events.limits import EXPORT_BYTES_MAX
from orchestrator.adapters.archives.opening import open_file
from orchestrator.adapters.archives.writing import SKIPPED, TRAILER_BYTES
from orchestrator.replay.exchange.bundles import Trailer
from orchestrator.replay.exchange.opened import OpenedFile
from tests import exports
from tests.exports import Kept

pytestmark = pytest.mark.anyio
Write = Callable[..., Awaitable[bytes]]
WRITERS = [pytest.param(exports.bundle, id="bundle"), pytest.param(exports.jsonl, id="jsonl")]


@pytest.fixture
async def kept() -> AsyncIterator[Kept]:
    async for found in exports.cluster():
        yield found


@pytest.mark.parametrize("write", WRITERS)
async def test_a_file_replays_as_the_cluster_does(kept: Kept, write: Write, tmp_path: Path) -> None:
    path = tmp_path / "runs"
    path.write_bytes(await write(kept.store, "fork-1", children=True))
    with await open_file(path) as file:
        assert file.info.runs == ("order-1", "fork-1", *file.info.runs[2:])
        for run_id in file.info.runs:
            assert await exports.hashes(file, run_id) == await exports.hashes(kept.store, run_id)
            stream = run_stream(run_id)
            assert [e.state for e in await file.read(stream)] == [
                e.state for e in await kept.store.read(stream)
            ]
        again = await write(file, *file.info.run_ids, children=True)
    assert again == path.read_bytes()


@pytest.mark.parametrize("write", WRITERS)
async def test_pages_of_a_stream_are_as_long_as_asked(kept: Kept, write: Write) -> None:
    stream = run_stream("order-1")
    expected = [event.version for event in await kept.store.read(stream)]
    with await open_file(await write(kept.store, "order-1")) as file:
        for after in range(len(expected) + 2):
            for limit in (1, 3, 1000):
                page = await file.read(stream, after, limit)
                assert [event.version for event in page] == expected[after : after + limit]
        assert await file.read("run:nobody") == []
        assert await file.index_row("order-1") is None
        assert await file.load_snapshot(stream) is None


@pytest.mark.parametrize("write", WRITERS)
async def test_stored_values_and_child_runs_are_in_it(kept: Kept, write: Write) -> None:
    data = await write(kept.store, "order-1", children=True)
    with await open_file(data) as file:
        assert list(file.payload_names()) == [exports.CHUNK.hash]
        assert await file.load_payload(exports.CHUNK.hash) == exports.CHUNK.data
        assert await file.load_payload("0" * 64) is None
        assert len(file.info.runs) == 2
    with await open_file(await write(kept.store, "order-1")) as file:
        assert file.info.runs == ("order-1",)


@pytest.mark.parametrize("write", WRITERS)
async def test_the_same_runs_give_the_same_bytes(kept: Kept, write: Write) -> None:
    first, second = [await write(kept.store, "order-1", "fork-1") for _ in range(2)]
    assert first == second
    with await open_file(first) as file:
        assert file.info.run_ids == ("order-1", "fork-1")
        assert await write(file, "order-1", "fork-1") == first


@pytest.mark.parametrize("write", WRITERS)
async def test_every_changed_byte_is_noticed(kept: Kept, write: Write) -> None:
    """Or does not matter: what is read is the same then."""
    good = await write(kept.store, "order-1")
    with await open_file(good) as file:
        expected = await _all(file)
    for at in range(0, len(good), max(1, len(good) // 300)):
        bad = good[:at] + bytes([good[at] ^ 0x20]) + good[at + 1 :]
        try:
            with await open_file(bad) as file:
                assert await _all(file) == expected
        except Corrupt as error:
            assert "the export" in str(error)  # noqa: PT017 -- either is right


@pytest.mark.parametrize("write", WRITERS)
async def test_a_file_that_was_cut_short_is_refused(kept: Kept, write: Write) -> None:
    good = await write(kept.store, "order-1")
    for size in (1, len(good) // 2, len(good) - 1 if write is exports.bundle else len(good) - 2):
        with pytest.raises(Corrupt, match=r"cut short|no end|cannot be read|is no export"):
            await open_file(good[:size])


async def test_lines_that_were_cut_between_two_runs_are_refused(kept: Kept) -> None:
    lines = (await exports.jsonl(kept.store, "order-1", "fork-1", children=True)).splitlines(True)
    ends = [at for at, line in enumerate(lines) if line.startswith(b'{"run_id"')]
    assert len(ends) == 3
    for at in ends[:-1]:
        with pytest.raises(Corrupt, match="the export has no end: it was cut short"):
            await open_file(b"".join(lines[: at + 1]))
    without = lines[: ends[0] + 1] + lines[ends[1] + 1 :]
    with pytest.raises(Corrupt, match=r"0 runs are to come after run .*, expected 1"):
        await open_file(b"".join(without))


async def test_what_is_no_export_is_told_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match="is no export of runs: expected a bundle"):
        await open_file(b"PK\x03\x04")
    with pytest.raises(Corrupt, match="is no export"):
        await open_file(b"")
    with pytest.raises(Misconfigured, match="cannot be read: No such file"):
        await open_file(tmp_path / "missing")
    with pytest.raises(Misconfigured, match="cannot be read: Is a directory"):
        await open_file(tmp_path)


async def _all(file: OpenedFile) -> list[object]:
    found: list[object] = [file.info.run_ids]
    for stream in file.info.ends:
        found += [one.state for one in await file.read(stream)]
    return found


@pytest.mark.edge("EXPORT_BYTES_MAX")
async def test_what_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(Corrupt, match=r"the export:1 has 67108865 bytes: expected 67108864"):
        await open_file(b"{".ljust(EXPORT_BYTES_MAX + 1))
    frame = zstandard.ZstdCompressor().compress(b" " * (EXPORT_BYTES_MAX + 1))
    place = Trailer(offset=0, bytes=len(frame), sha256=sha256(frame).hexdigest())
    end = pack("<II", SKIPPED, TRAILER_BYTES) + encode(place).ljust(TRAILER_BYTES)
    with pytest.raises(Corrupt, match="its list of runs: over 67108864 bytes"):
        await open_file(frame + end)
