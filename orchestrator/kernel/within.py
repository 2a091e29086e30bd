"""Within: groups of steps with a limit of time for all of them together.

    reached ──► entered ──(the last of it is over)──► completed
                   └──(its time is over)──► given up ──(nobody has any of it)──► failed

Entering a group sets a timer and leads on into it at once; leaving it takes the timer away. When
the timer is due first, the group's tokens are taken away, what of it is idle is cancelled, and what
nodes and child runs have is asked back. As with everything that is asked back, nothing follows
until the last of it has come, since an attempt that was given up one-sidedly might still start. So
a group is over only when nobody has any of it, and then it fails as a step does: along its error
arc, or with its run. Results that come meanwhile are recorded and lead nowhere.

Groups lie inside each other: one that is given up takes those inside it along.
"""

from events.facts import Failure, Flow
from events.run_facts import GroupGivenUp
from events.task_facts import TaskFailed
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.flow import Walk
from orchestrator.kernel.instances import prefix, static_of, suffix_of
from orchestrator.kernel.maps import given_up as item_given_up
from orchestrator.kernel.maps import idle
from orchestrator.kernel.mapwalk import MapWalk
from orchestrator.kernel.settling import settle_idle
from orchestrator.kernel.stepfolds import WITHIN_TIMEOUT


def give_up(d: Decision, group_id: str) -> None:
    """The time of a group is over, and it is not."""
    limit_s = d.net.limits[static_of(group_id)]
    failure = Failure(code=WITHIN_TIMEOUT, message=f"{group_id} was not over within {limit_s:g} s")
    settle_idle(d, _inside(d, group_id), f"{group_id} is late")
    held = _held(d, group_id)
    if not held:
        _fail(d, group_id, failure)
        return
    d.record(
        GroupGivenUp(
            step=group_id,
            failure=failure,
            recalled=tuple(one for one in held if _is_with_somebody(d, one)),
            cancelled=_idle(d, group_id),
            flow=Walk(d.net, d.state, d.env).vacate(group_id).flow(),
        )
    )


def fail_group(d: Decision, group_id: str) -> None:
    """The last that somebody had of a group that was given up is back."""
    _fail(d, group_id, d.state.given_up[group_id])


def _fail(d: Decision, group_id: str, failure: Failure) -> None:
    walk = Walk(d.net, d.state, d.env, failures={group_id: failure}).vacate(group_id)
    arc = d.net.step(group_id).error_arc(failure)
    if arc is not None:
        walk.follow(arc, group_id)
    d.record(
        TaskFailed(
            step=group_id,
            attempt=0,
            failure=failure,
            kind="timed_out",
            why="its time was over",
            handled=arc is not None,
            flow=walk.flow(),
            cancelled=_idle(d, group_id),
        )
    )


def given_up(d: Decision, step_id: str) -> bool:
    """Whether nothing follows from this step but its end: it is of a map that is decided, or of a
    group that was given up."""
    return bool(_group_of(d, step_id)) or item_given_up(d.state, step_id)


def given_back(d: Decision, step_id: str) -> Flow:
    """What moves when the attempt, or the run, of such a step is over."""
    group_id = _group_of(d, step_id)
    walk = MapWalk(d.net, d.state, d.env)
    if not group_id:
        walk.item_given_back(step_id)
    elif _held(d, group_id) == (step_id,):
        walk.turn(group_id)
    return walk.flow()


def _group_of(d: Decision, step_id: str) -> str:
    """The group that was given up with this step in it."""
    if not d.state.given_up:
        return ""
    suffix = suffix_of(step_id)
    for group in d.net.groups.get(static_of(step_id), ()):
        group_id = group + prefix(suffix, d.net.depths.get(group, 0))
        if group_id in d.state.given_up:
            return group_id
    return ""


def _held(d: Decision, group_id: str) -> tuple[str, ...]:
    """What nodes and child runs have of a group, and what is to be settled."""
    held = dict.fromkeys((*d.state.outstanding, *d.state.calls, *d.state.settling))
    return tuple(step_id for step_id in held if d.net.is_inside(step_id, group_id))


def _is_with_somebody(d: Decision, step_id: str) -> bool:
    return step_id in d.state.outstanding or step_id in d.state.calls


def _idle(d: Decision, group_id: str) -> tuple[str, ...]:
    return idle(d.state, _inside(d, group_id))


def _inside(d: Decision, group_id: str) -> list[str]:
    return [step_id for step_id in d.state.steps if d.net.is_inside(step_id, group_id)]
