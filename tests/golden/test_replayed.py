"""What older releases have written is stepped through, and says why, as what is written today."""

from pathlib import Path

import msgspec
import pytest

from events.catalogue import Catalogue
from orchestrator.kernel.snapshot import restore
from orchestrator.kernel.state import serialise
from orchestrator.replay.changes import changes
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.moments import moment_of
from orchestrator.replay.recording import Recording
from orchestrator.replay.why.reasons import why_event, why_step
from tests.golden.files import histories, read_history


@pytest.mark.parametrize("path", histories(), ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_a_recorded_history_is_stepped_through_and_explained(path: Path) -> None:
    recorded = read_history(path)
    recording = Recording(recorded.events[0].stream.partition(":")[2], Catalogue())
    for stored in recorded.events:
        recording.take(stored)
    recording.net = recorded.net
    forth = Cursor(recording)
    states = [serialise(forth.to(version).state) for version in range(recording.last + 1)]
    back = Cursor(recording).to(recording.last)
    for version in range(recording.last, 0, -1):
        assert serialise(back.state) == states[version]
        assert back.changed() == changes(restore(states[version - 1]), restore(states[version]))
        reason = why_event(recording, version)
        assert reason.sentence
        assert msgspec.json.encode((reason, moment_of(back)))
        back.back()
    for step in forth.state.steps:
        assert why_step(recording, step).reason is not None
