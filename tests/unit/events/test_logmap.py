"""The map of shards to logs: whole, the same everywhere, and in words."""

import pytest

from events.errors import Corrupt, Misconfigured
from events.ids import shard_of
from events.logmap import LogMap, shards_of_text, shards_text, told


def test_each_name_lies_in_the_log_of_its_shard() -> None:
    map_ = LogMap({"east": [0, 2], "west": [1, 3]})
    assert map_.names == ("east", "west")
    assert (map_.shards, map_.own("west")) == (4, (1, 3))
    for name in map("r{}".format, range(50)):
        assert map_.of(name) == ("west" if shard_of(name, 4) % 2 else "east")
        assert map_.of_stream(f"run:{name}") == map_.of_stream(f"node:{name}") == map_.of(name)
    assert [map_.of_stream(f"shard:{n}") for n in range(4)] == ["east", "west"] * 2


@pytest.mark.parametrize("stream", ["shard:4", "shard:x", "shard:-1"])
def test_a_stream_of_no_shard_is_none(stream: str) -> None:
    with pytest.raises(Corrupt, match="there is no stream"):
        LogMap({"a": range(2), "b": range(2, 4)}).of_stream(stream)


@pytest.mark.parametrize(
    ("logs", "why"),
    [
        ({"a": [0, 1], "b": [1]}, "shard 1 is in log a and in log b"),
        ({"a": [0], "b": [2, 5]}, "no log has shard 1"),
        ({"a": [0, 1], "b": []}, "log b has no shards"),
        ({}, "no log has shard 0"),
    ],
)
def test_every_shard_lies_in_one_log(logs: dict[str, list[int]], why: str) -> None:
    with pytest.raises(Misconfigured, match=why):
        LogMap(logs)


@pytest.mark.parametrize(
    ("text", "shards"),
    [("0-3", (0, 1, 2, 3)), ("5", (5,)), ("7,0-1", (0, 1, 7)), (" 4 , 2-3", (2, 3, 4))],
)
def test_shards_are_written_as_ranges(text: str, shards: tuple[int, ...]) -> None:
    assert shards_of_text(text) == shards
    assert shards_of_text(shards_text(shards)) == shards


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "-1", "1..3", "0-4096", "0,,1"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="shards are"):
        shards_of_text(text)


def test_the_same_map_has_the_same_text() -> None:
    one = LogMap({"b": [3, 2], "a": [0, 1]})
    assert one.text == LogMap({"a": [1, 0], "b": [2, 3]}).text
    again = LogMap.of_text(one.text)
    assert (again.own("a"), again.own("b")) == ((0, 1), (2, 3))
    assert told(one.text) == "log a with shards 0-1, log b with shards 2-3"
    assert told("") == "one log with all shards"


def test_a_text_that_is_no_map_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="the map of logs cannot be read"):
        LogMap.of_text("[1]")
