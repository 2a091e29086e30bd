"""The stored envelope: sealed, chained, and refused when anything about it is not as it was."""

import msgspec
import pytest

from events.catalogue import Catalogue
from events.codec import digest
from events.envelope import Event, Head, Stamp, Stored, seal, unseal
from events.errors import Corrupt
from events.facts import Fact, Failure
from events.run_facts import RunCancelled, RunFailed, RunStarted
from events.task_facts import TaskDispatched

CATALOGUE = Catalogue()
STREAM = "run:r"
FACTS: list[Fact] = [
    RunStarted(run_id="r", workflow="w", workflow_version="v"),
    TaskDispatched(step="a", attempt=1, node="n", incarnation="i", generation=4),
    RunFailed(failure=Failure(code="boom", message="é\U0001f600")),
]


def sealed(stamp: Stamp = Stamp(recorded_at=5), head: Head | None = None) -> list[Stored]:
    head = head or Head(STREAM)
    return [seal(head, fact, f"id-{number}", stamp) for number, fact in enumerate(FACTS, start=1)]


def test_what_was_sealed_comes_out_again() -> None:
    events = [unseal(stored, CATALOGUE) for stored in sealed()]
    assert [event.fact for event in events] == FACTS
    assert [event.header.version for event in events] == [1, 2, 3]
    assert [event.header.id for event in events] == ["id-1", "id-2", "id-3"]
    assert [event.header.generation for event in events] == [0, 4, 0]
    assert all(event.header.stream == STREAM for event in events)
    assert all(event.header.recorded_at == 5 for event in events)


def test_an_event_that_two_catalogues_have_read_is_the_same() -> None:
    for stored in sealed():
        assert unseal(stored, Catalogue()) == unseal(stored, Catalogue())


def test_every_field_of_the_stamp_is_kept() -> None:
    stamp = Stamp(
        recorded_at=7,
        actor="user:ada",
        causation="cause",
        correlation="order-3",
        traceparent="00-aa-bb-01",
        epoch=9,
        namespace="team",
    )
    head = Head(STREAM, segment=2)
    for stored in sealed(stamp, head):
        header = unseal(stored, CATALOGUE).header
        for field in stamp.__struct_fields__:
            assert getattr(header, field) == getattr(stamp, field)
        assert header.segment == 2


def test_what_equals_its_default_is_not_stored() -> None:
    first = sealed()[0]
    assert first.state == (
        b'{"id":"id-1","stream":"run:r","version":1,"type":"run.started.v1","recorded_at":5,'
        b'"data":{"run_id":"r","workflow":"w","workflow_version":"v"}}'
    )


def test_each_event_carries_the_digest_of_its_predecessor_s_bytes() -> None:
    head = Head(STREAM)
    stored = sealed(head=head)
    events = [unseal(one, CATALOGUE) for one in stored]
    assert [event.header.previous for event in events] == [
        "",
        digest(stored[0].state),
        digest(stored[1].state),
    ]
    assert [event.digest for event in events] == [digest(one.state) for one in stored]
    assert (head.version, head.digest) == (3, digest(stored[2].state))


def test_a_stream_goes_on_from_any_head() -> None:
    head = Head(STREAM, version=41, digest="before")
    stored = seal(head, RunCancelled(), "x", Stamp(recorded_at=1))
    event = unseal(stored, CATALOGUE)
    assert (event.header.version, event.header.previous) == (42, "before")


def changed(stored: Stored, **fields: object) -> Stored:
    return msgspec.structs.replace(stored, **fields)


def rewritten(stored: Stored, old: bytes, new: bytes) -> Stored:
    assert old in stored.state
    return changed(stored, state=stored.state.replace(old, new))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: changed(s, version=7), "event 7 of run:r says that it is event 2 of run:r"),
        (lambda s: changed(s, stream="run:q"), "event 2 of run:q says that it is event 2 of run:r"),
        (lambda s: changed(s, type="run.cancelled.v1"), "says that it is"),
        (lambda s: changed(s, state=b""), "event 2 of run:r cannot be read"),
        (lambda s: changed(s, state=s.state[:-1]), "event 2 of run:r cannot be read"),
        (lambda s: changed(s, state=b"\x00" * 50), "event 2 of run:r cannot be read"),
        (lambda s: rewritten(s, b'"version":2', b'"version":3'), "says that it is event 3"),
        (
            lambda s: rewritten(s, b'"id":"id-2"', b'"id":2'),
            "event 2 of run:r cannot be read",
        ),
        (lambda s: rewritten(s, b'"attempt":1', b'"attempt":"1"'), "not a task.dispatched.v1"),
        (lambda s: rewritten(s, b'"generation":4', b'"codec":2'), "uses codec 2"),
        (lambda s: rewritten(s, b'"generation":4', b'"codec":1'), "is personal: its data key"),
        (lambda s: rewritten(s, b'"generation":4', b'"key_id":"k"'), "with key 'k'"),
        (lambda s: rewritten(s, b'"data":{', b'"dada":{'), "not a task.dispatched.v1"),
    ],
)
def test_damage_is_corrupt_and_names_the_event(damage: object, message: str) -> None:
    assert callable(damage)
    with pytest.raises(Corrupt) as caught:
        unseal(damage(sealed()[1]), CATALOGUE)
    assert message in str(caught.value)
    assert "event" in str(caught.value)


def test_an_unknown_type_is_corrupt_and_named() -> None:
    stored = rewritten(sealed()[1], b"task.dispatched.v1", b"task.vanished.v1")
    with pytest.raises(Corrupt, match=r"event 2 of run:r has the type 'task\.vanished\.v1'"):
        unseal(changed(stored, type="task.vanished.v1"), CATALOGUE)


def test_a_change_that_still_decodes_breaks_the_chain() -> None:
    """Whoever reads on compares `previous` with the digest of what it has read."""
    first, second, _ = sealed()
    forged = rewritten(first, b'"workflow":"w"', b'"workflow":"x"')
    follows: Event = unseal(second, CATALOGUE)
    assert unseal(forged, CATALOGUE).digest != follows.header.previous
    assert unseal(first, CATALOGUE).digest == follows.header.previous


def test_a_header_of_a_newer_release_is_read_all_the_same() -> None:
    stored = rewritten(sealed()[1], b'"generation":4', b'"generation":4,"weather":"fine"')
    assert unseal(stored, CATALOGUE).fact == FACTS[1]
