"""What a client asks of a run is judged whole at the door, and a refused one leaves no trace."""

import math

import pytest

from events.api import AnyRequest, CancelRun, ForkRun, Refused, StartRun
from events.definition import Definition, TaskStep
from events.policies import Origin, Retry, RunOptions, Timeouts
from events.values import Value
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import check
from orchestrator.coordinator import signals as s
from tests.unit.coordinator.driving import Drive

LONG = "x" * 201
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def start(
    options: RunOptions | None = None, value: Value = None, origin: Origin = Origin()
) -> StartRun:
    return StartRun(run_id="r1", workflow="two", input=value, options=options, origin=origin)


def codes(count: int) -> tuple[str, ...]:
    return tuple(f"c{n}" for n in range(count))


WRONG_OPTIONS = [
    (RunOptions(timeout_s=-1.0), "options.timeout: -1.0 s: expected more than 0"),
    (RunOptions(timeout_s=0.0), "options.timeout: 0.0 s"),
    (RunOptions(timeout_s=math.nan), "options.timeout: nan s: expected more than 0"),
    (RunOptions(timeout_s=math.inf), "options.timeout: inf s"),
    (RunOptions(timeout_s=1e300), "leave it out for no limit"),
    (RunOptions(priority=1001), "options.priority: 1001 is not within ±1000"),
    (RunOptions(priority=-(2**70)), "options.priority"),
    (RunOptions(concurrency_max=0), "options.concurrency_max: 0 is not within 1 and 10000"),
    (RunOptions(concurrency_max=10_001), "options.concurrency_max"),
    (RunOptions(tags={f"t{n}": "" for n in range(65)}), "options.tags: 65, over 64: remove some"),
    (RunOptions(tags={LONG: ""}), "over 200 characters: shorten it"),
    (RunOptions(tags={"team": LONG}), "options.tags.team: over 200 characters"),
    (RunOptions(tags={"": "x"}), "a key is empty"),
    (RunOptions(retry=Retry(attempts_max=0)), "options.retry.attempts: 0 attempts: expected 1"),
    (RunOptions(retry=Retry(attempts_max=1001)), "options.retry.attempts"),
    (RunOptions(retry=Retry(initial_s=math.nan)), "options.retry.initial: nan s is not within 0"),
    (RunOptions(retry=Retry(initial_s=9.0, cap_s=1.0)), "options.retry.cap: 1.0 s is below"),
    (RunOptions(retry=Retry(factor=0.5)), "options.retry.factor: 0.5 is below 1"),
    (RunOptions(retry=Retry(permanent_codes=("a b",))), "options.retry.permanent[0]"),
    (RunOptions(retry=Retry(retryable_codes=codes(101))), "101 codes, over 100: name fewer"),
    (RunOptions(timeouts=Timeouts(start_to_close_s=-5.0)), "options.timeouts.start_to_close"),
    (RunOptions(timeouts=Timeouts(heartbeat_s=0.0)), "options.timeouts.heartbeat: 0.0 s"),
]


def refusal(request: AnyRequest) -> str:
    """The message; the coordinator has neither appended nor asked for anything."""
    drive = Drive().own().node().commit()
    drive.outputs = []
    drive.step(s.RequestArrived(request=request, reply_to="client"))
    answer = drive.outputs.pop()
    assert drive.outputs == []
    assert isinstance(answer, s.Answer)
    assert isinstance(answer.answer, Refused)
    assert answer.answer.code in ("rejected", "invalid_value")
    return answer.answer.message


@pytest.mark.parametrize(("options", "words"), WRONG_OPTIONS)
def test_wrong_options_of_a_run_are_refused_by_name(options: RunOptions, words: str) -> None:
    assert words in refusal(start(options))


@pytest.mark.parametrize(("options", "words"), WRONG_OPTIONS)
def test_a_definition_may_say_no_more_than_a_request(options: RunOptions, words: str) -> None:
    steps = (TaskStep(id="a", task="t"),)
    report = check(Definition(name="w", steps=steps, options=options), CelExpressions())
    assert any(words in str(problem) for problem in report.problems)


def test_everything_wrong_is_named_at_once() -> None:
    message = refusal(start(RunOptions(timeout_s=0.0, priority=9999), origin=Origin(version=-1)))
    assert "options.timeout" in message
    assert "options.priority" in message
    assert "origin.version is -1" in message


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (StartRun(run_id="", workflow="two"), "run_id is ''"),
        (StartRun(run_id=LONG, workflow="two"), "expected 1 to 200 printable characters"),
        (StartRun(run_id="a\nb", workflow="two"), "run_id is 'a\\nb'"),
        (StartRun(run_id="r1", workflow=""), "workflow is empty: give it a name"),
        (StartRun(run_id="r1", workflow="no such thing"), "workflow 'no such thing' is not valid"),
        (StartRun(run_id="r1", workflow="two", workflow_version=LONG), "workflow_version is"),
        (StartRun(run_id="r1", workflow="two", actor=LONG), "actor is"),
        (StartRun(run_id="r1", workflow="two", traceparent="00-1"), "traceparent is '00-1'"),
        (start(origin=Origin(kind="parent", run_id="p", step="s")), "origin.kind is 'parent'"),
        (start(origin=Origin(kind="fork", run_id="p", version=3)), "origin.kind is 'fork'"),
        (start(origin=Origin(depth=1)), "origin.depth is 1"),
        (start(origin=Origin(kind="parent", run_id=LONG)), "origin.run_id is"),
        (start(origin=Origin(kind="parent", step=LONG)), "origin.step is"),
        (start(value=[1.0, math.nan]), "input[1]"),
        (start(value="x" * (1024 * 1024)), "store it elsewhere and pass a reference"),
        (CancelRun(run_id=LONG), "run_id is"),
        (CancelRun(run_id="r1", reason="x" * 10_001), "reason has 10001 characters, over 10000"),
        (ForkRun(run_id="", source_run_id="r1", source_version=1), "run_id is ''"),
        (ForkRun(run_id="r2", source_run_id="", source_version=1), "source_run_id is ''"),
        (ForkRun(run_id="r2", source_run_id="r1", source_version=0), "source_version is 0"),
        (
            ForkRun(run_id="r2", source_run_id="r1", source_version=1, variables={"a b": 1}),
            "variables: the name 'a b' is not valid",
        ),
        (
            ForkRun(run_id="r2", source_run_id="r1", source_version=1, variables={"a": 2**64}),
            "variables",
        ),
    ],
)
def test_a_wrong_field_is_refused_by_name(request_: AnyRequest, words: str) -> None:
    assert words in refusal(request_)


def test_what_is_right_begins_with_the_options_that_it_brought() -> None:
    options = RunOptions(
        timeout_s=9.0, priority=-1000, tags={"team": "x" * 200}, retry=Retry(attempts_max=1000)
    )
    drive = Drive().ready()
    drive.ask(
        StartRun(run_id="r1", workflow="two", options=options, traceparent=TRACE, actor="Zoë")
    )
    (batch,) = drive.batches()
    assert batch.events[0].type == "run.started.v1"
