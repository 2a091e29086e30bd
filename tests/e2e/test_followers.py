"""Followers miss nothing and have nothing twice, whoever is killed; `make followers` is larger."""

from pathlib import Path

import pytest

from tests.e2e.follower_story import FOLLOWERS, Plan, told

pytest_plugins = ["tests.servers"]


@pytest.mark.timeout(180)
def test_followers_of_every_kind_have_each_event_once_and_in_order(tmp_path: Path) -> None:
    figures = told(Plan(events=3_000, writers=3, agents=1, breaks=10), tmp_path)
    assert figures.events >= 3_000
    assert set(FOLLOWERS) < set(figures.killed)
    print(figures)
