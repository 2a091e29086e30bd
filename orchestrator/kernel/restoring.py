"""Restoring: an open run goes back to the state that it had at a version, and on from there.

Nothing is taken back: `run.restored` is one more event, and its fold takes the state of the earlier
version, as a fork takes that of its source. Whoever folds rewinds the state first (`rewind`); the
event then says what begins anew. Its own state before stays in the history, so that a restore is
undone by another one.

    … 12 13 14 15 (restored to 12) 16 …      the state at 15 is that at 12, with what is said below

What was done after that version is done again in a new generation: no task key that was completed
is executed again, and results of attempts, and of child runs, that are still under way fit nothing
any more. These are told to stop; nothing waits for them.

What goes on as it is, since it does not belong to the work: whether the run is paused, the build
that it keeps to, what operators did, and which requests are known. Signals that came since are
there again for steps to take, since their senders were told that the run has them. The effect of
updates since is gone with the variables; the event lists them.
"""

from collections.abc import Iterable

from events.codec import encode
from events.errors import Rejected
from events.limits import FLOW_PAYLOADS_MAX
from events.operator_facts import KeptSignal, RunRestored
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.ending import settle
from orchestrator.kernel.forking import all_renewed
from orchestrator.kernel.halting import nothing_open
from orchestrator.kernel.inputs import Restore
from orchestrator.kernel.operating import forgotten, still_open
from orchestrator.kernel.state import RunState

GOES_ON = frozenset(
    {"generation", "actions", "actions_seen", "signals_seen", "updates_seen", "paused", "build"}
)
"""Fields of a state that no restore goes back with."""


def rewind(state: RunState, earlier: RunState) -> None:
    """Makes `state` what the same run was in `earlier`, but for what goes on. They share what they
    hold afterwards: the earlier one is of no more use."""
    for name in RunState.__struct_fields__:
        if name not in GOES_ON:
            setattr(state, name, getattr(earlier, name))


def restore(d: Decision, given: Restore) -> None:
    """Goes back to the state that is given. Raises `Rejected` when the run has ended, or is ending,
    then or now; or has more signals than it may keep."""
    state, earlier = d.state, given.earlier
    if given.id in state.actions_seen:
        return
    still_open(state, "it cannot be restored")
    open_ = nothing_open(state, "it cannot go back", given.unsettled)
    _restorable(state, given)
    signals = _signals(d, given)
    undone = tuple(one for one in state.updates_seen if one not in earlier.updates_seen)
    version, generation, old = state.version, state.generation + 1, forgotten(d)
    rewind(state, earlier)
    d.record(
        RunRestored(
            id=given.id,
            version=given.version,
            at=version + 1,
            generation=generation,
            mode=given.mode,
            steps=given.steps,
            due_at=d.env.due(state.options.timeout_s),
            renewed=all_renewed(d, state.run_id, generation),
            signals=signals,
            undone=undone,
            by=given.by,
            reason=given.reason,
            backup=version,
            forgotten=old,
            unsettled=open_,
        )
    )
    settle(d)


def _restorable(state: RunState, given: Restore) -> None:
    earlier, version = given.earlier, given.version
    if earlier.run_id != state.run_id or earlier.version != version or version > state.version:
        raise Rejected(
            f"run {state.run_id} has no version {version}: its last one is {state.version}"
        )
    if earlier.terminal or earlier.closing is not None:
        raise Rejected(
            f"run {state.run_id} was ending at version {version}: go back to an earlier one"
        )


def _signals(d: Decision, given: Restore) -> tuple[KeptSignal, ...]:
    """Those that came since, each once. Raises `Rejected` for more than the run may keep."""
    state, earlier, limits = d.state, given.earlier, d.env.limits
    since = {one.id: one for one in given.signals if one.id not in earlier.signals_seen}
    for signal_id, kept in state.signals.items():
        if signal_id not in earlier.signals_seen:
            since[signal_id] = KeptSignal(
                id=signal_id, name=kept.name, data=kept.data, correlation=kept.correlation
            )
    count, size = len(earlier.signals) + len(since), _bytes(since.values())
    most = FLOW_PAYLOADS_MAX * limits.payload_bytes_max
    if count > limits.signals_max or size > most:
        raise Rejected(
            f"run {state.run_id} would have {count} signals of {size} bytes that no step has taken "
            f"at version {given.version}, over {limits.signals_max} or {most} bytes: go back to a "
            "later version"
        )
    return tuple(since.values())


def _bytes(signals: Iterable[KeptSignal]) -> int:
    return sum(len(encode(signal)) for signal in signals)
