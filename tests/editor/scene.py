"""What the editor tests look at: a workflow in YAML and one in Python, and their tasks."""

ORDERS = """\
workflow: orders
steps:
  - id: begin
    set: {total: 0}
  - id: articles
    for_each: ${ input.articles }
    steps:
      - id: price
        task: shop.price
        with: {article: "${ iteration.item.name }", count: "${ iteration.item.count }"}
      - id: add
        set: {total: "${ vars.total + steps.price.output }"}
  - id: checks
    parallel:
      stock:
        - {id: reserve, task: shop.reserve, with: {count: "${ size(input.articles) }"}}
      credit:
        - id: ask
          task: shop.ask
          retry: {attempts: 2, initial: 10ms}
          with: {total: "${ vars.total }"}
  - id: bill
    call: {workflow: bills, input: {total: "${ vars.total }"}}
output: ${ vars.total }
"""

BILLS = """\
from orchestrator.authoring import Workflow

flow = Workflow("bills")
flow.set("net", net=flow.input.total)
written = flow.task("write", "shop.write", total=flow.vars.net)
flow.output(written.output)
"""

WAITING = """\
workflow: waiting
steps:
  - id: go
    wait: {signal: go}
  - id: done
    set: {answer: "${ steps.go.output }"}
output: ${ vars.answer }
"""

TASKS = """\
from node_agent import TaskContext, TaskError, task

PRICES = {"pen": 3, "ink": 20}


@task(name="shop.price")
def price(article: str, count: int) -> int:
    return PRICES[article] * count


@task(name="shop.reserve")
def reserve(count: int) -> int:
    return count


@task(name="shop.ask")
def ask(total: int, ctx: TaskContext) -> bool:
    if ctx.attempt == 1:
        raise TaskError("busy", "ask again")
    return total < 100


@task(name="shop.write")
def write(total: int) -> str:
    return f"{total} to pay"
"""

INPUT = {"articles": [{"name": "pen", "count": 2}, {"name": "ink", "count": 1}]}
