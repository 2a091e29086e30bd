"""What is said of a run, and of its steps that no node works on."""

from collections.abc import Callable, Mapping

from events import run_facts as r
from events.facts import Fact, Failure
from events.net import Loop, Map
from orchestrator.kernel.durations import length
from orchestrator.kernel.env import MICROSECONDS
from orchestrator.kernel.timers import RUN_TIMEOUT
from orchestrator.replay.why.task_sentences import retry_arithmetic
from orchestrator.replay.why.telling import (
    Said,
    Told,
    because,
    counted,
    decided,
    failed_with,
    listed,
    onward,
    plain,
    seen,
    these,
    value_text,
    when,
    who,
)


def _started(told: Told[r.RunStarted]) -> Said:
    fact, origin = told.fact, told.fact.origin
    by = who(told.header.actor)
    if origin.kind == "parent":
        by = f"step {origin.step} of run {origin.run_id}"
    further, data = onward(told, fact.flow)
    until = f", which is to end by {when(fact.due_at)}" if fact.due_at is not None else ""
    return Said(
        f"{by} started a run of {fact.workflow}{until}{further}",
        decided(
            workflow=fact.workflow,
            workflow_version=fact.workflow_version,
            origin=plain(origin),
            timeout_s=fact.options.timeout_s,
            due_at=fact.due_at,
            build=fact.options.build,
        )
        | data,
    )


def _forked(told: Told[r.RunForked]) -> Said:
    fact = told.fact
    renewed = [one.step for one in fact.renewed]
    set_ = f", with {listed(fact.variables)} set" if fact.variables else ""
    again = f"; {these(renewed, 'begins', 'begin')} anew" if renewed else ""
    if fact.retried:
        again += f", of which {listed(fact.retried)} had failed there"
    return Said(
        f"{who(told.header.actor)} forked run {fact.source_run_id} at version "
        f"{fact.source_version}{set_}{because(fact.reason)}{again}",
        decided(
            source_run_id=fact.source_run_id,
            source_version=fact.source_version,
            variables=fact.variables,
            renewed=renewed,
            retried=fact.retried,
            workflow_version=fact.workflow_version,
            reason=fact.reason,
        ),
    )


def _signal(told: Told[r.SignalReceived]) -> Said:
    fact = told.fact
    which = "" if fact.correlation is None else f" for {value_text(fact.correlation)}"
    return Said(
        f"{who(told.header.actor)} sent signal {fact.name}{which}",
        decided(id=fact.id, name=fact.name, data=fact.data, correlation=fact.correlation),
    )


def _wait_ended(told: Told[r.WaitEnded]) -> Said:
    fact = told.fact
    further, data = onward(told, fact.flow)
    timers = {} if told.before is None else told.before.timers
    due_at = timers.get(f"until:{fact.step}", timers.get(f"wait:{fact.step}"))
    why = f"the time it waited for has come ({when(due_at)})" if due_at else "its time has come"
    if fact.signal:
        kept = None if told.before is None else told.before.signals.get(fact.signal)
        why = f"it took signal {kept.name if kept is not None else fact.signal}"
    return Said(
        f"{fact.step} waits no more: {why}{further}",
        decided(signal=fact.signal, due_at=None if fact.signal else due_at, output=fact.output)
        | data,
    )


def _loop(told: Told[r.LoopAdvanced]) -> Said:
    fact, step = told.fact, told.net_step(told.fact.step)
    further, data = onward(told, fact.flow)
    action = None if step is None else step.action
    kind = action.kind if isinstance(action, Loop) else "loop"
    ends = "is left" if fact.index is None else f"begins iteration {fact.index}"
    why = ""
    if fact.values:
        held = (fact.index is not None) is (kind != "until")
        holds = "holds" if held else "does not hold"
        why = f", since {fact.when or 'its condition'} {holds} ({seen(fact.values)})"
    elif kind == "for_each":
        why = ", since there are no more items" if fact.index is None else ""
    return Said(
        f"{fact.step} {ends}{why}{further}",
        decided(kind=kind, iteration=fact.index, when=fact.when, values=fact.values) | data,
    )


def _map_advanced(told: Told[r.MapAdvanced]) -> Said:
    further, data = onward(told, told.fact.flow)
    found = told.step(told.fact.step).map
    of = "" if found is None else f" of its {found.count}"
    return Said(f"{told.fact.step} begins more{of} items{further}", data)


def _map_decided(told: Told[r.MapDecided]) -> Said:
    fact = told.fact
    how = "it succeeds" if fact.failure is None else f"it fails with {failed_with(fact.failure)}"
    left = counted(len(fact.recalled) + len(fact.cancelled), "item")
    return Said(
        f"what becomes of {fact.step} is known before all its items are over: {how}{_tally(told)}; "
        f"{left} given up",
        decided(
            rule=_rule(told),
            failure=None if fact.failure is None else plain(fact.failure),
            recalled=fact.recalled,
            cancelled=fact.cancelled,
        ),
    )


def _rule(told: Told[r.MapDecided] | Told[r.MapCompleted]) -> str:
    step = told.net_step(told.fact.step)
    return step.action.rule if step is not None and isinstance(step.action, Map) else ""


def _tally(told: Told[r.MapDecided]) -> str:
    found, rule = told.step(told.fact.step).map, _rule(told)
    if found is None:
        return ""
    by = f", as its rule {rule} says" if rule else ""
    return f" ({found.completed} of {found.count} completed, {found.failed} failed{by})"


def _part_completed(told: Told[r.MapPartCompleted]) -> Said:
    fact, result = told.fact, told.fact.result
    further, data = onward(told, fact.flow)
    return Said(
        f"run {fact.run_id}, which does {fact.step}, is over: "
        f"{counted(result.completed, 'item')} completed, {result.failed} failed{further}",
        decided(run_id=fact.run_id, completed=result.completed, failed=result.failed) | data,
    )


def _map_completed(told: Told[r.MapCompleted]) -> Said:
    fact, rule = told.fact, _rule(told)
    further, data = onward(told, fact.flow)
    by = f", which is enough by its rule {rule}" if rule else ""
    return Said(
        f"{fact.step} is done: {counted(fact.completed, 'item')} completed, {fact.failed} failed"
        f"{by}{further}",
        decided(completed=fact.completed, failed=fact.failed, rule=rule) | data,
    )


def _group(told: Told[r.GroupGivenUp]) -> Said:
    fact = told.fact
    step = told.net_step(fact.step)
    limit_s = None if told.net is None or step is None else told.net.limits.get(step.id)
    return Said(
        f"the time of {fact.step} is over, and it is not: {failed_with(fact.failure)}; "
        f"{these(fact.recalled, 'is', 'are')} asked back first",
        decided(
            timeout="timeout_s",
            limit_s=limit_s,
            source="the step",
            failure=plain(fact.failure),
            recalled=fact.recalled,
            cancelled=fact.cancelled,
        ),
    )


def _child_called(told: Told[r.ChildCalled]) -> Said:
    call = told.fact.call
    return Said(
        f"{call.step} begins run {call.run_id} of {call.workflow}, try {call.attempt}",
        decided(run_id=call.run_id, workflow=call.workflow, attempt=call.attempt),
    )


def _child_completed(told: Told[r.ChildCompleted]) -> Said:
    fact = told.fact
    further, data = onward(told, fact.flow)
    return Said(
        f"run {fact.run_id} of {fact.step} completed{further}",
        decided(run_id=fact.run_id, output=fact.output) | data,
    )


def _child_failed(told: Told[r.ChildFailed]) -> Said:
    fact = told.fact
    why, record = retry_arithmetic(told, fact.step, fact.delay_s, counted=True)
    reasons = "; ".join(filter(None, (fact.why, why)))
    return Said(
        f"run {fact.run_id} of {fact.step} failed with {failed_with(fact.failure)}; another one "
        f"follows in {length(fact.delay_s)}{because(reasons)}",
        decided(
            run_id=fact.run_id,
            failure=plain(fact.failure),
            delay_s=fact.delay_s,
            next_attempt_at=fact.next_attempt_at,
            why=fact.why,
        )
        | record,
    )


def _update(told: Told[r.UpdateAccepted]) -> Said:
    fact = told.fact
    why = f", since {fact.when} holds ({seen(fact.values)})" if fact.when else ""
    return Said(
        f"update {fact.name} of {who(told.header.actor)} was accepted{why}: it sets "
        f"{listed(fact.variables) or 'nothing'}",
        decided(
            id=fact.id,
            name=fact.name,
            data=fact.data,
            when=fact.when,
            values=fact.values,
            variables=fact.variables,
        ),
    )


def _pinned(told: Told[r.RunPinned]) -> Said:
    fact = told.fact
    to = f"to nodes with build {fact.build}" if fact.build else "to nodes with any build"
    return Said(
        f"from now on its tasks go {to}{because(fact.reason)}",
        decided(build=fact.build, reason=fact.reason, by=told.header.actor),
    )


def _paused(told: Told[r.RunPaused]) -> Said:
    return Said(
        f"{who(told.header.actor)} paused the run{because(told.fact.reason)}",
        decided(by=told.header.actor, reason=told.fact.reason),
    )


def _resumed(told: Told[r.RunResumed]) -> Said:
    fact = told.fact
    return Said(
        f"{who(told.header.actor)} resumed the run after {length(fact.shift_us / MICROSECONDS)}"
        f"{because(fact.reason)}",
        decided(by=told.header.actor, reason=fact.reason, paused_s=fact.shift_us / MICROSECONDS),
    )


def _closing(told: Told[r.RunClosing]) -> Said:
    fact = told.fact
    waits = () if told.before is None else (*told.before.outstanding, *told.before.calls)
    first = f", once {these(waits, 'is', 'are')} back" if waits else ""
    return Said(
        f"the run is going to end as {fact.status}{first}{_why(told, fact.failure, fact.step)}",
        decided(
            status=fact.status,
            reason=fact.reason,
            failure=None if fact.failure is None else plain(fact.failure),
            step=fact.step,
            cancelled=fact.cancelled,
            waits_for=waits,
        ),
    )


def _why(told: Told[Fact], failure: Failure | None, step: str) -> str:
    """Why a run ends that does not complete."""
    reason = getattr(told.fact, "reason", "")
    if failure is None:
        return f": {who(told.header.actor)} wanted it{because(reason)}"
    if failure.code == RUN_TIMEOUT:
        limit_s = None if told.before is None else told.before.options.timeout_s
        limit = "" if limit_s is None else f" (timeout_s = {limit_s:g} of the run)"
        return f": {failure.message or failure.code}{limit}"
    return f": {f'{step} failed with ' if step else ''}{failed_with(failure)}"


def _completed(told: Told[r.RunCompleted]) -> Said:
    return Said(
        "the run completed: the end of its workflow was reached, and nothing was left to do",
        decided(output=told.fact.output),
    )


def _failed(told: Told[r.RunFailed]) -> Said:
    fact = told.fact
    policy = "" if told.before is None else told.before.options.error_policy
    return Said(
        f"the run failed{_why(told, fact.failure, fact.step)}",
        decided(
            failure=plain(fact.failure),
            step=fact.step,
            error_policy=policy if fact.step else "",
            cancelled=fact.cancelled,
            unsettled=fact.unsettled,
            by=told.header.actor if told.header.actor != "system" else "",
        ),
    )


def _cancelled(told: Told[r.RunCancelled]) -> Said:
    return Said(
        f"the run was cancelled{_why(told, None, '')}",
        decided(by=told.header.actor, reason=told.fact.reason, cancelled=told.fact.cancelled),
    )


def _timed_out(told: Told[r.RunTimedOut]) -> Said:
    fact = told.fact
    limit_s = None if told.before is None else told.before.options.timeout_s
    return Said(
        f"the run timed out{_why(told, fact.failure, '')}",
        decided(
            failure=plain(fact.failure),
            timeout="timeout_s",
            limit_s=limit_s,
            source="the run",
            cancelled=fact.cancelled,
        ),
    )


OF_RUNS: Mapping[type[Fact], Callable[..., Said]] = {
    r.RunStarted: _started,
    r.RunForked: _forked,
    r.SignalReceived: _signal,
    r.WaitEnded: _wait_ended,
    r.LoopAdvanced: _loop,
    r.MapAdvanced: _map_advanced,
    r.MapDecided: _map_decided,
    r.MapPartCompleted: _part_completed,
    r.MapCompleted: _map_completed,
    r.GroupGivenUp: _group,
    r.ChildCalled: _child_called,
    r.ChildCompleted: _child_completed,
    r.ChildFailed: _child_failed,
    r.UpdateAccepted: _update,
    r.RunPinned: _pinned,
    r.RunPaused: _paused,
    r.RunResumed: _resumed,
    r.RunClosing: _closing,
    r.RunCompleted: _completed,
    r.RunFailed: _failed,
    r.RunCancelled: _cancelled,
    r.RunTimedOut: _timed_out,
}
