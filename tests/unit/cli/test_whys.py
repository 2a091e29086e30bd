"""What `dalsegno why` prints."""

from io import StringIO

from rich.console import Console

from orchestrator.adapters.cel import CelExpressions
from orchestrator.cli.replay.whys import origin_json, views
from orchestrator.insight.comparing.provenance import origins
from orchestrator.insight.comparing.told import tell
from orchestrator.replay.why.reasons import why_run, why_step
from tests.builders import Play, started, task, workflow
from tests.recordings import recorded

DEFINITION = workflow(
    task("a", inputs={"password": "${ input.password }", "n": "${ input.n }"}),
    task("b", inputs={"a": "${ steps.a.output }"}),
)


def failed() -> Play:
    play = started(DEFINITION, value={"password": "hunter2", "n": 3})
    play.run("a", output={"total": -1, "api_key": "sk-17"})
    play.place("b")
    play.fail("b", code="below_zero", retryable=False)
    return play


def printed(*parts: object, width: int = 80) -> str:
    out = Console(file=StringIO(), width=width, color_system=None)
    for part in parts:
        out.print(part)
    assert isinstance(out.file, StringIO)
    return out.file.getvalue()


def test_of_a_failed_run_it_says_what_failed_and_where_its_values_come_from() -> None:
    recording = recorded(failed())
    traced = origins(tell(recording), "b", CelExpressions())
    said = printed(*views(None, why_run(recording), traced))
    assert "the run failed: b failed with below_zero" in said
    assert "└── steps.a.output" in said
    assert "input.n  3" in said
    assert "What led to it" in said


def test_secrets_are_covered_by_their_names() -> None:
    recording = recorded(failed())
    traced = origins(tell(recording), "b", CelExpressions())
    assert traced is not None
    said = printed(*views(None, why_run(recording), traced)) + str(origin_json(traced))
    assert "hunter2" not in said
    assert "sk-17" not in said
    assert "***" in said


def test_of_a_step_it_says_how_it_is_and_what_was_recorded_of_it() -> None:
    play = started(DEFINITION, value={"password": "x", "n": 3})
    play.place("a")
    found = why_step(recorded(play), "a")
    said = printed(*views(found, found.reason, None))
    assert said.startswith("a of run-1  dispatched  at version 2\n")
    assert "waits for the report of n1" in said
    assert "What was recorded of it" in said


def test_a_step_that_was_not_reached_has_no_event_to_be_explained() -> None:
    play = started(DEFINITION, value={"password": "x", "n": 3})
    found = why_step(recorded(play), "b")
    said = printed(*views(found, found.reason, None))
    assert "b was not reached: before it, a is ready" in said


def test_no_line_is_wider_than_the_terminal() -> None:
    recording = recorded(failed())
    traced = origins(tell(recording), "b", CelExpressions())
    for width in (60, 80, 120):
        said = printed(*views(None, why_run(recording), traced), width=width)
        assert max(map(len, said.splitlines())) <= width
