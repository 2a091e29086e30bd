"""Large maps: how they are cut, what their parts are told and hand over, rules over them."""

import msgspec
import pytest

from events import messages as m
from events.codec import decode
from events.definition import ForEachStep, Handler, MapStep
from events.facts import Called
from events.limits import Limits
from events.policies import RunOptions
from events.references import Chunk, ListReference, Payload, as_value, reference_of
from events.run_facts import MapCompleted, MapDecided, MapPartCompleted
from events.values import Value
from orchestrator.kernel.mapparts import is_part, part_of
from orchestrator.kernel.mapstate import COMPLETED, FAILED
from orchestrator.kernel.state import serialise
from tests.builders import Play, Setting, copy, names, part_run, started, task, workflow

HASH = Payload.of(b"[1,2]").hash
LIMITS = Limits(map_part_items_max=3, map_parts_max=2)
SMALL = msgspec.structs.replace(LIMITS, map_results_inline_bytes_max=30)


def mapped(items: Value = "${ input }", **fields: object) -> MapStep:
    step = MapStep(id="scale", items=items, task="work", inputs={"x": "${ iteration.item }"})
    return msgspec.structs.replace(step, **fields)


def large(value: Value, step: MapStep | None = None, limits: Limits = LIMITS) -> Play:
    return started(workflow(step or mapped(), task("z")), Setting(limits=limits), value)


def parts(play: Play) -> list[str]:
    return [step for step in play.state.calls if is_part(play.state, step)]


def works(run: Play, fails: tuple[int, ...] = ()) -> Play:
    """Does all items of a part; those with these numbers fail."""
    while run.state.ready and not run.state.terminal:
        item = next(iter(run.state.ready))
        run.place(item)
        number = int(item[item.rfind("[") + 1 : -1])
        if number in fails:
            run.fail(item, code=f"E{number}")
        else:
            run.complete(item, f"r{number}")
    run.check_replay()
    return run


def tell(play: Play, step: str, run: Play) -> list[str]:
    """The parent hears of the end of a part's run; returns the names of the facts."""
    play.kept += run.kept
    return names(play.end_child(step, run.state))


def do(play: Play, *steps: str, fails: tuple[int, ...] = ()) -> None:
    for step in steps:
        tell(play, step, works(part_run(play, step), fails))


# -- cut ------------------------------------------------------------------------------------------


@pytest.mark.edge("Limits.map_part_items_max")
def test_as_many_items_as_a_part_may_have_are_no_parts() -> None:
    assert list(large([1, 2, 3]).state.ready) == ["scale[0]", "scale[1]", "scale[2]"]
    assert parts(large([1, 2, 3, 4])) == ["scale[0]", "scale[1]"]


@pytest.mark.edge("Limits.map_parts_max")
def test_parts_begin_as_others_end_and_their_results_are_one_list() -> None:
    play = large(list(range(10)))
    assert parts(play) == ["scale[0]", "scale[1]"]
    do(play, "scale[1]")
    assert parts(play) == ["scale[0]", "scale[2]"]
    do(play, "scale[0]", "scale[3]", "scale[2]")
    assert play.step("scale").output == [f"r{n}" for n in range(10)]
    assert list(play.state.ready) == ["z"]
    play.check_replay()


def test_a_number_is_so_many_items() -> None:
    assert large(2).step("scale[1]").inputs == {"x": 1}
    play = large(7)
    run = part_run(play, "scale[1]")
    assert list(run.state.ready) == ["scale[3]", "scale[4]", "scale[5]"]
    assert run.step("scale[4]").inputs == {"x": 4}


@pytest.mark.parametrize(
    "value",
    ["text", True, -1, 1.5, {"a": 1}, {"$ref": "list", "count": 2, "bytes": 2, "chunks": []}],
)
def test_what_is_no_list_fails_the_map(value: Value) -> None:
    play = large(value)
    assert play.state.failure is not None
    assert play.state.failure.code == "expression_failed"


def test_too_many_items_are_refused() -> None:
    play = large(7, limits=msgspec.structs.replace(LIMITS, map_items_max=6))
    assert play.state.failure is not None
    assert play.state.failure.code == "too_many_items"


def test_a_reference_is_cut_as_it_is_stored() -> None:
    chunks = (Chunk(count=2, hash=HASH), Chunk(count=3))
    play = large(as_value(ListReference(count=5, bytes=9, chunks=chunks)))
    assert [part_of(play.state, step)[2] for step in parts(play)] == [HASH, ""]
    run = part_run(play, "scale[0]", ["first", "second"])
    assert run.step("scale[1]").inputs == {"x": "second"}
    assert part_run(play, "scale[1]").step("scale[4]").inputs == {"x": None}


def test_chunks_of_more_items_than_a_part_may_have_are_refused() -> None:
    play = large(as_value(ListReference(count=4, bytes=9, chunks=(Chunk(count=4, hash=HASH),))))
    assert play.state.failure is not None
    assert "smaller" in play.state.failure.message


# -- what a part knows ----------------------------------------------------------------------------


def test_a_part_is_told_what_its_items_are_given_beside_themselves() -> None:
    inputs: dict[str, Value] = {
        "x": "${ iteration.item }",
        "i": "${ iteration.index * 10 }",
        "by": "${ input.by }",
        "run": "${ run.id }",
    }
    play = large({"by": 7, "list": [0] * 4}, mapped("${ input.list }", inputs=inputs))
    run = part_run(play, "scale[1]")
    expected = {"x": 0, "i": 30, "by": 7, "run": play.state.run_id}
    assert run.step("scale[3]").inputs == expected
    assert run.state.input is None


def test_the_concurrency_is_shared_out_between_the_parts() -> None:
    play = large(9, mapped(concurrency=5))
    assert [len(part_run(play, step).state.ready) for step in parts(play)] == [3, 2]
    do(play, "scale[1]")
    assert len(part_run(play, "scale[2]").state.ready) == 2


def test_the_limit_of_a_run_holds_over_all_parts() -> None:
    setting = Setting(limits=LIMITS, options=RunOptions(concurrency_max=2))
    play = started(workflow(mapped()), setting, 9)
    assert [len(part_run(play, step).state.ready) for step in parts(play)] == [1, 1]


def test_with_a_bar_parts_come_one_after_the_other() -> None:
    play = large(7, mapped(batch=2))
    assert parts(play) == ["scale[0]"]
    do(play, "scale[0]")
    assert parts(play) == ["scale[1]"]


def test_parts_inside_a_loop_are_named_by_its_iteration() -> None:
    inner = mapped("${ iteration.item }")
    loop = ForEachStep(id="each", items="${ input }", steps=(inner,))
    play = started(workflow(loop), Setting(limits=LIMITS), [[1, 2, 3, 4], [5]])
    assert parts(play) == ["scale[0][0]", "scale[0][1]"]
    run = works(part_run(play, "scale[0][1]"))
    assert run.state.status == "completed"
    tell(play, "scale[0][1]", run)
    do(play, "scale[0][0]")
    assert list(play.state.ready) == ["scale[1][0]"]


# -- what a part hands over -----------------------------------------------------------------------


def test_the_bits_of_all_items_are_kept() -> None:
    chunks = (Chunk(count=1), Chunk(count=3), Chunk(count=2))
    value = as_value(ListReference(count=6, bytes=9, chunks=chunks))
    play = large(value, mapped(complete_when="collect"))
    do(play, "scale[1]", fails=(2,))
    found = play.step("scale").map
    assert found is not None
    assert [found.mark(n) for n in range(6)] == [0, COMPLETED, FAILED, COMPLETED, 0, 0]
    assert (found.completed, found.failed) == (2, 1)


@pytest.mark.edge("Limits.map_results_inline_bytes_max")
def test_large_results_are_stored_before_they_are_named() -> None:
    play = large(7, limits=SMALL)
    run = works(part_run(play, "scale[0]"))
    assert [decode(one.data, list, "it") for one in run.kept] == [["r0", "r1", "r2"]]
    tell(play, "scale[0]", run)
    do(play, "scale[1]", "scale[2]")
    found = reference_of(play.step("scale").output)
    assert found is not None
    assert (found.count, [chunk.count for chunk in found.chunks]) == (7, [3, 3, 1])
    stored = {one.hash: one for one in play.kept}
    lists = [decode(stored[chunk.hash].data, list, "it") for chunk in found.chunks]
    assert [one for values in lists for one in values] == [f"r{n}" for n in range(7)]
    assert found.bytes == sum(len(stored[chunk.hash].data) for chunk in found.chunks)
    assert all(Payload.of(one.data) == one for one in play.kept)
    play.check_replay()


def test_a_reference_can_be_read_and_gone_through() -> None:
    again = mapped("${ steps.scale.output }")
    reads = task("z", inputs={"n": "${ steps.scale.output.count }"})
    steps = workflow(mapped(), msgspec.structs.replace(again, id="again"), reads)
    play = started(steps, Setting(limits=SMALL), 4)
    do(play, "scale[0]", "scale[1]")
    items = [decode(one.data, list, "it") for one in play.kept]
    run = works(part_run(play, "again[0]", items[0]))
    assert run.state.output is not None
    tell(play, "again[0]", run)
    tell(play, "again[1]", works(part_run(play, "again[1]", items[1])))
    assert play.step("z").inputs == {"n": 4}


# -- rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "number", "fails", "status"),
    [
        ("all", 0.0, (), "completed"),
        ("all", 0.0, (4,), "failed"),
        ("collect", 0.0, (0, 1, 2, 3, 4, 5, 6), "completed"),
        ("any", 0.0, (0, 1, 2, 3, 4, 5), "completed"),
        ("any", 0.0, (0, 1, 2, 3, 4, 5, 6), "failed"),
        ("count", 6.0, (1,), "completed"),
        ("count", 6.0, (1, 2), "failed"),
        ("percent", 85.0, (6,), "completed"),
        ("percent", 86.0, (6,), "failed"),
        ("fail_fast", 0.0, (6,), "failed"),
    ],
)
def test_a_rule_is_about_the_items_of_all_parts(
    rule: str, number: float, fails: tuple[int, ...], status: str
) -> None:
    play = large(7, mapped(complete_when=rule, number=number, on_error=(Handler(),)))
    while parts(play):
        step = parts(play)[0]
        if play.step(step).recalled:
            run = part_run(play, step)
            run.cancel()
            tell(play, step, run)
        else:
            do(play, step, fails=fails)
    assert play.step("scale").status == status
    play.check_replay()


def test_all_fails_with_the_code_of_the_first_item() -> None:
    play = large(7)
    do(play, "scale[1]", "scale[0]", "scale[2]", fails=(1, 4))
    assert play.state.failure is not None
    assert play.state.failure.code == "E1"
    assert play.state.failure.message.startswith("2 of 7 items of scale failed; scale[1]:")


@pytest.mark.parametrize(
    ("rule", "fails", "left"), [("any", (), 2), ("fail_fast", (0,), 2), ("all", (0,), 0)]
)
def test_a_part_stops_when_it_has_decided_the_map(
    rule: str, fails: tuple[int, ...], left: int
) -> None:
    run = part_run(large(7, mapped(complete_when=rule, concurrency=2)), "scale[0]")
    run.place("scale[0]")
    if fails:
        run.fail("scale[0]", code="E0")
    else:
        run.complete("scale[0]", "r0")
    assert run.state.terminal == (left > 0)


def test_a_map_that_is_decided_gives_up_its_other_parts() -> None:
    play = large(9, mapped(complete_when="any"))
    other = part_run(play, "scale[1]")
    assert tell(play, "scale[0]", works(part_run(play, "scale[0]"))) == [
        "map.part_completed",
        "map.decided",
    ]
    assert play.step("scale[1]").recalled
    assert parts(play) == ["scale[1]"]
    other.cancel()
    assert tell(play, "scale[1]", other) == ["task.cancelled", "map.completed"]
    output = play.step("scale").output
    assert isinstance(output, list)
    assert output == ["r0", *[None] * 8]
    play.check_replay()


def test_a_part_that_ends_in_another_way_fails_the_map_whatever_its_rule() -> None:
    handled = (Handler(codes=("child_cancelled",)),)
    play = large(7, mapped(complete_when="collect", on_error=handled))
    run = part_run(play, "scale[0]")
    run.cancel()
    assert tell(play, "scale[0]", run) == ["task.failed", "map.decided"]
    decided = next(fact for fact in play.facts if isinstance(fact, MapDecided))
    assert decided.recalled == (1,)
    other = part_run(play, "scale[1]")
    other.cancel()
    tell(play, "scale[1]", other)
    assert play.step("scale").status == "failed"
    assert list(play.state.ready) == ["z"]


def test_a_cancelled_run_waits_for_its_parts() -> None:
    play = large(7)
    children = {step: part_run(play, step) for step in parts(play)}
    assert names(play.cancel()) == ["run.closing"]
    for step, run in children.items():
        run.cancel()
        tell(play, step, run)
    assert play.state.status == "cancelled"
    play.check_replay()


def test_a_part_that_nobody_awaits_changes_nothing() -> None:
    play = large(7)
    run = works(part_run(play, "scale[0]"))
    tell(play, "scale[0]", run)
    before = serialise(play.state)
    assert tell(play, "scale[0]", run) == []
    assert serialise(play.state) == before


def test_a_fork_has_parts_of_its_own() -> None:
    play = large(7)
    do(play, "scale[0]")
    source = Play(play.net, msgspec.structs.replace(play.setting, run_id="fork"), play.expressions)
    source.state, source.base, source.now = copy(play.state), copy(play.state), play.now
    source.fork("fork", play.state.version)
    calls = [one.call for fact in source.facts for one in getattr(fact, "renewed", ())]
    assert all(isinstance(call, Called) and call.share for call in calls)
    assert not set(source.state.calls.values()) & set(play.state.calls.values())
    do(source, "scale[1]", "scale[2]")
    assert source.step("scale").output == [f"r{n}" for n in range(7)]
    source.check_replay()


def test_facts_tell_what_became_of_items() -> None:
    play = large(4)
    do(play, "scale[0]", "scale[1]")
    ended = [fact for fact in play.facts if isinstance(fact, MapPartCompleted)]
    assert [fact.result.results for fact in ended] == [["r0", "r1", "r2"], ["r3"]]
    done = next(fact for fact in play.facts if isinstance(fact, MapCompleted))
    assert (done.completed, done.output) == (4, None)


# -- histories ------------------------------------------------------------------------------------


@pytest.mark.edge("Limits.run_events_max")
def test_a_run_with_too_many_events_fails_when_its_items_have_come_back() -> None:
    play = started(workflow(mapped()), Setting(limits=Limits(run_events_max=5)), [1, 2, 3])
    play.place_all()
    assert len(play.facts) == 5
    assert names(play.complete("scale[0]", 1)) == ["task.completed", "run.closing"]
    attempt = play.attempt("scale[1]")
    assert play.report(m.Progressed(attempt=attempt, details=1, sequence=1)) == []
    play.give_back("scale[1]")
    play.give_back("scale[2]")
    assert play.state.failure is not None
    assert play.state.failure.code == "too_many_events"
    assert len(play.facts) <= play.setting.limits.stream_events_max
    play.check_replay()


# -- room by bytes --------------------------------------------------------------------------------


@pytest.mark.edge("Limits.map_inputs_bytes_max")
def test_items_wait_until_the_inputs_under_way_have_room() -> None:
    limits = Limits(map_inputs_bytes_max=250)
    step = mapped(inputs={"x": "x" * 90})
    play = started(workflow(step), Setting(limits=limits), list(range(5)))
    assert len(play.state.ready) == 3
    play.run("scale[0]")
    assert len(play.state.ready) == 3
    play.run("scale[1]", "scale[2]", "scale[3]", "scale[4]")
    assert play.state.status == "completed"
    play.check_replay()


def test_one_item_is_always_under_way_however_large() -> None:
    limits = Limits(map_inputs_bytes_max=10)
    step = mapped(inputs={"x": "x" * 90})
    play = started(workflow(step), Setting(limits=limits), [1, 2])
    for item in ("scale[0]", "scale[1]"):
        assert list(play.state.ready) == [item]
        play.run(item)
    assert play.state.status == "completed"
