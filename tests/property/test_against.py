"""Whatever has happened to a run: by its own definition it goes the same way, and by one that
decides or calls something otherwise which the run came to, it parts there and nowhere else."""

import asyncio
import os
import re
from collections.abc import Iterator

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from events import definition as d
from events.facts import Choice, Flow
from events.net import Arc, Map, Net, Set, Task, Wait
from events.values import Value
from orchestrator.adapters.cel import CelExpressions
from orchestrator.kernel.instances import static_of
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.state import RunState, serialise
from orchestrator.replay.ports import History
from orchestrator.replay.what_if import against as a
from orchestrator.replay.what_if.otherwise import otherwise
from orchestrator.replay.what_if.verdicts import Gone, judged, told, versions
from tests.builders import VERSION, Play, index
from tests.property.test_operators import histories
from tests.simulation.versions import catalogue
from tests.simulation.world import LIMITS as SMALL
from tests.simulation.world import World as Simulated
from tests.worlds import INPUT, LIMITS, Author, Drawn, World, pick, setting_of

ENGINE = CelExpressions()
SEEDS = range(int(os.environ.get("REPLAY_SEEDS", "2")))


def played(run: Play, other: Net) -> a.Play:
    """A run against another net of its workflow."""
    options = run.setting.options
    known = {VERSION: a.Version(VERSION, options, run.net)}
    against = a.Against(a.Version.new("other", options, other), known, ENGINE, LIMITS)
    told_ = a.Told(run.setting.run_id, run.facts, run.instants, ["system"] * len(run.facts))
    return a.Play(against, told_).run()


# -- the same -------------------------------------------------------------------------------------


async def _of_world(world: Simulated) -> Iterator[str]:
    """What became of its runs, each against what it was recorded with."""
    history: History = world.logs.reader()
    found = list[str]()
    for run_id in world.auditor.books:
        try:
            run = await told(history, catalogue(), run_id)
        except Gone:
            found.append("erased")
            continue
        first = run.facts[0]
        known = await versions(history, getattr(first, "workflow", ""))
        own = known[getattr(first, "workflow_version", "")]
        against = a.Against(own, known, ENGINE, SMALL)
        one = judged(against, getattr(first, "workflow", ""), run)
        assert one.outcome == "same", (world.seed, one)
        found.append(one.outcome)
    return iter(found)


def test_runs_of_simulated_worlds_go_the_same_way_by_their_own_definitions() -> None:
    found = list[str]()
    for seed in SEEDS:
        world = Simulated(seed)
        assert not world.run().violations
        found += asyncio.run(_of_world(world))
    assert set(found) == {"same", "erased"}
    assert found.count("same") > 20 * len(SEEDS)


@settings(max_examples=40)
@given(run=histories())
def test_runs_that_operators_had_their_hands_in_go_the_same_way(run: Play) -> None:
    play = played(run, run.net.net)
    assert play.parting is None
    assert serialise(play.recorded) == serialise(run.state)
    assert play.other.status == run.state.status


# -- not the same ---------------------------------------------------------------------------------


@st.composite
def marked(draw: st.DrawFn) -> tuple[Play, d.Definition, Drawn]:
    """A run of a definition in which each case of a choice sets a variable of its own."""
    choose = Drawn(draw)
    plain = Author(choose).write()
    definition = msgspec.structs.replace(plain, steps=(*_early(choose), *plain.steps))
    definition = msgspec.convert(_marked(msgspec.to_builtins(definition)), d.Definition)
    run = Play(index(definition, ENGINE), setting_of(definition), ENGINE)
    run.start(INPUT)
    world = World(run, choose)
    world.act(choose.number(0, 40))
    world.settle_down()
    return run, definition, choose


def _early(choose: Drawn) -> Iterator[d.Step]:
    """Some that most runs come to."""
    for number in range(choose.number(0, 2)):
        when = pick(choose, ("input.n > 3", "!input.flag"))
        yield d.ChoiceStep(id=f"c{number}", cases=(d.Case(when=when, steps=()),), default=())


def _marked(part: object) -> object:
    if isinstance(part, list | tuple):
        return [_marked(one) for one in part]
    if not isinstance(part, dict):
        return part
    made = {name: _marked(value) for name, value in part.items()}
    if "cases" in made:
        cases = made["cases"]
        assert isinstance(cases, list)
        lists = [*cases, made]
        for number, one in enumerate(lists):
            name, steps = f"m{made['id']}_{number}", "default" if one is made else "steps"
            mark = {"type": "set", "id": name, "variables": {name: number}}
            one[steps] = [mark, *one.get(steps, ())]
    return made


def choices(run: Play) -> list[tuple[int, Choice]]:
    """Those that a run has made, with the versions of their events."""
    found = list[tuple[int, Choice]]()
    for version, fact in enumerate(run.facts, 1):
        flow = getattr(fact, "flow", None)
        if isinstance(flow, Flow):
            found += ((version, one) for one in flow.choices)
    return found


def turned(net: NetIndex, taken: Arc) -> tuple[Net, str]:
    """The net with one condition written otherwise, so that this arc is not taken any more; and the
    arc that is, where it is always the same one."""
    arcs = [arc for arc in net.net.arcs if arc.source == taken.source]
    always = next(arc for arc in arcs if arc.kind == "conditional")
    other, when, goes = (
        (always, "true", always.id) if taken.kind == "default" else (taken, "1 > 2", "")
    )
    changed = tuple(
        msgspec.structs.replace(arc, when=when) if arc is other else arc for arc in net.net.arcs
    )
    return msgspec.structs.replace(net.net, arcs=changed), goes


@settings(max_examples=40)
@given(made=marked())
def test_a_condition_that_is_decided_otherwise_is_found_where_it_was_decided(
    made: tuple[Play, d.Definition, Drawn],
) -> None:
    run, _, choose = made
    found = [one for one in choices(run) if f"m{static_of(one[1].step)}_0" in run.net.steps]
    assume(found)
    _, one = pick(choose, found)
    other, goes = turned(run.net, run.net.arcs[one.arc])
    source = run.net.arcs[one.arc].source
    expected = next(
        version
        for version, made_ in choices(run)
        if run.net.arcs[made_.arc].source == source
        and (made_.arc != goes if goes else made_.arc == one.arc)
    )
    parting = played(run, other).parting
    assert parting is not None
    assert parting.version == expected


@settings(max_examples=40)
@given(made=marked())
def test_a_task_that_is_called_otherwise_is_found_where_it_began(
    made: tuple[Play, d.Definition, Drawn],
) -> None:
    run, definition, choose = made
    begun = list[tuple[int, str]]()
    for version, fact in enumerate(run.facts, 1):
        flow = getattr(fact, "flow", None)
        if isinstance(flow, Flow):
            names = [one.step for one in flow.maps] + [one.step for one in flow.enabled]
            begun += ((version, static_of(name)) for name in names)
    assume(begun)
    _, step = pick(choose, begun)
    text = re.sub(rf"\b{step}\b", "renamed", msgspec.json.encode(definition).decode())
    renamed = index(msgspec.json.decode(text, type=d.Definition), ENGINE)
    parting = played(run, renamed.net).parting
    assert parting is not None
    assert parting.version == next(version for version, name in begun if name == step)


# -- anything else --------------------------------------------------------------------------------


def edited(definition: d.Definition, choose: Drawn) -> d.Definition:
    """Somebody has changed one thing, or several."""
    tree: dict[str, object] = msgspec.to_builtins(definition)
    for _ in range(choose.number(1, 3)):
        lists = list(_lists(tree))
        steps = pick(choose, lists)
        place = choose.number(0, len(steps) - 1)
        what = choose.number(0, 5)
        step = steps[place]
        if what == 0:
            del steps[place]
        elif what == 1:
            step["id"] = f"{step['id']}x"
        elif what == 2:
            steps[place] = {"type": "wait", "id": step["id"], "duration": 1.0}
        elif what == 3:
            step["when"] = pick(choose, ("true", "false", "input.n > 9"))
        elif what == 4:
            step.pop(pick(choose, ("retry", "timeouts", "on_error", "inputs")), None)
        else:
            steps.insert(place, {"type": "task", "id": f"{step['id']}y", "task": "more"})
        if not list(_lists(tree)):
            break
    return msgspec.convert(tree, d.Definition)


def _lists(part: object) -> Iterator[list[dict[str, Value]]]:
    """All lists of steps that are not empty."""
    if isinstance(part, dict):
        for name in part:
            value = part[name] = list(part[name]) if isinstance(part[name], tuple) else part[name]
            if name in {"steps", "default"} and value:
                yield value
            yield from _lists(value)
    elif isinstance(part, list):
        for one in part:
            yield from _lists(one)


def work(state: RunState, net: NetIndex) -> dict[str, tuple[str, Value]]:
    """What became of what a run does, apart from what it does not."""
    return {
        name: (step.status, step.output)
        for name, step in state.steps.items()
        if step.status != "skipped" and isinstance(_action(net, name), Task | Map | Set | Wait)
    }


def _action(net: NetIndex, name: str) -> object:
    found = net.steps.get(static_of(name))
    return None if found is None else found.step.action


@settings(max_examples=60)
@given(made=marked())
def test_what_is_told_to_be_the_same_leads_to_the_same_state(
    made: tuple[Play, d.Definition, Drawn],
) -> None:
    run, definition, choose = made
    try:
        other = index(edited(definition, choose), ENGINE)
    except LookupError:
        return  # what is gone is named elsewhere
    play = played(run, other.net)
    if play.parting is None:
        assert work(play.other, other) == work(play.recorded, run.net)
        assert play.other.variables == play.recorded.variables
        assert (play.other.status, play.other.output) == (run.state.status, run.state.output)
    elif play.has_begun:
        assert 1 <= play.parting.version <= len(run.facts) + 1
        assert otherwise(play).was == run.state.status
