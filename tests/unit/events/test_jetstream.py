"""JetStream's protocol as data."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from events import jetstream
from events.errors import Corrupt
from events.jetstream import Demand, Place, PullLimits, Status, place_of, status_of
from events.streams import Topology

TOPOLOGY = Topology()
CONSUMER = TOPOLOGY.report_consumer("c1", [(3, 7), (1, 2)])


def test_a_stream_is_declared_by_limits_and_on_disk() -> None:
    call = jetstream.create_stream(TOPOLOGY.reports)
    assert call.subject == "$JS.API.STREAM.CREATE.DALSEGNO_REPORTS"
    config = msgspec.json.decode(call.body)
    assert config["retention"] == "limits"
    assert config["storage"] == "file"
    assert config["discard"] == "old"
    assert config["subjects"] == ["dalsegno.report.>"]
    assert config["max_age"] == 3600 * 10**9
    assert config["max_bytes"] == 256 * 2**20
    assert config["num_replicas"] == 1


def test_each_stream_is_kept_by_as_many_servers_as_the_topology_says() -> None:
    three = Topology(replicas=3)
    for stream in (three.commands, three.reports):
        assert msgspec.json.decode(jetstream.create_stream(stream).body)["num_replicas"] == 3


def test_a_report_consumer_reads_its_shards_back_for_a_minute_by_the_servers_clock() -> None:
    now = datetime(2030, 1, 1, 12, 0, 30, tzinfo=UTC)
    call = jetstream.create_consumer(CONSUMER, now, None)
    config = msgspec.json.decode(call.body)["config"]
    assert call.subject.endswith(f".DALSEGNO_REPORTS.{CONSUMER.name}")
    assert config["filter_subjects"] == ["dalsegno.report.1", "dalsegno.report.3"]
    assert config["ack_policy"] == "all"
    assert config["deliver_policy"] == "by_start_time"
    assert config["opt_start_time"] == "2030-01-01T11:59:30Z"


def test_a_report_consumer_reads_all_when_the_server_tells_no_time() -> None:
    config = msgspec.json.decode(jetstream.create_consumer(CONSUMER, None, None).body)["config"]
    assert config["deliver_policy"] == "all"
    assert "opt_start_time" not in config


def test_a_consumer_in_place_of_one_that_vanished_goes_on_where_that_one_was() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    config = msgspec.json.decode(jetstream.create_consumer(CONSUMER, now, 42).body)["config"]
    assert config["deliver_policy"] == "by_start_sequence"
    assert config["opt_start_seq"] == 42
    assert "opt_start_time" not in config


def test_consumers_of_other_leases_have_other_names() -> None:
    names = {
        TOPOLOGY.report_consumer(owner, leases).name
        for owner, leases in [
            ("c1", [(1, 2)]),
            ("c1", [(1, 3)]),
            ("c1", [(2, 1)]),
            ("c2", [(1, 2)]),
        ]
    }
    assert len(names) == 4
    assert TOPOLOGY.report_consumer("c1", [(1, 2), (3, 7)]).name == CONSUMER.name


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (("100", "Idle Heartbeat", None), Status("idle", None, "100 Idle Heartbeat")),
        (("408", "Request Timeout", "12"), Status("ended", 12, "408 Request Timeout")),
        (("409", "Leadership Change", None), Status("ended", None, "409 Leadership Change")),
        (("409", "Consumer Deleted", None), Status("gone", None, "409 Consumer Deleted")),
        (("503", "", None), Status("gone", None, "503")),
    ],
)
def test_statuses_of_a_pull(headers: tuple[str, str, str | None], expected: Status) -> None:
    assert status_of(*headers) == expected


def test_demand_is_renewed_when_half_of_it_is_used_up() -> None:
    demand = Demand(10)
    assert demand.ask(untaken=0) == 10
    demand.arrived(4)
    assert demand.ask(untaken=0) == 0
    demand.arrived(1)
    assert demand.ask(untaken=0) == 5


def test_what_is_not_taken_counts_as_demand() -> None:
    demand = Demand(10)
    demand.ask(untaken=0)
    demand.arrived(10)
    assert demand.ask(untaken=10) == 0
    assert demand.ask(untaken=5) == 5


@pytest.mark.parametrize(("pending", "expected"), [(6, 6), (None, 10)])
def test_demand_ends_with_its_request(pending: int | None, expected: int) -> None:
    demand = Demand(10)
    demand.ask(untaken=0)
    demand.arrived(4)
    demand.ended(pending)
    assert demand.ask(untaken=0) == 10


def test_silence_is_noticed_after_two_missing_words() -> None:
    assert 4.0 < PullLimits(heartbeat_s=2.0).silence_s < 6.0


@pytest.mark.parametrize(
    "reply",
    ["$JS.ACK.S.C.2.41.7.1795234649.0", "$JS.ACK.hub.ACC.S.C.2.41.7.1795234649.0.x"],
)
def test_the_place_of_a_delivery_is_in_its_reply_subject(reply: str) -> None:
    assert place_of(reply) == Place(sequence=41, deliveries=2)


def test_another_reply_subject_is_refused() -> None:
    with pytest.raises(Corrupt, match="_INBOX"):
        place_of("_INBOX.a.b")


# -- where another consumer has got to -------------------------------------------------------------


def reader(subjects: str, upto: int, age_s: int = 0) -> jetstream.Reader:
    return jetstream.Reader(
        created=datetime(2030, 1, 1, tzinfo=UTC) - timedelta(seconds=age_s),
        config=jetstream.ReaderConfig(filter_subjects=tuple(subjects)),
        ack_floor=jetstream.Sequences(upto),
    )


@pytest.mark.parametrize(
    ("readers", "at"),
    [
        ([], None),
        ([reader("a", 7)], None),
        ([reader("ab", 7)], 8),
        ([reader("a", 7), reader("b", 5)], 6),
        ([reader("ab", 9, age_s=60), reader("ab", 7)], 8),
        ([reader("ab", 3, age_s=60), reader("a", 7), reader("xy", 1)], 4),
        ([reader("ab", 0)], 1),
    ],
)
def test_a_successor_begins_behind_what_the_newest_readers_have_acknowledged(
    readers: list[jetstream.Reader], at: int | None
) -> None:
    assert jetstream.handed_over("ab", readers) == at


def test_the_list_of_consumers_as_a_server_writes_it() -> None:
    page = jetstream.readers_of(
        b'{"type":"io.nats.jetstream.api.v1.consumer_list_response","total":2,"offset":0,'
        b'"limit":256,"consumers":[{"stream_name":"S","name":"c","created":'
        b'"2030-01-01T00:00:00.123456789Z","config":{"filter_subject":"a","ack_policy":"all"},'
        b'"ack_floor":{"consumer_seq":3,"stream_seq":5}}]}'
    )
    assert page.total == 2
    assert page.consumers is not None
    assert page.consumers[0].subjects == ("a",)
    assert page.consumers[0].ack_floor.stream_seq == 5
    assert jetstream.readers_of(b'{"total":0,"consumers":null}').consumers is None
