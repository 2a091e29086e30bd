"""A statement of account from three books. On Monday it is right; on Tuesday it looks right.

    dalsegno try examples/statement.py --input '{"month": "2026-03", "delivery": 1}'

With delivery 2 the last step fails. docs/howto/find-what-went-wrong.md finds out why, and mends the
run without reading the books again, which takes the longest.
"""

import time

from node_agent import TaskError, task
from orchestrator.authoring import Workflow

OPENING = {"2026-03": 312.15}
BANK = {1: 2337.25, 2: 2401.75}
BOOKS = {
    1: {
        "sales": [480.00, 352.50, 610.00, 295.00, 522.50],
        "returns": [59.90, 120.00],
        "fees": [12.50, 34.20, 8.30],
    },
    2: {
        "sales": [480.00, 352.50, 610.00, 295.00, 522.50, 89.00],
        "returns": [-59.90, -120.00, -24.50],
        "fees": [12.50, 34.20, 8.30],
    },
}
"""What the shop delivered, as often as it did."""


@task(name="books.read")
def read(book: str, delivery: int, seconds: float = 1.0) -> dict[str, object]:
    time.sleep(seconds)  # in real life it is a scan of many pages
    entries = BOOKS[delivery][book]
    return {"entries": entries, "total": round(sum(entries), 2)}


@task(name="statement.opening")
def opening(month: str) -> float:
    return OPENING[month]


@task(name="statement.balance")
def balance(opening: float, sales: float, returns: float, fees: float) -> float:
    return round(opening + sales - returns - fees, 2)


@task(name="statement.write")
def write(month: str, balance: float) -> str:
    return f"Statement of {month}: the balance is {balance:.2f} EUR"


@task(name="statement.reconcile")
def reconcile(delivery: int, balance: float) -> str:
    bank = BANK[delivery]
    if bank != balance:
        message = f"the statement says {balance:.2f}, the bank says {bank:.2f}"
        raise TaskError("not_reconciled", message, retryable=False)
    return "reconciled"


flow = Workflow("statement", timeout="5m", description="A statement of account from three books.")
given = flow.input

books = flow.parallel("books")
with books.branch("sales"):
    sales = flow.task("sales", read, book="sales", delivery=given.delivery)
with books.branch("returns"):
    returns = flow.task("returns", read, book="returns", delivery=given.delivery)
with books.branch("fees"):
    fees = flow.task("fees", read, book="fees", delivery=given.delivery)

flow.set(
    "totals",
    sales=sales.output.total,
    returns=returns.output.total,
    fees=fees.output.total,
)
opened = flow.task("opening", opening, month=given.month)
closed = flow.task(
    "balance",
    balance,
    opening=opened.output,
    sales=flow.vars.sales,
    returns=flow.vars.returns,
    fees=flow.vars.fees,
)
written = flow.task("write", write, month=given.month, balance=closed.output)
flow.task("reconcile", reconcile, delivery=given.delivery, balance=closed.output)
flow.output(written.output)
