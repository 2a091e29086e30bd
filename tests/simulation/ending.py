"""What must hold at the end of a world: everything ended, as it could have, and can be rebuilt."""

from collections.abc import Iterator

from dalsegno.testing.twins.coordinator import finish
from events.codec import decode
from events.definition import Definition
from events.ids import shard_of
from events.references import reference_of
from orchestrator.coordinator.engine import Engine
from orchestrator.kernel.state import TERMINAL, RunState, serialise
from orchestrator.replay.rebuild import Rebuilder
from tests.simulation.books import RunBook
from tests.simulation.checks import Auditor
from tests.simulation.clients import Clients
from tests.simulation.logs import Logs
from tests.simulation.undisturbed import undisturbed
from tests.simulation.versions import catalogue
from tests.simulation.workload import SECRET, Wanted, Workload


def ended(
    auditor: Auditor, logs: Logs, workload: Workload, clients: Clients, engine: Engine
) -> Iterator[str]:
    """Everything that is wrong with how the world ended."""
    for request in clients.waiting:
        yield f"{request} was never answered"
    for run_id in sorted(clients.started):
        if run_id not in auditor.books:
            yield f"run {run_id} was answered and is not in the log"
    wanted = {one.run_id: one for one in workload.runs}
    for run_id in sorted(wanted.keys() - auditor.books.keys()):
        yield f"run {run_id} was never started"
    definitions = {one.name: one for one in workload.definitions}
    for run_id, book in auditor.books.items():
        yield from _run(run_id, book, wanted.get(run_id), definitions)
        if run_id in wanted and wanted[run_id].steady and book.state.terminal:
            expected = undisturbed(engine, definitions, wanted[run_id])
            yield from _differences(book.state, expected)
        yield from _rebuilt(run_id, book, auditor.shards, logs)
        yield from _payloads(run_id, book, logs)
    yield from auditor.outside.ended()
    yield from _erased(auditor, logs)


def _erased(auditor: Auditor, logs: Logs) -> Iterator[str]:
    """Promise 19: without their keys personal runs are told as they were, but for their values."""
    personal = [name for name, book in auditor.books.items() if book.state.subject]
    for run_id in personal:
        logs.of(f"run:{run_id}").data_keys.drop(run_id)
    rebuilder = Rebuilder(logs.reader(), catalogue(), snapshots=False)
    for run_id in personal:
        rebuilt, book = finish(rebuilder.run(run_id)), auditor.books[run_id]
        if rebuilt is None or _structure(rebuilt.state) != _structure(book.state):
            yield f"run {run_id} is told otherwise since its values are erased"
        elif SECRET.encode() in serialise(rebuilt.state):
            yield f"run {run_id} has values that were erased"


def _structure(state: RunState) -> object:
    steps = {name: (one.status, one.attempt, one.generation) for name, one in state.steps.items()}
    return state.status, state.version, steps


def _payloads(run_id: str, book: RunBook, logs: Logs) -> Iterator[str]:
    """What a run's steps name by its hash is stored, with as many values as they say."""
    for name, step in book.state.steps.items():
        reference = reference_of(step.output)
        for chunk in reference.chunks if reference is not None else ():
            data = logs.load_payload(run_id, chunk.hash) if chunk.hash else None
            if chunk.hash and (data is None or len(decode(data, list, "it")) != chunk.count):
                yield f"{name} of run {run_id} names {chunk.hash}, which is not stored"


def _run(
    run_id: str, book: RunBook, wanted: Wanted | None, definitions: dict[str, Definition]
) -> Iterator[str]:
    state = book.state
    if state.status not in TERMINAL:
        steps = {name: step.status for name, step in state.steps.items()}
        yield f"run {run_id} has not ended: {state.status} {steps} {state.timers}"
    is_child = state.origin.kind == "parent"
    if (
        state.status == "cancelled"
        and not is_child
        and (wanted is None or wanted.cancel_at is None)
    ):
        yield f"run {run_id} is cancelled and nobody asked for that"
    if state.status == "timed_out" and definitions[state.workflow].options.timeout_s is None:
        yield f"run {run_id} has timed out without a timeout"


def _differences(state: RunState, expected: RunState) -> Iterator[str]:
    """Without races a run ends as it does undisturbed."""
    if (state.status, state.output) != (expected.status, expected.output):
        yield (
            f"run {state.run_id} ended {state.status} with {state.output} ({state.failure}), "
            f"undisturbed it is {expected.status} with {expected.output} ({expected.failure})"
        )
    if state.status == "completed":
        for name, step in expected.steps.items():
            found = state.steps.get(name)
            if found is None or (found.status, found.output) != (step.status, step.output):
                yield f"step {name} of {state.run_id} ended as {found}, undisturbed as {step}"


def _rebuilt(run_id: str, book: RunBook, shards: int, logs: Logs) -> Iterator[str]:
    store, live = logs.reader(), serialise(book.state)
    for snapshots in (True, False):
        rebuilder = Rebuilder(store, catalogue(), snapshots=snapshots)
        rebuilt = finish(rebuilder.run(run_id))
        if rebuilt is None or serialise(rebuilt.state) != live:
            yield f"run {run_id} cannot be rebuilt {'with' if snapshots else 'without'} snapshots"
    if logs.index_row(run_id) != book.row(shard_of(run_id, shards)):
        yield f"the index row of {run_id} is not what its events say"
