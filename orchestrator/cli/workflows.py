"""`dalsegno workflow check` and `register`."""

from typing import Annotated

from cyclopts import Parameter

from events.api import Registered, RegisterWorkflow
from events.definition import Definition
from events.errors import Unavailable
from orchestrator.authoring import workflow_version
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.definitions import checked, describe_tasks
from orchestrator.cli.output import print_json
from orchestrator.config import Config

Imports = Annotated[list[str] | None, Parameter(name="--import", negative="")]


def check(file: str, *, imports: Imports = None, json: bool = False) -> None:
    """Say what is wrong with a workflow file; exit code 3 when something is.

    Parameters
    ----------
    file
        A .yaml, .json or .py file.
    imports
        Module with tasks; with it, task types and their parameters are checked too.
    json
        Answer in JSON.
    """
    definition = load_checked(file, imports)
    version = workflow_version(definition)
    if json:
        print_json({"workflow": definition.name, "workflow_version": version, "problems": []})
    else:
        print(f"{definition.name} is right: version {version}")


def register(file: str, *, imports: Imports = None, common: Common = COMMON) -> None:
    """Check a workflow file and register it; the same content again changes nothing.

    Parameters
    ----------
    file
        A .yaml, .json or .py file.
    imports
        Module with tasks; with it, task types and their parameters are checked too.
    """
    definition = load_checked(file, imports)
    config = configured(common)
    answer = go(lambda: send_definition(config, definition))
    if common.json:
        print_json(answer)
    else:
        how = "registered" if answer.created else "was registered already"
        print(f"{answer.workflow} {how}: version {answer.workflow_version}")


def load_checked(file: str, imports: list[str] | None) -> Definition:
    return checked(file, describe_tasks(imports) if imports else None)


async def send_definition(config: Config, definition: Definition) -> Registered:
    async with client_of(config) as client:
        answer = await client.request(RegisterWorkflow(definition=definition))
    if isinstance(answer, Registered):
        return answer
    raise Unavailable(f"a coordinator answers {type(answer).__name__} to register_workflow")
