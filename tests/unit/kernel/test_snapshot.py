"""States as bytes: what `serialise` wrote is what comes back; schemas have names."""

import pytest

from events.errors import Corrupt
from events.messages import Progressed
from events.policies import Retry, RunOptions, Timeouts
from orchestrator.kernel.snapshot import fingerprint, restore, state_hash
from orchestrator.kernel.state import RunState, serialise
from tests.builders import Setting, started, task, workflow


def test_a_state_in_the_middle_of_everything_comes_back_the_same() -> None:
    again = Retry(kind="decorrelated", attempts_max=5)
    timeouts = Timeouts(schedule_to_start_s=5.0, schedule_to_close_s=50.0, start_to_close_s=1.0)
    steps = [task(f"t{k}", depends_on=(), retry=again, timeouts=timeouts) for k in range(4)]
    play = started(workflow(*steps), Setting(options=RunOptions(timeout_s=100.0)), {"n": 1.0})
    for step in ("t0", "t1", "t2"):
        play.place(step)
    play.fail("t0")
    play.lose("t1")
    play.report(Progressed(attempt=play.attempt("t2"), details={"x": [None, 1.5]}))
    play.due(5.0)
    data = serialise(play.state)
    back = restore(data)
    assert back == play.state
    assert serialise(back) == data
    assert state_hash(back) == state_hash(play.state)


def test_a_restored_state_goes_on_like_the_live_one() -> None:
    steps = [task("a", retry=Retry(attempts_max=2)), task("b")]
    live, restored = started(workflow(*steps)), started(workflow(*steps))
    for play in (live, restored):
        play.place("a")
        play.fail("a")
    restored.state = restore(serialise(restored.state))
    for play in (live, restored):
        play.finish()
    assert live.states == restored.states


def test_the_blank_state_is_small() -> None:
    assert serialise(RunState()) == b"{}"


@pytest.mark.parametrize("data", [b"", b"[]", b'{"version":"x"}', b'{"steps":{"a":{}}}', b"\xff"])
def test_bytes_that_are_no_state_are_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt, match="snapshot"):
        restore(data)


def test_the_fingerprint_names_the_schema_and_is_stable() -> None:
    assert fingerprint() == fingerprint()
    assert len(fingerprint()) == 16
