"""`events tail` over a real log: what is shown, what a cursor keeps, what is refused."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import psycopg
import pytest
from cloudevents.http import from_json

from events.envelope import Head, Stamp, Stored, seal
from events.facts import Fact
from events.ids import run_stream
from events.run_facts import RunCompleted, RunStarted
from events.task_facts import TaskCompleted
from orchestrator.adapters.embedded import EmbeddedPostgres
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.events import tailing
from orchestrator.cli.events.cursor_file import CursorFile
from orchestrator.cli.main import run
from tests.logs import AT, batch
from tests.postgres import prepare
from tests.servers import DatabaseFactory, Databases

pytest_plugins = ["tests.servers"]
pytestmark = pytest.mark.real
RUNS = 5
Tail = Callable[..., list[dict[str, object]]]


def history(number: int) -> list[Stored]:
    """Three events of a run; those of odd numbers are orders."""
    head, name = Head(run_stream(f"r{number}")), "orders" if number % 2 else "census"
    facts: list[Fact] = [
        RunStarted(run_id=f"r{number}", workflow=name, workflow_version="1"),
        TaskCompleted(step="load", attempt=1, output={"n": number}),
        RunCompleted(),
    ]
    stamp = Stamp(recorded_at=AT + number)
    return [seal(head, fact, f"r{number}-{at}", stamp) for at, fact in enumerate(facts)]


def grow(dsn: str, *numbers: int) -> None:
    async def write() -> None:
        async with await PostgresStore.open(dsn) as store:
            leases = await store.acquire([0], "a", 60.0)
            for number in numbers:
                await store.append(batch(leases, history(number), name=f"b{number}"))

    anyio.run(write)


def filled(dsn: str) -> None:
    prepare(dsn)
    grow(dsn, *range(RUNS))


@pytest.fixture(scope="module")
def shared(postgres_server: EmbeddedPostgres, databases: Databases) -> Iterator[str]:
    """The log of all tests that change nothing."""
    name = databases.create(filled)
    yield postgres_server.dsn_of(name)
    databases.drop(name)


@pytest.fixture
def dsn(database_factory: DatabaseFactory) -> str:
    """A log of the test's own."""
    return database_factory(filled)


@pytest.fixture
def tail(
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Tail:
    """Runs the command in a folder of its own; returns what it wrote, of JSON lines."""
    which = "dsn" if "dsn" in request.fixturenames else "shared"
    monkeypatch.setenv("DALSEGNO_POSTGRES__DSN", request.getfixturevalue(which))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, code: int = 0) -> list[dict[str, object]]:
        assert run(["events", "tail", "--json", *arguments]) == code
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return call


def places(found: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(one["stream"], one["version"]) for one in found]


ALL = [(f"run:r{number}", version) for number in range(RUNS) for version in (1, 2, 3)]


def test_the_last_that_are_wanted_are_shown_however_far_back(
    tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tailing, "WINDOW", 2)
    assert places(tail("--limit", "4")) == ALL[-4:]
    assert places(tail("--limit", "100")) == ALL
    assert tail("--limit", "0") == []
    orders = ("--workflow", "orders", "--type", "run.started")
    assert places(tail("--limit", "2", *orders)) == [("run:r1", 1), ("run:r3", 1)]
    assert places(tail("--limit", "1", *orders)) == [("run:r3", 1)]


@pytest.mark.edge("LOOKED_BACK_MAX")
def test_they_are_looked_for_among_so_many(tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tailing, "WINDOW", 3)
    monkeypatch.setattr(tailing, "LOOKED_BACK_MAX", 5)
    assert places(tail("--limit", "9", "--run", "r2")) == ALL[6:9]
    assert places(tail("--limit", "9", "--run", "r0")) == []
    assert places(tail("--after", "0", "--run", "r0")) == ALL[:3]


def test_filters_meet_the_log(tail: Tail) -> None:
    assert places(tail("--after", "0", "--where", "data.output.n > 2")) == [
        ("run:r3", 2),
        ("run:r4", 2),
    ]
    assert places(tail("--after", "0", "--stream", "run:r1", "--step", "load")) == [("run:r1", 2)]
    since = ("--since", "2023-11-14T22:13:20.000003Z")
    assert places(tail(*since)) == ALL[9:]
    assert places(tail(*since, "--until", "2023-11-14T22:13:20.000004Z")) == ALL[9:12]
    assert tail("--after", "end") == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--type", "run.complete"), 3, "did you mean run.completed?"),
        (("--where", "data."), 3, "at line 1"),
        (("--tag", "team"), 2, "expected KEY=VALUE"),
        (("--follow", "--until", "1h"), 2, "--until ends what --follow goes on with"),
        (("--output", "x"), 2, "--output goes with --cursor"),
        (("--output", "x", "--cursor", "y", "--format", "text"), 2, "json or cloudevents"),
        (("--limit", "-1"), 2, "expected 0 to"),
        (("--after", "north:1"), 2, "expected main:POSITION"),
        (("--cursor", "no/such/folder"), 2, "cannot be written"),
    ],
)
def test_what_is_refused(
    tail: Tail, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert run(["events", "tail", *arguments]) == code
    assert said in capsys.readouterr().err


class TestCursor:
    def test_it_goes_on_where_it_was(self, tail: Tail, dsn: str) -> None:
        assert places(tail("--cursor", "c.json")) == ALL
        assert tail("--cursor", "c.json") == []
        grow(dsn, 7)
        assert places(tail("--cursor", "c.json")) == [("run:r7", n) for n in (1, 2, 3)]

    def test_it_begins_where_it_is_told_and_passes_by_what_is_not_wanted(
        self, tail: Tail, dsn: str
    ) -> None:
        last = tail("--limit", "1")[0]["position"]
        assert tail("--cursor", "c.json", "--after", "end", "--run", "r9") == []
        assert json.loads(Path("c.json").read_bytes())["places"]["main"]["position"] == last
        grow(dsn, 7, 9)
        assert places(tail("--cursor", "c.json", "--run", "r9", "--limit", "1")) == [
            ("run:r9", n) for n in (1, 2, 3)
        ]
        assert json.loads(Path("c.json").read_bytes())["places"]["main"]["position"] > last

    def test_a_time_is_the_one_that_it_began_with(self, tail: Tail) -> None:
        since = "2023-11-14T22:13:20.000003Z"
        assert places(tail("--cursor", "c.json", "--since", since)) == ALL[9:]
        kept = json.loads(Path("c.json").read_bytes())
        assert tail("--cursor", "c.json", "--since", "2h") == []
        assert json.loads(Path("c.json").read_bytes()) == kept

    def test_each_event_is_in_the_output_once_whatever_was_written_beyond_the_cursor(
        self, tail: Tail, dsn: str
    ) -> None:
        both = ("--cursor", "c.json", "--output", "events.jsonl")
        assert tail(*both) == []
        whole = Path("events.jsonl").read_bytes()
        with Path("events.jsonl").open("ab") as file:  # as a kill before the next save leaves it
            file.write(b'{"torn":')
        grow(dsn, 7)
        assert tail(*both) == []
        found = Path("events.jsonl").read_bytes()
        assert found.startswith(whole)
        lines = [json.loads(line) for line in found.splitlines()]
        assert places(lines) == [*ALL, *(("run:r7", n) for n in (1, 2, 3))]

    def test_an_output_that_it_does_not_know_is_left_alone(
        self, tail: Tail, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Path("events.jsonl").write_text("mine")
        tail("--cursor", "c.json", "--output", "events.jsonl", code=2)
        assert Path("events.jsonl").read_text() == "mine"
        assert not Path("c.json").exists()

    def test_an_output_that_was_cut_is_not_gone_on_with(
        self, tail: Tail, capsys: pytest.CaptureFixture[str]
    ) -> None:
        both = ("--cursor", "c.json", "--output", "events.jsonl")
        tail(*both)
        os.truncate("events.jsonl", 10)
        assert run(["events", "tail", *both]) == 5
        assert "has 10 bytes, the cursor knows of" in capsys.readouterr().err

    def test_it_is_of_one_filter_and_one_output(
        self, tail: Tail, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tail("--cursor", "c.json", "--run", "r1")
        assert run(["events", "tail", "--cursor", "c.json", "--run", "r2"]) == 3
        assert 'kept for other events, {"runs":["r1"]}' in capsys.readouterr().err
        both = ("--cursor", "c.json", "--output", "x")
        assert run(["events", "tail", *both, "--run", "r1"]) == 3
        assert "kept with no --output" in capsys.readouterr().err

    def test_it_notices_that_the_log_was_restored_from_a_backup(
        self, tail: Tail, dsn: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tail("--cursor", "c.json")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("DELETE FROM dalsegno.log_batch WHERE number >= 4")
            connection.execute("DELETE FROM dalsegno.events WHERE notification_id > 9")
            connection.execute("SELECT setval('dalsegno.events_notification_id_seq', 9)")
        assert run(["events", "tail", "--cursor", "c.json"]) == 3
        assert "the log ends before it: was the database restored" in capsys.readouterr().err
        grow(dsn, 7, 8, 9)
        assert run(["events", "tail", "--cursor", "c.json"]) == 3
        assert "another append is there: was the database restored" in capsys.readouterr().err

    @pytest.mark.parametrize("text", ["", "{}", '{"form":9,"places":{}}', "x" * 2_000_000])
    def test_what_is_no_cursor_is_refused(self, tail: Tail, text: str) -> None:
        Path("c.json").write_text(text)
        assert run(["events", "tail", "--cursor", "c.json"]) == 5

    def test_two_followers_do_not_share_one(
        self, tail: Tail, capsys: pytest.CaptureFixture[str]
    ) -> None:
        held = CursorFile(Path("c.json"))
        assert run(["events", "tail", "--cursor", "c.json"]) == 3
        assert "in use by another follower" in capsys.readouterr().err
        held.close()


def test_cloudevents_are_what_the_sdk_reads(tail: Tail, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["events", "tail", "--format", "cloudevents", "--run", "r3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    events = [from_json(line) for line in lines]
    assert [one["type"] for one in events] == [
        "dalsegno.run.started.v1",
        "dalsegno.task.completed.v1",
        "dalsegno.run.completed.v1",
    ]
    assert {one["source"] for one in events} == {"urn:dalsegno:default:main"}
    assert [one["id"] for one in events] == ["r3-0", "r3-1", "r3-2"]
    assert events[1]["time"] == "2023-11-14T22:13:20.000003Z"
    assert events[1].data["output"] == {"n": 3}
    assert events[0]["sequence"] < events[1]["sequence"] < events[2]["sequence"]


class TestStats:
    SINCE = ("--since", "2023-11-14T22:13:20Z", "--until", "2023-11-14T22:13:30Z")

    def test_counts_and_rates_of_a_stretch(
        self, tail: Tail, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["events", "stats", "--json", *self.SINCE]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["events"], found["per_s"], found["unread"]) == (15, 1.5, 0)
        assert {one["name"]: one["events"] for one in found["types"]} == {
            "run.started": 5,
            "task.completed": 5,
            "run.completed": 5,
        }
        assert [(one["name"], one["events"]) for one in found["workflows"]] == [
            ("census", 9),
            ("orders", 6),
        ]
        assert [(one["name"], one["events"]) for one in found["nodes"]] == [("", 15)]
        assert found["since"].startswith("2023-11-14T22:13:20")

    def test_of_what_is_wanted(self, tail: Tail, capsys: pytest.CaptureFixture[str]) -> None:
        wanted = ("--workflow", "orders", "--type", "run.*")
        assert run(["events", "stats", "--top", "1", *self.SINCE, *wanted]) == 0
        said = capsys.readouterr().out
        assert "4 events, 0.4/s" in said
        assert "… 1 more" in said
        assert run(["events", "stats"]) == 0
        assert "0 events" in capsys.readouterr().out

    def test_refusals(self, tail: Tail, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["events", "stats", "--top", "0"]) == 2
        assert "expected 1 to 1000" in capsys.readouterr().err
