"""A pipeline in Python: prepare data, ask a service about it, compute, and put all together.

    dalsegno try examples/enrich.py --input '{"user": "ada", "numbers": [1, 2, 3, 4, 5]}'
    dalsegno try examples/enrich.py --input '{"user": "ada", "numbers": [1, 2, 3, 4, 5], "service": "http://127.0.0.1:9/users"}'

Without a service that step is skipped; with one that cannot be reached it is tried three times and
then left out.
"""

from node_agent import task
from orchestrator.authoring import Retry, Workflow, has

Scalars = dict[str, object]


@task(name="enrich.prepare")
def prepare(user: str, numbers: list[int]) -> Scalars:
    return {"user": user.upper(), "count": len(numbers)}


@task(name="enrich.sum")
def add(numbers: list[int]) -> int:
    return sum(numbers)


@task(name="enrich.merge")
def merge(data: Scalars, more: Scalars | None, total: int) -> Scalars:
    """Later ones win."""
    return {**data, **(more or {}), "total": total}


flow = Workflow("enrich", timeout="30s")

prepared = flow.task("prepare", prepare, user=flow.input.user, numbers=flow.input.numbers)
prepared.timeouts("5s")

asked = flow.task(
    "ask",
    "http.request",
    url=flow.input.service,
    query={"name": prepared.output.user},
    timeout_s=10,
    response="json",
)
asked.when(has(flow.input.service)).retry(Retry(attempts_max=3, initial_s=0.2, cap_s=10.0))
with asked.on_error():
    flow.set("unanswered", answered=False)

found = flow.choice("found")
with found.case(asked.output != None):  # noqa: E711 -- a term, evaluated in the run
    flow.set("answer", more=asked.output.body)
with found.default():
    flow.set("no_answer", more=None)

computed = flow.task("compute", add, numbers=flow.input.numbers).timeouts("5s")
final = flow.task("final", merge, data=prepared.output, more=flow.vars.more, total=computed.output)
flow.output(final.timeouts("5s").output)
