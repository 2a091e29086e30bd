"""Calls: steps that run another workflow as a child run, and what its end means for them.

    reached ──► calling ──(the child completed)──► completed
                 ▲  └─────(it failed, timed out)─► retrying, or failed
                 └──────────(the wait is over)────────┘
                    └─────(it was cancelled)─────► failed

A child's id is derived from its parent, the step's instance and the number of the try, so whoever
finds the parent's state knows which run must be there; nothing else is remembered about it. The end
of a child is an input (`ChildEnded`); one that is not awaited any more changes nothing. A parent
that is closing waits for its children as it does for attempts: they are being cancelled.
"""

from events.facts import Called, Failure
from events.ids import child_run
from events.net import Call
from events.policies import Retry
from events.run_facts import ChildCalled, ChildCompleted, ChildFailed, MapPartCompleted
from events.task_facts import TaskCancelled, TaskFailed
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.ending import settle
from orchestrator.kernel.flow import Walk
from orchestrator.kernel.inputs import ChildEnded
from orchestrator.kernel.mapparts import is_part, taken_over
from orchestrator.kernel.maps import failing
from orchestrator.kernel.mapwalk import MapWalk
from orchestrator.kernel.retry import delay_s, refusal
from orchestrator.kernel.within import given_back, given_up

CANCELLED = "child_cancelled"


def child_ended(d: Decision, given: ChildEnded) -> None:
    """What follows from the end of a child."""
    state, step_id = d.state, given.step
    if state.calls.get(step_id) != given.run_id:
        return
    if state.closing is not None:
        d.record(TaskCancelled(step=step_id, attempt=0, why=f"its run is {given.status}"))
    elif given_up(d, step_id):
        why, flow = f"its run is {given.status}", given_back(d, step_id)
        d.record(TaskCancelled(step=step_id, attempt=0, why=why, flow=flow))
    elif given.status == "completed" and is_part(state, step_id):
        _part_completed(d, given)
    elif given.status == "completed":
        walk = Walk(d.net, state, d.env, outputs={step_id: given.output}).leave(step_id)
        run_id, output = given.run_id, given.output
        d.record(ChildCompleted(step=step_id, run_id=run_id, output=output, flow=walk.flow()))
    else:
        _failed(d, given)
    settle(d)


def _part_completed(d: Decision, given: ChildEnded) -> None:
    result = taken_over(given.output)
    flow = MapWalk(d.net, d.state, d.env).part_completed(given.step, result).flow()
    d.record(MapPartCompleted(step=given.step, run_id=given.run_id, result=result, flow=flow))


def _failed(d: Decision, given: ChildEnded) -> None:
    step = d.state.steps[given.step]
    failure = given.failure or Failure(code=given.status)
    if given.status == "cancelled":
        message = f"run {given.run_id} of {given.step} was cancelled"
        failure = Failure(code=CANCELLED, message=message)
    retry = Retry() if is_part(d.state, given.step) else d.net.call(given.step).retry or Retry()
    retryable = given.retryable and given.status != "cancelled"
    why = refusal(retry, failure, step.counted + 1, retryable)
    if why:
        handled, flow = failing(d, given.step, failure)
        d.record(
            TaskFailed(
                step=given.step, attempt=0, failure=failure, why=why, handled=handled, flow=flow
            )
        )
        return
    chance = d.env.chance(given.run_id)
    delay = float(delay_s(retry, step.counted + 1, step.delay_s, chance))
    d.record(
        ChildFailed(
            step=given.step,
            run_id=given.run_id,
            failure=failure,
            next_attempt_at=d.env.after(delay),
            delay_s=delay,
            why=f"run {step.counted + 1} of {retry.attempts_max}, {retry.kind} delay",
        )
    )


def call_again(d: Decision, step_id: str) -> None:
    """The wait before another child is over."""
    d.record(ChildCalled(call=renewed(d, step_id, d.state.run_id)))


def renewed(d: Decision, step_id: str, run_id: str, generation: int | None = None) -> Called:
    """The next child of a step, of the run `run_id`, with the input that it had; of its own
    generation unless it begins another one."""
    step = d.state.steps[step_id]
    if generation is None:
        generation = step.generation
    child_id = child_run(run_id, step_id, generation, step.attempt + 1)
    if is_part(d.state, step_id):
        return _part_again(d, step_id, child_id)
    action = d.net.call(step_id)
    return Called(
        step=step_id,
        run_id=child_id,
        workflow=action.workflow,
        workflow_version=action.version,
        input=step.inputs.get("input"),
        attempt=step.attempt + 1,
    )


def _part_again(d: Decision, step_id: str, child_id: str) -> Called:
    """In a fork of a run, or one that was restored."""
    state, step = d.state, d.state.steps[step_id]
    share = step.inputs.get("share")
    return Called(
        step=step_id,
        run_id=child_id,
        workflow=state.workflow,
        workflow_version=state.workflow_version,
        attempt=step.attempt + 1,
        share=share if isinstance(share, int) else 1,
    )


def is_call(d: Decision, step_id: str) -> bool:
    """Whether this step, or part of a map, acts by a run."""
    return isinstance(d.net.step(step_id).step.action, Call) or is_part(d.state, step_id)
