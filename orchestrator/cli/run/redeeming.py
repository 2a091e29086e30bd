"""`dalsegno task complete` and `fail`: whoever has the token of an attempt says what came of it."""

from events.api import RunView
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.output import print_json
from orchestrator.cli.run.display import run_json
from orchestrator.cli.run.inputs import read_input


def complete(token: str, *, output: str = "", common: Common = COMMON) -> None:
    """Complete a task by the token that its handler has handed over.

    The same completion again changes nothing. Exit code 3 for a token that is none, or that is
    fenced: its attempt is over, or another one has taken its place.

    Parameters
    ----------
    token
        As ctx.completion_token() has made it.
    output
        What the task returns: JSON, or @file.

    Examples
    --------
    dalsegno task complete "$TOKEN" --output '{"signed": true}'
    """
    value, config = read_input(output, "--output"), configured(common)

    async def ask() -> RunView:
        async with client_of(config) as client:
            return await client.complete_task(token, value)

    _tell(go(ask), common, "completed")


def fail(
    token: str,
    *,
    message: str,
    code: str = "failed",
    final: bool = False,
    common: Common = COMMON,
) -> None:
    """Fail a task's attempt by its token; its retry policy decides what follows.

    Parameters
    ----------
    token
        As ctx.completion_token() has made it.
    message
        Why, for people.
    code
        Why, for retry policies and error arcs.
    final
        Not worth another attempt.

    Examples
    --------
    dalsegno task fail "$TOKEN" --message "nobody signed" --code late --final
    """
    config = configured(common)

    async def ask() -> RunView:
        async with client_of(config) as client:
            return await client.fail_task(token, message, code, retryable=not final)

    _tell(go(ask), common, "failed")


def _tell(run: RunView, common: Common, what: str) -> None:
    if common.json:
        print_json(run_json(run))
    else:
        print(f"the attempt is {what}; {run.run_id} is {run.status}")
