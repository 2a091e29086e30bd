"""What is said of what operators did to a run."""

from collections.abc import Callable, Mapping

from events import operator_facts as o
from events.facts import Fact
from orchestrator.replay.why.telling import (
    Said,
    Told,
    because,
    decided,
    failed_with,
    listed,
    onward,
    plain,
    these,
    when,
    who,
)


def _result(told: Told[o.ResultGiven]) -> Said:
    fact = told.fact
    further, data = onward(told, fact.flow)
    how = {"completed": "completed", "skipped": "skipped", "failed": "failed"}[fact.status]
    with_ = "" if fact.failure is None else f" with {failed_with(fact.failure)}"
    held = told.step(fact.step).node if fact.generation else ""
    fenced = f"; what {held} still reports of it counts no more" if held else ""
    return Said(
        f"{who(fact.by)} {how} {fact.step} by hand{with_}{because(fact.reason)}{fenced}{further}",
        decided(
            by=fact.by,
            reason=fact.reason,
            status=fact.status,
            output=fact.output,
            failure=None if fact.failure is None else plain(fact.failure),
            handled=fact.handled or None,
            generation=fact.generation or None,
            unsettled=fact.unsettled,
        )
        | data,
    )


def _moved(told: Told[o.TaskMoved]) -> Said:
    fact = told.fact
    where = f"to {fact.to}" if fact.to else f"off {listed(fact.off)}"
    back = f"; attempt {fact.attempt} is asked back" if fact.attempt else ""
    return Said(
        f"{who(fact.by)} moved {fact.step} {where}{because(fact.reason)}{back}",
        decided(
            by=fact.by,
            reason=fact.reason,
            to=fact.to,
            off=fact.off,
            attempt=fact.attempt or None,
            backup=fact.backup,
        ),
    )


def _halted(told: Told[o.RunHalted]) -> Said:
    fact = told.fact
    if fact.due_at is None:
        return Said(
            f"the run goes on: nobody waits any more for its transactions{because(fact.reason)}",
            decided(by=fact.by, reason=fact.reason),
        )
    return Said(
        f"{who(fact.by)} waits until it is settled what became of the transactions of "
        f"{listed(fact.steps)}{because(fact.reason)}; nothing else is placed before "
        f"{when(fact.due_at)}",
        decided(by=fact.by, reason=fact.reason, steps=fact.steps, due_at=fact.due_at),
    )


def _restored(told: Told[o.RunRestored]) -> Said:
    fact = told.fact
    renewed = [one.step for one in fact.renewed]
    what = "went back" if fact.mode == "resume" else f"asked for {fact.mode.replace('_', ' ')}"
    steps = f" of {listed(fact.steps)}" if fact.steps else ""
    again = f"; {these(renewed, 'begins', 'begin')} anew" if renewed else ""
    return Said(
        f"{who(fact.by)} {what}{steps}: the run goes on from version {fact.version}"
        f"{because(fact.reason)}{again}; back to version {fact.backup} undoes it",
        decided(
            by=fact.by,
            reason=fact.reason,
            version=fact.version,
            mode=fact.mode,
            steps=fact.steps,
            generation=fact.generation,
            renewed=renewed,
            signals=[one.id for one in fact.signals],
            undone=fact.undone,
            backup=fact.backup,
            unsettled=fact.unsettled,
        ),
    )


OF_OPERATORS: Mapping[type[Fact], Callable[..., Said]] = {
    o.ResultGiven: _result,
    o.TaskMoved: _moved,
    o.RunHalted: _halted,
    o.RunRestored: _restored,
}
