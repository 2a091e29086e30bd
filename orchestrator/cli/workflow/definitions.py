"""Reading and checking workflow files, with the tasks that the imported modules declare."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from events.definition import Definition, MapStep, TaskStep
from events.errors import Misconfigured
from orchestrator.authoring import Authored, SomeSchemas, TaskSchema, check, read
from orchestrator.authoring.walk import spots
from orchestrator.kernel.expressions import Expressions

DESCRIBE_TIMEOUT_S = 60.0
PYTHON = ".py"
SUFFIXES = frozenset({".yaml", ".yml", ".json", PYTHON})

BUILT_IN = frozenset({"http.request", "run.act", "trace.task"})
"""The tasks that every agent has."""

SCALE_HELP = "What the recorded runtimes of a WfFormat trace are multiplied by; 0 does not wait."
TimeScale = Annotated[float | None, Parameter(name="--time-scale", help=SCALE_HELP)]
IMPORT_HELP = (
    "Module with tasks; may be repeated. With it, task types and their parameters are checked too; "
    "those of built-in tasks always are."
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Reading:
    """How commands read a workflow file and what they check it against."""

    imports: Annotated[
        list[str] | None, Parameter(name="--import", negative="", help=IMPORT_HELP)
    ] = None
    time_scale: TimeScale = None


AS_IT_IS = Reading()


def describe_tasks(imports: Sequence[str]) -> dict[str, TaskSchema]:
    """The tasks that an agent with these modules has, the built-in ones among them. They are loaded
    in a process of its own.

    Raises `Misconfigured` with what the agent says when a module cannot be loaded.
    """
    command = [sys.executable, "-m", "node_agent", "--describe", "--json"]
    for module in imports:
        if module.startswith(".") or ("/" in module and not module.endswith(PYTHON)):
            raise Misconfigured(f"--import {module}: expected a module, dotted, or a {PYTHON} file")
        command += ["--import", module]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DESCRIBE_TIMEOUT_S,
            check=False,
            env={**os.environ, "DALSEGNO_LOG_LEVEL": "ERROR"},
        )
    except subprocess.TimeoutExpired as error:
        raise Misconfigured(
            f"importing {', '.join(imports)} takes over {DESCRIBE_TIMEOUT_S:g} s: move work out of "
            "the top level of the module"
        ) from error
    if done.returncode:
        raise Misconfigured(done.stderr.strip().removeprefix("node agent: "))
    try:
        found = msgspec.json.decode(done.stdout, type=list[TaskSchema])
    except msgspec.MsgspecError as error:
        raise Misconfigured(
            f"importing {', '.join(imports)} prints to stdout, where the description of the tasks "
            "is expected: print nothing at the top level"
        ) from error
    return {schema.name: schema for schema in found}


def implied_imports(file: str, imports: Sequence[str]) -> tuple[str, ...]:
    """The modules to load for a workflow file: a Python file may hold the tasks itself."""
    path = file.rpartition(":")[0] if f"{PYTHON}:" in file else file
    if imports or not path.endswith(PYTHON):
        return tuple(imports)
    return (path,)


def reads_as_file(workflow: str) -> bool:
    """Whether it is the path of a workflow file, and not the name of a registered workflow."""
    path = workflow.rpartition(":")[0] if f"{PYTHON}:" in workflow else workflow
    return Path(path).suffix in SUFFIXES


def load_checked(file: str, reading: Reading) -> Definition:
    """The definition in a file, checked against the tasks of the modules that are to be imported;
    where there are none, against those that every agent has. Raises like `checked`."""
    authored = read(file, time_scale=reading.time_scale)
    return checked_authored(authored, _schemas(authored.definition, reading.imports or ()))


def _schemas(definition: Definition, imports: Sequence[str]) -> Mapping[str, TaskSchema] | None:
    """What its tasks are to be checked against; the agent is asked only when there is something."""
    if imports:
        return describe_tasks(imports)
    steps = (spot.step for spot in spots(definition))
    used = {step.task for step in steps if isinstance(step, TaskStep | MapStep)}
    return SomeSchemas(describe_tasks(())) if used & BUILT_IN else None


def checked(
    file: str, schemas: Mapping[str, TaskSchema] | None, time_scale: float | None = None
) -> Definition:
    """The definition in a file; raises what `read` raises, and `InvalidDefinition`."""
    return checked_authored(read(file, time_scale=time_scale), schemas)


def expressions() -> Expressions:
    """The engine of expressions. It takes longer to import than most commands, which do without."""
    from orchestrator.adapters.cel import CelExpressions

    return CelExpressions()


def checked_authored(authored: Authored, schemas: Mapping[str, TaskSchema] | None) -> Definition:
    report = check(authored.definition, expressions(), schemas, authored.places)
    report.accepted(authored.name)
    return authored.definition
