"""Verdicts: what can be told of a run, and what cannot and why. Nothing is the same by mistake."""

import msgspec
import pytest

from events import definition as d
from events.cluster_facts import DefinitionRegistered, RunImported
from events.codec import digest
from events.definition import Handler
from events.envelope import PERSONAL, Head, Stamp, Stored, seal
from events.errors import Corrupt, NotFound, Rejected
from events.facts import Failure
from events.ids import definition_stream, import_stream, run_stream
from events.limits import Limits
from events.messages import Completed, Failed
from events.policies import Timeouts
from events.run_facts import RunStarted
from events.task_facts import TaskCompleted
from orchestrator.adapters.cel import CelExpressions
from orchestrator.replay.exchange.export import Exported
from orchestrator.replay.ports import History
from orchestrator.replay.what_if.against import Against, Told, Version
from orchestrator.replay.what_if.verdicts import (
    Verdict,
    family,
    judged,
    verdict,
    verdicts,
    versions,
)
from tests.builders import (
    NOW,
    VERSION,
    Play,
    Setting,
    copy,
    index,
    part_run,
    started,
    task,
    workflow,
)

pytestmark = pytest.mark.anyio
ENGINE = CelExpressions()


def flow(when: str = "steps.a.output > 100") -> d.Definition:
    case = d.Case(when=when, steps=(task("big"),))
    return workflow(task("a"), d.ChoiceStep(id="c", cases=(case,), default=(task("small"),)))


def run(run_id: str = "r1", output: int = 150, definition: d.Definition | None = None) -> Play:
    play = started(definition or flow(), Setting(run_id=run_id))
    play.run("a", output=output)
    return play.finish()


def log(*plays: Play, definition: d.Definition | None = None) -> dict[str, list[Stored]]:
    """The streams of these runs, and of their workflow."""
    fact = DefinitionRegistered(
        workflow="workflow",
        workflow_version=VERSION,
        definition=definition or flow(),
        net=plays[0].net.net,
    )
    streams = {run_stream(play.setting.run_id): play.stored() for play in plays}
    head = Head(definition_stream("workflow"))
    return {head.stream: [seal(head, fact, "d1", Stamp(recorded_at=NOW))], **streams}


def history(streams: dict[str, list[Stored]]) -> Exported:
    return Exported("r1", streams)


async def against(history: History, after: d.Definition, limits: Limits = Limits()) -> Against:
    changed = Version("new", after.options, index(after))
    return Against(changed, await versions(history, "workflow"), ENGINE, limits)


async def of(streams: dict[str, list[Stored]], after: d.Definition, *runs: str) -> list[Verdict]:
    there = history(streams)
    return await verdicts(there, await against(there, after), "workflow", runs or ("r1",))


# -- what cannot be read --------------------------------------------------------------------------


def spoilt(stored: Stored) -> Stored:
    return msgspec.structs.replace(stored, state=stored.state[:-2])


def rewritten(stored: Stored, before: bytes, after: bytes) -> Stored:
    assert before in stored.state
    return msgspec.structs.replace(stored, state=stored.state.replace(before, after))


async def test_what_cannot_be_judged_is_named_with_the_reason_and_hides_no_other() -> None:
    names = ("good", "other", "bytes", "gap", "changed", "erased", "closed", "strange", "elsewhere")
    streams = log(*(run(name, 150 if name != "good" else 250) for name in names))
    events = {name: streams[run_stream(name)] for name in names}
    events["bytes"][3] = spoilt(events["bytes"][3])
    del events["gap"][2]
    events["changed"][2] = rewritten(events["changed"][2], b"150", b"950")
    events["erased"][0] = msgspec.structs.replace(events["erased"][0], opened=b"")
    personal = f'"version":1,"key_id":"k","codec":{PERSONAL},'.encode()
    closed = rewritten(events["closed"][0], b'"version":1,', personal)
    events["closed"][0] = msgspec.structs.replace(closed, trouble="there is no key k")
    events["strange"][:] = begun("strange", "workflow", "version-9")
    events["elsewhere"][:] = begun("elsewhere", "another", VERSION)
    found = await of(streams, flow("steps.a.output > 200"), *names, "nobody")
    assert [one.run_id for one in found] == [*names, "nobody"]
    assert {one.run_id: (one.outcome, one.doubtful) for one in found} == {
        "good": ("same", False),
        "other": ("differs", False),
        "bytes": ("unknown", True),
        "gap": ("unknown", True),
        "changed": ("unknown", True),
        "erased": ("unknown", False),
        "closed": ("unknown", True),
        "strange": ("unknown", True),
        "elsewhere": ("unknown", True),
        "nobody": ("unknown", True),
    }
    why = {one.run_id: one.why for one in found}
    said = {
        "bytes": "event 4 of run:bytes",
        "gap": "event 4 of run:gap does not follow event 2",
        "changed": "event 4 of run:changed does not follow event 3",
        "erased": "values of it were erased",
        "closed": "there is no key k",
        "strange": "version version-9 of the workflow is not in the log",
        "elsewhere": "is of workflow another",
        "nobody": "there is no run nobody",
    }
    assert {name: words for name, words in said.items() if words not in why[name]} == {}, why


def begun(run_id: str, workflow: str, version: str) -> list[Stored]:
    fact = RunStarted(run_id=run_id, workflow=workflow, workflow_version=version)
    return [seal(Head(run_stream(run_id)), fact, "e1", Stamp(recorded_at=NOW))]


async def test_a_run_some_of_whose_values_were_taken_out_cannot_be_judged() -> None:
    streams, head = log(run()), Head(import_stream("r1"))
    fact = RunImported(
        run_id="r1", version=4, digest="x", file="f", sha256="", redacted=("input.iban",)
    )
    streams[head.stream] = [seal(head, fact, "i1", Stamp(recorded_at=NOW))]
    (found,) = await of(streams, flow())
    assert (found.outcome, found.doubtful) == ("unknown", False)
    assert found.why == "values of it were taken out before it came here: input.iban"


def forked_from(source: Play) -> Play:
    """A fork of an open run as it is now."""
    fork = Play(source.net, Setting(run_id="r2"), source.expressions)
    fork.state, fork.base, fork.now = copy(source.state), copy(source.state), source.now + 1
    fork.fork("r2", source.state.version)
    return fork.finish()


async def test_a_fork_stands_on_what_its_source_has_lost() -> None:
    source = started(flow(), Setting(run_id="r1"), {"name": {"$erased": True}})
    source.run("a", output=150)
    streams = log(source, forked_from(source))
    (found,) = await of(streams, flow(), "r2")
    assert (found.outcome, found.doubtful) == ("unknown", False)
    assert found.why == "values of run r1, which it was forked from, were erased"

    source = started(flow(), Setting(run_id="r1"))
    source.run("a", output=150)
    streams, head = log(source, forked_from(source)), Head(import_stream("r1"))
    (found,) = await of(streams, flow(), "r2")
    assert found.outcome == "same"
    fact = RunImported(run_id="r1", version=4, digest="x", redacted=("vars.x",))
    streams[head.stream] = [seal(head, fact, "i1", Stamp(recorded_at=NOW))]
    (found,) = await of(streams, flow(), "r2")
    assert (found.outcome, found.why[-6:]) == ("unknown", "vars.x")

    del streams[run_stream("r1")]
    (found,) = await of(streams, flow(), "r2")
    assert "is a fork of run r1 at version 3, which is not in the log" in found.why


async def test_of_one_run_what_is_asked_wrongly_is_refused() -> None:
    streams = log(run())
    streams[run_stream("r2")] = begun("r2", "another", VERSION)
    there = history(streams)
    play = await against(there, flow())
    with pytest.raises(NotFound, match="there is no run r3"):
        await verdict(there, play, "workflow", "r3")
    with pytest.raises(Rejected, match="run r2 is of workflow another, and the definition of"):
        await verdict(there, play, "workflow", "r2")


def test_events_that_do_not_follow_from_one_another_are_corrupt() -> None:
    play = run()
    before = Version(VERSION, flow().options, play.net)
    strange = Told(
        "r1", [play.facts[0], TaskCompleted(step="nope", attempt=1)], [NOW, NOW], ["", ""]
    )
    with pytest.raises(Corrupt, match=r"event 2 of run r1, task.completed.v1, does not follow"):
        judged(Against(before, {VERSION: before}, ENGINE, Limits()), "workflow", strange)


# -- what is recorded otherwise than its own definition would have it -----------------------------


def mapped(item: str = "work") -> d.Definition:
    return workflow(task("a"), d.MapStep(id="m", items="${input}", task=item), task("z"))


def parted() -> list[Play]:
    """A run whose map was done in parts, and the runs of these."""
    setting = Setting(limits=Limits(map_part_items_max=2, map_parts_max=2), run_id="r1")
    play = started(mapped(), setting, [1, 2, 3])
    play.run("a")
    parts = [part_run(play, step).finish() for step in list(play.state.calls)]
    for part, step in zip(parts, list(play.state.calls), strict=True):
        play.end_child(step, part.state)
    play.finish()
    assert play.state.status == "completed"
    return [play, *parts]


async def test_what_other_settings_have_decided_is_no_difference_of_the_definition() -> None:
    plays = parted()
    there = history(log(*plays, definition=mapped()))
    (same,) = await verdicts(
        there, await against(there, mapped(), plays[0].setting.limits), "workflow", ["r1"]
    )
    assert same.outcome == "same"
    for after in (mapped(), mapped("other")):
        (found,) = await verdicts(there, await against(there, after), "workflow", ["r1"])
        assert (found.outcome, found.doubtful) == ("unknown", True)
        assert "its own definition does not make of it what is recorded, from event" in found.why
    earlier = workflow(task("b"), *mapped().steps)
    (found,) = await verdicts(there, await against(there, earlier), "workflow", ["r1"])
    assert found.outcome == "differs", "it parts before the settings are asked"


async def test_the_runs_that_a_run_has_started_are_judged_with_it() -> None:
    plays = parted()
    limits = plays[0].setting.limits
    there = history(log(*plays, definition=mapped()))
    found = await family(there, await against(there, mapped(), limits), "workflow", "r1")
    assert [one.outcome for one in found] == ["same"] * 3
    assert {one.run_id for one in found} == {play.setting.run_id for play in plays}
    retried = msgspec.structs.replace(mapped(), steps=(task("a"), late_map(), task("z")))
    found = await family(there, await against(there, retried, limits), "workflow", "r1")
    assert [one.outcome for one in found] == ["same", "differs", "differs"]
    read = msgspec.structs.replace(late_map(), inputs={"x": "${steps.a.output}"})
    other = msgspec.structs.replace(mapped(), steps=(task("a"), read, task("z")))
    found = await family(there, await against(there, other, limits), "workflow", "r1")
    assert [(one.outcome, one.doubtful) for one in found[1:]] == [("unknown", True)] * 2
    assert "the items of m would be given steps.a.output, which was not read for" in found[1].why
    alone = history(log(plays[0], definition=mapped()))
    found = await family(alone, await against(alone, mapped(), limits), "workflow", "r1")
    assert [one.outcome for one in found] == ["same", "unknown", "unknown"]


def late_map() -> d.MapStep:
    """Its items are given something else."""
    return d.MapStep(id="m", items="${input}", task="work", inputs={"x": 1})


# -- attempts and their time ----------------------------------------------------------------------


def limited(start_to_close_s: float | None, heartbeat_s: float | None = None) -> d.Definition:
    limits = Timeouts(start_to_close_s=start_to_close_s, heartbeat_s=heartbeat_s)
    return workflow(task("a", timeouts=limits, on_error=(Handler(),)), task("z"))


def took(seconds: float, code: str = "") -> Play:
    """A run of `limited(10.0, 3.0)` whose first attempt took so long, and was given up if there is
    a code."""
    play = started(limited(10.0, 3.0), Setting(run_id="r1"))
    play.place("a")
    began, attempt = play.now, play.attempt("a")
    play.wait(seconds)
    if code:
        failed = Failed(
            attempt=attempt,
            failure=Failure(code=code),
            kind="timed_out",
            started_at=began,
            ended_at=play.now,
        )
        play.report(failed)
    else:
        play.report(Completed(attempt=attempt, started_at=began, ended_at=play.now))
    return play.finish()


LATE = {
    "enough": (took(8.0), limited(9.0), ""),
    "none at all": (took(8.0), limited(None), ""),
    "not enough": (
        took(8.0),
        limited(5.0),
        "a took 8 s, and would have been given up after 5 s (start-to-close)",
    ),
    "given up, and would be again": (took(10.0, "start_to_close_timeout"), limited(10.0, 2.0), ""),
    "given up sooner": (took(10.0, "start_to_close_timeout"), limited(5.0), ""),
    "given up, and would have had longer": (
        took(10.0, "start_to_close_timeout"),
        limited(60.0),
        "a was given up after 10 s, and would have had 60 s (start-to-close)",
    ),
    "given up, and would not have been": (
        took(10.0, "start_to_close_timeout"),
        limited(None),
        "a was given up after 10 s, and would have had no limit (start-to-close)",
    ),
    "silent, and would have been allowed to": (
        took(3.0, "heartbeat_timeout"),
        limited(10.0, 5.0),
        "a was given up after 3 s, and would have had 5 s (heartbeat)",
    ),
}


@pytest.mark.parametrize(("play", "after", "said"), LATE.values(), ids=LATE.keys())
async def test_an_attempt_has_the_time_that_the_changed_definition_gives_it(
    play: Play, after: d.Definition, said: str
) -> None:
    (found,) = await of(log(play, definition=limited(10.0, 3.0)), after)
    assert found.outcome == ("differs" if said else "same"), found
    if said:
        assert found.parting is not None
        assert (found.parting.kind, found.parting.text, found.parting.version) == ("time", said, 3)


# -- runs of several versions, open ones, and what does not fit ------------------------------------


async def test_each_run_is_played_with_the_version_that_it_has() -> None:
    old, new = flow(), flow("steps.a.output > 200")
    first, second = run("r1", 150, old), run("r2", 250, new)
    second.version = "version-2"
    second.facts[0] = msgspec.structs.replace(second.facts[0], workflow_version="version-2")
    streams, head = log(first, second), Head(definition_stream("workflow"))
    more = DefinitionRegistered(
        workflow="workflow", workflow_version="version-2", definition=new, net=second.net.net
    )
    stream = streams[head.stream]
    head.version, head.digest = 1, digest(stream[0].state)
    stream.append(seal(head, more, "d2", Stamp(recorded_at=NOW)))
    found = await of(streams, flow("steps.a.output > 180"), "r1", "r2")
    assert [(one.outcome, one.workflow_version) for one in found] == [
        ("differs", VERSION),
        ("same", "version-2"),
    ]


OPEN = {
    "removed": (workflow(task("a")), "b would not begin, the run would reach the end"),
    "renamed": (workflow(task("a"), task("c"), task("z")), "b would not begin, c would begin"),
    "a wait now": (
        workflow(task("a"), d.WaitStep(id="b", signal="go"), task("z")),
        "b would not begin, b would wait",
    ),
    "a map now": (
        workflow(task("a"), d.MapStep(id="b", items=[1], task="work"), task("z")),
        "b would not begin, ",
    ),
    "a variable now": (
        workflow(task("a"), d.SetStep(id="b", variables={"x": 1}), task("z")),
        "b would not begin, z would begin",
    ),
    "a group now": (
        workflow(task("a"), d.WithinStep(id="b", timeout_s=5.0, steps=(task("c"),)), task("z")),
        "b would not begin, c would begin",
    ),
    "another task now": (
        workflow(task("a"), task("b", "other")),
        "b would be done by other, not by work",
    ),
    "a call now": (
        workflow(task("a"), d.CallStep(id="b", workflow="child"), task("z")),
        "b would not begin, ",
    ),
}


@pytest.mark.parametrize(("after", "said"), OPEN.values(), ids=OPEN.keys())
async def test_an_open_run_parts_where_a_step_of_it_is_something_else(
    after: d.Definition, said: str
) -> None:
    before = workflow(task("a"), task("b"), task("z"))
    play = started(before, Setting(run_id="r1"))
    play.run("a")
    play.place("b")
    (same,) = await of(log(play), before)
    assert (same.outcome, same.status) == ("same", "running")
    (found,) = await of(log(play), after)
    assert found.parting is not None
    assert (found.parting.version, found.outcome) == (3, "differs")
    assert found.parting.text.startswith(said), found.parting.text
    assert found.otherwise is not None
