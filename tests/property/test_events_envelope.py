"""Sealed events: what goes in comes out, and no change of stored bytes goes unnoticed."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import Catalogue
from events.codec import encode
from events.envelope import Head, Stamp, Stored, seal, unseal
from events.errors import Corrupt
from events.facts import Fact, Failure
from events.run_facts import RunCompleted, RunFailed
from events.task_facts import TaskProgressed
from events.values import Value

CATALOGUE = Catalogue()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
FACTS: st.SearchStrategy[Fact] = st.one_of(
    st.builds(RunCompleted, output=VALUES),
    st.builds(
        TaskProgressed, step=TEXTS, attempt=st.integers(1, 9), details=VALUES, fraction=st.none()
    ),
    st.builds(
        RunFailed, failure=st.builds(Failure, code=TEXTS, message=TEXTS, details=VALUES), step=TEXTS
    ),
)
STAMPS = st.builds(
    Stamp,
    recorded_at=st.integers(0, 2**60),
    actor=TEXTS,
    causation=TEXTS,
    correlation=TEXTS,
    epoch=st.integers(0, 2**40),
)


def sealed(facts: list[Fact], stamp: Stamp) -> list[Stored]:
    head = Head("run:é")
    return [seal(head, fact, f"id-{number}", stamp) for number, fact in enumerate(facts)]


@given(facts=st.lists(FACTS, min_size=1, max_size=5), stamp=STAMPS)
def test_what_was_sealed_comes_out_again_in_a_chain(facts: list[Fact], stamp: Stamp) -> None:
    previous = ""
    for stored, fact in zip(sealed(facts, stamp), facts, strict=True):
        event = unseal(stored, CATALOGUE)
        assert encode(event.fact) == encode(fact)
        assert event.header.previous == previous
        assert (event.header.actor, event.header.epoch) == (stamp.actor, stamp.epoch)
        previous = event.digest


@given(fact=FACTS, stamp=STAMPS, data=st.data())
def test_no_change_of_stored_bytes_goes_unnoticed(
    fact: Fact, stamp: Stamp, data: st.DataObject
) -> None:
    """Either the event cannot be read any more, or it does not fit its successor."""
    (stored,) = sealed([fact], stamp)
    at = data.draw(st.integers(0, len(stored.state) - 1), label="at")
    new = data.draw(st.integers(0, 255).filter(lambda n: n != stored.state[at]), label="byte")
    state = stored.state[:at] + bytes([new]) + stored.state[at + 1 :]
    damaged = Stored(stored.stream, stored.version, stored.type, state)
    with suppress(Corrupt):
        assert unseal(damaged, CATALOGUE).digest != unseal(stored, CATALOGUE).digest


@given(junk=st.binary(max_size=200))
def test_junk_is_corrupt_and_nothing_worse(junk: bytes) -> None:
    with pytest.raises(Corrupt, match="event 1 of run:r"):
        unseal(Stored("run:r", 1, "run.completed.v1", junk), CATALOGUE)


@given(data=st.binary(max_size=100), name=st.sampled_from(CATALOGUE.names()))
def test_junk_data_under_a_known_name_is_corrupt_or_a_fact(data: bytes, name: str) -> None:
    with suppress(Corrupt):
        fact = CATALOGUE.decode(name, data, "event")
        assert name == fact.TYPE
