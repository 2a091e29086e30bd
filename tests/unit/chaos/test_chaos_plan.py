"""The faults of a chaos session are drawn from its seed."""

import pytest

from tests.chaos.plan import FILL, KINDS, PROMOTE, make_plan

SECONDS = 60.0


def test_the_same_seed_draws_the_same_faults() -> None:
    first, again, other = (make_plan(seed, SECONDS, True) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_the_standby_is_promoted_in_each_session() -> None:
    for seed in range(50):
        plan = make_plan(seed, 20.0, False)
        promotions = [fault for fault in plan if fault.kind == PROMOTE]
        assert promotions
        assert all(0 < fault.at_s < 20.0 for fault in promotions)


def test_faults_are_in_order_and_over_when_the_session_is() -> None:
    for seed in range(50):
        plan = make_plan(seed, SECONDS, True)
        assert [fault.at_s for fault in plan] == sorted(fault.at_s for fault in plan)
        assert all(f.at_s + f.lasts_s <= SECONDS + 0.2 for f in plan if f.kind != PROMOTE)


def test_every_kind_comes_in_a_long_session() -> None:
    wanted = {PROMOTE, FILL.name, *(kind.name for kind in KINDS)}
    assert {fault.kind for fault in make_plan(1, 3600.0, True)} == wanted


def test_a_disk_that_cannot_be_filled_is_left_out() -> None:
    assert FILL.name not in {fault.kind for fault in make_plan(1, 3600.0, False)}


def test_kinds_can_be_chosen() -> None:
    assert make_plan(1, SECONDS, True, "none") == []
    assert {fault.kind for fault in make_plan(1, SECONDS, True, "kill,pause")} == {"kill", "pause"}


def test_unknown_kinds_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown faults flood: expected all, none"):
        make_plan(1, SECONDS, True, "kill,flood")
