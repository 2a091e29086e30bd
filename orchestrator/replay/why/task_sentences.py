"""What is said of tasks and their attempts."""

from collections.abc import Callable, Mapping

from events import task_facts as t
from events.facts import Fact, Placement
from events.policies import Retry
from events.values import Value
from orchestrator.kernel.durations import length
from orchestrator.kernel.poison import POISON
from orchestrator.replay.why.telling import (
    Decided,
    Said,
    Told,
    because,
    decided,
    failed_with,
    lasted,
    listed,
    onward,
    plain,
    value_text,
    when,
)

TIMEOUTS = {
    "schedule_to_start_timeout": ("schedule_to_start_s", "begin", "ready_at"),
    "start_to_close_timeout": ("start_to_close_s", "end", "started_at"),
    "schedule_to_close_timeout": ("schedule_to_close_s", "be over, with all its attempts,", ""),
}
"""By the code: the timeout's name, what was to happen in time, and since when it counts."""


def _dispatched(told: Told[t.TaskDispatched]) -> Said:
    fact, choice = told.fact, told.fact.placement
    among = "the only node that could take it"
    if choice.candidates > 1:
        among = f"the least loaded of {choice.candidates} that could take it"
    next_ = [f"{node} (score {score:g})" for node, score in choice.others.items()]
    not_ = [f"{node}: {why}" for node, why in sorted(choice.excluded.items())]
    return Said(
        f"attempt {fact.attempt} of {fact.step} was given to {fact.node}, {among}{_score(choice)}"
        f"{f', before {listed(next_)}' if next_ else ''}{f'; not {listed(not_)}' if not_ else ''}",
        decided(
            node=fact.node,
            incarnation=fact.incarnation,
            candidates=choice.candidates,
            score=choice.score,
            weight=choice.weight,
            others=choice.others,
            excluded=choice.excluded,
            build_id=fact.build_id,
            transactional=fact.transactional or None,
            start_due_at=fact.start_due_at,
        ),
    )


def _score(choice: Placement) -> str:
    return f" (score {choice.score:g})" if choice.score else ""


def _pending(told: Told[t.TaskPending]) -> Said:
    fact = told.fact
    words = {"no_node": "no node can take it", "no_slot": "every node that could take it is full"}
    why = words.get(fact.obstacle, fact.obstacle)
    return Said(
        f"{fact.step} is not placed yet: {why}{because(fact.detail)}",
        decided(obstacle=fact.obstacle, detail=fact.detail),
    )


def _started(told: Told[t.TaskStarted]) -> Said:
    fact = told.fact
    node = told.step(fact.step).node or "the node"
    until = f"; it is to end by {when(fact.due_at)}" if fact.due_at is not None else ""
    return Said(
        f"{node} said that attempt {fact.attempt} of {fact.step} is executing{until}",
        decided(node=told.step(fact.step).node, started_at=fact.started_at, due_at=fact.due_at),
    )


def _progressed(told: Told[t.TaskProgressed]) -> Said:
    fact = told.fact
    far = "" if fact.fraction is None else f" ({fact.fraction:.0%})"
    return Said(
        f"attempt {fact.attempt} of {fact.step} said how far it is{far}: "
        f"{value_text(fact.details)}",
        decided(details=fact.details, fraction=fact.fraction),
    )


def _once(told: Told[t.OnceRecorded]) -> Said:
    fact = told.fact
    return Said(
        f"attempt {fact.attempt} of {fact.step} has done {fact.name}: no later one does it again",
        decided(name=fact.name, value=fact.value),
    )


def _recalled(told: Told[t.TaskRecalled]) -> Said:
    fact, node = told.fact, told.step(told.fact.step).node or "its node"
    why, record = _timeout(told, fact.step, fact.code)
    said = why or fact.reason or fact.code
    return Said(
        f"attempt {fact.attempt} of {fact.step} was asked back from {node}: {said}",
        decided(code=fact.code, reason=fact.reason, node=told.step(fact.step).node) | record,
    )


def _timeout(told: Told[Fact], step: str, code: str) -> tuple[str, Decided]:
    """Which timeout ended, where it comes from, and since when it ran."""
    name, verb, since_field = TIMEOUTS.get(code, ("", "", ""))
    found = told.timeouts(step)
    limit_s = None if found is None else getattr(found[0], name, None)
    if not name or found is None or limit_s is None:
        return "", {}
    since = getattr(told.step(step), since_field, None) if since_field else None
    text = f"it was to {verb} within {length(limit_s)} ({name} of {found[1]})"
    record = {"timeout": name, "limit_s": limit_s, "source": found[1], "since": since}
    return text, decided(**record)


def _completed(told: Told[t.TaskCompleted]) -> Said:
    fact = told.fact
    took = lasted(fact.started_at, fact.ended_at)
    outcome = f" with outcome {fact.outcome}" if fact.outcome else ""
    further, data = onward(told, fact.flow)
    return Said(
        f"{told.by(fact.step)} completed attempt {fact.attempt} of {fact.step}"
        f"{f' in {took}' if took else ''}{outcome}{further}",
        decided(node=told.step(fact.step).node, output=fact.output, outcome=fact.outcome) | data,
    )


def _attempt_failed(told: Told[t.AttemptFailed]) -> Said:
    fact = told.fact
    node = told.step(fact.step).node
    on = f" on {node}" if node else ""
    verb = {"failed": "failed", "timed_out": "timed out", "lost": "was lost"}[fact.kind]
    late, timeout = _timeout(told, fact.step, fact.failure.code)
    why, record = retry_arithmetic(told, fact.step, fact.delay_s, counted=fact.counted)
    wait = f"in {length(fact.delay_s)}" if fact.delay_s else "at once"
    reasons = "; ".join(filter(None, (fact.why, why)))
    return Said(
        f"attempt {fact.attempt} of {fact.step}{on} {verb} with {failed_with(fact.failure)}"
        f"{f' ({late})' if late else ''}; another one follows {wait}{because(reasons)}",
        decided(
            failure=plain(fact.failure),
            kind=fact.kind,
            loss=fact.loss,
            counted=fact.counted,
            why=fact.why,
            delay_s=fact.delay_s,
            next_attempt_at=fact.next_attempt_at,
            node=node,
        )
        | record
        | timeout,
    )


def retry_arithmetic(
    told: Told[Fact], step: str, delay_s: float, *, counted: bool
) -> tuple[str, Decided]:
    """How the policy came to a delay; nothing where it has not been asked."""
    found = told.retry(step)
    if found is None or told.before is None or not counted:
        return "", {}
    retry, source = found
    number = told.step(step).counted + 1
    formula, by_policy_s = _formula(retry, number, told.step(step).delay_s)
    record = decided(policy=plain(retry), policy_of=source, counted=number, formula=formula)
    if by_policy_s is not None and abs(by_policy_s - delay_s) > 1e-9:
        return f"{formula}, but the task asked for {length(delay_s)}", record
    return formula, record


def _formula(retry: Retry, number: int, previous_s: float) -> tuple[str, float | None]:
    """In words, and the delay that it gives; None where chance decides."""
    cap = f", at most {length(retry.cap_s)}"
    first = length(retry.initial_s)
    match retry.kind:
        case "fixed":
            return f"{first} each time{cap}", min(retry.initial_s, retry.cap_s)
        case "linear":
            delay_s = min(retry.initial_s * number, retry.cap_s)
            return f"{first} * {number} = {length(delay_s)}{cap}", delay_s
        case "exponential":
            delay_s = _exponential_s(retry, number)
            power = f"{retry.factor:g}^{number - 1}"
            return f"{first} * {power} = {length(delay_s)}{cap}", delay_s
        case "decorrelated":
            high_s = max(retry.initial_s, 3.0 * (previous_s or retry.initial_s))
            return f"by chance between {first} and {length(high_s)}{cap}", None


def _exponential_s(retry: Retry, number: int) -> float:
    try:
        return min(retry.initial_s * retry.factor ** (number - 1), retry.cap_s)
    except OverflowError:
        return retry.cap_s


def _retry_due(told: Told[t.TaskRetryDue]) -> Said:
    step = told.step(told.fact.step)
    waited = f" of {length(step.delay_s)}" if step.delay_s else ""
    return Said(
        f"the wait{waited} before the next attempt of {told.fact.step} is over: it is ready again",
        decided(due_at=step.next_attempt_at, start_due_at=told.fact.start_due_at),
    )


def _failed(told: Told[t.TaskFailed]) -> Said:
    fact = told.fact
    further, data = onward(told, fact.flow)
    late, timeout = _timeout(told, fact.step, fact.failure.code)
    taken = "its failure is taken care of" if fact.handled else "nothing takes its failure"
    why = "; ".join(filter(None, (late, fact.why)))
    return Said(
        f"{fact.step} failed for good with {failed_with(fact.failure)}"
        f"{f' ({why})' if why else ''}: {taken}{further}",
        decided(
            failure=plain(fact.failure),
            kind=fact.kind,
            why=fact.why,
            handled=fact.handled,
            attempts=fact.attempt,
            node=told.step(fact.step).node,
            cancelled=fact.cancelled,
        )
        | timeout
        | data,
    )


def _deferred(told: Told[t.TaskDeferred]) -> Said:
    fact = told.fact
    until = f" by {when(fact.due_at)}" if fact.due_at is not None else ""
    return Said(
        f"the handler of attempt {fact.attempt} of {fact.step} has ended: whoever has its token "
        f"says what came of it{until}",
        decided(due_at=fact.due_at),
    )


def _settling(told: Told[t.TaskSettling]) -> Said:
    fact = told.fact
    then = "begins anew" if fact.renews else "fails, or is given up,"
    return Said(
        f"{fact.step} {then} as soon as it is settled that its transaction has not committed"
        f"{because(fact.why)}",
        decided(failure=plain(fact.failure), kind=fact.kind, why=fact.why, renews=fact.renews),
    )


def _settled(told: Told[t.TaskSettled]) -> Said:
    fact = told.fact
    return Said(
        f"nothing of attempt {fact.attempt} of {fact.step} has committed, nor ever will: the task "
        f"begins anew in generation {fact.generation}",
        decided(generation=fact.generation, start_due_at=fact.start_due_at),
    )


def _dead_lettered(told: Told[t.TaskDeadLettered]) -> Said:
    fact = told.fact
    nodes = listed(dict.fromkeys(one.node for one in fact.kills))
    why = "nobody can say what became of its transaction"
    if fact.code == POISON:
        why = f"agents died with {len(fact.kills)} of its attempts, on {nodes}"
    record: Value = plain(fact.kills)
    return Said(
        f"{fact.step} is a dead letter: {why}",
        decided(code=fact.code, task=fact.task, kills=record, details=fact.details),
    )


def _cancelled(told: Told[t.TaskCancelled]) -> Said:
    fact = told.fact
    further, data = onward(told, fact.flow)
    return Said(
        f"what was under way of {fact.step} is over, and nothing of it counts"
        f"{because(fact.why)}{further}",
        decided(why=fact.why) | data,
    )


OF_TASKS: Mapping[type[Fact], Callable[..., Said]] = {
    t.TaskDispatched: _dispatched,
    t.TaskPending: _pending,
    t.TaskStarted: _started,
    t.TaskProgressed: _progressed,
    t.OnceRecorded: _once,
    t.TaskRecalled: _recalled,
    t.TaskCompleted: _completed,
    t.AttemptFailed: _attempt_failed,
    t.TaskRetryDue: _retry_due,
    t.TaskFailed: _failed,
    t.TaskDeferred: _deferred,
    t.TaskSettling: _settling,
    t.TaskSettled: _settled,
    t.TaskDeadLettered: _dead_lettered,
    t.TaskCancelled: _cancelled,
}
