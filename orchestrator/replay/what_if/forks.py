"""What a fork would do, before it is asked for: what is kept, what begins anew, and with what.

Where a run is forked from follows from what is wanted: the version that is named, the last one
before it at which the steps to do again can begin anew, or the last one at which nothing had gone
wrong. What would come of it is found by deciding it, as the coordinator will: nothing is guessed,
and whatever it would refuse is refused here.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.definition import Definition
from events.envelope import unseal
from events.errors import Corrupt, Rejected
from events.ids import definition_stream
from events.limits import NAMES_SHOWN_MAX
from events.net import Net
from events.policies import RunOptions
from events.run_facts import RunForked
from events.values import Value
from orchestrator.kernel.decide import decide
from orchestrator.kernel.env import Env
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.fitting import misfits, passed_over
from orchestrator.kernel.forking import may_be_retried, options_of
from orchestrator.kernel.inputs import Fork, NewDefinition
from orchestrator.kernel.instances import static_of
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.snapshot import restore
from orchestrator.kernel.state import RunState, serialise
from orchestrator.replay.ports import History
from orchestrator.replay.rebuild import Kept, Rebuilder
from orchestrator.replay.retrying import UNDER_WAY, Again, is_sound

PAGE = 500
LOOKED_AT = 1000
"""Versions before the one that is wanted among which one is looked for that a definition takes."""


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """The definition that a fork is to go on with."""

    workflow: str
    workflow_version: str
    options: RunOptions
    net: Net


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants of a fork. `at`: the version to begin from, 0 for the best one; with
    `steps`, which are to be done again, the last one until there at which that can be."""

    run_id: str
    fork_id: str
    at: int = 0
    steps: tuple[str, ...] = ()
    variables: Mapping[str, Value] = {}
    changed: Changed | None = None
    reason: str = ""


class Difference(msgspec.Struct, frozen=True):
    """A variable, or what a step is given: what it was, and what it is in the fork."""

    name: str
    before: Value | msgspec.UnsetType
    after: Value


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """What a fork would do. `version`: where it begins, of `last_version`. `kept`: steps that had
    completed by then. `again`: what begins anew; what comes after these follows as in any run.
    `retried`: those of them that had failed there. `passed`: steps of the new definition at places
    that the run has passed. `ends_as`: how it would end at once, "" when it goes on."""

    run_id: str
    workflow: str
    status: str
    version: int
    last_version: int
    workflow_version: str
    new_workflow_version: str
    kept: tuple[str, ...]
    again: tuple[Again, ...]
    retried: tuple[str, ...]
    variables: tuple[Difference, ...]
    inputs: tuple[Difference, ...]
    passed: tuple[str, ...]
    ends_as: str = ""

    @property
    def repeats(self) -> str:
        """What to think of before it begins, where it executes again what has completed."""
        if all(one.was != "completed" for one in self.again):
            return ""
        return (
            "Steps that completed only later are among these: make sure that they may be executed "
            "twice."
        )


async def foresee(store: History, wish: Wish, env: Env) -> Foreseen:
    """Raises `Rejected` when there is no such run or version, or it cannot be forked so; and
    `Corrupt`. O(events)."""
    past = Rebuilder(store, Catalogue())
    last = await _at(past, wish.run_id)
    version = await _version(past, last, wish)
    held = await _at(past, wish.run_id, version)
    found = await registered(store, held.workflow, held.workflow_version)
    before = NetIndex(found.net)
    net = before if wish.changed is None else NetIndex(wish.changed.net)
    if wish.changed is not None:
        _same_workflow(held, wish.changed)
        await _takes_it(past, held, wish, (before, net))
    steps = _instances(held, wish.steps, net)
    given = Fork(
        run_id=wish.fork_id,
        source_version=version,
        variables=dict(wish.variables),
        reason=wish.reason,
        steps=steps,
        definition=_definition(wish.changed, held, found.definition, before),
    )
    state = restore(serialise(held))
    facts = decide(state, net, given, env)
    forked = next(fact for fact in facts if isinstance(fact, RunForked))
    passed = () if net is before else passed_over(held, before, net)
    return _told(forked, (held, last, state), passed)


def _definition(
    changed: Changed | None, held: RunState, before: Definition, net: NetIndex
) -> NewDefinition | None:
    if changed is None or changed.workflow_version == held.workflow_version:
        return None
    options = options_of(held.options, before.options, changed.options)
    return NewDefinition(workflow_version=changed.workflow_version, options=options, before=net)


def _told(
    forked: RunForked, states: tuple[RunState, RunState, RunState], passed: Sequence[str]
) -> Foreseen:
    held, last, state = states
    done = (name for name, step in held.steps.items() if step.status == "completed")
    begun = {one.step for one in forked.renewed}
    return Foreseen(
        run_id=last.run_id,
        workflow=last.workflow,
        status=last.status,
        version=forked.source_version,
        last_version=last.version,
        workflow_version=held.workflow_version,
        new_workflow_version=forked.workflow_version,
        kept=tuple(name for name in done if "/" not in name),
        again=tuple(
            Again(step=name, was=last.steps[name].status if name in last.steps else "")
            for name, step in held.steps.items()
            if name in begun and step.status != "entered"
        ),
        retried=forked.retried,
        variables=tuple(
            Difference(name, held.variables.get(name, msgspec.UNSET), value)
            for name, value in forked.variables.items()
        ),
        inputs=tuple(_inputs(forked, held)),
        passed=tuple(passed),
        ends_as=state.status if state.terminal else "",
    )


def _inputs(forked: RunForked, held: RunState) -> list[Difference]:
    found: list[Difference] = []
    for one in forked.renewed:
        had = held.steps[one.step].inputs
        if one.inputs is not None and one.inputs != had:
            found.append(Difference(one.step, had, one.inputs))
        elif one.call is not None and "input" in had and one.call.input != had["input"]:
            found.append(Difference(one.step, had["input"], one.call.input))
    return found


async def registered(store: History, workflow: str, version: str) -> DefinitionRegistered:
    """A version of a workflow as the log has it. Raises `Corrupt` when it has not."""
    stream, after = definition_stream(workflow), 0
    while page := await store.read(stream, after, PAGE):
        for stored in page:
            fact = unseal(stored, Catalogue()).fact
            if isinstance(fact, DefinitionRegistered) and fact.workflow_version == version:
                return fact
        after = page[-1].version
    raise Corrupt(f"version {version} of {workflow} is not in the log")


# -- from where -----------------------------------------------------------------------------------


async def _at(past: Rebuilder, run_id: str, version: int | None = None) -> RunState:
    found = await past.run(run_id, version)
    if found is None:
        raise Rejected(f"there is no run {run_id}: `dalsegno run list` shows those there are")
    if version is not None and found.head.version != version:
        raise Rejected(
            f"run {run_id} has no version {version}: its last one is {found.head.version}"
        )
    return found.state


async def _version(past: Rebuilder, last: RunState, wish: Wish) -> int:
    """Where the fork begins."""
    if wish.at and not wish.steps:
        await _still_open(past, wish)
        return wish.at
    if wish.at > last.version:
        await _at(past, wish.run_id, wish.at)
    until = wish.at or last.version
    if wish.steps:
        _known(last, wish.steps)
        fits: Callable[[RunState], bool] = lambda state: _is_ready(state, wish.steps)  # noqa: E731
    elif not last.terminal:
        return last.version
    elif last.status == "completed":
        raise Rejected(
            f"run {last.run_id} is completed: say from where with --at VERSION; `dalsegno events "
            f"show {last.run_id}` numbers them"
        )
    else:
        fits = is_sound
    version = await _last_version(past, last.run_id, until, fits)
    if not version:
        raise Rejected(
            f"run {last.run_id} has no version until {until} from which "
            f"{', '.join(wish.steps[:NAMES_SHOWN_MAX]) or 'it'} could begin anew: mend its input "
            f"or workflow, and `dalsegno run start {last.workflow}`"
        )
    return version


async def _still_open(past: Rebuilder, wish: Wish) -> None:
    """Raises `Rejected`, with the last version that can be, where the run was ending then."""
    then = await _at(past, wish.run_id, wish.at)
    if not (then.terminal or then.closing is not None):
        return
    last = await _last_version(past, wish.run_id, wish.at, _is_open)
    status = then.status if then.closing is None else f"ending as {then.closing.status}"
    raise Rejected(
        f"run {wish.run_id} is {status} at version {wish.at}: the last version at which it was "
        f"still open is {last}, so `--at {last}` or an earlier one"
    )


def _is_open(state: RunState) -> bool:
    return not state.terminal and state.closing is None


async def _last_version(
    past: Rebuilder, run_id: str, until: int, fits: Callable[[RunState], bool]
) -> int:
    """The last version until then at which the state fits; 0: none."""
    state, best, kept = RunState(), 0, Kept()
    async for event in past.follow(run_id):
        if event.header.version > until:
            break
        state = await past.ground(state, event, kept)
        evolve(state, event.fact, event.header.recorded_at)
        if fits(state):
            best = state.version
    return best


def _known(last: RunState, steps: Sequence[str]) -> None:
    """Raises `Rejected` for a step that was never reached."""
    for step in steps:
        if not any(step in (name, static_of(name)) for name in last.steps):
            known = [name for name in last.steps if "/" not in name]
            more = len(known) - NAMES_SHOWN_MAX
            named = ", ".join(known[:NAMES_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
            raise Rejected(
                f"run {last.run_id} has not reached a step {step!r}; those it has: "
                f"{named or 'none'}"
            )


def _is_ready(state: RunState, steps: Sequence[str]) -> bool:
    """Whether each of the steps is still to be done, or could begin anew right there, and nothing
    else has gone wrong."""
    if not _is_open(state) or state.undecided or state.given_up:
        return False
    failed = [
        name for name, one in state.steps.items() if one.status == "failed" and not one.handled
    ]
    if any(not _is_named(name, steps) for name in failed):
        return False
    named = {name: one for name, one in state.steps.items() if _is_named(name, steps)}
    ready = all(one.status in UNDER_WAY or name in failed for name, one in named.items())
    return ready and (bool(failed) or state.waits)


def _is_named(instance: str, steps: Sequence[str]) -> bool:
    return instance in steps or static_of(instance) in steps


def _instances(held: RunState, steps: Sequence[str], net: NetIndex) -> tuple[str, ...]:
    """Those of the steps that had failed, and begin anew where they are."""
    return tuple(
        name for name in held.steps if _is_named(name, steps) and may_be_retried(held, net, name)
    )


def _same_workflow(held: RunState, changed: Changed) -> None:
    if changed.workflow != held.workflow:
        raise Rejected(
            f"run {held.run_id} is of workflow {held.workflow}, and the definition of workflow "
            f"{changed.workflow}: give it the same name"
        )


async def _takes_it(
    past: Rebuilder, held: RunState, wish: Wish, nets: tuple[NetIndex, NetIndex]
) -> None:
    """Raises `Rejected` where the definition does not take the state, with the last version whose
    state it does take."""
    found = misfits(held, *nets)
    if not found:
        return
    first = held.version - LOOKED_AT

    def fits(state: RunState) -> bool:
        return state.version > first and _is_open(state) and not misfits(state, *nets)

    version = await _last_version(past, wish.run_id, held.version, fits)
    told = "; ".join(f"{one.step}: {one.why}" for one in found[:NAMES_SHOWN_MAX])
    mend = (
        f"fork from version {version}, the last one that it can take"
        if version
        else (f"`dalsegno run start {held.workflow}` begins anew with it")
    )
    raise Rejected(
        f"the definition cannot take run {wish.run_id} at version {held.version}: {told}. Leave "
        f"this as it was, or {mend}"
    )
