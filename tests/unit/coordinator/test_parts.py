"""Parts of maps: their items are read before they start, and chunks come and go."""

import msgspec
import pytest

from events.api import (
    AwaitRun,
    Fetched,
    FetchValues,
    KeepValues,
    Kept,
    Refused,
    RegisterWorkflow,
    RepinRun,
    ShowRun,
    StartRun,
)
from events.catalogue import Catalogue
from events.codec import decode, encode
from events.definition import Definition, MapStep
from events.envelope import unseal
from events.ids import Attempt, shard_of
from events.limits import Limits
from events.messages import Completed, Heartbeat, Reports
from events.policies import PINNED
from events.references import Chunk, ListReference, Payload, as_value
from events.run_facts import RunStarted
from events.values import Value
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import Lease, ReportDelivery
from orchestrator.coordinator.runs import Slot
from orchestrator.coordinator.settings import Settings
from orchestrator.kernel.state import RunState
from tests.unit.coordinator.driving import SHARDS, Drive

CHUNK = Payload.of(b'["a","b"]')


def mapping() -> Definition:
    step = MapStep(id="scale", items="${ input }", task="t", inputs={"x": "${ iteration.item }"})
    return Definition(name="mapping", steps=(step,))


def asked(drive: Drive, request: KeepValues | FetchValues) -> Drive:
    return drive.step(s.RequestArrived(request=request, reply_to="ask"))


def answers(drive: Drive) -> list[object]:
    return [one.answer for one in drive.take(s.Answer)]


def begun(value: Value) -> Drive:
    drive = Drive().own()
    drive.ask(RegisterWorkflow(definition=mapping())).commit()
    return drive.ask(StartRun(run_id="r", workflow="mapping", input=value))


def asks(request: StartRun) -> s.RequestArrived:
    return s.RequestArrived(request=request, reply_to="ask")


def completed(sequence: int, *attempts: Attempt) -> s.ReportsArrived:
    reports = tuple(Completed(attempt=attempt, output="x" * 600) for attempt in attempts)
    message = Reports(node="n1", incarnation="i1", reports=reports)
    shard = shard_of(attempts[0].run_id, SHARDS)
    return s.ReportsArrived(deliveries=(ReportDelivery(shard, sequence, message),))


def parts(drive: Drive) -> list[RunStarted]:
    """The beginnings of runs of parts that are durable."""
    facts = [unseal(stored, Catalogue()).fact for stored in drive.log]
    return [fact for fact in facts if isinstance(fact, RunStarted) and fact.part is not None]


def children(drive: Drive) -> Drive:
    """Nothing of any child is there yet."""
    drive.commit()
    for one in drive.take(s.LoadRun):
        drive.step(s.RunLoaded(run_id=one.run_id, era=one.era))
    return drive


def reference(count: int = 2) -> Value:
    chunks = (Chunk(count=count, hash=CHUNK.hash),)
    return as_value(ListReference(count=count, bytes=9, chunks=chunks))


class TestChunks:
    def test_one_is_durable_before_it_is_answered(self) -> None:
        drive = asked(Drive().own(), KeepValues(values=["a", "b"]))
        assert answers(drive) == []
        (keep,) = drive.take(s.KeepPayload)
        assert keep == s.KeepPayload(payload=CHUNK, reply_to="ask")
        drive.step(s.PayloadKept(hash=CHUNK.hash, reply_to="ask"))
        assert answers(drive) == [Kept(hash=CHUNK.hash)]

    def test_what_no_map_could_go_through_is_refused(self) -> None:
        wrong: list[tuple[list[Value], str]] = [
            ([], "expected 1 to 1000"),
            ([0] * 1001, "1001 values"),
            ([float("nan")], "values[0]"),
            (["x" * 2**20], "fewer values"),
        ]
        for values, words in wrong:
            drive = asked(Drive().own(), KeepValues(values=values))
            (answer,) = answers(drive)
            assert isinstance(answer, Refused)
            assert words in answer.message
            assert not drive.take(s.KeepPayload)

    def test_one_is_fetched_by_its_hash(self) -> None:
        drive = asked(Drive().own(), FetchValues(hash=CHUNK.hash))
        (load,) = drive.take(s.LoadPayload)
        drive.step(s.PayloadLoaded(hash=load.hash, data=CHUNK.data, reply_to=load.reply_to))
        assert answers(drive) == [Fetched(values=msgspec.Raw(CHUNK.data))]

    @pytest.mark.edge("Limits.values_answer_bytes_max")
    def test_an_answer_holds_so_many_bytes_or_one_value(self) -> None:
        most = Limits().values_answer_bytes_max
        small, large = "x" * (most // 4), "y" * (2 * most)
        values: list[Value] = [small, small, small, small, large, 7]
        payload = Payload.of(encode(values))
        found: list[Value] = []
        counts = []
        while len(found) < len(values):
            drive = asked(Drive().own(), FetchValues(hash=payload.hash, first=len(found)))
            (load,) = drive.take(s.LoadPayload)
            drive.step(
                s.PayloadLoaded(
                    hash=load.hash, data=payload.data, reply_to=load.reply_to, first=load.first
                )
            )
            (answer,) = answers(drive)
            assert isinstance(answer, Fetched)
            part = decode(answer.values, list)
            assert len(answer.values) <= most or len(part) == 1
            found += part
            counts.append(len(part))
        assert (found, counts) == (values, [3, 1, 1, 1])

    def test_there_is_nothing_before_the_first_value(self) -> None:
        drive = asked(Drive().own(), FetchValues(hash=CHUNK.hash, first=-1))
        (answer,) = answers(drive)
        assert isinstance(answer, Refused)
        assert "expected 0 or more" in answer.message
        assert not drive.take(s.LoadPayload)

    @pytest.mark.edge("EngineLimits.chunk_requests_max")
    def test_so_many_are_under_way_at_a_time(self) -> None:
        drive = Drive(Settings(chunk_requests_max=2)).own()
        keep, fetch = KeepValues(values=["a", "b"]), FetchValues(hash=CHUNK.hash)
        for request in (keep, fetch):
            assert answers(asked(drive, request)) == []
        for request in (keep, fetch):
            (answer,) = answers(asked(drive, request))
            assert isinstance(answer, Refused)
            assert answer.code == "unavailable"
        drive.step(s.PayloadKept(hash=CHUNK.hash, reply_to="ask"))
        drive.step(s.PayloadLoaded(hash=CHUNK.hash, data=CHUNK.data, reply_to="ask"))
        assert len(answers(drive)) == 2
        for request in (fetch, keep):
            assert answers(asked(drive, request)) == []

    def test_while_the_store_is_away_who_asks_is_told(self) -> None:
        """And asks again; the coordinator keeps no question whose client may be gone."""
        drive = Drive(Settings(chunk_requests_max=1)).own()
        for _ in range(2):
            asked(drive, FetchValues(hash=CHUNK.hash))
            (load,) = drive.take(s.LoadPayload)
            drive.step(s.LoadFailed(output=load))
            asked(drive, KeepValues(values=["a"]))
            drive.step(s.PayloadKept(hash=CHUNK.hash, reply_to="ask", trouble="it is away"))
            told = answers(drive)
            assert [one.code for one in told if isinstance(one, Refused)] == ["unavailable"] * 2
        assert not drive.take(s.LoadPayload)

    def test_what_is_no_hash_never_reaches_the_store(self) -> None:
        """A null character is more than the database can be asked for."""
        for name in ("", "a\0", "h" * 64, CHUNK.hash.upper(), CHUNK.hash + "0"):
            drive = asked(Drive().own(), FetchValues(hash=name))
            (answer,) = answers(drive)
            assert isinstance(answer, Refused)
            assert "64 hexadecimal digits" in answer.message
            assert not drive.take(s.LoadPayload)

    def test_what_is_not_there_or_damaged_is_refused(self) -> None:
        for loaded in (
            s.PayloadLoaded(hash="h", reply_to="ask"),
            s.PayloadLoaded(hash="h", damaged="it is", reply_to="ask"),
            s.PayloadLoaded(hash="h", data=b"[1]", reply_to="ask", first=1),
        ):
            (answer,) = answers(Drive().own().step(loaded))
            assert isinstance(answer, Refused)


class TestStart:
    def test_a_part_starts_when_its_items_are_there(self) -> None:
        drive = children(begun(reference()))
        (load,) = drive.take(s.LoadPayload)
        assert load == s.LoadPayload(hash=CHUNK.hash)
        drive.step(s.PayloadLoaded(hash=load.hash, data=CHUNK.data)).commit()
        (started,) = parts(drive)
        assert [one.items for one in started.flow.maps] == [["a", "b"]]

    def test_a_part_whose_items_are_not_there_fails_its_map(self) -> None:
        other = Payload.of(b"[1]")
        for loaded in (
            s.PayloadLoaded(hash=CHUNK.hash),
            s.PayloadLoaded(hash=CHUNK.hash, data=other.data),
        ):
            drive = children(begun(reference()))
            drive.step(loaded).commit()
            assert drive.rebuilt("r").state.status == "failed"
            assert not parts(drive)

    def test_a_part_whose_items_are_damaged_parks_its_run_until_they_are_restored(self) -> None:
        drive = begun(reference())
        drive.ask(AwaitRun(run_id="r"), "waiting")
        drive = children(drive)
        drive.step(s.PayloadLoaded(hash=CHUNK.hash, damaged="it has another hash")).commit()
        drive.ask(ShowRun(run_id="r"))
        refused = {one.reply_to: one.answer for one in drive.take(s.Answer)}
        for who in ("waiting", "client"):
            answer = refused[who]
            assert isinstance(answer, Refused)
            assert answer.code == "corrupt"
            assert "cannot begin scale[0]: it has another hash" in answer.message
        assert drive.rebuilt("r").state.status == "running"
        other = StartRun(run_id="r2", workflow="mapping", input=["x"])
        drive.ask(other).commit()
        assert drive.rebuilt("r2").state.status == "running"

        self.own_again(drive, "r")
        drive.elsewhere(mapping())
        drive.step(s.PayloadLoaded(hash=CHUNK.hash, data=CHUNK.data)).answer_loads()
        drive.read_runs()
        drive.commit()
        assert [one.items for one in parts(drive)[0].flow.maps] == [["a", "b"]]

    def own_again(self, drive: Drive, run_id: str) -> None:
        """As after a restart: the index names the run, and everything is read anew."""
        drive.lose(*range(SHARDS)).step()
        leases = tuple(Lease(shard=n, epoch=2, holder="c1") for n in range(SHARDS))
        drive.step(s.LeasesAcquired(leases=leases, asked_at=drive.at))
        found = drive.rebuilt(run_id)
        row = Slot(run_id, shard_of(run_id, SHARDS), found.state, found.head).row()
        for ask in drive.take(s.FindActive):
            drive.step(s.ActiveFound(shards=ask.shards, rows=(row,), more=False, era=ask.era))
        drive.answer_loads()
        drive.outputs = [one for one in drive.outputs if not isinstance(one, s.LoadPayload)]
        drive.read_runs()
        assert drive.take(s.LoadPayload)

    def test_results_that_are_stored_count_for_the_size_of_a_turn(self) -> None:
        settings = Settings(turn_bytes_max=500_000, dispatch_max=2000)
        drive = Drive(settings).own()
        beat = Heartbeat(node="n1", incarnation="i1", sequence=0, credits=2000, tasks=("t",))
        drive.beat(beat).commit()
        drive.ask(RegisterWorkflow(definition=mapping())).commit()
        drive.ask(StartRun(run_id="r", workflow="mapping", input=list(range(1001))))
        attempts = children(drive).commit().executes()
        first = [one.attempt for one in attempts if one.attempt.step != "scale[1000]"]
        drive.step(completed(1, *first)).commit()
        *others, last = [one.attempt for one in drive.executes()]
        drive.step(completed(2, *others)).commit()
        drive.step(completed(3, last), asks(StartRun(run_id="r2", workflow="mapping", input=[])))
        (batch,) = drive.batches()
        (payload,) = batch.payloads
        assert len(payload.data) > settings.turn_bytes_max
        assert "run:r2" not in {event.stream for event in batch.events}

    def test_a_reference_to_what_is_no_hash_fails_its_map(self) -> None:
        chunks: Value = [{"count": 1, "hash": "\0"}]
        drive = begun({"$ref": "list", "count": 1, "bytes": 1, "chunks": chunks}).commit()
        assert not drive.take(s.LoadPayload)
        failure = drive.rebuilt("r").state.failure
        assert failure is not None
        assert "is no hash of a chunk" in failure.message

    def test_a_list_is_handed_over_in_parts(self) -> None:
        drive = children(begun(list(range(2500))))
        drive.commit()
        found = sorted(parts(drive), key=lambda one: one.flow.maps[0].first)
        assert [len(one.flow.maps[0].items) for one in found] == [1000, 1000, 500]
        assert sum(one.flow.maps[0].share for one in found) == 1000
        assert encode(found[2].flow.maps[0].items).startswith(b"[2000,")


class TestBuilds:
    """Parts keep to the build of their run, whose first attempts are theirs."""

    def begun(self, *builds: str) -> Drive:
        """A run in two parts that is to keep to one build; nodes n1, n2 … have these."""
        drive = Drive().own()
        for number, build in enumerate(builds, 1):
            self.node(drive, f"n{number}", build)
        drive.ask(RegisterWorkflow(definition=mapping())).commit()
        run = StartRun(run_id="r", workflow="mapping", input=list(range(1001)), build=PINNED)
        drive.outputs = []
        return children(drive.ask(run)).commit()

    def node(self, drive: Drive, name: str, build: str) -> None:
        beat = Heartbeat(
            node=name, incarnation="i", sequence=0, credits=600, tasks=("t",), build_id=build
        )
        drive.beat(beat).commit()

    def test_all_parts_go_to_the_build_of_the_first_attempt(self) -> None:
        drive = self.begun("b1", "b2")
        assert {out.node for out in drive.take(s.Publish)} == {"n1"}
        assert drive.rebuilt("r").state.build == "b1"
        assert [part.build for part in self.parts(drive)] == ["b1", "b1"]

    def test_a_part_follows_its_run_to_another_build_when_its_own_is_gone(self) -> None:
        drive = self.begun("b1")
        drive.beat(Heartbeat(node="n1", incarnation="i", sequence=0, leaving=True)).commit()
        drive.outputs = []
        drive.wait(1).commit()  # what was refused is tried again
        self.node(drive, "n2", "b2")
        assert drive.take(s.Publish) == []
        drive.ask(RepinRun(run_id="r", build="b2")).commit()
        assert {out.node for out in drive.take(s.Publish)} == {"n2"}
        assert [part.build for part in self.parts(drive)] == ["b2", "b2"]

    def test_the_run_of_the_map_is_read_when_it_has_left_memory(self) -> None:
        drive = Drive(Settings(idle_runs_max=0)).own()
        drive.ask(RegisterWorkflow(definition=mapping())).commit()
        run = StartRun(run_id="r", workflow="mapping", input=list(range(1001)), build=PINNED)
        children(drive.ask(run)).commit()
        self.node(drive, "n1", "b1")
        assert drive.take(s.Publish) == []
        assert set(drive.read_runs()) == {"r"}
        assert drive.take(s.Publish) != []
        assert drive.rebuilt("r").state.build == "b1"

    def parts(self, drive: Drive) -> list[RunState]:
        return [drive.rebuilt(run_id).state for run_id in drive.rebuilt("r").state.calls.values()]
