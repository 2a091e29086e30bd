"""Commands are derivable: what a run has outstanding says which command each node must have."""

from events.messages import Cancel, Command, Execute
from orchestrator.kernel.flow import timeouts
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.state import RunState


def command(
    state: RunState,
    net: NetIndex,
    step_id: str,
    shard: int,
    traceparent: str = "",
    *,
    epoch: int = 0,
) -> Command:
    """What the node that holds the step's outstanding attempt is to do: execute, or give back.
    `epoch`: under which the sender owns the shard."""
    step = state.steps[step_id]
    attempt = state.attempt_of(step_id)
    if state.closing is not None and step.settling is None:
        reason = state.closing.reason or f"the run ends as {state.closing.status}"
        return Cancel(attempt=attempt, shard=shard, code=state.closing.status, reason=reason)
    if step.recalled:
        return Cancel(attempt=attempt, shard=shard, code=step.recalled)
    task = net.task(step_id)
    limits = timeouts(task, state)
    return Execute(
        attempt=attempt,
        shard=shard,
        task=task.task,
        inputs=step.inputs,
        workflow=state.workflow,
        token=step.token,
        details=step.details,
        start_within_s=limits.schedule_to_start_s,
        start_to_close_s=limits.start_to_close_s,
        heartbeat_s=limits.heartbeat_s,
        needs=task.needs,
        traceparent=traceparent,
        epoch=epoch,
        dispatched_at=step.dispatched_at or 0,
        once=step.once or {},
        settle=step.settling is not None,
    )
