"""Personal events: no user's word in what is stored, the same fact with the key, and without it a
fact that still folds."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import fields

from events.catalogue import Catalogue
from events.codec import digest
from events.envelope import Head, Stamp, Stored, seal, seals_of, unseal
from events.errors import Corrupt, MissingKey
from events.facts import Fact
from events.operator_facts import RunRestored
from events.personal import ERASED, ERASED_TEXT, put_together, taken_apart
from events.run_facts import RunCompleted, RunForked, RunStarted
from events.sealing import EventKey
from events.task_facts import TaskCompleted, TaskDispatched
from orchestrator.adapters.crypto.keyring import DataKey
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.invariants import violations
from orchestrator.kernel.state import RunState
from tests.golden import samples
from tests.golden.files import histories, read_history

KEY = EventKey("k1", DataKey(bytes(32)))
SECRETS = (b"1e-09", b"9223372036854775807", "\U0001f600".encode(), b"census team", b"Oslo")
"""In the values of the samples, and nowhere else in them."""

STRUCTURE = {
    "actor", "arc", "build", "build_id", "by", "cancelled", "chunks", "code", "correlation",
    "detail", "digest", "ended", "entered", "error_policy", "excluded", "forgotten", "hash",
    "holder", "id", "incarnation", "key_id", "kind", "left", "loss", "mark", "name", "node",
    "obstacle", "off", "others", "outcome", "permanent_codes", "previous_holder", "reason",
    "recalled", "retried", "retryable_codes", "run_id", "signal", "skipped", "source_run_id",
    "status", "step", "steps", "subject", "task", "tasks", "to", "turned", "undone", "unsettled",
    "when", "why", "workflow", "workflow_version",
}  # fmt: skip
"""Fields of texts that are names, codes and reasons; a new field of texts is put here, or into
`personal.TEXTS`, by whoever adds it."""


def sealed(fact: Fact, key: EventKey | None = KEY) -> Stored:
    return seal(Head("run:r", 1, "before", key=key), fact, "e2", Stamp(recorded_at=1))


def opened(stored: Stored, *, erased: bool = False) -> Stored:
    seals = seals_of(stored)
    if seals is None:
        return stored
    values = b"" if erased else KEY.cipher.open(seals.sealed, seals.bound)
    return msgspec.structs.replace(stored, opened=values)


@pytest.mark.parametrize("fact", samples.RUN_FACTS, ids=lambda fact: fact.TYPE)
def test_a_fact_comes_back_whole_and_nothing_of_its_values_is_stored(fact: Fact) -> None:
    stored = sealed(fact)
    event = unseal(opened(stored), Catalogue())
    assert event.fact == fact
    assert event.digest == digest(stored.state)
    assert not [secret for secret in SECRETS if secret in stored.state]


@pytest.mark.parametrize("fact", samples.RUN_FACTS, ids=lambda fact: fact.TYPE)
def test_an_erased_fact_is_the_same_for_ever_and_keeps_its_structure(fact: Fact) -> None:
    stored = opened(sealed(fact), erased=True)
    found = unseal(stored, Catalogue()).fact
    assert found == unseal(stored, Catalogue()).fact
    again, values = taken_apart(found)
    data, before = taken_apart(fact)
    assert again == data
    assert {msgspec.json.encode(value) for value in values} <= {
        msgspec.json.encode(ERASED),
        msgspec.json.encode(ERASED_TEXT),
    }
    assert len(values) == len(before)


def texts_of(kind: object, seen: set[object]) -> set[str]:
    """The names of all fields of texts in a type."""
    if kind in seen:
        return set()
    seen.add(kind)
    found = set[str]()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for field in fields(kind):
            if str in _atoms(field.type):
                found.add(field.name)
            for atom in _atoms(field.type):
                found |= texts_of(atom, seen)
    return found


def _atoms(kind: object) -> set[object]:
    inner = getattr(kind, "__args__", ())
    return {kind} if not inner else {atom for one in inner for atom in _atoms(one)}


def test_of_every_text_it_is_decided_whether_it_is_a_users() -> None:
    seen: set[object] = set()
    texts = set().union(*(texts_of(type(fact), seen) for fact in samples.RUN_FACTS))
    keyed = {"tokens", "inputs", "values", "variables", "timers"}  # names of things, by values
    users = {"message", "notes", "log", "tags", "attributes"}
    assert texts - keyed - users <= STRUCTURE, sorted(texts - keyed - users - STRUCTURE)


def test_what_has_no_values_is_stored_as_ever() -> None:
    fact = TaskDispatched(step="a", attempt=1, node="n1", incarnation="i1")
    assert sealed(fact).state == sealed(fact, None).state


def test_without_a_key_nothing_changes() -> None:
    fact = RunCompleted(output={"$sealed": 0})
    stored = sealed(fact, None)
    assert b"codec" not in stored.state
    assert unseal(stored, Catalogue()).fact == fact


def test_values_that_look_like_marks_come_back() -> None:
    fact = RunCompleted(output=[{"$sealed": 0}, {"$said": 1}, {"$erased": True}])
    assert unseal(opened(sealed(fact)), Catalogue()).fact == fact


def test_a_closed_event_names_its_trouble() -> None:
    stored = sealed(RunCompleted(output=1))
    with pytest.raises(MissingKey, match="event 2 of run:r is personal: its data key was not"):
        unseal(stored, Catalogue())
    troubled = msgspec.structs.replace(stored, trouble="key m1 is needed and not configured")
    with pytest.raises(MissingKey, match="is personal: key m1 is needed"):
        unseal(troubled, Catalogue())


def test_a_mark_without_a_value_is_damage() -> None:
    stored = msgspec.structs.replace(sealed(RunCompleted(output=1)), opened=b"[]")
    with pytest.raises(Corrupt, match="lacks a value"):
        unseal(stored, Catalogue())


def test_sealed_values_open_only_in_their_event() -> None:
    one = seals_of(sealed(TaskCompleted(step="a", attempt=1, output="x")))
    other = seals_of(
        seal(Head("run:r", 7, key=KEY), RunCompleted(output=1), "e8", Stamp(recorded_at=1))
    )
    assert one is not None
    assert other is not None
    with pytest.raises(Corrupt):
        KEY.cipher.open(one.sealed, other.bound)


def test_lists_keep_their_length_and_objects_their_names() -> None:
    data, values = taken_apart(
        RunStarted(run_id="r", workflow="w", workflow_version="v", flow=samples.FLOW)
    )
    erased = msgspec.convert(put_together(data, None), RunStarted)
    for before, after in zip(samples.FLOW.maps, erased.flow.maps, strict=True):
        assert len(before.items) == len(after.items)
    assert values


@pytest.mark.parametrize(
    "path", histories(), ids=lambda path: f"{path.parent.parent.name}-{path.stem}"
)
def test_every_recorded_history_folds_when_it_is_erased(path: Path) -> None:
    """To a sound state, with the same steps, in the same order, at the same instants."""
    catalogue, whole, erased = Catalogue(), RunState(), RunState()
    for stored in read_history(path).events:
        event = unseal(stored, catalogue)
        if isinstance(event.fact, (RunForked, RunRestored)):
            break  # it goes on from another state
        again = seal(
            Head("run:r", stored.version - 1, key=KEY), event.fact, "e", Stamp(recorded_at=1)
        )
        gone = unseal(opened(again, erased=True), catalogue).fact
        evolve(whole, event.fact, event.header.recorded_at)
        evolve(erased, gone, event.header.recorded_at)
    assert structure(erased) == structure(whole)
    assert violations(erased) == violations(whole)


def structure(state: RunState) -> object:
    steps = {
        name: (step.status, step.attempt, step.node, step.generation)
        for name, step in state.steps.items()
    }
    same = ("status", "version", "tokens", "order", "ready", "outstanding", "timers", "awaiting")
    return steps, {name: getattr(state, name) for name in same}
