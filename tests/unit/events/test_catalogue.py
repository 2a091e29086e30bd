"""Catalogue: stored names, types, and the upcasters of names that are no longer written."""

import re

import msgspec
import pytest

from events.catalogue import FACTS, Catalogue, Fields
from events.errors import Corrupt
from events.facts import Fact, Failure

NAME = re.compile(r"[a-z]+\.[a-z]+(_[a-z]+)*\.v[0-9]+")


class Moved(Fact, frozen=True, kw_only=True):
    """A fact that has changed its shape twice."""

    TYPE = "thing.moved.v3"
    place: str
    failure: Failure | None = None


def from_v1(fields: Fields) -> tuple[str, Fields]:
    """Coordinates were two numbers once."""
    return "thing.moved.v2", {"at": [fields["x"], fields["y"]]}


def from_v2(fields: Fields) -> tuple[str, Fields]:
    return "thing.moved.v3", {"place": str(fields["at"]), "failure": {"code": "old"}}


CATALOGUE = Catalogue([Moved], {"thing.moved.v1": from_v1, "thing.moved.v2": from_v2})


@pytest.mark.parametrize("fact", FACTS)
def test_a_stored_name_says_what_happened_and_its_version(fact: type[Fact]) -> None:
    assert NAME.fullmatch(fact.TYPE), fact


def test_stored_names_are_unique() -> None:
    assert len({fact.TYPE for fact in FACTS}) == len(FACTS)
    assert set(Catalogue().names()) == {fact.TYPE for fact in FACTS}


@pytest.mark.parametrize("fact", FACTS)
def test_facts_are_frozen_and_have_named_fields_only(fact: type[Fact]) -> None:
    config = fact.__struct_config__
    assert config.frozen
    assert config.omit_defaults
    assert not config.forbid_unknown_fields
    with pytest.raises(TypeError):
        fact("positional")


def test_today_s_name_is_decoded_directly() -> None:
    assert CATALOGUE.decode("thing.moved.v3", b'{"place":"here"}', "event") == Moved(place="here")


def test_an_old_name_is_upcast_step_by_step() -> None:
    found = CATALOGUE.decode("thing.moved.v1", msgspec.Raw(b'{"x":1,"y":2}'), "event")
    assert found == Moved(place="[1, 2]", failure=Failure(code="old"))
    again = CATALOGUE.decode("thing.moved.v2", b'{"at":[3]}', "event")
    assert again == Moved(place="[3]", failure=Failure(code="old"))


def test_old_names_are_known_names() -> None:
    assert CATALOGUE.names() == ("thing.moved.v3", "thing.moved.v1", "thing.moved.v2")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("thing.moved.v9", b"{}", "which this version does not know"),
        ("", b"{}", "which this version does not know"),
        ("thing.moved.v3", b"{}", "is not a thing.moved.v3"),
        ("thing.moved.v3", b"[", "is not a thing.moved.v3"),
        ("thing.moved.v3", b'{"place":"\xff"}', "is not a thing.moved.v3"),
        ("thing.moved.v1", b"[]", "cannot be read as dict"),
        ("thing.moved.v1", b'{"x":1}', "cannot be read as thing.moved.v1: 'y'"),
        ("thing.moved.v2", b"{}", "cannot be read as thing.moved.v2: 'at'"),
    ],
)
def test_what_cannot_be_read_is_corrupt_and_named(name: str, data: bytes, message: str) -> None:
    with pytest.raises(Corrupt, match="event 7 of run:r") as caught:
        CATALOGUE.decode(name, data, "event 7 of run:r")
    assert message in str(caught.value)


def test_upcasters_that_lead_in_a_circle_are_corrupt_and_not_endless() -> None:
    circle = Catalogue(
        [Moved], {"a.b.v1": lambda f: ("a.b.v2", f), "a.b.v2": lambda f: ("a.b.v1", f)}
    )
    with pytest.raises(Corrupt, match="cannot be read"):
        circle.decode("a.b.v1", b"{}", "event")


def test_an_upcaster_that_leads_nowhere_is_corrupt() -> None:
    nowhere = Catalogue([Moved], {"a.b.v1": lambda f: ("a.b.v7", f)})
    with pytest.raises(Corrupt, match="cannot be read"):
        nowhere.decode("a.b.v1", b"{}", "event")


def test_what_an_upcaster_makes_must_fit_the_type() -> None:
    wrong = Catalogue([Moved], {"a.b.v1": lambda _: ("thing.moved.v3", {"place": 5})})
    with pytest.raises(Corrupt, match=r"cannot be read as thing\.moved\.v3"):
        wrong.decode("a.b.v1", b"{}", "event")


def test_unknown_fields_of_a_newer_release_are_passed_over() -> None:
    data = b'{"place":"here","weather":"fine"}'
    assert CATALOGUE.decode("thing.moved.v3", data, "event") == Moved(place="here")
