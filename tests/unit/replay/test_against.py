"""Recorded runs against changed definitions: where they part, why, and how far they go then."""

import msgspec
import pytest

from events import definition as d
from events.definition import Handler
from events.facts import Fact, Flow
from events.limits import Limits
from events.messages import Deferred
from events.policies import Retry, RunOptions, Timeouts
from orchestrator.adapters.cel import CelExpressions
from orchestrator.kernel.evolve import FOLDS
from orchestrator.replay.what_if.against import Against, Play, Told, Version
from orchestrator.replay.what_if.givens import GIVENS
from orchestrator.replay.what_if.otherwise import Otherwise, Unknown, otherwise
from orchestrator.replay.what_if.outcomes import FLOW_UNSAID, FLOWS, SETS, UNSAID
from orchestrator.replay.what_if.partings import Parting
from tests.builders import VERSION, Setting, copy, index, parallel, started, task, workflow
from tests.builders import Play as Run

ENGINE = CelExpressions()


def told(run: Run) -> Told:
    return Told(
        run.setting.run_id,
        run.facts,
        run.instants,
        ["system"] * len(run.facts),
        None if run.base is None else copy(run.base),
    )


def played(run: Run, before: d.Definition, after: d.Definition) -> Play:
    old = Version(VERSION, before.options, index(before))
    new = Version("new", after.options, index(after))
    return Play(Against(new, {VERSION: old}, ENGINE, Limits()), told(run)).run()


def parted(run: Run, before: d.Definition, after: d.Definition) -> Parting:
    found = played(run, before, after).parting
    assert found is not None
    return found


def rest(run: Run, before: d.Definition, after: d.Definition) -> Otherwise:
    play = played(run, before, after)
    assert play.parting is not None
    return otherwise(play)


def choice(when: str, big: d.Step = task("big"), small: d.Step = task("small")) -> d.ChoiceStep:
    return d.ChoiceStep(id="c", cases=(d.Case(when=when, steps=(big,)),), default=(small,))


def flow(when: str = "steps.a.output > 100", *more: d.Step, output: str = "z") -> d.Definition:
    return workflow(task("a"), choice(when), *more, task("z"), output=f"${{steps.{output}.output}}")


def big(total: int = 150) -> Run:
    """A run that took the case for large totals."""
    run = started(flow())
    run.run("a", output=total)
    run.run("big", output="much")
    run.run("z", output=3)
    assert run.state.status == "completed"
    return run


# -- the same -------------------------------------------------------------------------------------

SAME = {
    "itself": flow(),
    "a condition that says the same": flow("!(steps.a.output <= 100)"),
    "a condition that says something else, not of this run": flow("steps.a.output > 149"),
    "a condition that reads something else": flow("steps.a.output > 100 || input == 1"),
    "the branch that was not taken": workflow(
        task("a"),
        choice("steps.a.output > 100", small=task("other")),
        task("z"),
        output="${steps.z.output}",
    ),
    "another retry policy, that nothing needed": workflow(
        task("a", retry=Retry(kind="fixed", attempts_max=5, initial_s=1.0)),
        choice("steps.a.output > 100"),
        task("z"),
        output="${steps.z.output}",
    ),
    "a timeout that was kept": workflow(
        task("a", timeouts=Timeouts(schedule_to_close_s=60.0)),
        choice("steps.a.output > 100"),
        task("z"),
        output="${steps.z.output}",
    ),
    "a handler of an error that did not happen": workflow(
        task("a", on_error=(Handler(steps=(task("h"),)),)),
        choice("steps.a.output > 100"),
        task("z"),
        output="${steps.z.output}",
    ),
}


@pytest.mark.parametrize("after", SAME.values(), ids=SAME.keys())
def test_what_leads_to_the_same_is_no_difference(after: d.Definition) -> None:
    play = played(big(), flow(), after)
    assert play.parting is None
    assert play.done == len(play.told.facts)
    assert play.other.status == "completed"


# -- where they part ------------------------------------------------------------------------------

PARTED = {
    "a condition that is decided otherwise": (
        flow("steps.a.output > 200"),
        (3, "branch", "c would take its default (steps.a.output = 150): big would not begin, "),
    ),
    "what a task is given": (
        workflow(
            task("a"),
            choice("steps.a.output > 100"),
            task("z", inputs={"x": 1}),
            output="${steps.z.output}",
        ),
        (5, "inputs", 'z would be given {"x":1} instead of {}'),
    ),
    "another task": (
        workflow(
            task("a"),
            choice("steps.a.output > 100"),
            task("z", "other"),
            output="${steps.z.output}",
        ),
        (5, "task", "z would be done by other, not by work"),
    ),
    "the output": (flow(output="a"), (8, "value", "output would be 150, not 3")),
    "a variable that is set": (
        flow("steps.a.output > 100", d.SetStep(id="s", variables={"x": 1})),
        (5, "value", "vars.x would be set"),
    ),
    "one more task": (
        flow("steps.a.output > 100", task("n")),
        (5, "step", "z would not begin, n would begin"),
    ),
    "one task less": (
        workflow(task("a"), choice("steps.a.output > 100"), output="${steps.big.output}"),
        (5, "step", "z would not begin, the run would reach the end"),
    ),
    "an expression that fails": (
        flow("steps.a.output.total > 100"),
        (3, "error", "c would fail: expression_failed: `steps.a.output` has no `total`"),
    ),
    "the beginning": (
        workflow(task("b"), task("a"), choice("true"), task("z")),
        (1, "step", "a would not begin, b would begin"),
    ),
}


@pytest.mark.parametrize(("after", "expected"), PARTED.values(), ids=PARTED.keys())
def test_the_first_event_that_would_be_another_is_told_with_its_cause(
    after: d.Definition, expected: tuple[int, str, str]
) -> None:
    found = parted(big(), flow(), after)
    assert (found.version, found.kind) == expected[:2]
    assert found.text.startswith(expected[2]), found.text


def test_true_is_not_one() -> None:
    before = workflow(task("a"), output={"x": 1})
    run = started(before)
    run.run("a")
    assert parted(run, before, workflow(task("a"), output={"x": True})).kind == "value"
    assert played(run, before, workflow(task("a"), output={"x": 1.0})).parting is not None


def test_a_wait_that_would_last_longer_is_where_it_ended() -> None:
    before = workflow(d.WaitStep(id="w", duration=60.0), task("z"))
    run = started(before)
    run.due(60.0)
    found = parted(run, before, workflow(d.WaitStep(id="w", duration=300.0), task("z")))
    assert (found.version, found.event, found.kind) == (2, "wait.ended.v1", "time")
    assert found.text.startswith("the wait of w would not be over before ")


def test_a_wait_that_would_be_shorter_is_where_something_came_later() -> None:
    before = workflow(parallel(x=(d.WaitStep(id="w", duration=60.0),), y=(task("a"),)))
    run = started(before)
    run.wait(30.0)
    run.run("a")
    after = workflow(parallel(x=(d.WaitStep(id="w", duration=10.0),), y=(task("a"),)))
    found = parted(run, before, after)
    assert (found.version, found.kind, found.step) == (2, "time", "w")
    assert found.text.startswith("the wait of w would have been over before this, at ")


def test_a_signal_that_nobody_would_wait_for_is_refused() -> None:
    before = workflow(d.WaitStep(id="w", signal="go"), task("z"))
    run = started(before)
    run.signal("go")
    after = workflow(d.WaitStep(id="w", signal="stop"), task("z"))
    assert parted(run, before, after).version == 1, "it waits for something else from the beginning"
    both = workflow(task("a"), d.WaitStep(id="w", signal="go"))
    run = started(both)
    run.signal("go")
    found = parted(run, both, workflow(task("a"), d.WaitStep(id="w", signal="stop")))
    assert (found.version, found.kind) == (2, "refused")
    assert "never waits for a signal 'go'" in found.text


def failing(retry: Retry | None = None) -> d.Definition:
    return workflow(task("a", retry=retry), task("z"))


THREE = Retry(kind="fixed", attempts_max=3, initial_s=5.0)


def test_a_task_that_would_be_tried_again() -> None:
    run = started(failing())
    run.place("a")
    run.fail("a")
    found = parted(run, failing(), failing(THREE))
    assert (found.version, found.kind, found.otherwise) == (3, "retry", "attempt.failed.v1")
    assert found.text == "a would be tried again: attempt 1 of 3, fixed delay"
    assert rest(run, failing(), failing(THREE)).unknown == (Unknown("a", "no_result"),)


def test_a_task_that_would_not_be_tried_again() -> None:
    run = started(failing(THREE))
    run.place("a")
    run.fail("a")
    run.due(5.0)
    run.run("a", "z")
    found = parted(run, failing(THREE), failing())
    assert (found.version, found.kind) == (3, "retry")
    assert rest(run, failing(THREE), failing()).status == "failed"


def test_a_handler_that_would_take_the_failure() -> None:
    run = started(failing())
    run.place("a")
    run.fail("a")
    handled = workflow(task("a", on_error=(Handler(steps=(task("h"),)),)), task("z"))
    found = parted(run, failing(), handled)
    assert (found.version, found.kind) == (3, "step")
    assert "h would begin" in found.text


def test_a_run_that_would_go_on_after_its_last_event() -> None:
    before = workflow(task("a"), output="${1}")
    run = started(before)
    run.run("a")
    run.facts, run.instants = run.facts[:-1], run.instants[:-1]  # what is decided with it is cut
    found = parted(run, before, before)
    assert (found.version, found.event, found.otherwise) == (4, "", "run.completed.v1")


# -- how far they go ------------------------------------------------------------------------------


def test_what_was_recorded_of_a_task_holds_where_it_would_begin_the_same() -> None:
    more = d.SetStep(id="s", variables={"x": 1})
    found = rest(big(), flow(), flow("steps.a.output > 100", more))
    assert (found.status, found.output, found.unknown) == ("completed", 3, ())
    assert [(one.step, one.was) for one in found.steps] == [("s", "")]
    assert found.same == 5


def test_a_task_without_a_result_is_unknown() -> None:
    found = rest(big(), flow(), flow("steps.a.output > 200"))
    assert found.unknown == (Unknown("small", "never_ran"),)
    assert (found.status, found.was) == ("running", "completed")
    assert {one.step: (one.status, one.was) for one in found.steps} == {
        "c": ("entered", "completed"),
        "small": ("ready", "skipped"),
        "big": ("skipped", "completed"),
        "z": ("", "completed"),
    }


@pytest.mark.parametrize(
    ("after", "why"),
    [(task("z", inputs={"x": 1}), "other_inputs"), (task("z", "other"), "other_task")],
)
def test_a_task_that_would_be_given_or_be_something_else_is_unknown(
    after: d.TaskStep, why: str
) -> None:
    definition = workflow(task("a"), choice("steps.a.output > 100"), after)
    found = rest(big(), flow(), definition)
    assert [(one.step, one.why) for one in found.unknown] == [("z", why)]


def test_results_hold_in_another_order() -> None:
    before = workflow(task("a"), task("b"), task("c"))
    run = started(before)
    run.run("a", "b", "c")
    after = workflow(task("a"), parallel(x=(task("c"),), y=(task("b"),)))
    found = rest(run, before, after)
    assert (found.status, found.unknown) == ("completed", ())


def test_attempts_hold_with_their_order() -> None:
    before = workflow(task("a"), task("b", retry=THREE), output="${steps.b.output}")
    run = started(before)
    run.run("a", output=1)
    run.place("b")
    run.fail("b")
    run.due(5.0)
    run.run("b", output="at last")
    new = d.SetStep(id="s", variables={"x": 1})
    found = rest(run, before, workflow(task("a"), new, task("b", retry=THREE), output="${vars.x}"))
    assert (found.status, found.output) == ("completed", 1)
    assert [one.step for one in found.steps] == ["s"]


def test_signals_hold_no_sooner_than_they_came() -> None:
    before = workflow(task("a"), d.WaitStep(id="w", signal="go"), task("z"))
    run = started(before)
    run.run("a")
    run.wait(60.0)
    run.signal("go", {"by": "ann"})
    run.run("z", output=1)
    after = workflow(
        task("a"),
        d.SetStep(id="s", variables={"x": 1}),
        d.WaitStep(id="w", signal="go", timeout_s=30.0),
        task("z"),
    )
    assert rest(run, before, after).status == "failed", "it would not have waited so long"
    longer = msgspec.structs.replace(after.steps[2], timeout_s=90.0)
    patient = msgspec.structs.replace(after, steps=(*after.steps[:2], longer, after.steps[3]))
    assert rest(run, before, patient).status == "completed"


def test_an_open_run_is_followed_as_far_as_it_is_recorded() -> None:
    run = started(flow())
    run.run("a", output=150)
    assert played(run, flow(), flow()).parting is None
    found = rest(run, flow(), flow("steps.a.output > 200"))
    assert (found.status, found.was) == ("running", "running")


# -- histories of every kind ----------------------------------------------------------------------


def test_restores_forks_and_what_else_happens_go_the_same_way() -> None:
    whole = workflow(
        d.SetStep(id="s", variables={"x": 1}),
        task("a", retry=THREE),
        parallel(
            x=(d.ForEachStep(id="l", items=[1, 2], steps=(task("i"),)),),
            y=(d.WaitStep(id="w", signal="go"),),
        ),
        d.MapStep(id="m", items=[1, 2, 3], task="t", concurrency=2),
    )
    run = started(whole)
    run.place("a")
    run.lose("a")
    run.place("a")
    run.fail("a")
    run.due(5.0)
    run.place("a")
    deferred = Deferred(attempt=run.attempt("a"), digest="d")
    run.report(deferred)
    run.complete_for("a", "by hand")
    run.pause("a look")
    run.wait(30.0)
    run.resume()
    run.place("i[0]")
    run.move("i[0]", off=("n1",))
    run.give_back("i[0]")
    run.run("i[0]")
    version = run.state.version
    run.run("i[1]")
    run.signal("go")
    run.restore(version)
    run.finish()
    assert run.state.status == "completed"
    play = played(run, whole, whole)
    assert play.parting is None
    assert play.done == len(run.facts)


def test_a_fork_goes_on_from_the_recorded_state_of_its_source() -> None:
    source = started(flow())
    source.run("a", output=150)
    fork = Run(source.net, Setting(run_id="fork-1"), source.expressions)
    fork.state, fork.base, fork.now = copy(source.state), copy(source.state), source.now + 1
    fork.fork("fork-1", source.state.version)
    fork.run("big", "z")
    assert played(fork, flow(), flow()).parting is None
    assert played(fork, flow(), flow("steps.a.output > 200")).parting is None, "that is past"
    renamed = workflow(task("a"), choice("true", big=task("huge")), task("z"))
    found = played(fork, flow(), renamed)
    assert found.parting is not None
    assert (found.parting.version, found.parting.kind) == (1, "refused")
    assert "big: it is ready, and not there any more" in found.parting.text
    assert not found.has_begun


def test_options_that_the_definition_changes_count_and_others_stay() -> None:
    before = workflow(task("a"), task("z"))
    run = started(before, Setting(options=RunOptions(tags={"team": "x"})))
    run.run("a")
    run.place("z")
    run.fail("z")
    after = msgspec.structs.replace(before, options=RunOptions(retry=THREE))
    assert parted(run, before, after).kind == "retry"


# -- complete -------------------------------------------------------------------------------------


def fields() -> dict[str, set[type]]:
    found: dict[str, set[type]] = {}
    for fact in FOLDS:
        for name in fact.__struct_fields__:
            found.setdefault(name, set()).add(fact)
    return found


def test_what_is_no_outcome_is_a_field_of_some_fact() -> None:
    assert sorted(UNSAID - fields().keys()) == []
    assert sorted(SETS - fields().keys()) == []
    assert not UNSAID & SETS


def test_of_every_field_of_a_flow_it_is_decided_whether_it_is_an_outcome() -> None:
    told_of = {name for _, name in FLOWS} | {"variables", "entered", "left", "ended"}
    assert told_of | FLOW_UNSAID.keys() == set(Flow.__struct_fields__)
    assert not told_of & FLOW_UNSAID.keys()


DUE = {
    "wait.ended.v1",
    "loop.advanced.v1",
    "map.advanced.v1",
    "map.decided.v1",
    "map.completed.v1",
    "group.given_up.v1",
    "child.called.v1",
    "task.retry_due.v1",
    "task.recalled.v1",
    "run.completed.v1",
    "run.timed_out.v1",
}
"""Facts that follow from the state and the time alone."""
THE_PLAYS = {"run.started.v1", "run.forked.v1", "run.restored.v1"}


def test_of_every_fact_it_is_known_what_was_given() -> None:
    given: set[type[Fact]] = set(GIVENS)
    assert {fact.TYPE for fact in FOLDS if fact not in given} == DUE | THE_PLAYS


def test_values_that_are_not_text_are_told() -> None:
    before = workflow(task("a"), d.SetStep(id="s", variables={"x": [1, 2]}))
    run = started(before)
    run.run("a")
    after = workflow(task("a"), d.SetStep(id="s", variables={"x": {"k": "v" * 200}}))
    found = parted(run, before, after)
    assert found.text.startswith('vars.x would be {"k":"vvv')
    assert found.text.endswith("…, not [1,2]")
    assert found.was == [1, 2]
