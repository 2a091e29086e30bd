"""Maps: items that come and go, what of them is kept, the rules by which a map is done, bounds."""

import msgspec
import pytest

from events import definition as d
from events import messages as m
from events.definition import ForEachStep, Handler, MapStep
from events.limits import ITEMS_BEGUN_MAX, Limits
from events.policies import Retry, RunOptions, Timeouts
from events.run_facts import MapAdvanced, MapCompleted, MapDecided, RunClosing
from events.task_facts import TaskCancelled, TaskFailed
from events.values import Value
from orchestrator.kernel.commands import command
from orchestrator.kernel.state import serialise
from tests.builders import Play, Setting, copy, names, started, task, workflow


def mapped(items: Value = "${ input }", **fields: object) -> MapStep:
    step = MapStep(id="scale", items=items, task="work", inputs={"x": "${ iteration.item }"})
    return msgspec.structs.replace(step, **fields)


def items(play: Play) -> list[str]:
    """Those that are under way."""
    return [name for name in play.state.steps if name.startswith("scale[")]


def failure(play: Play) -> tuple[str, str]:
    assert play.state.failure is not None
    return play.state.failure.code, play.state.failure.message


def error_codes(output: Value) -> list[str]:
    """Of each result the code of the failure that stands there, if it is one."""
    assert isinstance(output, list)
    found = [one.get("error") if isinstance(one, dict) else None for one in output]
    return [str(one["code"]) if isinstance(one, dict) else "" for one in found]


# -- items ----------------------------------------------------------------------------------------


def test_each_item_is_a_task_and_the_results_come_in_their_order() -> None:
    inputs: dict[str, Value] = {"x": "${ iteration.item.n }", "i": "${ iteration.index }"}
    play = started(workflow(mapped(inputs=inputs), task("z")), value=[{"n": 7}, {"n": 8}, {"n": 9}])
    assert play.step("scale[1]").inputs == {"x": 8, "i": 1}
    for index in (2, 0, 1):
        play.run(f"scale[{index}]", output=f"r{index}")
    assert play.step("scale").output == ["r0", "r1", "r2"]
    assert list(play.state.ready) == ["z"]
    play.check_replay()


def test_an_item_that_is_over_is_no_step_any_more() -> None:
    play = started(workflow(mapped()), value=[1, 2])
    play.place("scale[0]")
    late = play.attempt("scale[0]")
    play.complete("scale[0]", "first")
    assert items(play) == ["scale[1]"]
    assert play.state.order == []
    assert not play.state.holds(late)
    assert play.report(m.Completed(attempt=late, output="again")) == []


def test_the_end_of_an_item_begins_the_next_one_in_the_same_fact() -> None:
    play = started(workflow(mapped(concurrency=2)), value=[1, 2, 3, 4])
    assert items(play) == ["scale[0]", "scale[1]"]
    assert names(play.run("scale[1]")) == ["task.completed"]
    assert items(play) == ["scale[0]", "scale[2]"]
    assert names(play.run("scale[0]", "scale[2]")) == ["task.completed"]
    assert names(play.run("scale[3]")) == ["task.completed", "map.completed", "run.completed"]


@pytest.mark.edge("ITEMS_BEGUN_MAX")
def test_many_items_begin_in_facts_of_bounded_size() -> None:
    play = started(workflow(mapped(concurrency=250)), value=list(range(300)))
    sizes = [len(fact.flow.enabled) for fact in play.facts if isinstance(fact, MapAdvanced)]
    assert sizes == [ITEMS_BEGUN_MAX, ITEMS_BEGUN_MAX, 50]


def test_large_inputs_make_the_facts_shorter() -> None:
    limits = Limits(payload_bytes_max=10_000)
    play = started(
        workflow(mapped(inputs={"x": "x" * 4_000})), Setting(limits=limits), [1, 2, 3, 4, 5]
    )
    sizes = [len(fact.flow.enabled) for fact in play.facts if isinstance(fact, MapAdvanced)]
    assert sizes == [3, 2]


def test_a_batch_begins_when_the_one_before_is_over() -> None:
    play = started(workflow(mapped(batch=2, concurrency=3)), value=[0, 1, 2, 3, 4])
    for batch in (["scale[0]", "scale[1]"], ["scale[2]", "scale[3]"], ["scale[4]"]):
        assert items(play) == batch
        play.run(*batch)
    assert play.state.status == "completed"
    play.check_replay()


def test_concurrency_holds_within_a_batch() -> None:
    play = started(workflow(mapped(batch=3, concurrency=2)), value=[0, 1, 2, 3])
    play.run("scale[0]")
    assert items(play) == ["scale[1]", "scale[2]"]
    play.run("scale[1]")
    assert items(play) == ["scale[2]"]
    play.run("scale[2]")
    assert items(play) == ["scale[3]"]


def test_no_items_is_done_at_once_with_an_empty_list() -> None:
    play = started(workflow(mapped()), value=[])
    assert (play.state.status, play.state.output) == ("completed", [])


def test_a_map_in_a_loop_has_items_in_each_iteration() -> None:
    inner = mapped("${ iteration.item }", inputs={"x": "${ iteration.item }", "a": "${ vars.v }"})
    loop = ForEachStep(id="each", items=[[1, 2], [3]], steps=(inner,))
    play = started(workflow(d.SetStep(id="s", variables={"v": 5}), loop))
    assert play.step("scale[0][1]").inputs == {"x": 2, "a": 5}
    for item in ("scale[0][1]", "scale[0][0]", "scale[1][0]"):
        play.run(item, output=item)
    assert play.state.output == [["scale[0][0]", "scale[0][1]"], ["scale[1][0]"]]
    assert set(play.state.steps) == {"s", "each", "scale[0]", "scale[1]"}
    play.check_replay()


def test_the_state_does_not_grow_with_items_that_are_over() -> None:
    sizes = []
    for count in (100, 1_000):
        play = started(workflow(mapped(concurrency=1)), value=[0] * count)
        play.run("scale[0]")
        sizes.append(len(serialise(play.state)))
    per_item = (sizes[1] - sizes[0]) / 900
    assert per_item < 15, "an item and its result, and two bits"


# -- failures -------------------------------------------------------------------------------------


def test_each_item_has_its_own_retries() -> None:
    again = Retry(kind="fixed", attempts_max=2, initial_s=2.0)
    play = started(workflow(mapped(retry=again)), value=[1, 2])
    play.place_all()
    assert names(play.fail("scale[0]")) == ["attempt.failed"]
    play.complete("scale[1]", "b")
    play.due(2.0)
    play.run("scale[0]", output="a")
    assert play.state.output == ["a", "b"]


def test_all_tries_every_item_and_fails_with_the_code_of_the_first_one() -> None:
    play = started(workflow(mapped(concurrency=1)), value=[1, 2, 3])
    for item, code in (("scale[0]", "ok"), ("scale[1]", "gone"), ("scale[2]", "boom")):
        play.place(item)
        play.complete(item, "fine") if code == "ok" else play.fail(item, code)
    assert play.state.status == "failed"
    assert failure(play)[0] == "gone"
    assert "2 of 3 items of scale failed; scale[1]: gone" in failure(play)[1]
    assert play.state.failed_step == "scale"
    play.check_replay()


def test_fail_fast_asks_the_others_back_and_fails_when_they_have_answered() -> None:
    play = started(workflow(mapped(concurrency=3, complete_when="fail_fast")), value=[1, 2, 3, 4])
    play.place("scale[0]")
    play.place("scale[1]")
    *_, decided = play.fail("scale[0]", "gone")
    assert isinstance(decided, MapDecided)
    assert (decided.recalled, decided.cancelled) == ((1,), (2,))
    assert items(play) == ["scale[1]"], "the one that waited and the one to come are no more"
    sent = command(play.state, play.net, "scale[1]", 0)
    assert sent.__struct_config__.tag == "cancel"
    cancelled, failed, *_ = play.give_back("scale[1]")
    assert isinstance(cancelled, TaskCancelled)
    assert isinstance(failed, TaskFailed)
    assert (play.state.status, failure(play)[0]) == ("failed", "gone")
    play.check_replay()


def test_an_error_arc_of_the_map_takes_its_failure() -> None:
    handlers = (Handler(codes=("gone",), steps=(task("mend"),)),)
    play = started(
        workflow(
            mapped(complete_when="fail_fast", on_error=handlers),
            task("z", inputs={"e": "${ steps.scale.error.details.index }"}),
        ),
        value=[1],
    )
    play.place("scale[0]")
    play.fail("scale[0]", "gone")
    play.run("mend")
    assert play.step("z").inputs == {"e": 0}
    assert play.step("scale").status == "failed"


def test_collect_keeps_failures_among_the_results() -> None:
    play = started(workflow(mapped(complete_when="collect")), value=[1, 2])
    play.place_all()
    play.fail("scale[0]", "gone")
    play.complete("scale[1]", "fine")
    assert play.state.output == [{"error": {"code": "gone", "message": ""}}, "fine"]
    *_, completed, _ = play.facts
    assert isinstance(completed, MapCompleted)
    assert (completed.completed, completed.failed) == (1, 1)


def test_inputs_without_a_value_fail_their_item_only() -> None:
    inputs: dict[str, Value] = {"x": "${ iteration.item.n }"}
    play = started(
        workflow(mapped(complete_when="collect", inputs=inputs, concurrency=1)),
        value=[{"n": 1}, {}, {"n": 3}],
    )
    play.run("scale[0]", "scale[2]", output="fine")
    output = play.state.output
    assert isinstance(output, list)
    assert (output[0], output[2]) == ("fine", "fine")
    assert error_codes(output) == ["", "expression_failed", ""]
    play.check_replay()


def test_a_thousand_items_that_cannot_begin_are_decided_in_bounded_steps() -> None:
    inputs: dict[str, Value] = {"x": "${ iteration.item.nope }"}
    setting = Setting(limits=Limits(map_part_items_max=2_000))
    step = mapped(complete_when="collect", inputs=inputs)
    play = started(workflow(step), value=[{}] * 1_200, setting=setting)
    decisions = 1
    while play.state.next_due_at is not None:
        assert len(play.due()) <= 600
        decisions += 1
    assert decisions > 2
    assert play.state.status == "completed"
    assert error_codes(play.state.output) == ["expression_failed"] * 1_200


def test_a_lost_node_costs_an_item_nothing_but_time() -> None:
    play = started(workflow(mapped()), value=[1])
    play.place("scale[0]")
    play.lose("scale[0]")
    play.run("scale[0]", output="again")
    assert play.state.output == ["again"]


def test_timeouts_are_those_of_an_item() -> None:
    timeouts = Timeouts(schedule_to_close_s=5.0)
    play = started(workflow(mapped(timeouts=timeouts, complete_when="collect")), value=[1, 2])
    play.run("scale[0]", output="quick")
    play.due(5.0)
    assert play.state.status == "completed"
    assert error_codes(play.state.output) == ["", "schedule_to_close_timeout"]
    assert play.state.timers == {}


# -- rules ----------------------------------------------------------------------------------------


def ended(rule: str, number: float, outcomes: str) -> str:
    """What becomes of a map of which items complete (c) or fail (f) in this order, one a letter;
    `-` says that it is over before."""
    step = mapped(complete_when=rule, number=number)
    play = started(workflow(step), value=list(range(len(outcomes))))
    play.place_all()
    for index, outcome in enumerate(outcomes):
        item = f"scale[{index}]"
        if item not in play.state.steps or play.step(item).recalled:
            assert outcome == "-"
            continue
        assert outcome != "-", f"{item} is still to come"
        play.complete(item, index) if outcome == "c" else play.fail(item)
    for item in items(play):
        play.give_back(item)
    play.check_replay()
    return play.state.status


@pytest.mark.parametrize(
    ("rule", "number", "outcomes", "status"),
    [
        ("all", 0, "ccc", "completed"),
        ("all", 0, "fcc", "failed"),
        ("any", 0, "ffc--", "completed"),
        ("any", 0, "fff", "failed"),
        ("any", 0, "", "failed"),
        ("count", 2, "cfc-", "completed"),
        ("count", 2, "cff", "failed"),
        ("count", 2, "ff-", "failed"),
        ("count", 4, "---", "failed"),
        ("percent", 50, "cc-", "completed"),
        ("percent", 34, "cc-", "completed"),
        ("percent", 33.3, "c--", "completed"),
        ("percent", 50, "ff-", "failed"),
        ("percent", 50, "", "completed"),
        ("fail_fast", 0, "cf-", "failed"),
        ("fail_fast", 0, "ccc", "completed"),
        ("collect", 0, "fff", "completed"),
    ],
)
def test_rules(rule: str, number: float, outcomes: str, status: str) -> None:
    assert ended(rule, number, outcomes) == status


def test_what_comes_after_the_decision_is_not_among_the_results() -> None:
    play = started(workflow(mapped(complete_when="any"), task("z")), value=[1, 2, 3])
    play.place_all()
    play.complete("scale[1]", "first")
    assert list(play.state.outstanding) == ["scale[0]", "scale[2]"]
    play.complete("scale[2]", "late")
    play.fail("scale[0]")
    assert play.step("scale").output == [None, "first", None]
    assert list(play.state.ready) == ["z"]
    play.check_replay()


def test_too_few_is_said_with_the_first_failure() -> None:
    play = started(workflow(mapped(complete_when="count", number=2.0)), value=[1, 2])
    play.place_all()
    play.fail("scale[1]", "gone")
    play.give_back("scale[0]")
    code, message = failure(play)
    assert code == "too_few_completed"
    assert "scale[1]: gone" in message


# -- bounds ---------------------------------------------------------------------------------------


def test_results_over_the_limit_fail_the_map_with_the_mend() -> None:
    setting = Setting(limits=Limits(payload_bytes_max=1_000))
    play = started(workflow(mapped(complete_when="collect", concurrency=1)), setting, [1, 2, 3])
    play.run("scale[0]", output="x" * 600)
    play.run("scale[1]", output="x" * 600)
    code, message = failure(play)
    assert code == "results_too_large"
    assert "return references" in message
    assert items(play) == []
    play.check_replay()


@pytest.mark.edge("Limits.map_items_max")
def test_too_many_items_are_refused() -> None:
    setting = Setting(limits=Limits(map_items_max=2))
    play = started(workflow(mapped()), setting, [1, 2, 3])
    assert failure(play)[0] == "too_many_items"


def test_what_is_no_list_is_refused() -> None:
    play = started(workflow(mapped()), value={"a": 1})
    assert "scale goes through an object" in failure(play)[1]


# -- the run around it ----------------------------------------------------------------------------


def test_a_cancelled_run_takes_its_items_back() -> None:
    play = started(workflow(mapped(concurrency=3)), value=[1, 2, 3, 4])
    play.place("scale[0]")
    play.place("scale[1]")
    (closing,) = play.cancel()
    assert isinstance(closing, RunClosing)
    assert closing.cancelled == ("scale[2]",), "the map itself is open as long as its items are"
    play.complete("scale[0]", "late")
    play.give_back("scale[1]")
    assert play.state.status == "cancelled"
    assert play.step("scale").status == "cancelled"
    assert items(play) == []
    play.check_replay()


def test_a_run_that_times_out_leaves_no_item() -> None:
    play = started(workflow(mapped()), Setting(options=RunOptions(timeout_s=5.0)), [1, 2])
    play.due(5.0)
    assert (play.state.status, items(play)) == ("timed_out", [])


def test_a_fork_goes_on_in_the_middle_of_a_map() -> None:
    play = started(workflow(mapped(concurrency=2)), value=[1, 2, 3])
    play.run("scale[0]", output="kept")
    play.place("scale[1]")
    fork = Play(play.net, play.setting, play.expressions)
    fork.state, fork.base, fork.now = copy(play.state), copy(play.state), play.now
    fork.fork("fork", play.state.version)
    assert list(fork.state.ready) == ["scale[1]", "scale[2]"]
    fork.run("scale[2]", "scale[1]", output="anew")
    assert fork.state.output == ["kept", "anew", "anew"]
    fork.check_replay()


def test_a_fork_of_a_decided_map_does_not_wait_for_others_attempts() -> None:
    play = started(workflow(mapped(complete_when="any"), task("z")), value=[1, 2])
    play.place_all()
    play.complete("scale[0]", "first")
    fork = Play(play.net, play.setting, play.expressions)
    fork.state, fork.base, fork.now = copy(play.state), copy(play.state), play.now
    fork.fork("fork", play.state.version)
    assert list(fork.state.ready) == ["z"]
    assert fork.step("scale").output == ["first", None]
    fork.check_replay()
