"""`dalsegno workflow check`, `register` and `schema`."""

import sys

from events.api import Registered, RegisterWorkflow
from events.definition import Definition
from events.errors import Unavailable
from orchestrator.authoring import workflow_version
from orchestrator.authoring.plan import plan as planned
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.output import print_json
from orchestrator.cli.workflow.definitions import AS_IT_IS, Reading, expressions, load_checked
from orchestrator.cli.workflow.knowing import nobody_knows, who_knows
from orchestrator.cli.workflow.planning import task_types
from orchestrator.config import Config


def check(file: str, *, reading: Reading = AS_IT_IS, json: bool = False) -> None:
    """Say what is wrong with a workflow file; exit code 3 when something is.

    Parameters
    ----------
    file
        A .yaml, .json or .py file, or a WfFormat trace.
    json
        Answer in JSON.

    Examples
    --------
    dalsegno workflow check examples/orders.yaml
    dalsegno workflow check examples/etl.yaml --import examples/etl_tasks.py
        Check that the module has the task types and that parameters fit them.
    """
    definition = load_checked(file, reading)
    version = workflow_version(definition)
    if json:
        print_json({"workflow": definition.name, "workflow_version": version, "problems": []})
    else:
        print(f"{definition.name} is right: version {version}")
        if not reading.imports:
            print("give --import MODULE to check that there are such tasks, too")


def register(file: str, *, reading: Reading = AS_IT_IS, common: Common = COMMON) -> None:
    """Check a workflow file and register it; the same content again changes nothing.

    Parameters
    ----------
    file
        A .yaml, .json or .py file, or a WfFormat trace.

    Examples
    --------
    dalsegno workflow register examples/greet.yaml
    """
    definition = load_checked(file, reading)
    config = configured(common)
    answer = go(lambda: send_definition(config, definition))
    if common.json:
        print_json(answer)
        return
    how = "registered" if answer.created else "was registered already"
    print(f"{answer.workflow} {how}: version {answer.workflow_version}")
    tasks = task_types(planned(definition, expressions()))
    if hint := nobody_knows(go(lambda: who_knows(config)), tasks):
        print(hint, file=sys.stderr)


def schema() -> None:
    """Print the JSON Schema of workflow files, with which editors complete and explain them.

    Examples
    --------
    dalsegno workflow schema
        Write it to workflow.schema.json; a YAML file whose first line is
        `# yaml-language-server: $schema=workflow.schema.json` is completed by it.
    """
    from orchestrator.authoring.form_schema import form_schema_text

    sys.stdout.write(form_schema_text())


async def send_definition(
    config: Config, definition: Definition, *, aside: bool = False
) -> Registered:
    """`aside`: not as the version that new runs begin with."""
    async with client_of(config) as client:
        answer = await client.request(RegisterWorkflow(definition=definition, aside=aside))
    if isinstance(answer, Registered):
        return answer
    raise Unavailable(f"a coordinator answers {type(answer).__name__} to register_workflow")
