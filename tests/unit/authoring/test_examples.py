"""The examples are accepted with their own tasks, and runs of them end as their comments say."""

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
TASKS = EXAMPLES / "examples_tasks.py"
FILES = sorted(path for path in EXAMPLES.iterdir() if path.suffix in {".py", ".yaml"})
PEN = {"name": "pen", "price": 30, "count": 4}


@pytest.fixture
def registry() -> TaskRegistry:
    return load_registry([str(TASKS)])


@pytest.mark.parametrize("path", [path for path in FILES if path != TASKS], ids=lambda p: p.name)
def test_an_example_is_accepted(path: Path) -> None:
    """With the tasks of the examples and those that it declares itself."""
    registry = load_registry([str(TASKS), str(path)] if path.suffix == ".py" else [str(TASKS)])
    described = msgspec.convert(msgspec.to_builtins(registry.describe()), list[TaskSchema])
    schemas = {schema.name: schema for schema in described}
    authored = read(path)
    report = check(authored.definition, CelExpressions(), schemas, authored.places)

    report.accepted(authored.name)
    assert report.is_accepted


@pytest.mark.parametrize(
    ("name", "value", "output"),
    [
        ("greet.yaml", {"name": "Ada"}, {"text": "Hello, Ada"}),
        ("greet.yaml", {"name": "Ada", "loud": True}, {"text": "HELLO, ADA!"}),
        (
            "orders.yaml",
            {"order": "A-17", "items": [PEN]},
            {"order": "A-17", "paid": 108, "reserved": ["4 x pen"]},
        ),
        (
            "words.py",
            {"texts": ["to be or not to be", "be quick"], "top": 1},
            {"words": [["be", 3]], "texts": 2},
        ),
        ("words.py", {"texts": ["a a"], "top": 9}, {"words": [["a", 2]], "texts": 1}),
    ],
)
def test_a_run_of_an_example_completes(
    name: str, value: Value, output: Value, registry: TaskRegistry
) -> None:
    play = played(name, value, registry)

    assert play.state.status == "completed"
    assert play.state.output == output
    play.check_replay()


def test_an_order_without_items_fails_with_the_code_of_its_handler(registry: TaskRegistry) -> None:
    play = played("orders.yaml", {"order": "A-18", "items": []}, registry)

    assert play.state.status == "failed"
    assert play.state.failure is not None
    assert play.state.failure.code == "empty_order"
    assert play.state.failure.message == "order A-18 has no items"


def test_batches_are_done_one_after_the_other(registry: TaskRegistry) -> None:
    play = played("batches.yaml", {"names": ["Ada", "Bob"]}, registry)
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
        task = play.net.task(step).task
        if task == "orders.price" and not inputs["items"]:
            play.fail(step, "no_items")
        else:
            play.complete(step, executed(registry, task, inputs))
    return play


class Context:
    """As much of a task's context as the examples use."""

    idempotency_key = "key"

    @property
    def log(self) -> "Context":
        return self

    def info(self, message: str, *parts: object) -> None:
        pass


def executed(registry: TaskRegistry, task: str, inputs: dict[str, Value]) -> Value:
    found = registry.find(task)
    assert found is not None
    assert found.signature is not None
    assert isinstance(found.declared, TaskType)
    arguments = dict(found.signature.bind(inputs))
    if "ctx" in inspect.signature(found.declared.function).parameters:
        arguments["ctx"] = Context()
    result = found.declared.function(**arguments)
    if inspect.isawaitable(result):
        result = anyio.run(_awaited, result)
    return admit(result)


async def _awaited(result: Awaitable[object]) -> object:
    return await result
