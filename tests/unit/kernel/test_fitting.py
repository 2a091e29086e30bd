"""Which states a net takes that another net led to, and what is said of those that it does not."""

from collections.abc import Sequence

import pytest

from events import definition as d
from events.definition import Handler
from events.errors import Rejected
from events.facts import PartOf
from events.policies import RunOptions
from events.run_facts import RunForked
from events.values import Value
from orchestrator.kernel import inputs as i
from orchestrator.kernel.fitting import Fit, misfits, passed_over
from orchestrator.kernel.inputs import NewDefinition
from tests.builders import Play, Setting, copy, index, names, parallel, started, task, workflow


def choice(*steps: d.Step, when: str = "true", default: Sequence[d.Step] = ()) -> d.ChoiceStep:
    return d.ChoiceStep(id="c", cases=(d.Case(when=when, steps=steps),), default=tuple(default))


def loop(*steps: d.Step) -> d.ForEachStep:
    return d.ForEachStep(id="l", items=[1, 2], steps=steps)


def found(play: Play, after: d.Definition) -> dict[str, str]:
    """Steps that keep the definition from taking the state, and why."""
    return {one.step: one.why for one in misfits(play.state, play.net, index(after))}


def fork(
    source: Play,
    after: d.Definition | None = None,
    variables: dict[str, Value] | None = None,
    steps: tuple[str, ...] = (),
) -> Play:
    """A fork of the state as it is, which goes on to its end."""
    net = source.net if after is None else index(after)
    play = Play(net, Setting(run_id="fork-1"), source.expressions)
    play.state, play.base, play.now = copy(source.state), copy(source.state), source.now + 1
    definition = None
    if after is not None:
        options = source.state.options
        definition = NewDefinition(workflow_version="2", options=options, before=source.net)
    play.give(
        i.Fork(
            run_id="fork-1",
            source_version=source.state.version,
            variables=variables or {},
            steps=steps,
            definition=definition,
        )
    )
    return play


def forked(play: Play) -> RunForked:
    fact = play.facts[0]
    assert isinstance(fact, RunForked)
    return fact


# -- what it takes --------------------------------------------------------------------------------

BEFORE = workflow(task("a"), parallel(x=(task("b"),), y=(task("c"),)), task("z"))
TAKEN = {
    "the same": BEFORE,
    "another task type": workflow(
        task("a"), parallel(x=(task("b", "other"),), y=(task("c"),)), task("z")
    ),
    "more at the end": workflow(
        task("a"), parallel(x=(task("b"),), y=(task("c"),)), task("z"), task("zz")
    ),
    "less at the end": workflow(task("a"), parallel(x=(task("b"),), y=(task("c"),))),
    "more in a branch under way": workflow(
        task("a"), parallel(x=(task("b"),), y=(task("c"), task("d"))), task("z")
    ),
    "the past is gone": workflow(parallel(x=(task("b"),), y=(task("c"),)), task("z")),
    "more in the past": workflow(
        task("a"), task("late"), parallel(x=(task("b"),), y=(task("c"),)), task("z")
    ),
    "a handler": workflow(
        task("a"),
        parallel(x=(task("b"),), y=(task("c", on_error=(Handler(steps=(task("h"),)),)),)),
        task("z"),
    ),
}


@pytest.mark.parametrize("after", TAKEN.values(), ids=TAKEN.keys())
def test_what_is_open_goes_on_with_another_definition(after: d.Definition) -> None:
    source = started(BEFORE)
    source.run("a", "b")
    source.place("c")
    assert found(source, after) == {}
    play = fork(source, after).finish()
    assert play.state.status == "completed"
    assert not {"task.dispatched"} & set(names(play.facts[:1]))
    assert not {getattr(fact, "step", "") for fact in play.facts} & {"a", "b"}
    play.check_replay()


REFUSED = {
    "an open step is gone": (
        workflow(task("a"), parallel(x=(task("b"),), y=(task("other"),)), task("z")),
        {"c": "it is dispatched, and not there any more"},
    ),
    "an open step is something else": (
        workflow(
            task("a"),
            parallel(x=(task("b"),), y=(d.SetStep(id="c", variables={"v": 1}),)),
            task("z"),
        ),
        {"c": "it is dispatched as a task, and a set now"},
    ),
    "an open step is in a loop now": (
        workflow(task("a"), parallel(x=(task("b"),), y=(loop(task("c")),)), task("z")),
        {"c": "it is dispatched, and inside other loops or groups now"},
    ),
    "a token has no place": (
        workflow(task("a"), parallel(x=(task("b"), task("b2")), y=(task("c"),)), task("z")),
        {"b": "it is over, and nothing leads from it to p any more"},
    ),
    "another branch": (
        workflow(task("a"), parallel(x=(task("b"),), y=(task("c"),), w=(task("new"),)), task("z")),
        {"new": "p would wait for it, and it is passed, and never begins"},
    ),
    "an open step has left its branch": (
        workflow(task("a"), parallel(x=(task("b"),), y=(task("new"),)), task("c"), task("z")),
        {"new": "p would wait for it, and it is passed, and never begins"},
    ),
    "what is over comes once more": (
        workflow(parallel(x=(task("b"),), y=(task("c"),)), task("a"), task("z")),
        {"a": "it is completed already, and would begin once more"},
    ),
}


@pytest.mark.parametrize(("after", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_a_definition_that_cannot_take_the_state_says_which_step(
    after: d.Definition, why: dict[str, str]
) -> None:
    source = started(BEFORE)
    source.run("a", "b")
    source.place("c")
    assert why.items() <= found(source, after).items()
    with pytest.raises(Rejected, match=next(iter(why))):
        fork(source, after)


def test_what_waits_goes_on_waiting_for_the_same() -> None:
    go = d.WaitStep(id="w", signal="go")
    source = started(workflow(go, task("z")))
    assert found(source, workflow(d.WaitStep(id="w", signal="go", timeout_s=9), task("z"))) == {}
    assert found(source, workflow(d.WaitStep(id="w", signal="stop"), task("z"))) == {
        "w": "it is waiting, and what it waits for has changed from signal go to signal stop"
    }
    assert "a time" in found(source, workflow(d.WaitStep(id="w", duration=5.0), task("z")))["w"]


def test_loops_go_on_in_the_iteration_that_they_are_in() -> None:
    source = started(workflow(loop(task("a"), task("b"))))
    source.run("a[0]", "b[0]", "a[1]")
    after = workflow(loop(task("a"), task("b"), task("more")))
    assert found(source, after) == {}
    play = fork(source, after).finish()
    assert play.state.status == "completed"
    assert "more[1]" in play.state.steps
    assert "more[0]" not in play.state.steps, "an iteration that is over stays as it was"
    assert "a while loop" in found(
        source, workflow(d.WhileStep(id="l", condition="false", steps=(task("a"), task("b"))))
    ).get("l", "")


def test_a_map_goes_on_if_its_items_are_given_the_same() -> None:
    source = started(workflow(d.MapStep(id="m", items=[1, 2, 3], task="t", concurrency=2)))
    source.place("m[0]")
    source.complete("m[0]")
    other = d.MapStep(id="m", items=[1, 2, 3], task="u", concurrency=1)
    play = fork(source, workflow(other)).finish()
    assert play.state.status == "completed"
    given = d.MapStep(id="m", items=[1, 2, 3], task="t", inputs={"x": 1})
    assert found(source, workflow(given)) == {
        "m": "it is entered, and its items are given something else now"
    }


def test_a_choice_that_was_made_stays_made() -> None:
    source = started(workflow(choice(task("a"), default=[task("b")]), task("z")))
    other = workflow(choice(task("a"), when="false", default=[task("b")]), task("z"))
    play = fork(source, other).finish()
    assert play.state.steps["a"].status == "completed"
    assert play.state.steps["b"].status == "skipped"
    moved = workflow(choice(task("a2"), default=[task("b")]), task("a"), task("z"))
    assert found(source, moved) == {"c": "it is under way, and would never be left"}


def test_steps_at_places_that_are_passed_are_named() -> None:
    source = started(workflow(task("a"), task("b")))
    source.run("a")
    after = workflow(task("a"), task("late"), task("b"), loop(task("inner")), task("end"))
    assert found(source, after) == {}
    assert passed_over(source.state, source.net, index(after)) == ("late",)


def test_a_part_of_a_map_is_not_forked_with_another_definition() -> None:
    source = started(workflow(task("a")))
    source.state.part = PartOf(step="m", count=3)
    assert "fork that one" in found(source, workflow(task("a")))["m"]


def test_every_state_of_a_sound_net_fits_it() -> None:
    whole = workflow(
        task("a"),
        parallel(
            x=(task("b"), loop(task("i"), task("j"))),
            y=(choice(task("k"), default=[task("o")]), d.WaitStep(id="w", signal="go")),
            v=(d.WithinStep(id="g", timeout_s=60, steps=(task("q"), task("r"))),),
        ),
        d.MapStep(id="m", items=[1, 2, 3], task="t", concurrency=2),
        task("z", on_error=(Handler(steps=(task("h"),)),)),
    )
    play = started(whole)
    looked = 0
    while not play.state.terminal:
        assert list(Fit(play.state, play.net).complaints()) == [], play.state
        looked += 1
        step(play)
    assert looked > 20


def step(play: Play) -> None:
    """One thing that happens next."""
    state = play.state
    if state.ready:
        play.place(next(iter(state.ready)))
    elif state.outstanding:
        play.answer(next(iter(state.outstanding)))
    else:
        play.signal(next(iter(state.awaiting.values())))


# -- what is given anew ---------------------------------------------------------------------------


def reading() -> Play:
    steps = (d.SetStep(id="s", variables={"x": 1, "y": 1}), task("a"))
    both = parallel(
        p=(task("b", inputs={"x": "${vars.x}"}),), q=(task("c", inputs={"y": "${vars.y}"}),)
    )
    source = started(workflow(*steps, both))
    source.run("a")
    return source


def test_a_task_that_reads_what_is_set_is_given_it() -> None:
    play = fork(reading(), variables={"x": 5})
    assert [(one.step, one.inputs) for one in forked(play).renewed] == [
        ("b", {"x": 5}),
        ("c", None),
    ]
    assert play.step("b").inputs == {"x": 5}
    assert play.step("c").inputs == {"y": 1}
    play.finish()
    play.check_replay()


def test_a_task_whose_inputs_are_written_otherwise_is_given_these() -> None:
    source = reading()
    both = parallel(
        p=(task("b", inputs={"x": "${vars.x + 1}"}),), q=(task("c", inputs={"y": "${vars.y}"}),)
    )
    after = workflow(d.SetStep(id="s", variables={"x": 100}), task("a"), both)
    play = fork(source, after)
    assert [one.inputs for one in forked(play).renewed] == [{"x": 2}, None]
    assert forked(play).workflow_version == "2"
    assert play.state.variables == {"x": 1, "y": 1}, "what is over stays as it was"


def test_a_task_of_an_iteration_is_given_what_it_sees_there() -> None:
    inner = task("i", inputs={"n": "${iteration.item}", "x": "${vars.x}", "run": "${run.id}"})
    source = started(workflow(d.SetStep(id="s", variables={"x": 1}), loop(inner)))
    source.run("i[0]")
    play = fork(source, variables={"x": 7})
    assert play.step("i[1]").inputs == {"n": 2, "x": 7, "run": "fork-1"}


def test_a_call_is_given_it_too() -> None:
    call = d.CallStep(id="k", workflow="w", input={"x": "${vars.x}"})
    source = started(workflow(d.SetStep(id="s", variables={"x": 1}), call))
    play = fork(source, variables={"x": 9})
    assert play.step("k").inputs == {"input": {"x": 9}}
    play.check_replay()


def test_what_cannot_be_given_is_refused() -> None:
    source = reading()
    with pytest.raises(Rejected, match=r"b of run fork-1 cannot be given its inputs"):
        fork(source, after_reading_nothing())


def after_reading_nothing() -> d.Definition:
    both = parallel(
        p=(task("b", inputs={"x": "${vars.missing}"}),), q=(task("c", inputs={"y": "${vars.y}"}),)
    )
    return workflow(d.SetStep(id="s", variables={"missing": 1, "y": 1}), task("a"), both)


# -- what had failed ------------------------------------------------------------------------------

PATIENT = Setting(options=RunOptions(error_policy="finish_others"))


def failing_beside() -> Play:
    """One task has failed; another, expensive one has completed since; a third is under way."""
    source = started(
        workflow(parallel(x=(task("b"),), y=(task("dear"),), w=(task("c"),)), task("z")), PATIENT
    )
    source.place_all()
    source.fail("b")
    source.complete("dear", 42)
    return source


def test_what_has_failed_begins_anew_and_what_has_completed_since_is_kept() -> None:
    source = failing_beside()
    play = fork(source, steps=("b",))
    assert forked(play).retried == ("b",)
    assert set(play.state.ready) == {"b", "c"}
    assert (play.state.failure, play.state.failed_step) == (None, "")
    assert play.step("dear").output == 42
    assert play.finish().state.status == "completed"
    play.check_replay()


def test_of_several_failures_those_that_are_not_retried_stay() -> None:
    source = started(
        workflow(parallel(x=(task("b"),), y=(task("c"),), w=(task("d"),)), task("z")), PATIENT
    )
    source.place_all()
    source.fail("b", "one")
    source.fail("c", "other")
    play = fork(source, steps=("b",))
    failure = play.state.failure
    assert failure is not None
    assert (play.state.failed_step, failure.code) == ("c", "other")
    assert play.finish().state.status == "failed"
    both = fork(source, steps=("b", "c")).finish()
    assert both.state.status == "completed"
    both.check_replay()


def test_only_what_nothing_has_followed_from_begins_anew() -> None:
    handled = task("b", on_error=(Handler(steps=(task("h"),)),))
    source = started(workflow(handled, task("z")))
    source.place("b")
    source.fail("b")
    for step_id in ("b", "z", "h"):
        with pytest.raises(Rejected, match=f"{step_id} of run run-1 is"):
            fork(source, steps=(step_id,))
