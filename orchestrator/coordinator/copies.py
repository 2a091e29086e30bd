"""Definitions that runs begin with: known, certain, durable; and copied from the log they are in.

A workflow is registered in the log of its name. A run of it in another log needs its net for ever,
also while that log is away. So a log has a copy of every definition that its runs use: the same
fact, in a stream of the same name, recorded before the first run that uses it begins.

    our log has the version ──────────────────────────► begin
    not ──► ask the log in which it is registered ──► record the copy ──► (durable) ──► begin

Which version is the newest is only known where it is registered: whoever asks for no version waits
for that log. A copy needs no owner of its own: its content is named by its hash, and of two that
are recorded at once the store refuses one as a conflict, who then finds the other.
"""

from typing import TYPE_CHECKING

from events.api import StartRun
from events.cluster_facts import DefinitionRegistered
from events.envelope import seal
from events.errors import Unavailable
from events.ids import definition_stream
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w
from orchestrator.coordinator.committing import waits_for
from orchestrator.coordinator.definitions import Known
from orchestrator.coordinator.memory import Memory, load_key
from orchestrator.kernel.state import RunState

if TYPE_CHECKING:
    from orchestrator.coordinator.turn import Turn

Starter = w.RequestWork | w.CallWork


def ready_to_start(turn: "Turn", request: StartRun, work: Starter) -> Known | None:
    """What is known of the workflow, once that is certain and the version to start is durable in
    our log; None while `work` waits for it."""
    memory, workflow, version = turn.memory, request.workflow, request.workflow_version
    known = memory.definitions.get(workflow)
    is_home = memory.is_home(workflow)
    if known is None or (is_home and not _tells(memory, known, request, work)):
        memory.load_definition(workflow, work)
    elif turn.is_undecided(known.head.stream):
        memory.wait(waits_for(turn.tx.id), work)
    elif is_home or version in known.versions:
        return known
    else:
        home = memory.homes.get(workflow)
        if home is None or not _tells(memory, home, request, work):
            memory.load_home(workflow, work)
        elif is_copied(turn, home, version or home.newest, memory.shard(request.run_id), work):
            return home
    return None


def is_copied(turn: "Turn", home: Known, version: str, shard: int, work: Starter) -> bool:
    """Whether our log has a version, if there is such a one; if not, a copy is recorded, and `work`
    comes again. `shard` is the one of ours that it is recorded for."""
    fact = home.versions.get(version)
    known = turn.memory.definitions.get(fact.workflow) if fact is not None else None
    if fact is None or known is None or version in known.versions:
        return True
    _record(turn, known, fact, shard)
    turn.memory.wait(waits_for(turn.tx.id), work)
    return False


def _record(turn: "Turn", known: Known, fact: DefinitionRegistered, shard: int) -> None:
    touched = turn.tx.touch(definition_stream(fact.workflow), shard)
    stamp = turn.stamp(shard, causation="copied")
    touched.events.append(seal(known.head, fact, turn.tx.event_id(), stamp))
    known.add(fact)


def ready_to_fork(
    turn: "Turn", state: RunState, version: str, shard: int, work: w.RequestWork
) -> bool:
    """Whether a version of the workflow of a run's source is known, and durable in our log, or
    certainly not there; if not, `work` waits for it."""
    memory, workflow = turn.memory, state.workflow
    known, is_home = memory.definitions.get(workflow), memory.is_home(workflow)
    asked = work.arrived_in
    if known is None:
        memory.load_definition(workflow, work)
    elif turn.is_undecided(known.head.stream):
        memory.wait(waits_for(turn.tx.id), work)
    elif version in known.versions or (is_home and known.read_in >= asked):
        return True  # an owner asks as well: the definition of an imported run came without it
    elif is_home:
        memory.load_definition(workflow, work)
    else:
        home = memory.homes.get(workflow)
        if home is None or not (version in home.versions or home.read_in >= asked):
            memory.load_home(workflow, work)
        else:
            return is_copied(turn, home, version, shard, work)
    return False


def _tells(memory: Memory, known: Known, request: StartRun, work: Starter) -> bool:
    """Whether the version to start is certain: a version that is known never changes, but which one
    is the newest, and that one does not exist, has to be current."""
    if request.workflow_version in known.versions:
        return True
    return memory.is_current(request.workflow, known, work.arrived_in)


def source_away(memory: Memory, asked: s.LoadRun) -> None:
    """The log of a run that is to be forked into ours cannot be read: whoever asks is told."""
    message = f"run {asked.run_id} is in another log, which cannot be read now: try again"
    for work in memory.loaded(load_key(asked)):
        if isinstance(work, w.RequestWork):
            memory.refuse(work.reply_to, Unavailable(message))
    memory.pump_loads()


def home_away(memory: Memory, asked: s.LoadDefinition) -> None:
    """The log in which a workflow is registered cannot be read. Clients are told and ask again, so
    that they are in nobody's way; what our own runs want of it waits."""
    works = memory.loaded(f"home:{asked.workflow}")
    message = (
        f"workflow {asked.workflow} is registered in another log, which cannot be read now: "
        "try again, or name a version that has been used here"
    )
    for work in works:
        if isinstance(work, w.RequestWork):
            memory.refuse(work.reply_to, Unavailable(message))
        else:
            memory.load_home(asked.workflow, work)
