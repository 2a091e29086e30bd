"""The journal in real files: restarts, rotation, crashes at every byte, one process a node."""

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from events.errors import Unavailable
from events.ids import Attempt
from events.messages import Completed
from node_agent.adapters.file_journal import FileJournal
from node_agent.errors import JournalDamaged, NodeTaken
from node_agent.journal import Accepted, Begun, Ended, Forgot, Incarnated, Live


def attempt(number: int) -> Attempt:
    return Attempt("run", "step", 0, number)


def ended(number: int, size: int = 10) -> Ended:
    return Ended(0, Completed(attempt=attempt(number), output="x" * size))


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("journal-*.log"))


def reopened(folder: Path) -> tuple[Live, ...]:
    journal = FileJournal(folder)
    try:
        return journal.open()
    finally:
        journal.close()


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    assert journal.open() == ()
    journal.append((Incarnated("i1"), Accepted(attempt(1), 4), Accepted(attempt(2), 4, 9)))
    journal.append((Begun(attempt(1), 8), ended(2)))
    journal.close()  # no sync: as after kill -9
    live = {one.attempt: one for one in reopened(tmp_path)}
    assert live[attempt(1)] == Live(attempt(1), 4, 8)
    assert live[attempt(2)].report == ended(2).report
    assert len(segments(tmp_path)) == 1


def test_a_settled_report_does_not_come_back(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    journal.open()
    journal.append((Accepted(attempt(1), 0), ended(1)))
    journal.append((Forgot((attempt(1),)),))
    journal.close()
    assert reopened(tmp_path) == ()


@pytest.mark.edge("SEGMENT_BYTES")
def test_segments_rotate_and_the_size_stays_bounded(tmp_path: Path) -> None:
    async def run() -> None:
        journal = FileJournal(tmp_path, segment_bytes=20_000)
        journal.open()
        journal.append((Accepted(attempt(0), 0, 1),))
        sizes = []
        for number in range(1, 400):
            journal.append((Accepted(attempt(number), 0, 1), ended(number, 1000)))
            if number % 3 == 0:
                await journal.sync()
                sizes.append(journal.bytes_used)
            journal.append((Forgot((attempt(number),)),))
        assert max(sizes) < 3 * 20_000
        assert len(segments(tmp_path)) <= 2
        journal.close()

    anyio.run(run)
    assert [one.attempt for one in reopened(tmp_path)] == [attempt(0)]


def test_rotation_waits_for_as_much_as_is_live(tmp_path: Path) -> None:
    """A large live part is not written again for every little that is added."""
    journal = FileJournal(tmp_path, segment_bytes=1_000)
    journal.open()
    for number in range(200):
        journal.append((ended(number, 1000),))
    assert len(segments(tmp_path)) < 15
    journal.close()
    assert len(reopened(tmp_path)) == 200


def test_a_crash_at_any_byte_loses_only_what_was_not_durable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Cut at every byte: what is whole before the cut is there, and what is torn there is said."""
    source = tmp_path / "source"
    journal = FileJournal(source)
    journal.open()
    lengths = [segments(source)[0].stat().st_size]
    for number in range(4):
        journal.append((ended(number),))
        lengths.append(segments(source)[0].stat().st_size)
    journal.close()
    path = segments(source)[0]
    data = path.read_bytes()
    for cut in range(lengths[0], len(data) + 1):
        folder = tmp_path / f"cut-{cut}"
        folder.mkdir()
        (folder / path.name).write_bytes(data[:cut])
        whole = sum(1 for length in lengths[1:] if length <= cut)
        caplog.clear()
        assert [one.attempt for one in reopened(folder)] == [attempt(n) for n in range(whole)]
        torn = cut - lengths[whole]
        said = [f"torn at byte {lengths[whole]}: its last {torn} bytes"] if torn else []
        assert len(caplog.messages) == len(said)
        assert all(words in found for words, found in zip(said, caplog.messages, strict=True))


def test_a_crash_at_any_byte_of_a_new_segment_falls_back_to_the_one_before(tmp_path: Path) -> None:
    source = tmp_path / "source"
    journal = FileJournal(source, segment_bytes=300)
    journal.open()
    number = 0
    while len(segments(source)) < 2:
        journal.append((ended(number),))
        number += 1
    journal.close()
    older, newer = segments(source)
    data = newer.read_bytes()
    for cut in range(len(data)):
        folder = tmp_path / f"cut-{cut}"
        folder.mkdir()
        (folder / older.name).write_bytes(older.read_bytes())
        (folder / newer.name).write_bytes(data[:cut])
        found = [one.attempt for one in reopened(folder)]
        # The last record went to the new segment only, and nobody has been told of it.
        assert found == [attempt(n) for n in range(number - 1)]
        assert len(segments(folder)) == 1
    assert len(reopened(source)) == number


def test_the_older_segment_stays_until_the_newer_is_durable(tmp_path: Path) -> None:
    async def run() -> None:
        journal = FileJournal(tmp_path, segment_bytes=300)
        journal.open()
        number = 0
        while len(segments(tmp_path)) < 2:
            journal.append((ended(number),))
            number += 1
        await journal.sync()
        assert len(segments(tmp_path)) == 1
        journal.close()

    anyio.run(run)


def test_damage_in_what_was_durable_is_named_and_nothing_is_deleted(tmp_path: Path) -> None:
    async def run() -> None:
        journal = FileJournal(tmp_path)
        journal.open()
        journal.append((ended(1),))
        await journal.sync()
        journal.append((ended(2),))
        journal.close()

    anyio.run(run)
    (path,) = segments(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b'"completed"')] ^= 1
    path.write_bytes(data)
    for _ in range(2):
        with pytest.raises(JournalDamaged, match=rf"{path.name} is damaged at byte \d+"):
            reopened(tmp_path)
    assert segments(tmp_path) == [path]


def test_a_folder_without_an_intact_beginning_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal-00000001.log").write_bytes(b"something else")
    with pytest.raises(JournalDamaged, match=r"no segment in .* has an intact beginning"):
        reopened(tmp_path)


def test_two_agents_cannot_have_one_node(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    journal.open()
    with pytest.raises(NodeTaken, match=f"process id {os.getpid()}: one agent a node"):
        reopened(tmp_path)
    journal.append((ended(1),))
    journal.close()
    assert len(reopened(tmp_path)) == 1


def test_a_folder_that_cannot_be_used_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match=r"the journal in .*file/node cannot be used"):
        FileJournal(tmp_path / "file" / "node").open()


def test_a_full_disk_stops_the_agent_in_words(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    journal.open()
    fd = os.open("/dev/full", os.O_WRONLY)
    os.dup2(fd, journal._fd)
    os.close(fd)
    with pytest.raises(Unavailable, match=r"cannot be written: No space left on device"):
        journal.append((ended(1),))
    journal.close()


WRITER = """
import sys
from pathlib import Path
import anyio
from events.ids import Attempt
from events.messages import Completed
from node_agent.adapters.file_journal import FileJournal
from node_agent.journal import Ended

async def main():
    journal = FileJournal(Path(sys.argv[1]), segment_bytes=5_000)
    journal.open()
    for number in range(100_000):
        journal.append((Ended(0, Completed(attempt=Attempt("run", "step", 0, number))),))
        if number % 7 == 0:
            await journal.sync()
        print(number, flush=True)

anyio.run(main)
"""


def test_kill_minus_nine_loses_nothing_that_was_written(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 300:
            break
    process.kill()
    process.wait()
    told = [int(line) for line in process.stdout.read().split("\n")[:-1]]
    process.stdout.close()
    last = max(told, default=300)
    numbers = {one.attempt.number for one in reopened(tmp_path)}
    assert numbers >= set(range(last + 1))
