"""Works: what waits to be decided, in order of arrival."""

from collections import deque

import msgspec

from events.api import RegisterWorkflow
from events.cluster_facts import LeaseAcquired
from events.messages import Report
from orchestrator.coordinator.door import NodeRequest, RunRequest
from orchestrator.coordinator.nodelog import NodeFact
from orchestrator.coordinator.ports import ReportDelivery
from orchestrator.coordinator.signals import PastFound, PayloadLoaded
from orchestrator.kernel.inputs import AttemptLost, Due, Unplaced
from orchestrator.replay.rebuild import Rebuilt


class Work(msgspec.Struct, kw_only=True):
    """`tries`: how often a conflict has sent it back."""

    tries: int = 0


class RequestWork(Work, kw_only=True):
    request: RunRequest
    reply_to: str
    arrived_in: int = 0
    """The step in which it came."""
    past: PastFound | None = None
    """Of one that goes back: where to."""
    base: Rebuilt | None = None
    """Of a fork: its source as it was at that version."""


class RegisterWork(Work, kw_only=True):
    request: RegisterWorkflow
    reply_to: str


class ReportWork(Work, kw_only=True):
    report: Report
    delivery: ReportDelivery


class RunWork(Work, kw_only=True):
    """Something of our own: a due timer, a lost attempt, an obstacle."""

    run_id: str
    given: AttemptLost | Due | Unplaced


class CallWork(Work, kw_only=True):
    """A look at the child run of a step. `missing`: it was looked for and is not there. `loaded`:
    what a part of a map goes through was read. `orphan`: a look at a run that was the child of the
    step and may not be any more."""

    run_id: str
    step: str
    orphan: str = ""
    missing: bool = False
    loaded: PayloadLoaded | None = None
    arrived_in: int = 0


class NodeWork(Work, kw_only=True):
    """A fact about a node, as it was judged in the step `passed_in`."""

    node: str
    fact: NodeFact
    passed_in: int


class SteerWork(Work, kw_only=True):
    """What a client asks of a node."""

    request: NodeRequest
    reply_to: str


class LeaseWork(Work, kw_only=True):
    fact: LeaseAcquired


AnyWork = (
    RequestWork | RegisterWork | ReportWork | RunWork | CallWork | NodeWork | SteerWork | LeaseWork
)
Queue = deque[AnyWork]


def run_of(work: AnyWork) -> str:
    """The run that a work is about, "" for the others."""
    match work:
        case RequestWork():
            return work.request.run_id
        case ReportWork():
            return work.report.attempt.run_id
        case RunWork() | CallWork():
            return work.run_id
        case _:
            return ""
