"""Scripted histories that between them have every fact of a run and every way to end."""

from collections.abc import Callable

import msgspec

from events import definition as d
from events import messages as m
from events.facts import Failure
from events.limits import Limits
from events.policies import Retry, RunOptions, Timeouts
from events.values import Value
from orchestrator.kernel import inputs as i
from tests.builders import Play, Setting, copy, parallel, part_run, started, task, workflow
from tests.golden.files import End, History

AGAIN = Retry(kind="fixed", attempts_max=3, initial_s=2.0)


def completed() -> Play:
    """Choices, branches, variables, error arcs, retries, losses, refusals; it completes."""
    play = started(
        workflow(
            task("list", retry=AGAIN),
            d.ChoiceStep(
                id="route",
                cases=(d.Case(when="steps.list.output.n > 3", steps=(task("many"),)),),
                default=(task("few"),),
            ),
            parallel(
                left=(task("l1"), task("l2", inputs={"x": "${steps.l1.output}"})),
                right=task("r1", on_error=(d.Handler(codes=("gone",), steps=(task("mend"),)),)),
                bad=task("b1", inputs={"x": "${input.nope}"}, on_error=(d.Handler(),)),
            ),
            d.SetStep(id="sum", variables={"total": "${steps.list.output.n + 1}"}),
            task("never", when="vars.total > 100"),
            output={"total": "${vars.total}", "gone": "${steps.r1.error.code}"},
        ),
        Setting(options=RunOptions(timeout_s=3600.0, tags={"team": "census"})),
        {"n": 5},
    )
    play.give(i.Unplaced(step="list", obstacle="no_node", detail="no node is registered"))
    play.place("list")
    play.report(m.Started(attempt=play.attempt("list"), started_at=play.now))
    play.report(m.Progressed(attempt=play.attempt("list"), details={"row": 1}, fraction=0.5))
    play.fail("list", "busy")
    play.due(2.0)
    play.place("list", "n2")
    play.lose("list")
    play.place("list", "n3")
    play.give_back("list", "refused")
    play.due(1.0)
    play.run("list", output={"n": 5})
    play.run("many")
    play.run("l1", output=["x", None, 1.5])
    play.place("r1")
    play.fail("r1", "gone")
    play.run("l2", "mend")
    return play


def deadly() -> Play:
    """A task takes its agents with it until it is a dead letter; the run goes on without it."""
    handled = d.Handler(codes=("poison_task",), steps=(task("mend"),))
    play = started(workflow(task("boom", on_error=(handled,))), Setting(limits=Limits(kills_max=3)))
    play.place("boom")
    play.lose("boom")
    play.place("boom", "n2", "i2")
    play.report(m.Started(attempt=play.attempt("boom"), started_at=play.now))
    play.report(m.Progressed(attempt=play.attempt("boom"), details={"row": 1}, sequence=1))
    play.report(m.Once(attempt=play.attempt("boom"), name="charge", value={"id": 7}))
    play.give_back("boom", "node_restarted", started=True)
    play.due(1.0)
    play.place("boom", "n3", "i3")
    play.lose("boom")
    play.run("mend")
    return play


def deferred() -> Play:
    """Somebody else completes one attempt, in the second try; another one is too late."""
    limits = Timeouts(start_to_close_s=10.0)
    play = started(workflow(parallel(a=task("a", retry=AGAIN), b=task("b", timeouts=limits))))
    play.place_all()
    for step in ("a", "b"):
        play.report(m.Deferred(attempt=play.attempt(step), digest="d1"))
    failure = Failure(code="unsigned", message="nobody has signed")
    play.give(i.Redeem(attempt=play.attempt("a"), digest="d1", failure=failure))
    play.due(2.0)
    play.place("a")
    play.report(m.Deferred(attempt=play.attempt("a"), digest="d2"))
    play.give(i.Redeem(attempt=play.attempt("a"), digest="d2", output={"signed": True}))
    play.due(8.0)
    return play


def settled() -> Play:
    """Transactional tasks are given up, one of which had committed."""
    play = started(workflow(parallel(a=task("a"), b=task("b", retry=AGAIN), c=task("c"))))
    for step in ("a", "b", "c"):
        play.place(step, transactional=True)
    play.fail("a")
    play.place("a", "n2")
    play.complete("a", {"paid": 1})
    play.fail("b")
    play.lose("c")
    play.cancel("too late")
    play.place("b")
    play.lose("b")
    play.place("c")
    play.fail("c", "task_abandoned", retryable=False)
    play.due(1.0)
    play.place("b")
    play.fail("b", "task_abandoned", retryable=False)
    return play


def halted() -> Play:
    """An operator goes back, which waits for two transactional tasks: one had not committed and
    begins anew, the other had. He skips the first of them then, and fails the second at once."""
    play = started(workflow(parallel(a=task("a", retry=AGAIN), b=task("b", retry=AGAIN))))
    for step in ("a", "b"):
        play.place(step, transactional=True)
    play.fail("a")
    play.halt()
    play.give_back("b")
    play.halt()
    for step, answer in (("a", "task_abandoned"), ("b", "operational_error")):
        play.place(step, "n2")
        play.fail(step, answer, retryable=False)
    play.due(1.0)
    play.place("b", "n3")
    play.complete("b", {"paid": 1})
    play.restore(1)
    for step in ("a", "b"):
        play.place(step, transactional=True)
    play.halt()
    play.due(10.0)
    play.give_back("a")
    play.place("a", "n2")
    play.fail("a", "task_abandoned", retryable=False)
    play.skip("a")
    play.give_back("b")
    play.fail_for("b", unsettled=True)
    return play


def failed() -> Play:
    """A timeout recalls an attempt, which then fails for good while another one is outstanding."""
    play = started(
        workflow(
            parallel(
                a=task("a", timeouts=Timeouts(schedule_to_close_s=5.0)),
                b=task("b"),
                c=task("c", retry=AGAIN),
            )
        )
    )
    play.place_all()
    play.fail("c")
    play.due(5.0)
    play.give_back("a")
    play.give_back("b")
    return play


def cancelled() -> Play:
    play = started(workflow(parallel(a=task("a"), b=task("b")), task("z")))
    play.place_all()
    play.cancel("no longer needed")
    play.complete("a", 1)
    play.lose("b")
    return play


def timed_out() -> Play:
    play = started(workflow(task("a")), Setting(options=RunOptions(timeout_s=60.0)))
    play.due(60.0)
    return play


def waited() -> Play:
    """Sleeps, instants and signals; one is awaited in vain."""
    play = started(
        workflow(
            d.WaitStep(id="nap", duration="${ input.nap }"),
            parallel(
                early=(task("a"), d.WaitStep(id="early", signal="go", correlation="${ input.n }")),
                past=d.WaitStep(id="past", until="2020-02-29T12:00:00+01:00"),
                vain=d.WaitStep(
                    id="vain",
                    signal="stop",
                    timeout_s=60.0,
                    on_error=(d.Handler(codes=("signal_timeout",), steps=(task("mend"),)),),
                ),
            ),
        ),
        value={"nap": "5m", "n": 1},
    )
    play.due(300.0)
    play.signal("go", "of another", "s0", correlation=2)
    play.pause("a look first")
    play.wait(100.0)
    play.signal("go", {"by": "ada"}, "s1", correlation=1)
    play.resume("looked")
    play.run("a")
    play.due(60.0)
    play.run("mend")
    return play


def updatable(updates: dict[str, d.Update], *steps: d.Step) -> d.Definition:
    return msgspec.structs.replace(workflow(*steps), updates=updates)


def looped() -> Play:
    """The three loops, one inside another, one that is over its limit; a retry in an iteration; an
    update."""
    note = d.Update(accept="update > vars.n", variables={"noted": ["${ update }"]})
    play = started(
        updatable(
            {"note": note},
            d.SetStep(id="zero", variables={"n": 0}),
            d.WhileStep(
                id="poll",
                condition="vars.n < 2",
                steps=(
                    d.ForEachStep(
                        id="each", items=["${ vars.n }", "x"], steps=(task("a", retry=AGAIN),)
                    ),
                    d.SetStep(id="up", variables={"n": "${ vars.n + 1 }"}),
                ),
            ),
            d.UntilStep(
                id="again",
                condition="steps.b.output",
                steps=(task("b"),),
                iterations_max=2,
                on_error=(d.Handler(codes=("too_many_iterations",), steps=(task("mend"),)),),
            ),
        ),
    )
    play.run("a[0][0]", output=1)
    play.place("a[0][1]")
    play.fail("a[0][1]", "busy")
    play.due(2.0)
    play.run("a[0][1]", "a[1][0]", "a[1][1]", output={"x": None})
    play.run("b[0]", output=False)
    play.update("note", 7, "u1")
    play.run("b[1]", output=False)
    play.run("mend")
    return play


def mapped() -> Play:
    """Maps: batches, a retry, a failure among the results, one that is decided early, one whose
    failure an error arc takes, one in a loop."""
    inner = d.MapStep(id="inner", items="${ iteration.item }", task="work")
    play = started(
        workflow(
            d.MapStep(
                id="scale",
                items="${ input }",
                task="work",
                inputs={"x": "${ iteration.item }", "i": "${ iteration.index }"},
                concurrency=2,
                batch=3,
                complete_when="collect",
                retry=AGAIN,
            ),
            d.MapStep(
                id="first",
                items=[1, 2, 3],
                task="work",
                complete_when="any",
                timeouts=Timeouts(schedule_to_close_s=600.0),
            ),
            d.MapStep(
                id="most",
                items=[1, 2],
                task="work",
                inputs={"x": "${ iteration.item.nope }"},
                complete_when="percent",
                number=60.0,
                on_error=(d.Handler(codes=("too_few_completed",), steps=(task("mend"),)),),
            ),
            d.ForEachStep(id="each", items=[[1], []], steps=(inner,)),
        ),
        value=["a", {"b": 1}, None, 4],
    )
    play.place_all()
    play.complete("scale[1]", {"x": 1})
    play.fail("scale[0]", "busy")
    play.due(2.0)
    play.run("scale[0]", output="a")
    play.place("scale[2]")
    play.fail("scale[2]", "gone", retryable=False)
    play.run("scale[3]", output=[4])
    play.place("first[0]")
    play.place("first[2]")
    play.complete("first[2]", "quick")
    play.give_back("first[0]")
    play.run("mend")
    play.run("inner[0][0]")
    return play


PARTS = Limits(map_part_items_max=2, map_results_inline_bytes_max=20)
"""A map of more than two items goes in parts, each with four bytes of results as they are."""


def parted() -> Play:
    """A map in parts: one with large results, one with a failed item, one that is given up."""
    step = d.MapStep(
        id="scale",
        items="${ input.list }",
        task="work",
        inputs={"x": "${ iteration.item }", "by": "${ input.by }"},
        complete_when="count",
        number=3.0,
        concurrency=8,
    )
    play = started(
        workflow(step, task("z", inputs={"n": "${ steps.scale.output.count }"})),
        Setting(limits=PARTS),
        {"list": [1, 2, 3, 4, 5, 6, 7, 8, 9], "by": 2},
    )
    numbers: dict[str, list[Value]] = {"scale[0]": ["long", "longer"], "scale[1]": [3, None]}
    for name, outputs in numbers.items():
        child = part_run(play, name)
        for item in list(child.state.ready):
            output = outputs.pop(0)
            child.place(item)
            if output is None:
                child.fail(item, "gone")
            else:
                child.complete(item, output)
        play.end_child(name, child.state)
    for name in list(play.state.calls):
        child = part_run(play, name)
        child.cancel("no longer needed")
        play.end_child(name, child.state)
    play.run("z")
    return play


def part_done() -> Play:
    """The run of a part itself."""
    parent = started(
        workflow(d.MapStep(id="scale", items="${ input }", task="work", concurrency=1)),
        Setting(limits=PARTS),
        5,
    )
    child = part_run(parent, "scale[0]")
    child.run("scale[0]", output="one")
    child.run("scale[1]", output={"n": 2})
    return child


def called() -> Play:
    """Child runs: one that fails and is followed by another, one that is cancelled, one looped."""
    kid = d.CallStep(id="kid", workflow="w", input={"x": "${ input }"}, retry=AGAIN)
    other = d.CallStep(
        id="other",
        workflow="w",
        version="v2",
        on_error=(d.Handler(codes=("child_cancelled",), steps=(task("mend"),)),),
    )
    inner = d.CallStep(id="inner", workflow="w", input="${ iteration.item }")
    play = started(workflow(kid, other, d.ForEachStep(id="each", items=[1], steps=(inner,))))

    def end(step: str, status: str, output: Value = None, failure: Failure | None = None) -> None:
        run_id = play.state.calls[step]
        given = i.ChildEnded(
            step=step, run_id=run_id, status=status, output=output, failure=failure
        )
        play.give(given)

    end("kid", "failed", failure=Failure(code="gone", message="it is"))
    play.due(2.0)
    end("kid", "completed", {"n": 1})
    end("other", "cancelled")
    play.run("mend")
    end("inner[0]", "completed", [2])
    return play


def late() -> Play:
    """Groups with a limit of time: in time, late while a node has something of one, and late."""

    def within(name: str, *steps: d.Step) -> d.WithinStep:
        return d.WithinStep(id=name, timeout_s=30.0, steps=steps, on_error=(d.Handler(),))

    scale = d.MapStep(id="scale", items=[1, 2], task="work", concurrency=2)
    play = started(
        workflow(
            within("quick", task("a")),
            within("held", parallel(x=(task("b"), task("c")), y=scale)),
            within("idle", task("e")),
        )
    )
    play.run("a")
    play.place("b")
    play.place("scale[0]")
    play.due(30.0)
    play.complete("b", output="too late")
    play.give_back("scale[0]")
    play.due(30.0)
    return play


def still_open() -> Play:
    """In the middle of everything: it must go on under any later release."""
    timeouts = Timeouts(schedule_to_start_s=30.0, start_to_close_s=60.0, schedule_to_close_s=600.0)
    play = started(
        workflow(
            task("a"),
            parallel(
                held=task("held", timeouts=timeouts),
                waiting=task("waiting", retry=AGAIN),
                ready=task("ready", timeouts=timeouts),
                recalled=task("recalled", timeouts=Timeouts(schedule_to_start_s=10.0)),
            ),
            d.SetStep(id="sum", variables={"total": "${steps.a.output.n}"}),
            task("z", inputs={"total": "${vars.total}"}),
        )
    )
    play.run("a", output={"n": 3})
    for step in ("held", "waiting", "recalled"):
        play.place(step)
    play.report(m.Started(attempt=play.attempt("held"), started_at=play.now))
    play.due(10.0)
    play.fail("waiting")
    return play


def pinned() -> Play:
    """A run keeps to the build of its first attempt, until that is gone."""
    play = started(
        workflow(task("a"), task("b"), task("c")), Setting(options=RunOptions(build="pinned"))
    )
    play.place("a", build_id="b7")
    play.complete("a", 1)
    play.give(i.Unplaced(step="b", obstacle="no_node", detail="n2: build b8 is not b7"))
    play.repin("b8", "b7 is gone")
    play.place("b", "n2", build_id="b8")
    play.complete("b", 1)
    play.repin("", "any will do")
    play.place("c", "n3")
    play.complete("c", 1)
    return play


def helped() -> Play:
    """Operators do what they can."""
    play = started(
        workflow(
            task("a"),
            parallel(
                l=task("slow"),
                m=d.WaitStep(id="asked", signal="go"),
                r=task("shaky", on_error=(d.Handler(steps=(task("mend"),)),)),
            ),
            task("z", inputs={"slow": "${steps.slow.output}"}),
        )
    )
    play.run("a", output={"n": 3})
    back = play.state.version
    play.place("slow")
    play.move("slow", off=("n1",))
    play.give_back("slow")
    play.place("slow", "n2")
    play.place("shaky")
    play.signal("go", 7)
    play.fail_for("shaky")
    play.restore(back)
    play.skip("slow", {"n": 0})
    play.place("shaky")
    play.complete_for("shaky", "by hand")
    play.run("z")
    return play


SCENES: dict[str, Callable[[], Play]] = {
    "completed": completed,
    "deadly": deadly,
    "settled": settled,
    "halted": halted,
    "deferred": deferred,
    "failed": failed,
    "cancelled": cancelled,
    "timed_out": timed_out,
    "waited": waited,
    "looped": looped,
    "mapped": mapped,
    "parted": parted,
    "part": part_done,
    "called": called,
    "pinned": pinned,
    "late": late,
    "helped": helped,
    "still_open": still_open,
}


def end_of(play: Play) -> End:
    state = play.state
    return End(
        status=state.status if state.terminal else "",
        output=state.output,
        variables=state.variables,
        steps={name: step.status for name, step in state.steps.items()},
        order=state.order,
    )


def history(play: Play) -> History:
    return History(play.net.net, play.stored(), end_of(play))


def resumed(play: Play) -> Play:
    """The same run in the hands of somebody who has only its state."""
    again = Play(play.net, play.setting, play.expressions)
    again.state = copy(play.state)
    again.now = play.now
    return again
