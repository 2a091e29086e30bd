"""The YAML form: every key read, every mistake named with its place."""

import pytest

from events.definition import (
    Case,
    ChoiceStep,
    Definition,
    FailStep,
    Handler,
    ParallelStep,
    SetStep,
    TaskStep,
)
from events.limits import Limits
from events.policies import Needs, Retry, RunOptions, Timeouts
from orchestrator.authoring import InvalidDefinition, dump, read_yaml

EVERYTHING = """\
workflow: census
description: counts
options:
  timeout: 10m
  error_policy: finish_others
  retry: {attempts: 2}
  timeouts: {heartbeat: PT1M}
  tags: {team: a}
  priority: -3
  concurrency_max: 10
  personal: true
steps:
  - id: list
    task: census.list_files
    with: {root: "${ input.root }", deep: {n: [1, null]}}
    retry:
      attempts: 3
      kind: linear
      initial: 200ms
      factor: 3
      cap: 30s
      retryable: [a]
      permanent: [b, c]
    timeouts: {schedule_to_start: 30s, start_to_close: 5m, schedule_to_close: 1h, heartbeat: 10}
    needs: {cpu: 1.5, memory: 512MB, disk: 1GiB, gpu: 2, custom: {licence: 1}}
    labels: {zone: a}
    depends_on: []
    when: input.n > 3
    on_error:
      - codes: [timeout]
        steps: [{id: sorry, set: {files: []}}]
      - steps: []
  - id: route
    choice:
      - when: steps.list.output.count > 100
        steps: [{id: stop, fail: {code: too_many, message: of all}}]
      - default: []
  - id: both
    parallel:
      left: [{id: l, task: t}]
      right: [{id: r, task: t}]
    depends_on: [list, route]
output: {total: "${ vars.total }"}
"""

EXPECTED = Definition(
    name="census",
    description="counts",
    options=RunOptions(
        timeout_s=600.0,
        error_policy="finish_others",
        retry=Retry(attempts_max=2),
        timeouts=Timeouts(heartbeat_s=60.0),
        tags={"team": "a"},
        priority=-3,
        concurrency_max=10,
        personal=True,
    ),
    steps=(
        TaskStep(
            id="list",
            task="census.list_files",
            inputs={"root": "${ input.root }", "deep": {"n": [1, None]}},
            retry=Retry(
                attempts_max=3,
                kind="linear",
                initial_s=0.2,
                factor=3.0,
                cap_s=30.0,
                retryable_codes=("a",),
                permanent_codes=("b", "c"),
            ),
            timeouts=Timeouts(
                schedule_to_start_s=30.0,
                start_to_close_s=300.0,
                schedule_to_close_s=3600.0,
                heartbeat_s=10.0,
            ),
            needs=Needs(
                cpu=1.5,
                memory_bytes=512_000_000,
                disk_bytes=2**30,
                gpu=2,
                custom={"licence": 1.0},
            ),
            labels={"zone": "a"},
            depends_on=(),
            when="input.n > 3",
            on_error=(
                Handler(codes=("timeout",), steps=(SetStep(id="sorry", variables={"files": []}),)),
                Handler(),
            ),
        ),
        ChoiceStep(
            id="route",
            cases=(
                Case(
                    when="steps.list.output.count > 100",
                    steps=(FailStep(id="stop", code="too_many", message="of all"),),
                ),
            ),
            default=(),
        ),
        ParallelStep(
            id="both",
            branches={
                "left": (TaskStep(id="l", task="t"),),
                "right": (TaskStep(id="r", task="t"),),
            },
            depends_on=("list", "route"),
        ),
    ),
    output={"total": "${ vars.total }"},
)


def test_every_key_is_read() -> None:
    assert read_yaml(EVERYTHING).definition == EXPECTED


def test_what_is_written_is_read_back() -> None:
    assert read_yaml(dump(EXPECTED)).definition == EXPECTED


def test_every_part_has_its_place() -> None:
    places = read_yaml(EVERYTHING).places

    def at(where: str) -> tuple[int, int]:
        return places[where].line, places[where].column

    assert at("steps") == (12, 1)
    assert at("steps[0]") == (13, 5)
    assert at("steps[0].id") == (13, 9)
    assert at("steps[0].with.root") == (15, 19)
    assert at("steps[0].retry.permanent[1]") == (23, 22)
    assert at("steps[1].choice[0].steps[0].fail.code") == (36, 41)
    assert at("steps[2].parallel.right") == (41, 7)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[]", 1, "expected an object"),
        ("steps: []", 1, "`workflow` is missing"),
        ("workflow: x", 1, "`steps` is missing"),
        ("workflow: 5\nsteps: []", 1, "put it in quotes, found 5"),
        ("workflow: x\nsteps: {}", 2, "expected a list, found an object"),
        ("workflow: x\nstepps: []\nsteps: []", 2, "did you mean `steps`?"),
        ("workflow: x\nsteps:\n  - 5", 3, "expected an object (key: value), found 5"),
        (
            "workflow: x\nsteps:\n  - id: a",
            3,
            "set, wait, while, until, for_each, within, map, call, fail; found none",
        ),
        ("workflow: x\nsteps:\n  - {id: a, task: t, set: {}}", 3, "found task and set"),
        ("workflow: x\nsteps:\n  - task: t", 3, "`id` is missing"),
        ("workflow: x\nsteps:\n  - {id: a, set: {}, with: {}}", 3, "unknown key `with`"),
        ("workflow: x\nsteps:\n  - {id: a, task: t, when: true}", 3, "put it in quotes"),
        ("workflow: x\nsteps:\n  - {id: a, task: t, depends_on: b}", 3, "expected a list"),
        ("workflow: x\nsteps:\n  - {id: a, task: t, with: [1]}", 3, "expected an object"),
        ("workflow: x\nsteps:\n  - {id: a, task: t, labels: {z: 5}}", 3, "put it in quotes"),
        ("workflow: x\nsteps:\n  - {id: a, task: t, needs: {memory: lots}}", 3, "is no size"),
        ("workflow: x\nsteps:\n  - {id: a, task: t, needs: {gpu: 1.5}}", 3, "a whole number"),
        ("workflow: x\noptions: {personal: 1}\nsteps: [{id: a, task: t}]", 2, "true or false"),
        ("workflow: x\nsteps:\n  - {id: a, task: t, retry: {attempts: true}}", 3, "whole number"),
        (
            "workflow: x\nsteps:\n  - {id: a, task: t, retry: {kind: expo}}",
            3,
            "`expo` is not known",
        ),
        ("workflow: x\nsteps:\n  - {id: a, task: t, timeouts: {heartbeat: -1}}", 3, "no duration"),
        ("workflow: x\noptions: {timeout: soon}\nsteps: []", 2, "'soon' is no duration"),
        ("workflow: x\noptions: {error_policy: none}\nsteps: []", 2, "`none` is not known"),
        ("workflow: x\nsteps:\n  - {id: a, choice: [{when: 'true', steps: []}]}", 3, "a default"),
        (
            (
                "workflow: x\nsteps:\n  - id: a\n    choice:\n      - default: []\n"
                "      - {when: 'true', steps: []}"
            ),
            6,
            "`default` must be the last case",
        ),
        ("workflow: x\nsteps:\n  - {id: a, choice: [{when: 'true'}, {default: []}]}", 3, "`steps`"),
        ("workflow: x\nsteps:\n  - {id: a, fail: {message: m}}", 3, "`code` is missing"),
        ("workflow: x\nsteps:\n  - {id: a, task: t, on_error: [{codes: [a]}]}", 3, "`steps`"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, line: int, words: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        read_yaml(text, "f.yaml")

    found = [problem for problem in refused.value.problems if words in problem.message]
    assert found, str(refused.value)
    assert found[0].place is not None
    assert found[0].place.line == line
    assert f"f.yaml:{line}:" in str(refused.value)


def test_all_mistakes_come_at_once_in_the_order_of_the_text() -> None:
    text = "workflow: 1\nsteps:\n  - {id: 2, task: 3}\n  - {id: b}\noptions: {timeout: x}\n"

    with pytest.raises(InvalidDefinition) as refused:
        read_yaml(text)

    places = [problem.place for problem in refused.value.problems]
    assert [place.line for place in places if place] == [1, 3, 3, 4, 5]


def test_a_text_over_the_limit_is_not_even_parsed() -> None:
    with pytest.raises(InvalidDefinition, match="over 10: split the workflow"):
        read_yaml("[" * 11, limits=Limits(definition_bytes_max=10))


@pytest.mark.edge("Limits.problems_max")
def test_problems_beyond_the_limit_are_counted() -> None:
    with pytest.raises(InvalidDefinition, match="and 3 more") as refused:
        read_yaml("a: 1\nb: 1\nc: 1\n", limits=Limits(problems_max=2))

    assert len(refused.value.problems) == 2
