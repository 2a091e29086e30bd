"""A thousand recorded runs in Postgres against a changed definition: exactly those that would have
gone another way are named, each with the first event that would be another.

The histories are made by the product's own kernel. Fifty runs are planted that the changed
condition sends elsewhere, and fifty whose condition is written otherwise and says the same.
"""

from pathlib import Path
from random import Random

import msgspec
import pytest

from events import definition as d
from events.cluster_facts import DefinitionRegistered
from events.envelope import Head, Stamp, Stored, seal
from events.facts import Flow
from events.ids import definition_stream, run_stream
from events.policies import Retry
from events.values import Value
from orchestrator.adapters.cel import CelExpressions
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.authoring import accept, dump
from orchestrator.coordinator.ports import Appended, Batch
from orchestrator.kernel.netindex import NetIndex
from orchestrator.replay.ports import row_of
from tests.builders import Play, Setting, task
from tests.e2e.command_line import Done, dalsegno

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.anyio, pytest.mark.real, pytest.mark.timeout(300)]

RUNS, PLANTED = 1000, 50
ENGINE = CelExpressions()


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


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


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return Recorded().make()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "before.yaml").write_text(dump(BEFORE))
    (tmp_path / "after.yaml").write_text(dump(AFTER))
    (tmp_path / "other.yaml").write_text(dump(msgspec.structs.replace(AFTER, name="other")))
    return tmp_path


async def append(store: PostgresStore, recorded: Recorded) -> None:
    """Into the log, as coordinators do it."""
    leases = tuple(await store.acquire([0], "c1", 60.0))
    head = Head(definition_stream("order"))
    first = seal(head, recorded.definition, "d1", Stamp(recorded_at=1))
    events = [first, *(event for play in recorded.plays.values() for event in stored(play))]
    index = tuple(row_of(run_id, 0, play.state) for run_id, play in recorded.plays.items())
    outcome = await store.append(Batch(id="all", leases=leases, events=tuple(events), index=index))
    assert isinstance(outcome, Appended)


def against(folder: Path, dsn: str, *arguments: str) -> Done:
    return dalsegno(folder, "replay", *arguments, "--dsn", dsn)


ALL = ("--all-of", "order", "--limit", str(RUNS))


async def test_exactly_the_runs_that_would_go_another_way_are_named(
    dsn: str, store: PostgresStore, recorded: Recorded, folder: Path
) -> None:
    await append(store, recorded)
    assert len(recorded.plays) == RUNS
    assert len(recorded.differing) == PLANTED
    before = await store.last_position()
    done = against(folder, dsn, "--against", "after.yaml", *ALL, "--workers", "2", "--json")
    assert done.code == 1, done
    found = done.json
    counts = {name: found[name] for name in ("runs", "same", "differs", "unknown", "more")}
    assert counts == {
        "runs": RUNS,
        "same": RUNS - PLANTED,
        "differs": PLANTED,
        "unknown": 0,
        "more": False,
    }
    verdicts = found["verdicts"]
    assert isinstance(verdicts, list)
    assert {one["run_id"]: one["parting"]["version"] for one in verdicts} == recorded.differing
    for one in verdicts:
        parting = one["parting"]
        assert (parting["kind"], parting["event"]) == ("branch", "task.completed.v1")
        assert parting["text"].startswith("price would take its default (input.total = 1")
        assert [gone["step"] for gone in one["otherwise"]["unknown"]] == ["book"]
    assert await store.last_position() == before, "nothing is written"


async def test_runs_are_judged_by_time_one_by_one_and_against_what_they_had(
    dsn: str, store: PostgresStore, recorded: Recorded, folder: Path
) -> None:
    few = Recorded()
    few.plays = dict(list(recorded.plays.items())[:60])
    few.differing = {run: at for run, at in recorded.differing.items() if run in few.plays}
    await append(store, few)
    same = against(folder, dsn, "--against", f"order@{recorded.version}", "--all-of", "order")
    assert (same.code, "60 runs, 60 go the same way" in same.out) == (0, True), same
    told = against(folder, dsn, "--against", "after.yaml", "--all-of", "order")
    assert (told.code, "60 runs, 57 go the same way" in told.out) == (1, True), told
    assert "3 runs: price would take its default" in told.out
    assert all(run in told.out for run in few.differing)
    some = against(
        folder, dsn, "--against", "after.yaml", "--all-of", "order", "--limit", "20", "--json"
    )
    assert (some.json["runs"], some.json["more"]) == (20, True)
    early = ("--until", "2023-11-14T22:13:25Z")
    assert (
        against(folder, dsn, "--against", "after.yaml", "--all-of", "order", *early, "--json").json[
            "runs"
        ]
        == 5
    )
    (run, version), *_ = few.differing.items()
    one = against(folder, dsn, run, "--against", "after.yaml")
    assert one.code == 1
    for words in (
        f"would have gone another way, from event {version}",
        "price would take its default",
        "unknown what book returns: it did not run",
    ):
        assert words in one.out, one.out
    kept = against(folder, dsn, "run-0001", "--against", "after.yaml", "--json")
    assert (kept.code, kept.json["outcome"]) == (0, "same")


async def test_what_is_asked_wrongly_is_refused(
    dsn: str, store: PostgresStore, recorded: Recorded, folder: Path
) -> None:
    few = Recorded()
    few.plays = dict(list(recorded.plays.items())[:3])
    await append(store, few)
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
        done = against(folder, dsn, *arguments)
        assert (done.code, said in done.err) == (code, True), (arguments, done)
