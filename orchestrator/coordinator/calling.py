"""Children: runs that steps of other runs have started, kept in step with these.

Guarantee: a step that calls has exactly the child that its run's state names; it is started when it
is missing, cancelled when its parent is ending, and its end is told to its parent. A child has its
parent's shard (see `child_run`), so one coordinator owns both.

Nothing is remembered about it. `see_to_child` compares the two states and does what is missing, and
it is asked to whenever they may differ: after a commit that changed what a parent wants, and when a
child has ended. A crash between any two of these is healed by the next owner: the index of runs
tells it the parents of which fewer children are open than they wait for, and it looks at these. A
parent that only waits for its children need not be in memory; what it does not know of them waits
in the intake, or is found by the next owner.
"""

from typing import TYPE_CHECKING

import msgspec

from events.api import StartRun
from events.errors import Corrupt, DalsegnoError, Rejected
from events.facts import Failure
from events.policies import Origin
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w
from orchestrator.coordinator.payloads import values_of
from orchestrator.coordinator.runs import Slot
from orchestrator.coordinator.starting import begin_run
from orchestrator.kernel.halting import open_transactions
from orchestrator.kernel.inputs import Cancel, ChildEnded, Terminate
from orchestrator.kernel.mapparts import is_part, part_of
from orchestrator.kernel.operating import was_terminated
from orchestrator.kernel.pinning import wanted_build

if TYPE_CHECKING:
    from orchestrator.coordinator.turn import Turn

REFUSED = "call_refused"
ACTOR = "parent"


def see_to_child(turn: "Turn", work: w.CallWork) -> None:
    """Does what is missing between a parent's step and its child, or the one that it had."""
    if work.orphan:
        _see_to_orphan(turn, work)
    else:
        _see_to_child(turn, work)


def _see_to_child(turn: "Turn", work: w.CallWork) -> None:
    memory = turn.memory
    if not memory.holds(work.run_id) or work.run_id in memory.parked:
        return
    parent = turn.slot(work.run_id, work)
    child_id = parent.state.calls.get(work.step) if parent else None
    if parent is None or child_id is None or child_id in memory.parked:
        return
    turn.touch(parent)  # it may rest after this look
    child = memory.runs.get(child_id)
    if child is None and not work.missing:
        memory.load_run(child_id, work)
    elif child is None:
        work.missing = False
        _start(turn, work, parent, child_id)
    elif turn.is_undecided(child.head.stream):
        memory.intake.append(work)
    elif not _is_of(child, parent, work.step):
        _refuse(turn, work, parent, f"run {child_id} exists already and is not its child")
    elif child.state.terminal:
        _tell(turn, work, parent, child)
    elif _is_given_up(parent, work.step) and child.state.closing is None:
        _cancel(turn, work, parent, child_id)


def _see_to_orphan(turn: "Turn", work: w.CallWork) -> None:
    """Ends a run that no step has any more; one that never began is not begun."""
    memory = turn.memory
    if not memory.holds(work.run_id):
        return
    if work.run_id in memory.parked or work.orphan in memory.parked:
        return
    parent = turn.slot(work.run_id, work)
    if parent is None or work.orphan in parent.state.calls.values():
        return
    child = memory.runs.get(work.orphan)
    if child is None and not work.missing:
        memory.load_run(work.orphan, work)
    elif child is None or child.state.terminal or not _is_from(child, parent):
        pass
    elif turn.is_undecided(child.head.stream):
        memory.intake.append(work)
    elif turn.slot(work.orphan, work) is not None:
        stamp = turn.stamp(child.shard, causation=f"run:{parent.run_id}")
        step = child.state.origin.step
        given: Cancel | Terminate = Cancel(
            reason=f"its parent {parent.run_id} does not have it as {step} any more"
        )
        if was_terminated(parent.state) and not open_transactions(child.state):
            given = Terminate(by=f"the end of its parent {parent.run_id}")
        turn.decide(child, given, stamp).works.append(work)


def _is_given_up(parent: Slot, step: str) -> bool:
    """Whether nobody wants the child any more: its parent is ending, or its map is decided."""
    return parent.state.closing is not None or parent.state.is_recalled(step)


def _is_of(child: Slot, parent: Slot, step: str) -> bool:
    origin = child.state.origin
    return (origin.kind, origin.run_id, origin.step) == ("parent", parent.run_id, step)


def _is_from(child: Slot, parent: Slot) -> bool:
    return (child.state.origin.kind, child.state.origin.run_id) == ("parent", parent.run_id)


def _start(turn: "Turn", work: w.CallWork, parent: Slot, child_id: str) -> None:
    state = parent.state
    if _is_given_up(parent, work.step):
        _ended(turn, work, parent, ChildEnded(step=work.step, run_id=child_id, status="cancelled"))
        return
    if state.paused is not None:
        return
    depth, most = state.origin.depth + 1, turn.memory.engine.limits.calls_depth_max
    origin = Origin(kind="parent", run_id=parent.run_id, step=work.step, depth=depth)
    try:
        if depth > most:
            raise Rejected(f"it would be the {depth}th level of runs started by runs, over {most}")
        if is_part(state, work.step) and _is_damaged(work):
            _park(turn, work, parent)
        elif is_part(state, work.step):
            _start_part(turn, work, parent, origin)
        else:
            begin_run(turn, work, _call(turn, work, parent, origin))
    except DalsegnoError as error:
        _refuse(turn, work, parent, str(error))


def _is_damaged(work: w.CallWork) -> bool:
    """Whether what a part goes through was stored and cannot be read any more."""
    return work.loaded is not None and bool(work.loaded.damaged)


def _park(turn: "Turn", work: w.CallWork, parent: Slot) -> None:
    """No failure of the run's: with the chunk restored it goes on, in whoever owns it next."""
    if turn.is_undecided(parent.head.stream):
        turn.memory.intake.append(work)
    elif work.loaded is not None:
        told = f"run {parent.run_id} cannot begin {work.step}: {work.loaded.damaged}"
        turn.memory.park(parent.run_id, Corrupt(told))


def _call(turn: "Turn", work: w.CallWork, parent: Slot, origin: Origin) -> StartRun:
    state, call = parent.state, turn.net_of(parent).call(work.step)
    return StartRun(
        actor=ACTOR,
        run_id=state.calls[work.step],
        workflow=call.workflow,
        workflow_version=call.version,
        input=state.steps[work.step].inputs.get("input"),
        origin=origin,
        build=wanted_build(state),
        subject=state.subject,
    )


def _start_part(turn: "Turn", work: w.CallWork, parent: Slot, origin: Origin) -> None:
    """Of a map, with its own options for tasks, once its items are here."""
    state = parent.state
    part, mapped, stored = part_of(state, work.step)
    if stored and (work.loaded is None or work.loaded.hash != stored):
        work.missing = True  # the child is looked for once
        turn.memory.load(f"payload:{stored}", s.LoadPayload(hash=stored), work)
        return
    if stored and work.loaded is not None:
        items = values_of(work.loaded, len(mapped.items))
        mapped = msgspec.structs.replace(mapped, items=items)
    build = wanted_build(state)
    options = msgspec.structs.replace(
        state.options, timeout_s=None, concurrency_max=None, build=build
    )
    request = StartRun(
        actor=ACTOR,
        run_id=state.calls[work.step],
        workflow=state.workflow,
        workflow_version=state.workflow_version,
        options=options,
        origin=origin,
        subject=state.subject,
    )
    begin_run(turn, work, request, (part, mapped))


def _refuse(turn: "Turn", work: w.CallWork, parent: Slot, why: str) -> None:
    failure = Failure(code=REFUSED, message=f"{work.step} cannot start its run: {why}")
    child_id = parent.state.calls[work.step]
    given = ChildEnded(
        step=work.step, run_id=child_id, status="failed", failure=failure, retryable=False
    )
    _ended(turn, work, parent, given)


def _tell(turn: "Turn", work: w.CallWork, parent: Slot, child: Slot) -> None:
    state = child.state
    given = ChildEnded(
        step=work.step,
        run_id=child.run_id,
        status=state.status,
        output=state.output,
        failure=state.failure,
    )
    _ended(turn, work, parent, given)


def _ended(turn: "Turn", work: w.CallWork, parent: Slot, given: ChildEnded) -> None:
    stamp = turn.stamp(parent.shard, causation=f"run:{given.run_id}")
    turn.decide(parent, given, stamp).works.append(work)


def _cancel(turn: "Turn", work: w.CallWork, parent: Slot, child_id: str) -> None:
    child = turn.slot(child_id, work)
    closing = parent.state.closing
    if child is None:
        return
    how = f"ends as {closing.status}" if closing is not None else f"needs {work.step} no more"
    reason = f"its parent {parent.run_id} {how}"
    stamp = turn.stamp(child.shard, causation=f"run:{parent.run_id}")
    turn.decide(child, Cancel(reason=reason), stamp).works.append(work)
