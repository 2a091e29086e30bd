"""The examples: each by the commands in its first lines, on servers of its own, and by the other
ways through it, on one cluster."""

import json
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio
import psycopg
import pytest

from events.api import RunView, SignalRun, StartRun
from events.completions import COMPLETIONS_TABLE
from events.connection import Connection
from events.values import Value
from orchestrator.adapters.nats.client import connect
from orchestrator.cli.local.connection_file import read_addresses
from tests.e2e.cluster import ROOT
from tests.e2e.command_line import Done, dalsegno, dev
from tests.servers import DatabaseFactory
from tests.web import Scripted, serving

pytest_plugins = ["tests.servers"]

EXAMPLES = ROOT / "examples"
TASKS = ("examples_tasks.py", "etl_tasks.py")
WORKFLOWS = sorted(
    path.name
    for path in EXAMPLES.iterdir()
    if path.suffix in {".yaml", ".py"} and path.name not in TASKS
)
ELSEWHERE = {"census.py", "statement.py", "transfer.py"}
"""Tried by tests of their own."""


def commands(name: str) -> list[str]:
    """What the first lines of an example say to type."""
    lines = (EXAMPLES / name).read_text("utf-8").splitlines()
    return [found[1] for line in lines if (found := re.match(r"^[# ]*(dalsegno try .*)", line))]


OUTPUTS: dict[str, list[Value]] = {
    "approval.yaml": [{"order": "A-17", "state": "put back", "by": "nobody"}],
    "diamond.py": [
        {
            "average": 9.0,
            "spread": 19.0,
            "summary": "9 on average, 19 between the smallest and the largest",
        }
    ],
    "documents.py": [{"words": 21, "top": [["the", 3], ["be", 2], ["to", 2]], "unread": 1}],
    "enrich.py": [{"user": "ADA", "count": 5, "total": 15}] * 2,
    "etl.yaml": [
        {
            "extracted": 19,
            "valid": 14,
            "invalid": ["REC-5", "REC-7", "REC-10", "REC-14", "REC-15"],
            "loaded": 0,
            "errors": 5,
            "end": "error",
        },
        {
            "extracted": 19,
            "valid": 19,
            "invalid": [],
            "loaded": 19,
            "errors": 0,
            "end": "processed",
        },
    ],
    "greet.yaml": [{"text": "Hello, Ada"}, {"text": "HELLO, ADA!"}],
    "loops.yaml": [["HELLO, ADA!", "HELLO, BOB!"]],
    "offers.py": [{"shop": "south", "price": 40}, {"shop": "south", "price": 8}],
    "orders.yaml": [{"order": "A-17", "paid": 118, "shipped": "2 items on the way to Arezzo"}],
    "pages.py": [{"text": " Guido of Arezzo"}],
    "parcel.yaml": [{"tracking": "TRACK-P1"}],
    "shipment.yaml": [{"tracking": ["TRACK-P1"], "freight": ["p2"]}],
    "stations.py": [{"stations": 2400, "coldest": -10.0, "warmest": 29.9, "mean": 9.95}],
    "webhook.yaml": [{"channel": "orders", "amount": 12.5, "status": 0}],
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_an_example_does_what_its_first_lines_say(name: str) -> None:
    outputs = []
    for command in commands(name):
        done = dalsegno(ROOT, *shlex.split(command)[1:], "--json", NO_PROXY="127.0.0.1")
        assert done.code == 0, done
        outputs.append(done.json["output"])
    assert outputs == OUTPUTS[name]


@pytest.mark.timeout(180)
def test_the_census_counts_what_is_there() -> None:
    (command,) = commands("census.py")
    done = dalsegno(ROOT, *shlex.split(command)[1:])
    assert done.code == 0, done
    assert re.search(r"^list +task +completed +1 +agent-1 ", done.out, re.MULTILINE), done
    assert re.search(r'"files": [1-9]\d\d,', done.out), done


def test_every_example_is_tried() -> None:
    assert sorted([*OUTPUTS, *ELSEWHERE]) == WORKFLOWS


def test_the_index_lists_every_example_and_nothing_else() -> None:
    text = (EXAMPLES / "README.md").read_text("utf-8")
    table = re.findall(r"^\| \[([\w.]+)\]\(([\w.]+)\) \| \S", text, re.MULTILINE)
    assert sorted(shown for shown, _ in table) == WORKFLOWS
    linked = set(re.findall(r"\]\(([\w.]+)\)", text))
    assert linked == {path.name for path in EXAMPLES.iterdir() if path.is_file()} - {"README.md"}
    assert all(shown == path for shown, path in table)


# -- other ways through them ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that a server started by root may enter, with a running `dev` in it."""
    made = Path(tempfile.mkdtemp(prefix="dalsegno-tests-examples-"))
    made.chmod(0o755)
    modules = [*TASKS, "diamond.py", "enrich.py"]
    imports = [part for name in modules for part in ("--import", str(EXAMPLES / name))]
    with dev(made, *imports, NO_PROXY="127.0.0.1"):
        yield made
    shutil.rmtree(made)


def ran(folder: Path, name: str, value: Value) -> Done:
    given = ("--input", json.dumps(value), "--wait", "--json")
    return dalsegno(folder, "run", "start", str(EXAMPLES / name), *given)


def statuses(done: Done) -> dict[str, str]:
    tasks = done.json["tasks"]
    assert isinstance(tasks, list)
    return {one["name"]: one["status"] for one in tasks}


PUT_BACK = "put back for A-17: 4 x pen, 1 x ink"
ORDER = json.loads((EXAMPLES / "order.json").read_text("utf-8"))


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("change", "code", "message", "undone"),
    [
        (
            {"address": "Atlantis"},
            "not_shipped",
            f"nobody goes to Atlantis; 118 given back for payment-A-17; {PUT_BACK}",
            ["refund", "release"],
        ),
        (
            {"card": "expired"},
            "not_charged",
            f"the card for A-17 has expired; {PUT_BACK}",
            ["put_back"],
        ),
        ({"items": []}, "empty_order", "order A-17 has no items", []),
    ],
)
def test_what_was_done_of_an_order_is_undone(
    folder: Path, change: dict[str, Value], code: str, message: str, undone: list[str]
) -> None:
    done = ran(folder, "orders.yaml", {**ORDER, **change})
    assert done.code == 1, done
    error = done.json["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["message"]) == (code, message)
    found = statuses(done)
    completed = {
        step for step in ("refund", "release", "put_back") if found.get(step) == "completed"
    }
    assert completed == set(undone)


@pytest.mark.timeout(120)
def test_an_order_that_somebody_approves_is_accepted(folder: Path) -> None:
    """By one client: commands of the shell may take longer than the order waits on a busy host."""
    registered = dalsegno(folder, "workflow", "register", str(EXAMPLES / "approval.yaml"))
    assert registered.code == 0, registered
    found = read_addresses(folder / ".dalsegno")
    assert found is not None

    async def approved() -> RunView:
        order: Value = {"order": "A-17"}
        agreed = SignalRun(
            run_id="first", name="approved", id="s1", data={"by": "ada"}, correlation="A-17"
        )
        async with connect(Connection(urls=(found.nats_url,))) as client:
            await client.request(StartRun(run_id="first", workflow="approval", input=order))
            await client.request(agreed)
            return await client.await_run("first")

    assert anyio.run(approved).output == {"order": "A-17", "state": "accepted", "by": "ada"}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("event", "cents", "channel"),
    [("order.paid", 1250, "orders"), ("order.paid", 100_000, "sales"), ("user.left", 0, None)],
)
def test_who_is_told_of_an_event_depends_on_it(
    folder: Path, event: str, cents: int, channel: str | None
) -> None:
    value: dict[str, Value] = {"event": event, "order": "A-17", "cents": cents}
    with serving(Scripted(status=503), Scripted(status=202)) as service:
        done = ran(folder, "webhook.yaml", {**value, "notify": f"{service.url}/hooks"})
    assert done.code == 0, done
    output = {"channel": channel, "amount": cents / 100, "status": 202 if channel else 0}
    assert done.json["output"] == output
    assert [seen.path for seen in service.seen] == ([f"/hooks/{channel}"] * 2 if channel else [])
    for seen in service.seen:
        told = {"subject": "ORDER PAID", "order": "A-17", "amount": cents / 100}
        assert json.loads(seen.body) == told
        assert seen.headers["idempotency-key"] == f"{done.json['run_id']}/notify~0"


@pytest.mark.timeout(120)
def test_what_a_service_knows_is_put_in(folder: Path) -> None:
    known = Scripted(body=b'{"city": "Arezzo"}', headers={"Content-Type": "application/json"})
    with serving(known) as service:
        value: Value = {"user": "guido", "numbers": [1, 2, 3, 4, 5], "service": service.url}
        done = ran(folder, "enrich.py", value)
    assert done.json["output"] == {"user": "GUIDO", "count": 5, "city": "Arezzo", "total": 15}
    assert [seen.path for seen in service.seen] == ["/?name=GUIDO"]


def accounts(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(COMPLETIONS_TABLE.encode())
        connection.execute(
            "CREATE TABLE account (name text PRIMARY KEY, balance bigint CHECK (balance >= 0))"
        )
        connection.execute("INSERT INTO account VALUES ('ann', 100), ('bo', 0)")


@pytest.mark.timeout(120)
def test_a_transfer_needs_a_database_of_the_user_s(
    tmp_path: Path, database_factory: DatabaseFactory
) -> None:
    dsn = database_factory(accounts)
    (line,) = commands("transfer.py")
    arguments = shlex.split(line.replace("examples/", f"{EXAMPLES}/"))[1:]
    done = dalsegno(tmp_path, *arguments, "--json", TRANSFER_DSN=dsn)
    assert done.json["output"] == {"balances": {"ann": 70, "bo": 30}}, done
    refused = [one.replace("30", "300") for one in arguments]
    done = dalsegno(tmp_path, *refused, "--json", TRANSFER_DSN=dsn)
    assert (done.code, done.json["status"]) == (1, "failed"), done
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT balance FROM account ORDER BY name").fetchall()
        states = connection.execute("SELECT state FROM dalsegno.task_completions").fetchall()
    assert rows == [(70,), (30,)]
    assert sorted(states) == [("abandoned",), ("completed",)]


@pytest.mark.timeout(120)
def test_a_diamond_goes_on_without_what_failed(folder: Path) -> None:
    done = ran(folder, "diamond.py", {"values": [1, 2, 6], "scale": 0})
    assert done.code == 0, done
    assert statuses(done)["process"] == "failed"
    output = done.json["output"]
    assert isinstance(output, dict)
    assert (output["average"], output["spread"]) == (3.0, 5.0)
