"""Which version of a run to go on from, so that something is done again.

What failed, or was named, is done again from the last version at which nothing of it had ended and
the run was sound: nothing had failed for good, no step was stuck, and something was still awaited.
What had completed by then is kept. An open run is restored to that version; a closed one is never
opened again, so a new run is forked from there.
"""

from collections.abc import Callable, Iterable

import msgspec

from events.catalogue import Catalogue
from events.errors import NotFound, Rejected
from events.limits import NAMES_SHOWN_MAX
from events.operator_facts import KeptSignal, RestoreMode
from events.run_facts import SignalReceived
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.instances import static_of
from orchestrator.kernel.state import RunState
from orchestrator.replay.ports import History
from orchestrator.replay.rebuild import Kept, Rebuilder

OPEN_STEPS = frozenset(
    {"ready", "dispatched", "running", "retrying", "waiting", "calling", "deferred"}
)
UNDER_WAY = OPEN_STEPS | {"entered"}
RETRYABLE = frozenset({"failed", "timed_out", "cancelled"})


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done again of a run: everything after `version` (0: after its last one), and
    in the other modes also what had failed by then, `steps` of it, or all."""

    version: int = 0
    mode: RestoreMode = "resume"
    steps: tuple[str, ...] = ()


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run is to go on from: as it was `earlier`, at `version`. `signals`: those received
    since."""

    version: int
    earlier: RunState
    signals: tuple[KeptSignal, ...] = ()


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """A step that begins anew; `was`: how it ended, or is now, after the version gone back to."""

    step: str
    was: str


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """`version`: where it goes on from. `kept`: steps that had completed by then. `again`: what was
    under way there; the steps after these follow as in any run."""

    run_id: str
    workflow: str
    status: str
    version: int
    last_version: int
    kept: tuple[str, ...]
    again: tuple[Again, ...]


async def plan_retry(store: History, run_id: str) -> Retry:
    """Of a closed run that did not complete. Raises `Rejected` when there is no such run, or
    nothing to try again; and `Corrupt`."""
    past = Rebuilder(store, Catalogue(), snapshots=False)
    last = await _at(past, run_id)
    refuse(last)
    version = await _last_version(past, run_id, last.version, is_sound)
    if not version:
        raise Rejected(
            f"run {run_id} had failed before anything was under way, and would at once fail again: "
            f"mend its input or workflow, and `dalsegno run start {last.workflow}`"
        )
    return told(await _at(past, run_id, version), last, version)


async def plan(store: History, run_id: str, wanted: Wanted) -> Retry:
    """What a run would do again. Raises as `find`."""
    past = Rebuilder(store, Catalogue())
    found = await find(past, run_id, wanted)
    last = await _at(past, run_id)
    return told(found.earlier, last, found.version)


async def find(past: Rebuilder, run_id: str, wanted: Wanted) -> Past:
    """Where a run is to go on from. Raises `Rejected` when there is no such run or version, or
    nothing that could be done again as it is wanted; and `Corrupt`. O(events)."""
    then = await _at(past, run_id, wanted.version or None)
    version = await _version(past, then, wanted)
    earlier = then if version == then.version else await _at(past, run_id, version)
    return Past(version=version, earlier=earlier, signals=await _signals(past, run_id, version))


async def _at(past: Rebuilder, run_id: str, version: int | None = None) -> RunState:
    found = await past.run(run_id, version)
    if found is None:
        raise NotFound(f"there is no run {run_id}: `dalsegno run list` shows those there are")
    if version is not None and found.head.version != version:
        raise Rejected(
            f"run {run_id} has no version {version}: its last one is {found.head.version}"
        )
    return found.state


async def _signals(past: Rebuilder, run_id: str, version: int) -> tuple[KeptSignal, ...]:
    """Those that a run has received since."""
    found = [event.fact async for event in past.follow(run_id) if event.header.version > version]
    return tuple(
        KeptSignal(id=fact.id, name=fact.name, data=fact.data, correlation=fact.correlation)
        for fact in found
        if isinstance(fact, SignalReceived)
    )


async def _version(past: Rebuilder, then: RunState, wanted: Wanted) -> int:
    if wanted.mode == "resume":
        return then.version
    if wanted.mode == "rerun_all":
        return 1
    names = _failed(then) if wanted.mode == "rerun_failed" else _named(then, wanted.steps)
    version = await _last_version(
        past, then.run_id, then.version, lambda state: _is_before(state, names)
    )
    if not version:
        raise Rejected(
            f"run {then.run_id} was never sound before {_list(names)}, and would at once be as it "
            f"is now: mend its input or workflow, and `dalsegno run start {then.workflow}`"
        )
    return version


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


def _failed(state: RunState) -> frozenset[str]:
    """Steps that failed for good. A run that did not complete may have none: it timed out."""
    found = frozenset(name for name, step in state.steps.items() if step.status == "failed")
    if not found and state.status not in RETRYABLE:
        raise Rejected(
            f"no step of run {state.run_id} has failed by version {state.version}: name the steps "
            "to run again, or run all again"
        )
    return found


def _named(state: RunState, steps: Iterable[str]) -> frozenset[str]:
    """Instances of the steps that are named, with an iteration or without."""
    found: set[str] = set()
    for step in steps:
        instances = [name for name in state.steps if step in (name, static_of(name))]
        if not instances:
            known = _list(name for name in state.steps if "/" not in name)
            raise Rejected(
                f"run {state.run_id} has not reached a step {step!r} by version {state.version}; "
                f"those it has: {known}"
            )
        found.update(instances)
    return frozenset(found)


def _list(names: Iterable[str]) -> str:
    found = list(names)
    more = len(found) - NAMES_SHOWN_MAX
    return ", ".join(found[:NAMES_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")


def _is_before(state: RunState, names: Iterable[str]) -> bool:
    """Whether the run is sound and nothing of `names` has ended."""
    steps = state.steps
    return is_sound(state) and all(
        name not in steps or steps[name].status in UNDER_WAY for name in names
    )


def is_sound(state: RunState) -> bool:
    """Whether nothing has gone wrong yet that a run from here would repeat by itself."""
    doomed = state.closing is not None or state.failure is not None or state.undecided
    return not (state.terminal or doomed or state.given_up) and state.waits


def refuse(last: RunState) -> None:
    run_id, status = last.run_id, last.status
    if not last.terminal:
        raise Rejected(
            f"run {run_id} is {status}: only a run that has ended can be retried; `dalsegno run "
            f"rerun {run_id}` does steps of an open one again"
        )
    if status not in RETRYABLE:
        raise Rejected(
            f"run {run_id} is {status}, there is nothing to retry: `dalsegno run start "
            f"{last.workflow}` starts a fresh one"
        )


def told(held: RunState, last: RunState, version: int) -> Retry:
    done = (name for name, step in held.steps.items() if step.status == "completed")
    return Retry(
        run_id=last.run_id,
        workflow=last.workflow,
        status=last.status,
        version=version,
        last_version=last.version,
        kept=tuple(name for name in done if "/" not in name),
        again=tuple(
            Again(step=name, was=last.steps[name].status if name in last.steps else "")
            for name, step in held.steps.items()
            if step.status in OPEN_STEPS
        ),
    )
