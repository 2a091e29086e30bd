"""The examples are accepted with their own tasks, and runs of them end as their first lines say."""

import inspect
from collections.abc import Awaitable
from pathlib import Path

import anyio
import msgspec
import pytest

from events.values import Value, admit
from node_agent.importing import load_registry
from node_agent.registry import TaskRegistry
from node_agent.tasks import TaskType
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import TaskSchema, check, read
from tests.builders import Play, Setting, started

EXAMPLES = Path(__file__).parents[3] / "examples"
TASKS = (EXAMPLES / "examples_tasks.py", EXAMPLES / "etl_tasks.py")
FILES = sorted(
    path for path in EXAMPLES.iterdir() if path.suffix in {".py", ".yaml"} and path not in TASKS
)


MODULES = [str(path) for path in TASKS]


@pytest.fixture
def registry() -> TaskRegistry:
    return load_registry(MODULES)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_an_example_is_accepted(path: Path) -> None:
    """With the tasks of the examples and those that it declares itself."""
    registry = load_registry([*MODULES, *([str(path)] if path.suffix == ".py" else [])])
    described = msgspec.convert(msgspec.to_builtins(registry.describe()), list[TaskSchema])
    schemas = {schema.name: schema for schema in described}
    authored = read(path)
    report = check(authored.definition, CelExpressions(), schemas, authored.places)

    report.accepted(authored.name)
    assert report.is_accepted


def test_batches_are_done_one_after_the_other(registry: TaskRegistry) -> None:
    play = played("loops.yaml", {"names": ["Ada", "Bob"]}, registry)
    for _ in range(2):
        play.due(0.05)
        play.due(0.05)
        carry_on(play, registry)

    assert play.state.output == ["HELLO, ADA!", "HELLO, BOB!"]
    assert play.step("pause[1][1]").status == "completed"


def test_an_order_that_somebody_approves_is_accepted(registry: TaskRegistry) -> None:
    play = played("approval.yaml", {"order": "A-17"}, registry)
    play.due(0.2)
    play.signal("approved", {"by": "eve"}, correlation="A-18")
    play.signal("approved", {"by": "ada"}, correlation="A-17")

    assert play.state.output == {"order": "A-17", "state": "accepted", "by": "ada"}


def test_an_order_that_nobody_approves_is_put_back(registry: TaskRegistry) -> None:
    play = played("approval.yaml", {"order": "A-17"}, registry)
    play.due(0.2)
    play.due(3.0)

    assert play.state.output == {"order": "A-17", "state": "put back", "by": "nobody"}


def played(name: str, value: Value, registry: TaskRegistry) -> Play:
    """A run of an example whose tasks are executed here, one at a time."""
    definition = read(EXAMPLES / name).definition
    return carry_on(started(definition, Setting(options=definition.options), value), registry)


def carry_on(play: Play, registry: TaskRegistry) -> Play:
    """Executes tasks until none is ready."""
    while play.state.ready:
        step = next(iter(play.state.ready))
        play.place(step)
        inputs = play.step(step).inputs
        play.complete(step, executed(registry, play.net.task(step).task, inputs))
    return play


def executed(registry: TaskRegistry, task: str, inputs: dict[str, Value]) -> Value:
    found = registry.find(task)
    assert found is not None
    assert found.signature is not None
    assert isinstance(found.declared, TaskType)
    result = found.declared.function(**found.signature.bind(inputs))
    if inspect.isawaitable(result):
        result = anyio.run(_awaited, result)
    return admit(result)


async def _awaited(result: Awaitable[object]) -> object:
    return await result
