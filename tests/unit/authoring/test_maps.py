"""Maps as authors write them: read, built, checked, compiled, written again."""

import pytest

from events.definition import Handler, MapStep, SetStep, TaskStep
from events.net import Map, Task
from events.policies import Needs, Retry, Timeouts
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import (
    Workflow,
    check,
    compile_net,
    dump,
    read_yaml,
    workflow_version,
)
from orchestrator.authoring.problems import InvalidDefinition
from orchestrator.authoring.schemas import TaskSchema

HEAD = "workflow: w\nsteps:\n"
TEXT = HEAD + (
    "  - {id: list, task: files.list}\n"
    "  - id: scale\n"
    "    map:\n"
    "      items: ${ steps.list.output.files }\n"
    "      task: pictures.scale\n"
    "      with: {file: '${ iteration.item.name }', number: '${ iteration.index }'}\n"
    "      concurrency: 8\n"
    "      batch: 100\n"
    "      complete_when: {percent: 90}\n"
    "      retry: {attempts: 3}\n"
    "      timeouts: {start_to_close: 30s}\n"
    "      needs: {gpu: 1}\n"
    "      labels: {zone: a}\n"
    "    on_error: [{codes: [too_few_completed], steps: [{id: h, set: {late: true}}]}]\n"
    "  - id: plain\n"
    "    map: {items: [1, 2], task: t, complete_when: collect}\n"
    "output: ${ steps.scale.output }\n"
)
SCALE = MapStep(
    id="scale",
    items="${ steps.list.output.files }",
    task="pictures.scale",
    inputs={"file": "${ iteration.item.name }", "number": "${ iteration.index }"},
    concurrency=8,
    batch=100,
    complete_when="percent",
    number=90.0,
    retry=Retry(attempts_max=3),
    timeouts=Timeouts(start_to_close_s=30.0),
    needs=Needs(gpu=1),
    labels={"zone": "a"},
    on_error=(
        Handler(codes=("too_few_completed",), steps=(SetStep(id="h", variables={"late": True}),)),
    ),
)
STEPS = (
    TaskStep(id="list", task="files.list"),
    SCALE,
    MapStep(id="plain", items=[1, 2], task="t", complete_when="collect"),
)


def test_a_map_is_read_and_written_again() -> None:
    definition = read_yaml(TEXT).definition
    assert definition.steps == STEPS
    assert read_yaml(dump(definition)).definition == definition
    assert check(definition, CelExpressions()).problems == ()


def test_the_builder_says_the_same() -> None:
    flow = Workflow("w")
    files = flow.task("list", "files.list").output.files
    scale = flow.map(
        "scale",
        "pictures.scale",
        files,
        concurrency=8,
        batch=100,
        file=flow.item.name,
        number=flow.index,
    )
    scale.retry(3).timeouts(start_to_close="30s").needs(gpu=1).labels(zone="a")
    scale.done_when_percent(90)
    with scale.on_error("too_few_completed"):
        flow.set("h", late=True)
    flow.map("plain", "t", [1, 2]).done_when("collect")
    flow.output(scale.output)
    assert flow.definition() == read_yaml(TEXT).definition
    assert workflow_version(flow.definition()) == workflow_version(read_yaml(TEXT).definition)


def test_done_when_so_many_have_completed() -> None:
    flow = Workflow("w")
    flow.map("a", "t", [1, 2]).done_when_count(2)
    (step,) = flow.definition().steps
    text = HEAD + "  - {id: a, map: {items: [1, 2], task: t, complete_when: {count: 2}}}\n"
    assert read_yaml(text).definition.steps == (step,)


def test_a_map_is_one_step_of_the_net() -> None:
    net = compile_net(read_yaml(TEXT).definition, CelExpressions())
    (step,) = (step for step in net.steps if step.id == "scale")
    action = step.action
    assert isinstance(action, Map)
    assert action.body == Task(
        task="pictures.scale",
        inputs=SCALE.inputs,
        retry=SCALE.retry,
        timeouts=SCALE.timeouts,
        needs=SCALE.needs,
        labels=SCALE.labels,
    )
    assert (action.concurrency, action.batch, action.rule, action.number) == (8, 100, "percent", 90)
    assert ("list", "scale") in {(arc.source, arc.target) for arc in net.arcs}


@pytest.mark.parametrize(
    ("step", "where", "words"),
    [
        ("map: {items: [1], task: t, batch: 0}", "steps[0].map.batch", "not within 1"),
        ("map: {items: [1], task: t, concurrency: 0}", "steps[0].map.concurrency", "not within 1"),
        ("map: {items: -7, task: t}", "steps[0].map.items", "expected a list"),
        ("map: {items: true, task: t}", "steps[0].map.items", "expected a list"),
        (
            "map: {items: [1], task: t, complete_when: {count: 1.5}}",
            "steps[0].map.complete_when.count",
            "whole number",
        ),
        (
            "map: {items: [1], task: t, complete_when: {percent: 101}}",
            "steps[0].map.complete_when.percent",
            "at most 100",
        ),
        ("map: {items: ['${ iteration.item }'], task: t}", "steps[0].map.items", "only in what a"),
        (
            "map: {items: [1], task: t, with: {x: '${ steps.a.output }'}}",
            "steps[0].map.with.x",
            "not over while it repeats this",
        ),
        ("map: {items: [1], task: t, retry: {attempts: 0}}", "steps[0].map.retry.attempts", "1 to"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(step: str, where: str, words: str) -> None:
    authored = read_yaml(f"{HEAD}  - id: a\n    {step}\n")
    report = check(authored.definition, CelExpressions(), places=authored.places)
    (problem,) = report.problems
    assert problem.where == where
    assert words in problem.message
    assert problem.place is not None


@pytest.mark.parametrize("rule", ["most", "{}", "{count: 1, percent: 2}", "{share: 2}"])
def test_a_rule_that_is_none_is_refused_where_it_stands(rule: str) -> None:
    text = f"{HEAD}  - id: a\n    map: {{items: [1], task: t, complete_when: {rule}}}\n"
    with pytest.raises(InvalidDefinition) as caught:
        read_yaml(text)
    assert "complete_when" in caught.value.problems[0].where


def test_the_items_parameters_are_checked_against_the_task() -> None:
    schema = TaskSchema(name="t", parameters={"properties": {"x": {"type": "integer"}}})
    text = f"{HEAD}  - {{id: a, map: {{items: [1], task: t, with: {{y: 1}}}}}}\n"
    (problem,) = check(read_yaml(text).definition, CelExpressions(), {"t": schema}).problems
    assert problem.where == "steps[0].map.with.y"
    (problem,) = check(read_yaml(text).definition, CelExpressions(), {}).problems
    assert (problem.code, problem.where) == ("unknown_task", "steps[0].map.task")


def test_a_map_inside_a_loop_reads_its_own_item() -> None:
    text = HEAD + (
        "  - id: each\n"
        "    for_each: [[1], [2]]\n"
        "    steps:\n"
        "      - id: inner\n"
        "        map: {items: '${ iteration.item }', task: t, with: {x: '${ iteration.item }'}}\n"
    )
    assert check(read_yaml(text).definition, CelExpressions()).problems == ()
