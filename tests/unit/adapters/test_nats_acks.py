"""When reports may be acknowledged at a server that acknowledges all before one."""

from orchestrator.adapters.nats.acks import Acks


def acks(*shards: int | None) -> Acks:
    """Deliveries 1, 2, … of these shards; None for one that nobody can read."""
    made = Acks()
    for sequence, shard in enumerate(shards, start=1):
        made.delivered(sequence, shard, f"ack-{sequence}")
    return made


def test_the_last_one_done_is_acknowledged_for_all_before_it() -> None:
    assert acks(0, 0, 0).done({0: 2}) == "ack-2"


def test_a_waiting_one_of_another_shard_holds_back_the_later_ones() -> None:
    made = acks(0, 1, 0, 0)
    assert made.done({0: 4}) == "ack-1"
    assert made.done({1: 2}) == "ack-4"


def test_unreadable_ones_go_with_their_neighbours() -> None:
    made = acks(0, None, 0)
    assert made.done({0: 1}) == "ack-2"


def test_unreadable_ones_alone_are_acknowledged_at_once() -> None:
    assert acks(None, None).done({}) == "ack-2"


def test_nothing_is_acknowledged_twice() -> None:
    made = acks(0)
    assert made.done({0: 1}) == "ack-1"
    assert made.done({0: 1}) is None


def test_a_repeated_delivery_is_acknowledged_by_its_last_subject() -> None:
    made = acks(0)
    made.delivered(1, 0, "ack-1-again")
    assert made.done({0: 1}) == "ack-1-again"


def test_a_word_from_before_touches_nothing_in_a_new_stream() -> None:
    made = acks(0, 0)
    made.another_stream()
    known = made.delivered(1, 0, "new-1")
    assert known is not None
    assert known > 2
    assert made.done({0: 2}) is None
    assert made.done({0: known}) == "new-1"


def test_a_consumer_that_vanished_goes_on_at_the_first_open_delivery() -> None:
    made = acks(0, 1, 0)
    assert made.resume_at() == 1
    made.done({0: 3})
    assert made.resume_at() == 2
    made.done({1: 2})
    assert made.resume_at() == 4


def test_a_new_consumer_begins_where_it_was_declared_to() -> None:
    assert Acks().resume_at() is None
    made = acks(0, 0)
    made.another_consumer({0})
    assert made.resume_at() is None


def test_what_a_kept_shard_has_finished_is_not_handed_out_again() -> None:
    made = acks(0, 1, 0)
    made.done({0: 1, 1: 2})
    made.another_consumer({0})
    assert made.delivered(1, 0, "again-1") is None
    assert made.delivered(2, 1, "again-2") is not None
    assert made.delivered(3, 0, "again-3") is not None
    assert made.done({}) == "again-1"


def test_nothing_of_another_stream_is_finished() -> None:
    made = acks(0)
    made.done({0: 1})
    made.another_stream()
    assert made.delivered(1, 0, "new-1") is not None
