"""Maps: a task for each item of a list, many at the same time, one step instance.

    reached ──► items begin ──► … each that ends lets the next begin … ──► done (completed)
                                        │                              └─► failed
                                        └─(decided early)──► the others are asked back ──► done

Reaching a map only notes that it is to be decided on, as for loops (`RunState.turning`); a fact
then enables a bounded number of items and says whether there are more to begin at once. From then
on the fact of an item's end carries the next item, so a map costs one dispatch and one end an item
and one fact a hundred at its beginning. Whether it is done is looked at with each end
(`maprules.verdict`).

Guarantee: a map is over only when none of its items is with a node. One that is decided while some
are asks them back and waits, for the reason that a closing run does: an attempt that was given up
one-sidedly might still start. Results that come after the decision are not among its output.

The results stand in the state, in order, together at most as large as one payload. A large map is
cut into parts, which are runs (`mapparts`); what is said here of items holds for these as well.
"""

from collections.abc import Iterable

from events.facts import Failure, Flow
from events.net import Map
from events.run_facts import MapAdvanced, MapCompleted, MapDecided
from events.values import Value
from orchestrator.kernel.bounds import PayloadTooLarge
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.instances import index_of, inside
from orchestrator.kernel.mapparts import handed_over, is_part, results
from orchestrator.kernel.maprules import ENTRY_BYTES, Tally, needed, verdict
from orchestrator.kernel.mapstate import Ending, MapState
from orchestrator.kernel.mapwalk import MapWalk
from orchestrator.kernel.settling import settle_idle
from orchestrator.kernel.state import RunState

TOO_FEW = "too_few_completed"
TOO_LARGE = "results_too_large"


class ResultsTooLarge(PayloadTooLarge):
    """The results of a map are together over the limit."""

    code = TOO_LARGE


def under_way(state: RunState, map_id: str) -> MapState:
    """Raises KeyError for a step that is no map or is over."""
    found = state.steps[map_id].map
    if found is None:
        raise KeyError(map_id)
    return found


def given_up(state: RunState, step_id: str) -> bool:
    """Whether this is an item of a map that is decided: nothing follows from it but its end."""
    map_id = state.map_of(step_id)
    return bool(map_id) and under_way(state, map_id).decided is not None


def idle(state: RunState, among: Iterable[str]) -> tuple[str, ...]:
    """Those of `among` that are open and that neither a node nor a child run holds, nor a
    settlement: items of maps first, and a map only with its last item."""
    open_ = {"ready", "retrying", "entered", "waiting", "deferred"}
    found = [
        step_id
        for step_id in among
        if state.steps[step_id].status in open_ and step_id not in state.settling
    ]
    with_others = (*state.outstanding, *state.calls, *state.settling)
    held = {map_id for step_id in with_others if (map_id := state.map_of(step_id))}
    items = [step_id for step_id in found if state.map_of(step_id)]
    others = [step_id for step_id in found if not (state.map_of(step_id) or step_id in held)]
    return (*items, *others)


def results_fit(d: Decision, item_id: str, size: int) -> None:
    """Raises `ResultsTooLarge` when there is no room for a result of so many bytes."""
    map_id, most = d.state.map_of(item_id), d.env.limits.payload_bytes_max
    if not map_id or given_up(d.state, item_id):
        return
    if under_way(d.state, map_id).output_bytes + size + ENTRY_BYTES > most:
        raise ResultsTooLarge(_too_large(map_id, most))


def _too_large(map_id: str, most: int) -> str:
    return (
        f"the results of {map_id} have over {most} bytes together: let its task store large values "
        "elsewhere and return references, or map over parts of the list one after the other"
    )


def failing(d: Decision, step_id: str, failure: Failure) -> tuple[bool, Flow]:
    """Whether something takes a step's failure, and what moves: an item's is its map's affair, any
    other goes along an error arc if there is one."""
    walk = MapWalk(d.net, d.state, d.env, failures={step_id: failure})
    if d.state.map_of(step_id):
        if is_part(d.state, step_id):
            walk.part_failed(step_id)
        else:
            walk.item_failed(step_id, failure, is_last=failure.code == TOO_LARGE)
        return True, walk.flow()
    arc = d.net.step(step_id).error_arc(failure)
    if arc is not None:
        walk.follow(arc, step_id)
    return arc is not None, walk.flow()


def advance(d: Decision, map_id: str) -> Failure | None:
    """Begins more items, or says what becomes of the map; returns why it has failed."""
    found = under_way(d.state, map_id)
    if found.decided is None:
        known = _decision(d, map_id, found)
        if known is None:
            walk = MapWalk(d.net, d.state, d.env).begin_items(map_id)
            d.record(MapAdvanced(step=map_id, flow=walk.flow()))
            return None
        if found.open:
            _decide(d, map_id, known)
            return None
    else:
        known = found.decided
    if known.failure is None:
        _complete(d, map_id, found)
    return known.failure


def _complete(d: Decision, map_id: str, found: MapState) -> None:
    completed, failed = found.completed, found.failed
    outputs: Value = list(found.outputs)
    output: Value = None
    if found.cut is not None:
        outputs = results(d, found, found.cut)
        output = outputs if isinstance(outputs, dict) else None
    if d.state.part is None:
        flow = MapWalk(d.net, d.state, d.env, outputs={map_id: outputs}).leave(map_id).flow()
    else:
        output, flow = handed_over(d, found, d.state.part), Flow(ended=True)
    d.record(
        MapCompleted(step=map_id, completed=completed, failed=failed, flow=flow, output=output)
    )


def _decision(d: Decision, map_id: str, found: MapState) -> Ending | None:
    if found.broken is not None:
        return Ending(found.broken)
    action, limits = d.net.map(map_id), d.env.limits
    size = found.output_bytes if found.cut is None else 0
    tally = Tally(found.count, found.completed, found.failed, size)
    match verdict(action, tally, limits, d.state.part):
        case "":
            return None
        case "completed":
            return Ending()
        case "too_large":
            message = _too_large(map_id, limits.payload_bytes_max)
            return Ending(Failure(code=TOO_LARGE, message=message))
        case "failed":
            return Ending(_failure(map_id, action, found))


def _failure(map_id: str, action: Map, found: MapState) -> Failure:
    """Where every item must complete, the code is that of the first that did not."""
    first, count = found.failure, found.count
    told = f"{found.failed} of {count} items of {map_id} failed"
    details: dict[str, Value] = {"completed": found.completed, "failed": found.failed}
    if first is None:
        least = needed(action, count)
        message = f"{map_id} has {count} items, {least} must complete"
        return Failure(code=TOO_FEW, message=message, details=details)
    details |= {"index": found.failed_at, "code": first.code, "details": first.details}
    message = f"{told}; {map_id}[{found.failed_at}]: {first.message or first.code}"
    code = first.code if action.rule in {"all", "fail_fast"} else TOO_FEW
    return Failure(code=code, message=message, details=details)


def _decide(d: Decision, map_id: str, ending: Ending) -> None:
    """Asks the items back that nodes have, and ends the runs of parts; the others are over with
    this."""
    recalled: list[int] = []
    cancelled: list[int] = []
    items = [step_id for step_id in d.state.steps if d.state.map_of(step_id) == map_id]
    settle_idle(d, items, f"{map_id} is decided")
    for step_id in items:
        if step_id in d.state.outstanding or step_id in d.state.calls:
            recalled.append(index_of(step_id))
        elif step_id not in d.state.settling:
            cancelled.append(index_of(step_id))
    is_held = recalled or any(step_id in d.state.settling for step_id in items)
    stuck = [one for one in d.state.stuck if d.state.map_of(one) == map_id]
    cancelled += [index_of(one) for one in stuck]
    d.record(
        MapDecided(
            step=map_id,
            failure=ending.failure,
            recalled=tuple(recalled),
            cancelled=tuple(cancelled),
            flow=Flow(turned=() if is_held else (map_id,)),
        )
    )


def items_of(map_id: str, numbers: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(inside(map_id, number) for number in numbers)
