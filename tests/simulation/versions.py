"""Two releases that share a log: the one before writes three facts in an older form.

The older forms exist here only, under names of their own (`.v0`), with upcasters in the catalogue
of everybody: during a rolling upgrade both releases read both forms, and each writes its own. What
a coordinator holds in memory must be what another one reads, whichever of them wrote it.
"""

from functools import cache

import msgspec

from events.catalogue import FACTS, Catalogue, Fields
from events.envelope import Head, Stamp, Stored, seal
from events.facts import Fact, Flow, Placement, Usage
from events.run_facts import RunClosing
from events.task_facts import Said, TaskCompleted, TaskDispatched
from events.values import Value


class DispatchedBefore(Fact, frozen=True, kw_only=True):
    """The node was called a host, and its incarnation was part of that."""

    TYPE = "task.dispatched.v0"
    task: str
    number: int
    host: tuple[str, str]
    why: Placement = Placement()
    start_due_s: float | None = None
    build: str = ""
    in_transaction: bool = False


class CompletedBefore(Fact, frozen=True, kw_only=True):
    """Times were seconds, and there was always an outcome."""

    TYPE = "task.completed.v0"
    task: str
    number: int
    result: Value = None
    outcome: str = "success"
    times_s: tuple[float, float] = (0.0, 0.0)
    usage: Usage = Usage()
    said: Said | None = None
    flow: Flow = Flow()


class ClosingBefore(Fact, frozen=True, kw_only=True):
    TYPE = "run.closing.v0"
    closing: RunClosing


US = 1_000_000


def _exact(at: int) -> float:
    """Microseconds of this century as seconds and back: a float has enough digits."""
    return at / US


def _before(fact: Fact) -> Fact:
    """The fact as the release before writes it."""
    match fact:
        case TaskDispatched(generation=0):
            due_s = None if fact.start_due_at is None else _exact(fact.start_due_at)
            return DispatchedBefore(
                task=fact.step,
                number=fact.attempt,
                host=(fact.node, fact.incarnation),
                why=fact.placement,
                start_due_s=due_s,
                build=fact.build_id,
                in_transaction=fact.transactional,
            )
        case TaskCompleted():
            return CompletedBefore(
                task=fact.step,
                number=fact.attempt,
                result=fact.output,
                outcome=fact.outcome or "success",
                times_s=(_exact(fact.started_at), _exact(fact.ended_at)),
                usage=fact.usage,
                said=fact.said,
                flow=fact.flow,
            )
        case RunClosing():
            return ClosingBefore(closing=fact)
        case _:
            return fact


def seal_before(head: Head, fact: Fact, event_id: str, stamp: Stamp) -> Stored:
    return seal(head, _before(fact), event_id, stamp)


def _dispatched(fields: Fields) -> tuple[str, Fields]:
    old = msgspec.convert(fields, DispatchedBefore)
    node, incarnation = old.host
    due_at = None if old.start_due_s is None else round(old.start_due_s * US)
    new = TaskDispatched(
        step=old.task,
        attempt=old.number,
        node=node,
        incarnation=incarnation,
        placement=old.why,
        start_due_at=due_at,
        build_id=old.build,
        transactional=old.in_transaction,
    )
    return new.TYPE, _fields(new)


def _completed(fields: Fields) -> tuple[str, Fields]:
    old = msgspec.convert(fields, CompletedBefore)
    new = TaskCompleted(
        step=old.task,
        attempt=old.number,
        output=old.result,
        outcome="" if old.outcome == "success" else old.outcome,
        started_at=round(old.times_s[0] * US),
        ended_at=round(old.times_s[1] * US),
        usage=old.usage,
        said=old.said,
        flow=old.flow,
    )
    return new.TYPE, _fields(new)


def _closing(fields: Fields) -> tuple[str, Fields]:
    return RunClosing.TYPE, _fields(msgspec.convert(fields, ClosingBefore).closing)


def _fields(fact: Fact) -> Fields:
    fields: Fields = msgspec.to_builtins(fact)
    return fields


@cache
def catalogue() -> Catalogue:
    """Knows today's facts and the forms before."""
    upcasters = {
        DispatchedBefore.TYPE: _dispatched,
        CompletedBefore.TYPE: _completed,
        ClosingBefore.TYPE: _closing,
    }
    return Catalogue(FACTS, upcasters)
