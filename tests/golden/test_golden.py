"""What a release has written, every later one reads, and what is written today is what was
recorded.

A failure here means that the bytes of a stored or wire format have changed. Before the release is
published: `python -m tests.golden.record`. After it: give the new shape a new name and the old one
an upcaster.
"""

from pathlib import Path
from typing import get_args

import msgspec
import pytest

from events import api
from events import messages as m
from events import net as n
from events.catalogue import Catalogue
from events.codec import encode
from events.envelope import Stored, seals_of, unseal
from events.operator_facts import RunRestored
from events.run_facts import RunForked
from events.task_facts import TaskCompleted
from orchestrator.adapters.cel import CelExpressions
from orchestrator.adapters.crypto.keyring import DataKey
from orchestrator.kernel.evolve import FOLDS, evolve
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.restoring import rewind
from orchestrator.kernel.snapshot import restore
from orchestrator.kernel.state import RunState, serialise
from tests.builders import Play
from tests.golden import record, samples
from tests.golden.files import (
    FROZEN,
    RELEASE,
    Line,
    digest,
    histories,
    read_history,
    read_lines,
    releases,
)
from tests.golden.scenes import SCENES, end_of, history

CATALOGUE = Catalogue()
KINDS: dict[str, object] = {
    "command": m.Command,
    "report": m.Report,
    "heartbeat_answer": m.HeartbeatAnswer,
    "request": api.AnyRequest,
    "answer": api.AnyAnswer,
}
ALONE = {
    "message/Commands": m.Commands,
    "message/Reports": m.Reports,
    "message/Heartbeat": m.Heartbeat,
}
RECORDED_FACTS = [line for release in releases() for line in read_lines(release, "facts")]
RECORDED_PERSONAL = list(read_lines("0.3.0", "personal"))
RECORDED_MESSAGES = [line for release in releases() for line in read_lines(release, "messages")]


def label(line: object) -> str:
    return f"{line.name}-{line.variant}" if isinstance(line, Line) else str(line)


@pytest.mark.parametrize("release", FROZEN)
def test_what_was_published_stays_as_it_is(release: str) -> None:
    assert digest(release) == FROZEN[release]


# -- personal -------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", RECORDED_PERSONAL, ids=label)
def test_a_recorded_personal_event_opens_with_its_key_for_ever(line: Line) -> None:
    fact = next(one for one in samples.FACTS if line.name == one.TYPE)
    stored = Stored("run:run-1", 5, line.name, line.data)
    seals = seals_of(stored)
    assert seals is None or seals.key_id == "k1"
    if seals is not None:
        values = DataKey(samples.KEY).open(seals.sealed, seals.bound)
        stored = msgspec.structs.replace(stored, opened=values)
    assert unseal(stored, CATALOGUE).fact == fact


def test_personal_events_are_written_as_they_were_recorded() -> None:
    assert [tuple(line) for line in RECORDED_PERSONAL] == [tuple(one) for one in record.personal()]


# -- facts ----------------------------------------------------------------------------------------


def test_every_stored_name_has_golden_bytes() -> None:
    recorded = {line.name for line in read_lines(RELEASE, "facts")}
    assert recorded == {fact.TYPE for fact in samples.FACTS}
    assert recorded == set(CATALOGUE.names())


@pytest.mark.parametrize("line", RECORDED_FACTS, ids=label)
def test_a_recorded_fact_is_read_and_written_again_to_the_same_bytes(line: Line) -> None:
    fact = CATALOGUE.decode(line.name, line.data, "golden")
    if line.name == fact.TYPE:
        assert encode(fact) == line.data


def test_facts_are_written_as_they_were_recorded() -> None:
    assert list(record.facts()) == list(read_lines(RELEASE, "facts"))


# -- messages -------------------------------------------------------------------------------------


def test_every_message_request_and_answer_has_golden_bytes() -> None:
    recorded = {line.name for line in read_lines(RELEASE, "messages")}
    expected = {
        f"{family}/{kind.__struct_config__.tag}"
        for family, union in KINDS.items()
        for kind in get_args(union)
    }
    assert recorded == expected | set(ALONE)


@pytest.mark.parametrize("line", RECORDED_MESSAGES, ids=label)
def test_a_recorded_message_is_read_and_written_again_to_the_same_bytes(line: Line) -> None:
    kind = ALONE.get(line.name) or KINDS[line.name.partition("/")[0]]
    found: object = msgspec.json.decode(line.data, type=kind)
    assert encode(found) == line.data


def test_messages_are_written_as_they_were_recorded() -> None:
    assert list(record.messages()) == list(read_lines(RELEASE, "messages"))


# -- the samples are whole ------------------------------------------------------------------------

EVERYTHING: tuple[msgspec.Struct, ...] = (
    *samples.FACTS,
    *samples.COMMANDS,
    *samples.REPORTS,
    *samples.HEARTBEAT_ANSWERS,
    *samples.BATCHES,
    *samples.REQUESTS,
    *samples.ANSWERS,
)


def test_the_samples_have_every_optional_field_with_another_value_than_its_default() -> None:
    unset: set[str] = set()
    given: set[str] = set()
    for part in parts(EVERYTHING):
        for field in msgspec.structs.fields(part):
            if not field.required:
                is_default = getattr(part, field.name) == default_of(field)
                (unset if is_default else given).add(f"{owner(part, field.name)}.{field.name}")
    assert unset - given == set()


def owner(part: msgspec.Struct, field: str) -> str:
    """The class that has defined the field: what it inherits need not be set once more."""
    return next(kind.__name__ for kind in type(part).__mro__ if field in kind.__annotations__)


def parts(value: object) -> list[msgspec.Struct]:
    """The structure and every structure inside it."""
    found: list[msgspec.Struct] = []
    todo = [value]
    while todo:
        match todo.pop():
            case msgspec.Struct() as struct:
                found.append(struct)
                todo += [getattr(struct, name) for name in struct.__struct_fields__]
            case tuple() | list() as items:
                todo += items
            case dict() as items:
                todo += items.values()
            case _:
                pass
    return found


def default_of(field: msgspec.structs.FieldInfo) -> object:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def test_the_sample_net_has_every_kind_of_action() -> None:
    assert {type(step.action) for step in samples.NET.steps} == set(get_args(n.Action))


# -- histories ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", histories(), ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_a_recorded_history_leads_where_it_led(path: Path) -> None:
    recorded = read_history(path)
    state, previous, states = RunState(), "", list[bytes]()
    for stored in recorded.events:
        event = unseal(stored, CATALOGUE)
        assert event.header.previous == previous
        previous = event.digest
        if isinstance(event.fact, RunRestored):
            rewind(state, restore(states[event.fact.version - 1]))
        evolve(state, event.fact, event.header.recorded_at)
        states.append(serialise(state))
    play = Play(NetIndex(recorded.net))
    play.state = state
    assert end_of(play) == recorded.end


@pytest.mark.parametrize("name", SCENES)
def test_a_history_is_decided_today_as_it_was_recorded(name: str) -> None:
    path = next(path for path in histories() if path.parts[-3] == RELEASE and path.stem == name)
    assert history(SCENES[name]()) == read_history(path)


@pytest.mark.parametrize(
    "path", [path for path in histories() if path.stem == "still_open"], ids=lambda p: p.parts[-3]
)
def test_an_old_open_run_goes_on_with_the_net_that_it_has(path: Path) -> None:
    recorded = read_history(path)
    play = Play(NetIndex(recorded.net), expressions=CelExpressions())
    for stored in recorded.events:
        event = unseal(stored, CATALOGUE)
        evolve(play.state, event.fact, event.header.recorded_at)
    play.now = play.state.updated_at
    play.finish()
    assert play.state.status == "failed", "the recalled attempt fails its task"
    assert play.state.failed_step == "recalled"


def test_the_histories_have_every_fact_of_a_run() -> None:
    found = {stored.type for path in histories() for stored in read_history(path).events}
    assert found == {fact.TYPE for fact in FOLDS} - {RunForked.TYPE}
    assert TaskCompleted.TYPE in found
