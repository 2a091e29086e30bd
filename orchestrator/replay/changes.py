"""Changes: what an event made of the state of its run."""

from events.errors import NotFound
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.differences import Change, Kind, changes
from orchestrator.replay.recording import Recording

__all__ = ["Change", "Kind", "change_at", "changes"]


def change_at(recording: Recording, version: int) -> tuple[Change, ...]:
    """What the event at a version changed. Raises `NotFound` for a version that is not there."""
    if not 0 < version <= recording.last:
        raise NotFound(
            f"run {recording.run_id} has no event {version}: they are 1 to {recording.last}"
        )
    return Cursor(recording).to(version).changed()
