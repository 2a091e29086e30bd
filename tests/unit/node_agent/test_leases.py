"""Attempt leases by the agent's own clock: what has ended stays ended, whatever arrives late."""

import pytest

from events.limits import HEARTBEATS_REMEMBERED_MAX
from events.messages import Granted
from node_agent.leases import HEARTBEAT_INTERVAL_S_MIN, NEVER, Leases

SECOND = 1_000_000
MARGIN_S = 0.5


def granted(sequence: int, *shards: int, ttl_s: float = 5.0) -> Granted:
    return Granted(
        coordinator="c1",
        sequence=sequence,
        incarnation="i1",
        shards=shards or (0,),
        lease_ttl_s=ttl_s,
    )


def sent(*instants_s: float) -> Leases:
    """Heartbeats 1, 2, ... have left at these seconds."""
    leases = Leases(MARGIN_S)
    for sequence, instant_s in enumerate(instants_s, 1):
        leases.sent(sequence, round(instant_s * SECOND))
    return leases


def test_a_lease_counts_from_its_heartbeat_and_ends_before_the_owner_gives_up() -> None:
    leases = sent(10)
    leases.grant(granted(1))
    assert leases.until(0) == (10 + 5 - MARGIN_S) * SECOND


def test_a_margin_never_takes_more_than_half_of_a_lease() -> None:
    leases = sent(10)
    leases.grant(granted(1, ttl_s=0.6))
    assert leases.until(0) == 10.3 * SECOND


def test_an_answer_that_comes_after_the_lease_does_not_revive_it() -> None:
    """However late it comes, it gives no more than the owner counts from that heartbeat."""
    leases = sent(10, 11, 60)
    leases.grant(granted(1))
    ended = leases.until(0)
    leases.grant(granted(1))
    assert leases.until(0) == ended
    leases.grant(granted(2))
    assert leases.until(0) == (11 + 5 - MARGIN_S) * SECOND < 60 * SECOND


def test_answers_out_of_order_shorten_nothing() -> None:
    leases = sent(10, 12)
    leases.grant(granted(2))
    leases.grant(granted(1))
    assert leases.until(0) == (12 + 5 - MARGIN_S) * SECOND


def test_an_answer_to_a_heartbeat_that_was_never_sent_grants_nothing() -> None:
    leases = sent(10)
    leases.grant(granted(2))
    assert leases.until(0) == NEVER


def test_only_the_shards_that_are_named_are_granted() -> None:
    leases = sent(10)
    leases.grant(granted(1, 3))
    assert (leases.until(3) > 0, leases.until(0)) == (True, NEVER)


@pytest.mark.edge("HEARTBEATS_REMEMBERED_MAX")
def test_an_answer_older_than_what_is_remembered_grants_nothing() -> None:
    leases = sent(*range(HEARTBEATS_REMEMBERED_MAX + 1))
    leases.grant(granted(1, ttl_s=3600.0))
    assert leases.until(0) == NEVER
    leases.grant(granted(2, ttl_s=3600.0))
    assert leases.until(0) > 0


def test_after_a_reset_no_answer_from_before_it_counts() -> None:
    leases = sent(10, 11)
    leases.grant(granted(1))
    leases.clear()
    assert leases.until(0) == NEVER
    leases.grant(granted(2))
    assert leases.until(0) == NEVER


def test_an_owner_that_grants_nothing_yet_hastens_no_heartbeat() -> None:
    """One that is still reading its runs answers without a shard, and so without a time."""
    leases = sent(10)
    answer = Granted(coordinator="c1", sequence=1, incarnation="i1", shards=(), lease_ttl_s=0.0)
    leases.grant(answer)
    assert leases.in_time(SECOND) == SECOND


def test_a_lease_that_is_about_to_end_brings_no_flood_of_heartbeats() -> None:
    leases = sent(10)
    leases.grant(granted(1, ttl_s=0.001))
    assert leases.in_time(SECOND) == HEARTBEAT_INTERVAL_S_MIN * SECOND


def test_an_interval_that_is_configured_shorter_stays() -> None:
    leases = sent(10)
    leases.grant(granted(1, ttl_s=0.001))
    assert leases.in_time(SECOND // 100) == SECOND // 100
