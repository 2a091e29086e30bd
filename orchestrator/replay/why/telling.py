"""Telling: an event as a sentence, and the record of the decision behind it as data."""

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

import msgspec

from events.codec import encode
from events.envelope import Header
from events.facts import Fact, Failure, Flow
from events.limits import NAMES_SHOWN_MAX
from events.net import Map, NetStep, Task
from events.policies import Retry, Timeouts
from events.values import Value
from orchestrator.kernel.durations import as_text, length
from orchestrator.kernel.env import MICROSECONDS
from orchestrator.kernel.instances import static_of
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.state import RunState, StepState

FactT_co = TypeVar("FactT_co", bound=Fact, covariant=True)
VALUE_CHARS = 60
"""Of a value inside a sentence; the whole one is in the data."""
NOTHING = StepState("ready")

Decided = dict[str, Value]


class Said(msgspec.Struct, frozen=True):
    """`sentence`: for a person. `decision`: what was decided on, and the values that it saw."""

    sentence: str
    decision: Decided = {}


class Told(msgspec.Struct, Generic[FactT_co], frozen=True):
    """A fact and what is known around it. `before`: the state that it was decided on; None where a
    short sentence is enough."""

    fact: FactT_co
    header: Header
    net: NetIndex | None = None
    before: RunState | None = None

    def step(self, name: str) -> StepState:
        """The state that a step had."""
        return NOTHING if self.before is None else self.before.steps.get(name, NOTHING)

    def by(self, name: str) -> str:
        """Who says it: the node that had the step, where nobody else is named."""
        node = self.step(name).node
        return node if node and self.header.actor == "system" else who(self.header.actor)

    def net_step(self, name: str) -> NetStep | None:
        known = None if self.net is None else self.net.steps.get(static_of(name))
        return None if known is None else known.step

    def task(self, name: str) -> Task | None:
        """What a node does for a step."""
        step = self.net_step(name)
        action = None if step is None else step.action
        action = action.body if isinstance(action, Map) else action
        return action if isinstance(action, Task) else None

    def retry(self, name: str) -> tuple[Retry, str] | None:
        """The retry policy of a step, and who gave it."""
        step, before = self.net_step(name), self.before
        own = None if step is None else getattr(self.task(name) or step.action, "retry", None)
        if own is not None:
            return own, "the step"
        if before is not None and before.options.retry is not None and self.task(name) is not None:
            return before.options.retry, "the run"
        return None

    def timeouts(self, name: str) -> tuple[Timeouts, str] | None:
        """The timeouts of a task, and who gave them."""
        task, before = self.task(name), self.before
        if task is not None and task.timeouts is not None:
            return task.timeouts, "the step"
        if before is not None and before.options.timeouts is not None:
            return before.options.timeouts, "the run"
        return None


# -- words ----------------------------------------------------------------------------------------


def who(actor: str) -> str:
    """`user:ann` is ann, `node:n1` is n1."""
    kind, _, name = actor.partition(":")
    if not name:
        return "the coordinator" if actor == "system" else actor
    return name if kind in {"user", "node"} else actor


def because(reason: str) -> str:
    return f": {reason}" if reason else ""


def failed_with(failure: Failure) -> str:
    return f"{failure.code}{because(failure.message)}"


def listed(names: Iterable[str]) -> str:
    """Names in a sentence, at most so many."""
    known = list(names)
    shown, more = known[:NAMES_SHOWN_MAX], len(known) - NAMES_SHOWN_MAX
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def these(names: Iterable[str], one: str, several: str) -> str:
    """Names with the verb for one, or for several."""
    known = list(names)
    return f"{listed(known)} {one if len(known) == 1 else several}"


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def lasted(since: int | None, until: int) -> str:
    """How long between two instants, "" when it is not known."""
    return "" if not since or until < since else length((until - since) / MICROSECONDS)


def when(instant: int | None) -> str:
    return "" if instant is None else as_text(instant)


def value_text(value: Value) -> str:
    text = encode(value).decode(errors="replace")
    return text if len(text) <= VALUE_CHARS else f"{text[: VALUE_CHARS - 1]}…"


def seen(values: Mapping[str, Value]) -> str:
    """The values that a condition read."""
    return ", ".join(f"{path} = {value_text(value)}" for path, value in values.items())


def plain(value: object) -> Value:
    found: Value = msgspec.to_builtins(value)
    return found


def decided(**values: object) -> Decided:
    """What is known, as JSON; what is not is left out."""
    empty: tuple[object, ...] = (None, "", (), {}, [])
    return {name: plain(value) for name, value in values.items() if value not in empty}


# -- what follows ----------------------------------------------------------------------------------


def onward(told: Told[Fact], flow: Flow) -> tuple[str, Decided]:
    """What moved, as the end of a sentence and as data."""
    parts = [*_choices(told, flow)]
    begun = [one.step for one in flow.enabled]
    if begun:
        parts.append(f"{these(begun, 'is', 'are')} ready")
    if flow.calls:
        parts.append(f"{listed(f'{one.step} begins run {one.run_id}' for one in flow.calls)}")
    if flow.waiting:
        parts.append(listed(f"{one.step} waits for {_awaited(one)}" for one in flow.waiting))
    if flow.variables:
        parts.append(f"set {listed(flow.variables)}")
    if flow.stuck:
        parts.append(
            listed(f"{one.step} cannot act: {failed_with(one.failure)}" for one in flow.stuck)
        )
    if flow.skipped:
        parts.append(f"{listed(flow.skipped)} will not run")
    if flow.ended:
        parts.append("the end of the workflow was reached")
    data = decided(
        choices=[_choice(told, one.step, one.arc, one.when, one.values) for one in flow.choices],
        ready=begun,
        waiting=[one.step for one in flow.waiting],
        runs={one.step: one.run_id for one in flow.calls},
        variables=flow.variables,
        left=flow.left,
        skipped=flow.skipped,
        stuck={one.step: plain(one.failure) for one in flow.stuck},
    )
    return ("; " + "; ".join(parts)) if parts else "", data


def _choices(told: Told[Fact], flow: Flow) -> Iterable[str]:
    for one in flow.choices:
        target = _target(told, one.arc)
        why = f"since {one.when}" if one.when else "as no condition held"
        saw = f" ({seen(one.values)})" if one.values else ""
        yield f"{one.step} went on to {target or one.arc} {why}{saw}"


def _choice(
    told: Told[Fact], step: str, arc: str, when_: str, values: Mapping[str, Value]
) -> Value:
    return decided(step=step, arc=arc, to=_target(told, arc), when=when_, values=dict(values))


def _target(told: Told[Fact], arc: str) -> str:
    known = None if told.net is None else told.net.arcs.get(static_of(arc))
    return "" if known is None else known.target


def _awaited(one: object) -> str:
    signal, due_at = getattr(one, "signal", ""), getattr(one, "due_at", None)
    until = "" if due_at is None else f" until {when(due_at)}"
    return f"signal {signal}{until}" if signal else f"its time{until}"
