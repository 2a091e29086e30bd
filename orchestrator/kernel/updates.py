"""Updates and queries: a client changes a run's variables, or reads its state.

An update is declared by the workflow: a condition that says whether it is accepted now, and the
variables that it sets. Accepted, it is a fact with the values that decided it; refused, nothing has
happened. Its id makes it safe to repeat. A query changes nothing and leaves no trace.
"""

from events.errors import Rejected
from events.run_facts import UpdateAccepted
from events.values import Value
from orchestrator.kernel.bounds import FlowBudget, bounded
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.ending import settle
from orchestrator.kernel.env import Env
from orchestrator.kernel.expressions import consult
from orchestrator.kernel.inputs import Update
from orchestrator.kernel.netindex import NetIndex, UpdateIndex
from orchestrator.kernel.scope import Scope
from orchestrator.kernel.state import RunState


def update(d: Decision, given: Update) -> None:
    """Sets the variables of a declared update.

    Raises `Rejected` when the run has ended or is ending, the workflow has no such update, or its
    condition does not hold now.
    """
    if given.id in d.state.updates_seen:
        return
    declared = _declared(d, given.name)
    bounded(given.data, d.env.limits, f"the data of update {given.name}")
    scope = Scope(d.state, depths=d.net.depths, update=(given.data,))
    values = _accepted(d, given.name, declared, scope)
    rendered = declared.template.render(scope.resolve, d.env.expressions)
    variables = rendered if isinstance(rendered, dict) else {}
    bounded({**d.state.variables, **variables}, d.env.limits, "the set of all variables")
    d.record(
        UpdateAccepted(
            id=given.id,
            name=given.name,
            data=given.data,
            when=declared.accept,
            values=values,
            variables=variables,
            forgotten=_forgotten(d),
        )
    )
    settle(d)


def _declared(d: Decision, name: str) -> UpdateIndex:
    state = d.state
    if state.terminal or state.closing is not None:
        status = state.status if state.closing is None else f"ending as {state.closing.status}"
        raise Rejected(f"run {state.run_id} is {status}: it cannot be updated")
    if name not in d.net.updates:
        known = ", ".join(d.net.updates) or "none"
        raise Rejected(f"workflow {state.workflow} has no update {name!r}; it has: {known}")
    return d.net.updates[name]


def _accepted(d: Decision, name: str, declared: UpdateIndex, scope: Scope) -> dict[str, Value]:
    """The values that the condition read. Raises `Rejected` when it does not hold."""
    if not declared.accept:
        return {}
    held, values = consult(declared.accept, d.env.expressions, scope.resolve)
    if held is not True:
        raise Rejected(
            f"update {name} is not accepted by run {d.state.run_id} now: {declared.accept!r} is "
            f"{'false' if held is False else 'neither true nor false'}"
        )
    FlowBudget(d.env.limits).take(values, f"what the condition of update {name} reads")
    return values


def _forgotten(d: Decision) -> tuple[str, ...]:
    seen = d.state.updates_seen
    return (next(iter(seen)),) if len(seen) >= d.env.limits.update_ids_max else ()


def query(state: RunState, net: NetIndex, expression: str, env: Env) -> Value:
    """The value of an expression over the run's state: `input`, `vars`, `steps`, `run`.

    Raises `Rejected` when it has none, or one that is too large.
    """
    value, _ = consult(expression, env.expressions, Scope(state, depths=net.depths).resolve)
    bounded(value, env.limits, "the answer")
    return value
