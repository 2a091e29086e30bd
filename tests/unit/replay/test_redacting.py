"""Redacted runs: the same histories without the values, wherever these were."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote

import pytest

from dalsegno.testing import dalsegno_env
from events.errors import Misconfigured, Rejected
from events.ids import run_stream
from events.references import Payload
from events.values import Value
from node_agent import TaskContext, TaskError, task
from orchestrator.adapters.archives.opening import open_file
from orchestrator.authoring import Workflow
from orchestrator.replay.audit.verify import Verifier
from orchestrator.replay.exchange.covering import Covered
from orchestrator.replay.exchange.redacting import redacted
from orchestrator.replay.fields import field_of, words
from tests import exports
from tests.exports import CATALOGUE, EMAIL, Kept, plain

pytestmark = pytest.mark.anyio
Write = Callable[..., Awaitable[bytes]]
WRITERS = [pytest.param(exports.bundle, id="bundle"), pytest.param(exports.jsonl, id="jsonl")]
SECRET = "hunter-two"
CARD = 4_111_222_233
LETTERS = Payload.of(json.dumps([{"email": EMAIL}, {"note": f"for {EMAIL}"}]).encode())


@task(name="spy.repeat")
async def repeat(ctx: TaskContext, whom: str, card: int) -> dict[str, Value]:
    """Says what it was given in every way that programs do."""
    ctx.note(f"asked for {whom.upper()} with card {card}")
    ctx.emit("seen", {"encoded": base64.b64encode(f"to: {whom}".encode()).decode()})
    raw = whom.encode()
    return {
        "hash": hashlib.sha256(raw).hexdigest(),
        "url": f"https://x.test/?q={quote(whom)}",
        "inner": json.dumps({"whom": whom, "Käse": card}),
        whom: [raw.hex(), hashlib.md5(raw, usedforsecurity=False).hexdigest()],
    }


@task(name="spy.fail")
async def fail(whom: str) -> None:
    raise TaskError("no_such_person", f"{whom} is not known", details={"whom": [whom]})


def spy() -> Workflow:
    flow = Workflow("spy")
    customer = flow.input.customer
    said = flow.task("repeat", repeat, whom=customer.email, card=customer.card)
    flow.call("inner", "letters", {"to": customer.email}).after(said)
    failed = flow.task("fail", fail, whom=customer.email).after(said)
    with failed.on_error("no_such_person"):
        flow.task("again", repeat, whom=customer.email, card=customer.card)
    flow.output(all=said.output)
    return flow


def letters() -> Workflow:
    """Its definition has the values in it as well."""
    flow = Workflow("letters")
    flow.task("write", repeat, whom=EMAIL, card=CARD).after()
    flow.output(to=flow.input.to)
    return flow


LISTED: dict[str, Value] = {
    "$ref": "list",
    "count": 2,
    "bytes": len(LETTERS.data),
    "chunks": [{"count": 2, "hash": LETTERS.hash}],
}
INPUT: dict[str, Value] = {
    "customer": {"email": EMAIL, "card": CARD, "password": SECRET, "ok": True, "land": "DE"},
    "letters": LISTED,
}


@pytest.fixture
async def kept() -> AsyncIterator[Kept]:
    async with dalsegno_env(tasks=(repeat, fail)) as env:
        found = Kept(env)
        await found.store.put_payloads([LETTERS])
        await env.register(letters())
        run = await env.start(spy(), input=INPUT, id=f"spy-{EMAIL.partition('@')[0]}")
        await run.ended()
        yield found


RUN = "spy-ada.lovelace"
FIELDS = [field_of("customer.email"), field_of("card"), field_of("ok"), field_of("land")]


def betrayals() -> list[bytes]:
    raw = EMAIL.encode()
    return [
        raw,
        raw.upper(),
        quote(EMAIL).encode(),
        raw.hex().encode(),
        base64.b64encode(raw)[2:-6],
        hashlib.sha256(raw).hexdigest().encode(),
        hashlib.md5(raw, usedforsecurity=False).hexdigest().encode(),
        str(CARD).encode(),
        SECRET.encode(),
        LETTERS.hash.encode(),
        b'"DE"',
    ]


@pytest.mark.parametrize("write", WRITERS)
async def test_nothing_of_the_values_is_in_the_file(kept: Kept, write: Write) -> None:
    whole = plain(await write(kept.store, RUN, children=True))
    assert [one for one in betrayals() if one not in whole] == []
    history, told = await redacted(kept.store, CATALOGUE, [RUN], FIELDS, children=True)
    data = await write(history, *told.run_ids, children=True)
    found = plain(data)
    assert [one for one in betrayals() if one.lower() in found.lower()] == []
    assert told.fields == ("customer.email", "card", "ok", "land")
    assert told.values >= 3
    assert told.weak == 2


@pytest.mark.parametrize("write", WRITERS)
async def test_what_is_left_folds_and_verifies(kept: Kept, write: Write) -> None:
    history, told = await redacted(kept.store, CATALOGUE, [RUN], FIELDS, children=True)
    with await open_file(await write(history, *told.run_ids, children=True)) as file:
        assert len(file.info.runs) == 2
        ignored = frozenset({"run_index", "batch"})
        for run_id in file.info.runs:
            verified = await Verifier(file, CATALOGUE, 16, ignored=ignored).run(run_id)
            assert verified is not None
            assert verified.findings == ()
            assert verified.status in {"completed", "failed"}
        for name in file.payload_names():
            assert await file.load_payload(name) is not None


@pytest.mark.parametrize("asked", ["letters", "letters.email", "input.letters.*"])
async def test_values_of_a_stored_list_go_wherever_they_are(kept: Kept, asked: str) -> None:
    """By a field that is the list, or in it; where the list is stays said."""
    history, told = await redacted(kept.store, CATALOGUE, [RUN], [field_of(asked)], children=True)
    data = await exports.bundle(history, *told.run_ids, children=True)
    assert EMAIL.encode() not in plain(data)
    with await open_file(data) as file:
        (name,) = file.payload_names()
        assert name != LETTERS.hash
        (started, *_) = await file.read(run_stream(RUN))
        listed = json.loads(started.state)["data"]["input"]["letters"]
        assert listed == LISTED | {"chunks": [{"count": 2, "hash": name}]}


async def test_what_says_where_a_stored_list_is_is_no_field(kept: Kept) -> None:
    with pytest.raises(Rejected, match="nothing in these runs is at chunks, bytes"):
        await redacted(kept.store, CATALOGUE, [RUN], [field_of("chunks"), field_of("bytes")])


async def test_a_number_that_a_list_is_long_is_no_value_of_it(kept: Kept) -> None:
    covered = Covered(words())
    covered.add(1_234_567)
    chunk: Value = {"count": 1_234_567, "hash": LETTERS.hash}
    listed: dict[str, Value] = {"$ref": "list", "count": 1_234_567, "bytes": 9, "chunks": [chunk]}
    assert covered.value(listed) == listed
    more = covered.value({**listed, "more": 1_234_567})
    assert isinstance(more, dict)
    assert more["more"] == "redacted-1"


async def test_what_was_redacted_is_redacted_again(kept: Kept) -> None:
    """Versions of definitions with nothing in them to take out stay what they are."""
    first, told = await redacted(kept.store, CATALOGUE, [RUN], FIELDS, children=True)
    with await open_file(await exports.bundle(first, *told.run_ids, children=True)) as file:
        again, twice = await redacted(
            file, CATALOGUE, told.run_ids, [field_of("hash")], children=True
        )
        data = await exports.jsonl(again, *twice.run_ids, children=True)
        assert twice.values == 0
        assert data == await exports.jsonl(file, *told.run_ids, children=True)


async def test_without_a_value_in_it_a_run_keeps_its_name(kept: Kept) -> None:
    _, told = await redacted(kept.store, CATALOGUE, [RUN], [field_of("ok")])
    assert told.run_ids == (RUN,)
    assert (told.values, told.weak) == (1, 1)  # the password


async def test_names_that_were_made_of_a_value_go_too(kept: Kept) -> None:
    async with dalsegno_env(tasks=exports.TASKS) as env:
        await exports.ordered(env, run_id=f"order-{EMAIL}")
        store = exports.store_of(env)
        (child,) = [run.id for run in env.runs() if run.id != f"order-{EMAIL}"]
        asked = [field_of("email")]
        history, told = await redacted(store, CATALOGUE, [f"order-{EMAIL}"], asked, children=True)
        data = plain(await exports.jsonl(history, *told.run_ids, children=True))
    assert told.run_ids == ("order-redacted-1",)
    assert child.encode() not in data
    assert b"run:redacted-run-1" in data
    trace = hashlib.sha256(f"order-{EMAIL}".encode()).hexdigest()[:32]
    assert trace.encode() not in data


async def test_a_field_that_is_nowhere_is_refused(kept: Kept) -> None:
    asked = [field_of("emial"), field_of("customer.status"), field_of("email")]
    with pytest.raises(Rejected, match=r"nothing in these runs is at emial, customer\.status"):
        await redacted(kept.store, CATALOGUE, [RUN], asked)


@pytest.mark.parametrize("text", ["", ".", "a..b", "*", "*.*", ".a"])
def test_what_is_no_field_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="is no field: expected a name such as email"):
        field_of(text)


@pytest.mark.parametrize(
    ("text", "path", "fits"),
    [
        ("email", ("input", "customer", "email"), True),
        ("customer.email", ("input", "customer", "email"), True),
        ("input.*.email", ("input", "customer", "email"), True),
        ("order.email", ("input", "customer", "email"), False),
        ("email", ("input", "email", "domain"), False),
        ("a.b.c", ("b", "c"), False),
    ],
)
def test_a_field_is_the_end_of_a_path(text: str, path: tuple[str, ...], fits: bool) -> None:
    assert field_of(text).fits(path) is fits


@pytest.mark.edge("REDACTED_VALUES_MAX")
def test_too_many_values_are_refused() -> None:
    covered = Covered(words())
    for number in range(10_000):
        covered.add(1_000_000 + number)
    covered.add(1_000_000)
    with pytest.raises(Rejected, match="over 10000 different values"):
        covered.add("one too many")


def test_words_of_the_engine_are_no_values() -> None:
    covered = Covered(words())
    for value in ("completed", "step", "run.started.v1", "node_lost", "DE", 7, True):
        covered.add(value)
    assert (covered.strong, covered.weak) == (0, 7)
    assert covered.text("run.started.v1 completed") == "run.started.v1 completed"
    assert covered.value({"land": "DE", "n": 7, "is": True, "s": ["completed"]}) == {
        "land": "redacted",
        "n": 7,
        "is": True,
        "s": ["redacted"],
    }
