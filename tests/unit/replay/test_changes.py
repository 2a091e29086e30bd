"""What changed is told part by part, at each event."""

from events import definition as d
from orchestrator.kernel.state import RunState, StepState
from orchestrator.replay.changes import Change, change_at, changes
from tests.builders import started, task, workflow
from tests.recordings import recorded


def test_what_came_what_went_and_what_is_different() -> None:
    before = RunState(variables={"a": 1, "gone": [1]}, reason="so", order=["x"])
    after = RunState(variables={"a": 2, "b": {"c": None}}, output=3, order=["x", "y"])

    assert changes(before, after) == (
        Change(path="output", kind="added", after=3),
        Change(path="reason", kind="removed", before="so"),
        Change(path="variables.a", kind="changed", before=1, after=2),
        Change(path="variables.gone", kind="removed", before=[1]),
        Change(path="variables.b", kind="added", after={"c": None}),
        Change(path="order[1]", kind="added", after="y"),
    )


def test_it_looks_into_what_differs_only() -> None:
    before = RunState(steps={"s": StepState("ready", output={"n": [1, {"m": 2}]})})
    after = RunState(steps={"s": StepState("ready", output={"n": [1, {"m": 3}]})})

    assert changes(before, after) == (
        Change(path="steps.s.output.n[1].m", kind="changed", before=2, after=3),
    )


def test_names_that_are_no_words_stand_in_brackets() -> None:
    after = RunState(timers={"retry:a.b": 5, 'say "x"': 6})
    paths = [one.path for one in changes(RunState(), after)]
    assert paths == ['timers["retry:a.b"]', 'timers["say \\"x\\""]']


def test_equal_states_have_none_whatever_their_versions() -> None:
    assert changes(RunState(version=1, updated_at=5), RunState(version=2, updated_at=6)) == ()


def test_true_is_not_one() -> None:
    found = changes(RunState(variables={"a": 1}), RunState(variables={"a": True}))
    assert found == (Change(path="variables.a", kind="changed", before=1, after=True),)


def test_at_an_event_it_is_what_that_event_did() -> None:
    play = started(workflow(d.SetStep(id="s", variables={"n": 1}), task("a")))
    play.place("a", node="n7")
    recording = recorded(play)

    found = {one.path: one for one in change_at(recording, recording.last)}
    assert found["steps.a.status"] == Change(
        path="steps.a.status", kind="changed", before="ready", after="dispatched"
    )
    assert found["steps.a.node"].after == "n7"
    assert found["ready.a"].kind == "removed"
    assert found["outstanding.a"].after == 1
    assert not any(path.startswith("variables") for path in found)
    assert {one.path for one in change_at(recording, 1)} >= {"run_id", "variables.n", "steps.a"}
