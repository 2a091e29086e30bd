"""Each event says why it came about, from what was recorded."""

import pytest

from events import definition as d
from events import operator_facts, run_facts, task_facts
from events.catalogue import facts_of
from events.errors import Rejected
from events.facts import Fact, Placement
from events.limits import CHAIN_SHOWN_MAX
from events.policies import Retry, RunOptions, Timeouts
from orchestrator.kernel import inputs as i
from orchestrator.kernel.evolve import FOLDS
from orchestrator.replay.why.reasons import SENTENCES, Reason, why_event, why_run, why_step
from tests.builders import Play, Setting, parallel, started, task, workflow
from tests.recordings import forked, recorded


def last(play: Play) -> Reason:
    recording = recorded(play)
    return why_event(recording, recording.last)


def of(play: Play, fact: type[Fact]) -> Reason:
    """The newest event of a type."""
    version = max(n for n, one in enumerate(play.facts, 1) if isinstance(one, fact))
    return why_event(recorded(play), version)


def test_every_fact_of_a_run_says_its_reason() -> None:
    assert set(SENTENCES) == set(facts_of(run_facts, task_facts, operator_facts)) == set(FOLDS)


# -- decisions ------------------------------------------------------------------------------------


def test_a_placement_tells_candidates_score_and_who_was_not_taken() -> None:
    play = started(workflow(task("a")))
    placement = Placement(
        candidates=3, score=0.75, excluded={"n2": "does not know work"}, others={"n5": 0.5}
    )
    play.give(i.Place(step="a", node="n1", incarnation="i1", placement=placement))
    reason = last(play)

    assert reason.sentence == (
        "attempt 1 of a was given to n1, the least loaded of 3 that could take it (score 0.75), "
        "before n5 (score 0.5); not n2: does not know work"
    )
    assert reason.decision["candidates"] == 3
    assert reason.decision["excluded"] == {"n2": "does not know work"}
    assert reason.trigger.kind == "placement"


def test_a_retry_tells_its_arithmetic_and_whose_policy_it_is() -> None:
    policy = Retry(attempts_max=5, initial_s=2.0, factor=3.0)
    play = started(workflow(task("a", retry=policy)))
    play.place("a", node="n4")
    play.fail("a", code="boom")
    play.due(60.0)
    play.place("a", node="n4")
    play.fail("a", code="boom")
    reason = last(play)

    assert "attempt 2 of a on n4 failed with boom; another one follows in 6 s" in reason.sentence
    assert "2 s * 3^1 = 6 s, at most 60 s" in reason.sentence
    assert reason.decision["counted"] == 2
    assert reason.decision["policy_of"] == "the step"
    assert reason.decision["delay_s"] == 6.0


def test_a_delay_that_the_task_asked_for_is_told_apart() -> None:
    play = started(workflow(task("a", retry=Retry(attempts_max=5, kind="fixed", initial_s=2.0))))
    play.place("a")
    play.fail("a", retry_after_s=30.0)
    assert "2 s each time, at most 60 s, but the task asked for 30 s" in last(play).sentence


def test_a_timeout_tells_its_length_its_source_and_since_when() -> None:
    options = RunOptions(timeouts=Timeouts(schedule_to_start_s=7.0))
    play = started(workflow(task("a")), Setting(options=options))
    play.place("a", node="n1")
    play.due(8.0)
    reason = of(play, task_facts.TaskRecalled)

    assert reason.sentence == (
        "attempt 1 of a was asked back from n1: it was to begin within 7 s "
        "(schedule_to_start_s of the run)"
    )
    assert reason.decision["limit_s"] == 7.0
    assert reason.decision["source"] == "the run"
    assert reason.decision["since"] == play.instants[0]
    assert reason.trigger.kind == "timer"


def test_a_choice_tells_the_values_that_its_condition_saw() -> None:
    choice = d.ChoiceStep(
        id="route",
        cases=(d.Case(when="input.n > 3", steps=(task("big"),)),),
        default=(task("small"),),
    )
    play = started(workflow(choice), value={"n": 5})
    found = why_step(recorded(play), "route")

    assert found.reason is not None
    assert "route went on to big since input.n > 3 (input.n = 5)" in found.sentence
    assert found.reason.decision["choices"] == [
        {
            "step": "route",
            "arc": "route>big",
            "to": "big",
            "when": "input.n > 3",
            "values": {"input.n": 5},
        }
    ]
    assert why_step(recorded(play), "small").status == "skipped"


def test_a_loop_tells_why_it_goes_on_and_why_it_ends() -> None:
    loop = d.WhileStep(
        id="loop",
        condition="vars.n < 2",
        steps=(task("a"), d.SetStep(id="s", variables={"n": "${ vars.n + 1 }"})),
    )
    play = started(workflow(d.SetStep(id="zero", variables={"n": 0}), loop))
    play.run("a[0]", "a[1]")
    told = [
        why_event(recorded(play), n).sentence
        for n, one in enumerate(play.facts, 1)
        if isinstance(one, run_facts.LoopAdvanced)
    ]

    assert "loop begins iteration 1, since vars.n < 2 holds (vars.n = 1)" in told[1]
    assert "loop is left, since vars.n < 2 does not hold (vars.n = 2)" in told[2]


def test_an_operator_is_named_with_the_reason() -> None:
    play = started(workflow(task("a"), task("b")))
    play.skip("a")
    reason = of(play, operator_facts.ResultGiven)
    assert reason.sentence.startswith("op skipped a by hand: so; b is ready")
    assert (reason.decision["by"], reason.decision["reason"]) == ("user:op", "so")
    assert reason.causes == ()
    play.move("b", to="n9")
    assert last(play).sentence.startswith("op moved b to n9: so")
    play.restore(1)
    assert "op went back: the run goes on from version 1: back; a begins anew" in (
        of(play, operator_facts.RunRestored).sentence
    )
    play.terminate("enough of it")
    assert "terminated" in last(play).sentence
    assert "enough of it" in last(play).sentence


def test_a_signal_and_who_took_it() -> None:
    play = started(workflow(d.WaitStep(id="w", signal="go")))
    play.signal("go", {"n": 1})
    reason = of(play, run_facts.WaitEnded)
    assert "w waits no more: it took signal go" in reason.sentence
    assert reason.causes[0].type == "signal.received.v1"
    assert [one.type for one in reason.causes] == ["signal.received.v1", "run.started.v1"]


def test_a_run_that_did_not_end_in_time() -> None:
    play = started(workflow(task("a")), Setting(options=RunOptions(timeout_s=30.0)))
    play.due(31.0)
    reason = why_run(recorded(play))
    assert reason.type == "run.timed_out.v1"
    assert "timeout_s = 30 of the run" in reason.sentence
    assert reason.decision["limit_s"] == 30.0


# -- chains ---------------------------------------------------------------------------------------


def test_the_chain_goes_back_to_the_origin_and_the_effects_forward() -> None:
    play = started(workflow(task("a", retry=Retry(attempts_max=2, initial_s=1.0)), task("b")))
    play.place("a")
    play.fail("a")
    play.due(1.0)
    play.place("a")
    play.complete("a")
    play.place("b")
    recording = recorded(play)
    reason = why_event(recording, recording.last)

    assert [one.type for one in reason.chain] == [
        "run.started.v1",
        "task.dispatched.v1",
        "attempt.failed.v1",
        "task.retry_due.v1",
        "task.dispatched.v1",
        "task.completed.v1",
    ]
    assert [one.type for one in why_event(recording, 1).effects] == ["task.dispatched.v1"]
    assert [one.version for one in why_event(recording, 6).effects] == [7]


def test_a_join_follows_from_each_branch() -> None:
    play = started(workflow(parallel(x=task("x"), y=task("y")), task("z")))
    play.run("x", "y")
    recording = recorded(play)
    reason = why_event(recording, recording.last)
    assert [(one.type, one.step) for one in reason.causes] == [
        ("task.dispatched.v1", "y"),
        ("task.completed.v1", "x"),
    ]


def test_a_chain_goes_on_in_the_run_that_was_forked() -> None:
    play = started(workflow(task("a"), task("b")))
    play.run("a")
    source = recorded(play)
    fork = forked(play, play.state.version)
    reason = why_event(recorded(fork, source), 2)
    assert [(one.type, one.run_id) for one in reason.chain] == [
        ("run.started.v1", "run-1"),
        ("task.dispatched.v1", "run-1"),
        ("task.completed.v1", "run-1"),
        ("run.forked.v1", ""),
    ]


def test_a_chain_after_going_back_leaves_out_what_was_undone() -> None:
    play = started(workflow(task("a"), task("b")))
    play.run("a")
    play.restore(1)
    play.place("a")
    assert [one.type for one in last(play).chain] == ["run.restored.v1"]


@pytest.mark.edge("CHAIN_SHOWN_MAX")
def test_of_a_long_chain_both_ends_are_told() -> None:
    loop = d.ForEachStep(id="loop", items=list(range(60)), steps=(task("a"),))
    play = started(workflow(loop))
    for number in range(60):
        play.run(f"a[{number}]")
    chain = why_run(recorded(play)).chain

    assert len(chain) == CHAIN_SHOWN_MAX
    assert chain[0].version == 1
    left_out = [one.left_out for one in chain if one.left_out]
    assert left_out == [3 * 60 + 2 - CHAIN_SHOWN_MAX]


# -- steps ----------------------------------------------------------------------------------------


def test_a_step_tells_what_made_it_so_and_what_it_waits_for() -> None:
    play = started(workflow(task("a"), task("b")))
    play.place("a", node="n1")
    found = why_step(recorded(play), "a")
    assert (found.status, found.waits_for) == ("dispatched", "the report of n1")
    assert found.reason is not None
    assert [one.type for one in found.history] == ["run.started.v1", "task.dispatched.v1"]

    unseen = why_step(recorded(play), "b")
    assert unseen.reason is None
    assert unseen.sentence == "b was not reached: before it, a is dispatched"
    with pytest.raises(Rejected, match="has no step 'nowhere'; its steps: a, b"):
        why_step(recorded(play), "nowhere")


def test_a_task_that_is_not_placed_tells_the_obstacle() -> None:
    play = started(workflow(task("a")))
    play.give(i.Unplaced(step="a", obstacle="no_node", detail="n1: does not know work"))
    found = why_step(recorded(play), "a")
    assert "a is not placed yet: no node can take it: n1: does not know work" in found.sentence


def test_a_step_that_is_there_many_times_names_its_instances() -> None:
    play = started(workflow(d.ForEachStep(id="loop", items=[1, 2], steps=(task("a"),))))
    play.run("a[0]", "a[1]")
    assert why_step(recorded(play), "a").instances == ("a[0]", "a[1]")
    assert why_step(recorded(play), "a[1]").status == "completed"


def test_an_earlier_version_knows_nothing_of_what_came_later() -> None:
    play = started(workflow(task("a")))
    play.run("a")
    assert why_step(recorded(play), "a", 1).status == "ready"
    assert why_step(recorded(play), "a").status == "completed"
