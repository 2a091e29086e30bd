"""Windows of time, what there is to do about generations, and how labels are asked for."""

from typing import Literal

import pytest

from events.api import StartRun
from events.limits import Limits
from events.policies import RunOptions
from orchestrator.cli.run.labels import given_attributes, given_tags
from orchestrator.cli.run.lists import labels
from orchestrator.coordinator.labelling import labelled
from orchestrator.errors import Misconfigured
from orchestrator.insight.counting.projections import Generation, todo
from orchestrator.insight.counting.statistics import Window, rate, window
from orchestrator.kernel.ranges import attributes_complaints

SECOND = 1_000_000
HOUR = 3600 * SECOND
NOW = 1000 * HOUR + 90 * SECOND


def test_no_bounds_are_all_time() -> None:
    assert window(None, None, NOW) == Window(width_s=0, since=0, until=1, seconds=0.0)


def test_a_short_window_is_made_of_minutes_that_hold_it() -> None:
    assert window(NOW - 70 * SECOND, None, NOW) == Window(
        width_s=60, since=1000 * HOUR, until=1000 * HOUR + 120 * SECOND, seconds=90.0
    )
    assert window(NOW - 6 * HOUR, None, NOW).width_s == 60


def test_a_long_window_is_made_of_hours() -> None:
    found = window(NOW - 6 * HOUR - 1, 1001 * HOUR, NOW)
    assert (found.width_s, found.since, found.until) == (3600, 994 * HOUR, 1001 * HOUR)


def test_a_rate_is_of_the_seconds_that_are_over() -> None:
    assert rate(45, window(NOW - 70 * SECOND, None, NOW)) == 0.5
    assert rate(45, window(None, None, NOW)) is None


State = Literal["building", "serving", "retired"]


def generation(number: int, state: State, fold: int) -> Generation:
    return Generation(number=number, fold=fold, state=state)


@pytest.mark.parametrize(
    ("states", "advance", "retire", "remove", "begin"),
    [
        ([], [], [], [], True),
        ([(1, "serving", 2)], [1], [], [], False),
        ([(1, "serving", 2), (2, "building", 2)], [1, 2], [], [], False),
        ([(1, "serving", 2), (2, "building", 2), (3, "building", 2)], [1, 2], [3], [], False),
        ([(1, "serving", 1)], [], [], [], True),
        ([(1, "serving", 1), (2, "building", 2)], [2], [], [], False),
        ([(1, "serving", 2), (2, "building", 1)], [1], [2], [], False),
        ([(1, "serving", 3)], [], [], [], False),
        ([(1, "serving", 2), (2, "building", 3)], [1], [], [], False),
        ([(1, "retired", 2), (2, "serving", 2)], [2], [], [1], False),
    ],
)
def test_what_there_is_to_do(
    states: list[tuple[int, State, int]],
    advance: list[int],
    retire: list[int],
    remove: list[int],
    begin: bool,
) -> None:
    """By a projector whose fold is 2: older ones are built anew, newer ones are left alone."""
    found = todo([generation(*one) for one in states], 2)
    numbers = [[g.number for g in some] for some in (found.advance, found.retire, found.remove)]
    assert (numbers, found.begin) == ([advance, retire, remove], begin)


def test_labels_on_the_command_line_have_the_type_that_they_look_like() -> None:
    given = ["n=3", "x=2.5", "vip=true", "city=Oslo", 'zip="007"', "odd=a=b", "none=null", "empty="]
    assert given_attributes(given) == {
        "n": 3,
        "x": 2.5,
        "vip": True,
        "city": "Oslo",
        "zip": "007",
        "odd": "a=b",
        "none": "null",
        "empty": "",
    }
    assert given_tags(["team=x"]) == {"team": "x"}
    for wrong in ("team", "=x"):
        with pytest.raises(Misconfigured, match="expected KEY=VALUE"):
            given_tags([wrong])


@pytest.mark.parametrize(
    ("tags", "attributes"), [(["team>x"], []), (["team"], []), ([], ["n>=x"]), ([], ["n"])]
)
def test_conditions_that_are_none_are_refused(tags: list[str], attributes: list[str]) -> None:
    with pytest.raises(Misconfigured, match="expected KEY"):
        labels(tags, attributes)


def test_a_number_is_looked_for_as_it_is_kept() -> None:
    (one,) = labels([], ["n=3.0"])
    assert one.texts == ["3", "3.0"]
    (tag,) = labels(["n=3.0"], [])
    assert tag.texts == ["3.0"]


def test_what_a_start_gives_goes_before_what_its_workflow_gives() -> None:
    request = StartRun(run_id="r", workflow="w", tags={"team": "y"}, attributes={"n": 2})
    options = RunOptions(tags={"team": "x", "unit": "u"}, attributes={"city": "Oslo"}, priority=3)
    assert labelled(options, request) == RunOptions(
        tags={"team": "y", "unit": "u"}, attributes={"city": "Oslo", "n": 2}, priority=3
    )


def test_attributes_have_limits() -> None:
    limits = Limits()
    most = {str(n): n for n in range(limits.tags_max)}
    assert list(attributes_complaints(most, limits)) == []
    assert list(attributes_complaints(most | {"more": 1}, limits))
    for wrong in (float("nan"), 2**63, -(2**63) - 1, "x" * (limits.name_chars_max + 1)):
        assert list(attributes_complaints({"n": wrong}, limits)), wrong
    assert (
        list(attributes_complaints({"n": 2**63 - 1, "m": -(2**63), "t": "x" * 200}, limits)) == []
    )
