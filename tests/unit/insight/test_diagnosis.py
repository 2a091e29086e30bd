"""What the doctor makes of readings: each finding by table, its edge on both sides."""

import pytest

from orchestrator.insight.counting.projections import Generation, Standing
from orchestrator.insight.diagnosis import LATE_S, Finding, of_projections


def standing(behind: int = 0, seconds: float = 0.0, *, unread: int = 0) -> Standing:
    generation = Generation(number=3, fold=1, state="serving", unread=unread)
    last = 100
    return Standing(
        generation=generation,
        position=last - behind,
        last=last,
        events_behind=behind,
        seconds_behind=seconds,
        at=0,
    )


@pytest.mark.parametrize(
    ("found", "level", "words", "mend"),
    [
        (standing(), "ok", "generation 3, up to date with the log", ""),
        (standing(7, LATE_S), "ok", "generation 3, 7 events, 60 s behind the log", ""),
        (
            standing(7, LATE_S + 1),
            "warning",
            "generation 3, 7 events, 61 s behind the log",
            "start `dalsegno projections run`, or look into its log",
        ),
        (
            standing(unread=2),
            "warning",
            "generation 3, up to date with the log, 2 events could not be read",
            "`dalsegno projections status` names them",
        ),
    ],
)
def test_projections_that_serve(found: Standing, level: str, words: str, mend: str) -> None:
    (one,) = of_projections([found])
    assert (one.level, one.found, one.mend) == (level, words, mend)


def test_projections_that_nobody_keeps_are_no_trouble() -> None:
    (one,) = of_projections([])
    assert (one.level, one.mend) == ("ok", "")
    assert "dalsegno projections run" in one.found


def test_a_generation_that_is_built_is_told_beside_and_a_retired_one_is_not() -> None:
    building = Generation(number=4, fold=2, state="building", position=40)
    retired = Generation(number=2, fold=1, state="retired")
    more = [
        Standing(generation=one, position=40, last=100, events_behind=60, seconds_behind=9e9, at=0)
        for one in (building, retired)
    ]
    assert list(of_projections([standing(), *more]))[1:] == [
        Finding("projections", "building", "ok", "generation 4 is at event 40 of 100")
    ]
