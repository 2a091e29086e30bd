"""Registering a workflow: checked, compiled, stored once per content."""

from typing import TYPE_CHECKING

from events.api import Refused, Registered
from events.cluster_facts import DefinitionRegistered
from events.errors import DalsegnoError, Unavailable
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w

if TYPE_CHECKING:
    from orchestrator.coordinator.turn import Turn


def register(turn: "Turn", work: w.RegisterWork) -> None:
    """Appends the version if it is new; the same content again is the same version."""
    memory = turn.memory
    definition = work.request.definition
    if not memory.holds(definition.name):
        message = f"coordinator {memory.identity.name} does not own {definition.name}: try again"
        memory.refuse(work.reply_to, Unavailable(message))
        return
    known = memory.definitions.get(definition.name)
    if known is None or not memory.is_current(definition.name, known, memory.steps):
        memory.load_definition(definition.name, work)
        return
    try:
        version, net = memory.engine.compile(definition)
    except DalsegnoError as error:
        memory.answer(work.reply_to, Refused(code=error.code, message=str(error)))
        return
    answer = Registered(
        workflow=definition.name, workflow_version=version, created=version not in known.versions
    )
    aside = work.request.aside and bool(known.newest)
    if version == known.newest or (aside and version in known.versions):
        # It may have been decided in this very turn: the answer waits for the commit all the same.
        touched = turn.tx.touch(known.head.stream, memory.shard(definition.name))
        touched.works.append(work)
        touched.answers.append(s.Answer(reply_to=work.reply_to, answer=answer))
        return
    fact = DefinitionRegistered(
        workflow=definition.name,
        workflow_version=version,
        definition=definition,
        net=net,
        aside=aside,
    )
    touched = turn.record_definition(work, fact, memory.shard(definition.name))
    touched.answers.append(s.Answer(reply_to=work.reply_to, answer=answer))
