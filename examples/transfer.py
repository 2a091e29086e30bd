"""Money goes from one account to another, exactly once, whatever is killed meanwhile.

Both accounts are in a Postgres of yours, so the transfer is a transactional task: the two updates
and the task's completion are one commit. Make the tables once, then run it:

    export TRANSFER_DSN=postgresql://…
    dalsegno task-table | psql "$TRANSFER_DSN"
    psql "$TRANSFER_DSN" -c "CREATE TABLE account (
        name text PRIMARY KEY, balance bigint CHECK (balance >= 0))"
    psql "$TRANSFER_DSN" -c "INSERT INTO account VALUES ('ann', 100), ('bo', 0)"
    dalsegno try examples/transfer.py --input '{"from": "ann", "to": "bo", "amount": 30}'

Who has not enough fails the check of the table: everything is rolled back, and the run says why.
"""

import os

import psycopg

from node_agent import TaskContext, TaskError, task
from orchestrator.authoring import Retry, Workflow

TAKE = "UPDATE account SET balance = balance - %s WHERE name = %s RETURNING balance"
GIVE = "UPDATE account SET balance = balance + %s WHERE name = %s RETURNING balance"


async def connect() -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(os.environ["TRANSFER_DSN"])


@task(name="transfer.move", transactional=connect)
async def move(ctx: TaskContext, giver: str, taker: str, amount: int) -> dict[str, int]:
    """Returns both balances. What is raised here undoes all of it."""
    accounts = ctx.transaction(psycopg.AsyncConnection)
    balances: dict[str, int] = {}
    try:
        for name, statement in ((giver, TAKE), (taker, GIVE)):
            row = await (await accounts.execute(statement, (amount, name))).fetchone()
            if row is None:
                raise TaskError("no_account", f"there is no account {name}", retryable=False)
            balances[name] = row[0]
    except psycopg.errors.CheckViolation as error:
        message = f"{giver} has less than {amount}"
        raise TaskError("not_enough", message, retryable=False) from error
    return balances


flow = Workflow("transfer", timeout="10m")
moved = flow.task(
    "move",
    "transfer.move",
    giver=flow.input["from"],
    taker=flow.input.to,
    amount=flow.input.amount,
)
moved.retry(Retry(attempts_max=5, initial_s=1.0))
with moved.on_error("not_enough"):
    flow.fail("refuse", "refused", "the giver has not enough")
flow.output(balances=moved.output)
