"""Personal runs: their data key before the first event, and the record of its erasure."""

from typing import TYPE_CHECKING

from events.api import ErasePersonal, ErasureRecorded
from events.cluster_facts import PersonalErased
from events.errors import Rejected
from events.ids import erasure_stream
from events.sealing import EventKey
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w
from orchestrator.coordinator.memory import Memory

if TYPE_CHECKING:
    from orchestrator.coordinator.turn import Turn


def subject_of(run_id: str, asked: str, *, personal: bool) -> str:
    """Whose values a run has; "" where they are nobody's."""
    return asked or (f"run:{run_id}" if personal else "")


def event_key(memory: Memory, work: w.AnyWork, run_id: str, subject: str) -> EventKey | None:
    """What a personal run that is about to begin is written with; None while `work` waits for it.

    Raises `Rejected` when it cannot be had.
    """
    loaded = memory.keys.pop((run_id, subject), None)
    if loaded is None:
        question = s.LoadKey(run_id=run_id, subject=subject, id=memory.mint())
        memory.load(_key(run_id, subject), question, work)
        return None
    if loaded.key is None:
        raise Rejected(loaded.trouble)
    return loaded.key


def key_loaded(memory: Memory, given: s.KeyLoaded) -> None:
    works = memory.loaded(_key(given.run_id, given.subject))
    if works:
        memory.keys[given.run_id, given.subject] = given
    memory.intake.extendleft(reversed(works))


def _key(run_id: str, subject: str) -> str:
    """What works wait for: those who begin a run of one id may mean different subjects."""
    return f"key:{run_id!r} of {subject!r}"


def record_erasure(turn: "Turn", work: w.RequestWork, request: ErasePersonal) -> None:
    """One event in a stream of its own; recorded once, however often it is asked for."""
    memory, stream = turn.memory, erasure_stream(request.key_id)
    head = memory.heads.pop(stream, None)
    if head is None:
        memory.load(f"head:{stream}", s.LoadHead(stream=stream), work)
        return
    shard = memory.shard(request.run_id)
    touched = turn.tx.touch(stream, shard)
    touched.works.append(work)
    if head.version == 0:
        fact = PersonalErased(
            key_id=request.key_id,
            subject=request.subject,
            runs=request.runs,
            reason=request.reason,
        )
        stamp = turn.stamp(shard, request.actor, "erase_personal")
        seal = memory.engine.seal
        touched.events.append(seal(head, fact, turn.tx.event_id(), stamp))
    answer = ErasureRecorded(key_id=request.key_id, recorded=bool(touched.events))
    touched.answers.append(s.Answer(reply_to=work.reply_to, answer=answer))
