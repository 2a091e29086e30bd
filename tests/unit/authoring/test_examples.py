"""The examples are accepted, with their own tasks."""

from pathlib import Path

import pytest

from events.codec import encode
from node_agent.importing import load_registry
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import check, read, read_schemas

EXAMPLES = Path(__file__).parents[3] / "examples"
TASKS = EXAMPLES / "examples_tasks.py"
FILES = sorted(path for path in EXAMPLES.iterdir() if path.is_file() and path != TASKS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_example_is_accepted(path: Path) -> None:
    schemas = read_schemas(encode(load_registry([str(TASKS)]).describe()))
    authored = read(path)
    report = check(authored.definition, CelExpressions(), schemas, authored.places)

    report.accepted(authored.name)
    assert report.is_accepted


def test_there_are_examples_of_both_kinds() -> None:
    assert {path.suffix for path in FILES} == {".yaml", ".py"}
