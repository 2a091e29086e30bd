"""What nodes are told about their reports once it is durable what became of them."""

from collections import defaultdict
from collections.abc import Sequence

from events.ids import Attempt
from events.messages import Command, Drop, Once, Settle
from orchestrator.coordinator.transaction import NodeKey, Touched, Transaction
from orchestrator.kernel.histories import is_of_another_history
from orchestrator.kernel.once import is_recorded
from orchestrator.kernel.state import RunState

SETTLED_IN_COMMAND_MAX = 256


def answer_once(touched: Touched, state: RunState, report: Once, key: NodeKey) -> None:
    """The handler waits: it goes on with a value that is recorded, and ends if it is fenced."""
    if is_of_another_history(state, report):
        touched.fenced.append((key, report.attempt))
    elif is_recorded(state, report):
        touched.once.append((key, (report.attempt, report.name)))
    elif not state.holds(report.attempt):
        touched.fenced.append((key, report.attempt))


def settles(tx: Transaction) -> dict[NodeKey, list[Command]]:
    """For each node, before anything else, which of its reports are dealt with."""
    attempts: defaultdict[NodeKey, list[Attempt]] = defaultdict(list)
    once: defaultdict[NodeKey, list[tuple[Attempt, str]]] = defaultdict(list)
    fenced: defaultdict[NodeKey, list[Attempt]] = defaultdict(list)
    for touched in tx.streams.values():
        for key, attempt in touched.settled:
            attempts[key].append(attempt)
        for key, value in touched.once:
            once[key].append(value)
        for key, attempt in touched.fenced:
            fenced[key].append(attempt)
    told: defaultdict[NodeKey, list[Command]] = defaultdict(list)
    for key, found in attempts.items():
        told[key] += [Settle(attempts=tuple(part)) for part in _parts(found)]
    for key, values in once.items():
        told[key].append(Settle(attempts=(), once=tuple(values)))
    for key, found in fenced.items():
        told[key].append(Drop(attempts=tuple(found)))
    return dict(told)


def _parts(found: Sequence[Attempt]) -> list[Sequence[Attempt]]:
    most = SETTLED_IN_COMMAND_MAX
    return [found[start : start + most] for start in range(0, len(found), most)]
