"""The extension for VS Code asks for what the adapter understands, and for nothing else."""

import json
from pathlib import Path

import msgspec

from orchestrator.dap.arguments import Attach

ROOT = Path(__file__).parents[3]
VSCODE = ROOT / "deploy/vscode"
OWN = {"port"}
"""Of the extension itself."""
OF_EDITOR = {"type", "request", "name"}


def manifest() -> dict[str, object]:
    found: dict[str, object] = json.loads((VSCODE / "package.json").read_text("utf-8"))
    return found


def debugger() -> dict[str, object]:
    contributes = manifest()["contributes"]
    assert isinstance(contributes, dict)
    (found,) = contributes["debuggers"]
    assert isinstance(found, dict)
    return found


def attributes() -> dict[str, dict[str, object]]:
    found = debugger()["configurationAttributes"]
    assert isinstance(found, dict)
    properties: dict[str, dict[str, object]] = found["attach"]["properties"]
    return properties


def test_the_attributes_are_those_of_the_adapter() -> None:
    fields = {field.encode_name: field for field in msgspec.structs.fields(Attach)}
    assert set(attributes()) == set(fields) | OWN
    for name in ("at", "stopOnEntry", "stepping"):
        assert attributes()[name]["default"] == fields[name].default


def test_every_example_uses_what_there_is() -> None:
    snippets = debugger()["configurationSnippets"]
    initial = debugger()["initialConfigurations"]
    assert isinstance(snippets, list)
    assert isinstance(initial, list)
    launch = json.loads((VSCODE / "launch.json").read_text("utf-8"))
    examples = [*initial, *(one["body"] for one in snippets), *launch["configurations"]]
    assert len(examples) > 5
    for example in examples:
        assert set(example) - OF_EDITOR <= set(attributes()), example
        assert (example["type"], example["request"]) == (debugger()["type"], "attach")
        given = {name: value for name, value in example.items() if name not in OF_EDITOR | OWN}
        assert msgspec.convert(given, Attach).stepping == "steps"


def test_the_files_that_it_names_are_there() -> None:
    found = manifest()
    files = found["files"]
    assert isinstance(files, list)
    assert [name for name in files if not (VSCODE / name).is_file()] == []
    assert (VSCODE / str(found["main"])).is_file()
