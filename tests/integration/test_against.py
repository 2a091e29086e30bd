"""A thousand recorded runs in Postgres against a changed definition: exactly those that would have
gone another way are named, each with the first event that would be another.

The histories are made by the product's own kernel. Fifty runs are planted that the changed
condition sends elsewhere, and fifty whose condition is written otherwise and says the same.
"""

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import anyio
import msgspec
import psutil
import psycopg
import pytest

from events import definition as d
from events.cluster_facts import DefinitionRegistered
from events.envelope import Head, Stamp, Stored, seal
from events.facts import Flow
from events.ids import definition_stream, run_stream
from events.policies import Retry
from events.values import Value
from orchestrator.adapters.cel import CelExpressions
from orchestrator.adapters.embedded import EmbeddedPostgres
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.authoring import accept, dump
from orchestrator.cli.common import Common, configured
from orchestrator.cli.main import run as dalsegno
from orchestrator.cli.progress import Progress
from orchestrator.cli.replay import against, against_processes
from orchestrator.cli.replay.against_processes import TRIES, in_processes
from orchestrator.cli.replay.against_worker import Job
from orchestrator.coordinator.ports import Appended, Batch
from orchestrator.kernel.netindex import NetIndex
from orchestrator.replay.ports import row_of
from orchestrator.replay.what_if.verdicts import Verdict
from tests.builders import Play, Setting, task
from tests.e2e.command_line import started
from tests.postgres import prepare
from tests.servers import Databases

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

RUNS, PLANTED = 1000, 50
ENGINE = CelExpressions()


def choice(step_id: str, when: str, *steps: d.Step, default: d.Step) -> d.ChoiceStep:
    return d.ChoiceStep(id=step_id, cases=(d.Case(when=when, steps=steps),), default=(default,))


def order(price: str, size: str) -> d.Definition:
    """Weighs and packs; by its kind a run passes one of several ways."""
    again = Retry(kind="fixed", attempts_max=3, initial_s=5.0)
    kinds: dict[str, d.Step] = {
        "priced": choice("price", price, task("approve"), default=task("book")),
        "sized": choice("size", size, task("crate"), default=task("bag")),
        "listed": d.ForEachStep(id="each", items="${input.items}", steps=(task("pick"),)),
        "mapped": d.MapStep(id="many", items="${input.items}", task="pack", concurrency=2),
        "waiting": d.WaitStep(id="go", signal="go", timeout_s=600.0),
    }
    cases = tuple(
        d.Case(when=f"input.kind == '{kind}'", steps=(step,)) for kind, step in kinds.items()
    )
    return d.Definition(
        name="order",
        steps=(
            d.SetStep(id="rules", variables={"limit": 100}),
            task("weigh", inputs={"item": "${input.item}"}, retry=again),
            d.ChoiceStep(id="route", cases=cases, default=(task("plain"),)),
            task("ship", inputs={"limit": "${vars.limit}"}),
        ),
        output={"shipped": "${steps.ship.output}"},
    )


BEFORE = order("input.total > 100", "steps.weigh.output > 10")
AFTER = order("input.total > 150", "!(steps.weigh.output <= 10) && has(input.kind)")


class Recorded:
    """Runs as the kernel decides them, and what is expected of each."""

    def __init__(self) -> None:
        self.rng = Random(17)
        self.version, net = accept(BEFORE, ENGINE)
        self.net = NetIndex(net)
        self.definition = DefinitionRegistered(
            workflow="order", workflow_version=self.version, definition=BEFORE, net=net
        )
        self.plays: dict[str, Play] = {}
        self.differing: dict[str, int] = {}
        """Run → the version of the event at which it would part."""

    def make(self) -> "Recorded":
        others = ("listed", "mapped", "waiting", "plain", "priced")
        for number in range(RUNS):
            place = number % (RUNS // PLANTED)
            kind = ("priced", "sized")[place] if place < 2 else self.rng.choice(others)
            total = self.rng.randint(101, 150) if place == 0 else self.rng.choice((7, 100, 151))
            run_id = f"run-{number:04}"
            play = self._play(run_id, number, {"kind": kind, "item": number, "total": total})
            if place == 0:
                self.differing[run_id] = decided(play, "price")
        return self

    def _play(self, run_id: str, number: int, given: dict[str, Value]) -> Play:
        play = Play(self.net, Setting(run_id=run_id, options=BEFORE.options), ENGINE)
        play.now += number * 1_000_000
        play.workflow, play.version = "order", self.version
        items: list[Value] = [1, 2, 3]
        play.start({**given, "items": items[: self.rng.randint(0, 3)]})
        play.place("weigh")
        if self.rng.random() < 0.2:
            play.fail("weigh")
            play.due(5.0)
            play.place("weigh")
        play.complete("weigh", self.rng.choice((5, 10, 11, 50)))
        if self.rng.random() < 0.9:  # the others are open
            play.finish()
        self.plays[run_id] = play
        return play


def decided(play: Play, step: str) -> int:
    """The version of the event that has a choice."""
    for version, fact in enumerate(play.facts, 1):
        flow = getattr(fact, "flow", None)
        if isinstance(flow, Flow) and any(one.step == step for one in flow.choices):
            return version
    raise AssertionError(f"{step} was not decided")


def stored(play: Play) -> list[Stored]:
    head = Head(run_stream(play.setting.run_id))
    return [
        seal(head, fact, f"{head.stream}-{head.version}", Stamp(recorded_at=at))
        for fact, at in zip(play.facts, play.instants, strict=True)
    ]


async def append(dsn: str, recorded: Recorded, runs: Sequence[str], *more: Stored) -> None:
    """Into the log, as coordinators do it."""
    async with await PostgresStore.open(dsn) as store:
        leases = tuple(await store.acquire([0], "c1", 60.0))
        head = Head(definition_stream("order"))
        first = seal(head, recorded.definition, "d1", Stamp(recorded_at=1))
        plays = {run_id: recorded.plays[run_id] for run_id in runs}
        events = [first, *(event for play in plays.values() for event in stored(play)), *more]
        index = tuple(row_of(run_id, 0, play.state) for run_id, play in plays.items())
        batch = Batch(id="all", leases=leases, events=tuple(events), index=index)
        assert isinstance(await store.append(batch), Appended)


async def last_position(dsn: str) -> int:
    async with await PostgresStore.open(dsn) as store:
        return await store.last_position()


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return Recorded().make()


@pytest.fixture(scope="module")
def shared(
    postgres_server: EmbeddedPostgres, databases: Databases, recorded: Recorded
) -> Iterator[str]:
    """The log of all runs; nobody writes to it."""
    name = databases.create(prepare)
    dsn = postgres_server.dsn_of(name)
    anyio.run(append, dsn, recorded, list(recorded.plays))
    yield dsn
    databases.drop(name)


Found = tuple[int, str, str]
"""Exit code, and what was written to both outputs."""
Replay = Callable[..., Found]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "before.yaml").write_text(dump(BEFORE))
    (tmp_path / "after.yaml").write_text(dump(AFTER))
    (tmp_path / "other.yaml").write_text(dump(msgspec.structs.replace(AFTER, name="other")))
    return tmp_path


@pytest.fixture
def replay(
    request: pytest.FixtureRequest,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Replay:
    """Runs `dalsegno replay` in the folder, on the shared log, or on the test's own."""
    which = "dsn" if "dsn" in request.fixturenames else "shared"
    monkeypatch.setenv("DALSEGNO_POSTGRES__DSN", request.getfixturevalue(which))
    monkeypatch.chdir(folder)

    def call(*arguments: str) -> Found:
        code = dalsegno(["replay", *arguments])
        return code, *capsys.readouterr()

    return call


ALL = ("--all-of", "order", "--limit", str(RUNS), "--workers", "2")


class Watched(Progress):
    """What somebody in front of it would see."""

    said: tuple[str, ...] = ()

    def say(self, words: str) -> None:
        Watched.said += (words,)


def test_exactly_the_runs_that_would_go_another_way_are_named(
    replay: Replay, recorded: Recorded, shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(recorded.plays) == RUNS
    assert len(recorded.differing) == PLANTED
    monkeypatch.setattr(against, "Progress", Watched)
    before = anyio.run(last_position, shared)
    code, out, _ = replay("--against", "after.yaml", *ALL, "--json")
    assert code == 1
    found = json.loads(out)
    verdicts = found.pop("verdicts")
    assert found == {
        "runs": RUNS,
        "same": RUNS - PLANTED,
        "differs": PLANTED,
        "unknown": 0,
        "more": False,
    }
    assert {one["run_id"]: one["parting"]["version"] for one in verdicts} == recorded.differing
    for one in verdicts:
        parting = one["parting"]
        assert (parting["kind"], parting["event"]) == ("branch", "task.completed.v1")
        assert parting["text"].startswith("price would take its default (input.total = 1")
        assert [gone["step"] for gone in one["otherwise"]["unknown"]] == ["book"]
    assert len(Watched.said) == RUNS
    assert Watched.said[-1] == f"{RUNS} of {RUNS} runs, {PLANTED} differ"
    assert anyio.run(last_position, shared) == before, "nothing is written"


def test_against_what_they_were_recorded_with_all_go_the_same_way(
    replay: Replay, recorded: Recorded
) -> None:
    code, out, _ = replay("--against", f"order@{recorded.version}", *ALL, "--json")
    found = json.loads(out)
    assert (code, found["runs"], found["same"], found["verdicts"]) == (0, RUNS, RUNS, [])


def test_some_are_asked_about_by_number_by_time_and_by_name(
    replay: Replay, recorded: Recorded
) -> None:
    newest = [f"run-{number:04}" for number in range(RUNS - 60, RUNS)]
    differing = [run for run in newest if run in recorded.differing]
    code, out, _ = replay("--against", "after.yaml", "--all-of", "order", "--limit", "60")
    assert (code, len(differing)) == (1, 3)
    assert "60 runs, 57 go the same way" in out
    assert "There are older ones" in out
    assert "3 runs: price would take its default" in out
    assert all(run in out for run in differing)

    until = ("--until", "2023-11-14T22:13:25Z", "--json")
    _, out, _ = replay("--against", "after.yaml", "--all-of", "order", *until)
    assert json.loads(out)["runs"] == 5

    (run, version), *_ = recorded.differing.items()
    code, out, _ = replay(run, "--against", "after.yaml")
    assert code == 1
    for words in (
        f"would have gone another way, from event {version}",
        "price would take its default",
        "unknown what book returns: it did not run",
    ):
        assert words in out, out
    code, out, _ = replay("run-0001", "--against", "after.yaml", "--json")
    assert (code, json.loads(out)["outcome"]) == (0, "same")


def test_what_is_asked_wrongly_is_refused(replay: Replay) -> None:
    cases = [
        (("--against", "after.yaml"), 2, "expected either a run or --all-of"),
        (("run-0001", "--against", "after.yaml", "--all-of", "order"), 2, "expected either a run"),
        (("--all-of", "order"), 2, "--all-of is for --against"),
        (("run-0001", "--against", "other.yaml"), 3, "is of workflow order, and the definition"),
        (("--against", "other.yaml", "--all-of", "order"), 3, "expected one of the same name"),
        (("--against", "other.yaml", "--all-of", "other"), 3, "there is no workflow other"),
        (("nobody", "--against", "after.yaml"), 3, "there is no run nobody"),
        ((), 2, "which run?"),
    ]
    for arguments, code, said in cases:
        done = replay(*arguments)
        assert (done[0], said in done[2]) == (code, True), (arguments, done)


SPOIL = "UPDATE dalsegno.events SET state = '{' WHERE originator_id = %s AND originator_version = 3"
REMOVE = "DELETE FROM dalsegno.events WHERE originator_id = %s"


def test_one_that_cannot_be_judged_hides_no_other(
    replay: Replay, dsn: str, recorded: Recorded
) -> None:
    good, bad, gone = Recorded(), "run-0003", "run-0004"
    good.plays = dict(list(recorded.plays.items())[:5])
    anyio.run(append, dsn, good, list(good.plays))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SPOIL, [run_stream(bad)])
        connection.execute(REMOVE, [run_stream(gone)])
    asked = ("--against", f"order@{recorded.version}", "--all-of", "order")
    code, out, _ = replay(*asked)
    assert code == 5
    assert "5 runs, 3 go the same way, 0 would go another, 2 cannot be judged" in out
    assert f"unknown {bad}: event 3 of run:{bad} cannot be read" in out
    assert f"unknown {gone}: there is no run {gone}" in out
    code, out, _ = replay("--against", "after.yaml", "--all-of", "order", "--json")
    found = json.loads(out)
    assert (code, found["same"], found["differs"], found["unknown"]) == (1, 2, 1, 2)
    assert {one["run_id"]: one.get("why", "")[:5] for one in found["verdicts"]} == {
        "run-0000": "",
        bad: "event",
        gone: "there",
    }
    code, out, _ = replay(bad, "--against", "after.yaml")
    assert (code, f"{bad} cannot be judged: event 3 of" in out) == (5, True)


# -- processes that end ---------------------------------------------------------------------------


SOME = 300
WORKER = "orchestrator.cli.replay.against_worker"
STANDING_STILL = """
import os, signal, sys
from orchestrator.cli.replay import against_worker

def tell(one, tell=against_worker.tell):
    tell(one)
    if one.run_id in sys.argv:
        os.kill(os.getpid(), signal.SIGSTOP)

against_worker.tell = tell
sys.exit(against_worker.main())
"""
"""Plays as a worker does, and stands still when it has told of one of these runs: it is there to be
killed, however late that is."""


def players(of: int | None = None) -> list[psutil.Process]:
    """The processes that play runs for us, or for another one."""
    found = list[psutil.Process]()
    for one in psutil.Process(of).children():
        with suppress(psutil.NoSuchProcess):
            if WORKER in one.cmdline():
                found.append(one)
    return found


def stand_still_at(monkeypatch: pytest.MonkeyPatch, *runs: str) -> None:
    command = (sys.executable, "-c", STANDING_STILL, WORKER, *runs)
    monkeypatch.setattr(against_processes, "COMMAND", command)


def job(dsn: str, runs: Sequence[str]) -> Job:
    return Job(config=configured(Common(dsn=dsn)), definition=AFTER, run_ids=tuple(runs))


def test_a_process_that_is_killed_leaves_its_runs_to_another(
    shared: str, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, told = list(recorded.plays)[:SOME], list[Verdict]()
    stand_still_at(monkeypatch, runs[0])

    def done(one: Verdict) -> None:
        told.append(one)
        if len(told) == 1:
            players()[0].kill()

    found = in_processes([job(shared, runs)], done)
    assert found == told
    assert sorted(one.run_id for one in found) == runs
    expected = recorded.differing.keys() & set(runs)
    assert {one.run_id for one in found if one.outcome == "differs"} == expected
    assert not [one for one in found if one.outcome == "unknown"]


def test_what_is_killed_again_and_again_is_not_told_as_the_same(
    shared: str, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, killed = list(recorded.plays)[:SOME], list[int]()
    stand_still_at(monkeypatch, *runs[:TRIES])

    def done(one: Verdict) -> None:
        """What a process had told of before it was killed is told still."""
        for player in players():
            if player.pid not in killed and len(killed) < TRIES:
                player.kill()
                killed.append(player.pid)

    found = in_processes([job(shared, runs)], done)
    assert sorted(one.run_id for one in found) == runs
    unknown = [one for one in found if one.outcome == "unknown"]
    assert unknown
    assert len(killed) == TRIES
    assert all("ended by SIGKILL, twice" in one.why for one in unknown)
    assert all(one.run_id in recorded.differing for one in found if one.outcome == "differs")
    assert against.code_of(unknown) == 5


def test_ctrl_c_ends_all_of_it(shared: str, folder: Path) -> None:
    arguments = ("--against", "after.yaml", *ALL, "--dsn", shared)
    with started(folder, "replay", *arguments) as process:
        while process.poll() is None and not (found := players(process.pid)):
            pass
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out, err) == (130, "", "dalsegno: interrupted\n")
    gone, alive = psutil.wait_procs(found, timeout=20)
    assert (len(gone), alive) == (len(found), [])
