"""Every step kind in its three spellings, builder, algebra and YAML: one definition."""

from collections.abc import Callable

import pytest

from events.definition import Definition, Step
from events.policies import Retry
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import Steps, Workflow, check, dump, read_yaml, steps
from orchestrator.authoring.walk import spots

Building = Callable[[Workflow], object]

TASK = """
- id: fetch
  task: shop.fetch
  with: {url: "${ input.url }", parts: ["n ${ input.n + 1 }"]}
  when: input.n > 0
  retry: {attempts: 3}
  timeouts: {start_to_close: 5m, schedule_to_close: 10m, heartbeat: 10}
  needs: {cpu: 1, memory: 1GiB}
  labels: {zone: a}
  on_error:
    - codes: [timeout, gone]
      steps: [{id: sorry, set: {why: "${ steps.fetch.error.message }"}}]
    - steps: []
"""


def task_built(flow: Workflow) -> None:
    page = flow.task("fetch", "shop.fetch", url=flow.input.url, parts=[f"n {flow.input.n + 1}"])
    page.when(flow.input.n > 0).retry(3).needs(cpu=1, memory="1GiB").labels(zone="a")
    page.timeouts("5m", schedule_to_close="10m", heartbeat=10)
    with page.on_error("timeout", "gone"):
        flow.set("sorry", why=page.error.message)
    with page.on_error():
        pass


def task_combined() -> Steps:
    n = steps.input.n
    page = steps.task("fetch", "shop.fetch", url=steps.input.url, parts=[f"n {n + 1}"])
    page = page.when(n > 0).retry(3).needs(cpu=1, memory="1GiB").labels(zone="a")
    page = page.timeouts("5m", heartbeat=10).with_timeout("20m").with_timeout("10m")
    sorry = steps.set("sorry", why=page.error.message)
    return page.on_error(sorry, "timeout", "gone").on_error(steps.nothing)


MAP = """
- id: scale
  map:
    items: ${ input.files }
    task: pictures.scale
    with: {file: "${ iteration.item.name }", number: "${ iteration.index }"}
    concurrency: 20
    batch: 100
    complete_when: {percent: 95}
    retry: {attempts: 3, kind: fixed}
    timeouts: {start_to_close: 30s}
  on_error: [{codes: [too_few_completed], steps: [{id: few, set: {few: true}}]}]
"""


def map_built(flow: Workflow) -> None:
    scale = flow.map(
        *("scale", "pictures.scale", flow.input.files),
        concurrency=20,
        batch=100,
        file=flow.item.name,
        number=flow.index,
    )
    scale.done_when_percent(95).retry(Retry(attempts_max=3, kind="fixed")).timeouts("30s")
    with scale.on_error("too_few_completed"):
        flow.set("few", few=True)


def map_combined() -> Steps:
    scale = steps.map(
        *("scale", "pictures.scale", steps.input.files),
        concurrency=20,
        batch=100,
        file=steps.item.name,
        number=steps.index,
    )
    scale = scale.done_when_percent(95).retry(Retry(attempts_max=3, kind="fixed")).timeouts("30s")
    return scale.on_error(steps.set("few", few=True), "too_few_completed")


CALL = """
- id: ship
  call: {workflow: shipping, version: 4be91d1cc948e273cf9b, input: {order: "${ input.order }"}}
  retry: {attempts: 2}
  on_error: [{codes: [no_stock], steps: [{id: later, set: {shipped: false}}]}]
- {id: tell, call: {workflow: tell}}
"""
VERSION = "4be91d1cc948e273cf9b"


def call_built(flow: Workflow) -> None:
    ship = flow.call("ship", "shipping", {"order": flow.input.order}, version=VERSION).retry(2)
    with ship.on_error("no_stock"):
        flow.set("later", shipped=False)
    flow.call("tell", Workflow("tell"))


def call_combined() -> Steps:
    ship = steps.call("ship", "shipping", {"order": steps.input.order}, version=VERSION).retry(2)
    ship = ship.on_error(steps.set("later", shipped=False), "no_stock")
    return ship.then(steps.call("tell", Workflow("tell")))


WAITS = """
- {id: pause, wait: {for: 5m}}
- {id: longer, wait: {for: "${ input.pause }"}}
- {id: eve, wait: {until: "2026-12-24T18:00:00Z"}}
- id: approval
  wait: {signal: approved, correlation: "${ input.order }", timeout: 2d}
  on_error:
    - codes: [signal_timeout]
      steps: [{id: give_up, fail: {code: late, message: "of ${ run.id }"}}]
"""


def waits_built(flow: Workflow) -> None:
    flow.sleep("pause", "5m")
    flow.sleep("longer", flow.input.pause)
    flow.wait_until("eve", "2026-12-24T18:00:00Z")
    approval = flow.wait_for("approval", "approved", correlation=flow.input.order, timeout="2d")
    with approval.on_error("signal_timeout"):
        flow.fail("give_up", "late", f"of {flow.run.id}")


def waits_combined() -> Steps:
    approval = steps.wait_for("approval", "approved", correlation=steps.input.order)
    give_up = steps.fail("give_up", "late", f"of {steps.run.id}")
    return steps.sequence(
        steps.sleep("pause", "5m"),
        steps.sleep("longer", steps.input.pause),
        steps.wait_until("eve", "2026-12-24T18:00:00Z"),
        approval.with_timeout("3d").with_timeout("2d").on_error(give_up, "signal_timeout"),
    )


SPLITS = """
- id: route
  choice:
    - when: input.n > 3
      steps: [{id: large, task: t}]
    - when: input.n > 2
      steps: [{id: middle, task: t}]
    - default: []
- id: l-parallel
  parallel:
    l: [{id: l, task: t}, {id: ll, task: t}]
    r: [{id: r, task: t}]
- id: x-choice
  choice:
    - when: "!input.b"
      steps: [{id: x, task: t}]
    - default: [{id: y, task: t}]
- id: both
  parallel: {one: [{id: a, task: t}], two: [{id: b, task: t}]}
"""


def splits_built(flow: Workflow) -> None:
    route = flow.choice("route")
    with route.case(flow.input.n > 3):
        flow.task("large", "t")
    with route.case(flow.input.n > 2):
        flow.task("middle", "t")
    with route.default():
        pass
    sides = flow.parallel("l-parallel")
    with sides.branch("l"):
        flow.task("l", "t")
        flow.task("ll", "t")
    with sides.branch("r"):
        flow.task("r", "t")
    way = flow.choice("x-choice")
    with way.case(~flow.input.b):
        flow.task("x", "t")
    with way.default():
        flow.task("y", "t")
    both = flow.parallel("both")
    with both.branch("one"):
        flow.task("a", "t")
    with both.branch("two"):
        flow.task("b", "t")


def splits_combined() -> Steps:
    n = steps.input.n
    large, middle = steps.task("large", "t"), steps.task("middle", "t")
    left = steps.task("l", "t").then(steps.task("ll", "t"))
    return steps.sequence(
        steps.choice("route", (n > 3, large), (n > 2, middle), default=steps.nothing),
        left.par_with(steps.task("r", "t")),
        steps.task("x", "t").when(~steps.input.b, steps.task("y", "t")),
        steps.parallel("both", one=steps.task("a", "t"), two=steps.task("b", "t")),
    )


LOOPS = """
- {id: zero, set: {page: 1, rest: null}}
- id: pages
  while: vars.page != null
  max: 200
  steps:
    - {id: fetch, task: shop.fetch, with: {page: "${ vars.page }"}}
    - {id: next, set: {page: "${ steps.fetch.output.next }"}}
- id: pause-until
  until: steps.check.output.done
  steps: [{id: pause, wait: {for: 30}}, {id: check, task: shop.check}]
- id: mails
  for_each: ${ steps.pages.output.customers }
  steps:
    - id: mail
      task: shop.mail
      with: {to: "${ iteration.item.mail }", number: "${ iteration.index }"}
"""


def loops_built(flow: Workflow) -> None:
    flow.set("zero", page=1, rest=None)
    pages = flow.repeat_while("pages", flow.vars.page != None, most=200)  # noqa: E711
    with pages.body():
        fetch = flow.task("fetch", "shop.fetch", page=flow.vars.page)
        flow.set("next", page=fetch.output.next)
    settled = flow.repeat_until("pause-until")
    with settled.body():
        flow.sleep("pause", 30)
        settled.until(flow.task("check", "shop.check").output.done)
    mails = flow.for_each("mails", pages.output.customers)
    with mails.body():
        flow.task("mail", "shop.mail", to=mails.item.mail, number=mails.index)


def loops_combined() -> Steps:
    page = steps.vars.page
    fetch = steps.task("fetch", "shop.fetch", page=page)
    check_ = steps.task("check", "shop.check")
    once = fetch.then(steps.set("next", page=fetch.output.next))
    pages = once.repeat_while(page != None, most=200).named("pages")  # noqa: E711
    mail = steps.task("mail", "shop.mail", to=steps.item.mail, number=steps.index)
    return steps.sequence(
        steps.set("zero", page=1, rest=None),
        pages,
        steps.sleep("pause", 30).then(check_).repeat_until(check_.output.done),
        mail.for_each(pages.output.customers).named("mails"),
    )


GROUPS = """
- id: offer
  within: 30
  steps:
    - {id: ask, task: t}
    - id: both
      parallel: {x: [{id: one, task: t}], y: [{id: two, wait: {for: 5}}]}
- {id: use, task: t, with: {x: "${ steps.ask.output }"}}
"""


def groups_built(flow: Workflow) -> None:
    offer = flow.within("offer", "30s")
    with offer.body():
        ask = flow.task("ask", "t")
        both = flow.parallel("both")
        with both.branch("x"):
            flow.task("one", "t")
        with both.branch("y"):
            flow.sleep("two", 5)
    flow.task("use", "t", x=ask.output)


def groups_combined() -> Steps:
    ask = steps.task("ask", "t")
    both = steps.parallel("both", x=steps.task("one", "t"), y=steps.sleep("two", 5))
    offer = ask.then(both).with_timeout("1m").with_timeout("30s").named("offer")
    return offer.then(steps.task("use", "t", x=ask.output))


SPELLINGS = {
    "task": (TASK, task_built, task_combined),
    "map": (MAP, map_built, map_combined),
    "call": (CALL, call_built, call_combined),
    "wait, fail": (WAITS, waits_built, waits_combined),
    "choice, parallel": (SPLITS, splits_built, splits_combined),
    "within": (GROUPS, groups_built, groups_combined),
    "loops, set": (LOOPS, loops_built, loops_combined),
}


@pytest.mark.parametrize(("text", "build", "combine"), SPELLINGS.values(), ids=SPELLINGS)
def test_the_spellings_give_one_definition(
    text: str, build: Building, combine: Callable[[], Steps]
) -> None:
    written = read_yaml(f"workflow: w\nsteps:{text.replace(chr(10), chr(10) + '  ')}").definition
    built, combined = Workflow("w"), Workflow("w")
    build(built)
    combined.add(combine())

    assert check(written, CelExpressions()).problems == ()
    assert built.definition() == written
    assert combined.definition() == written
    assert read_yaml(dump(written)).definition == written


def test_updates_have_a_spelling() -> None:
    flow = Workflow("w")
    flow.add(steps.set("first", limit=3))
    limit = flow.update.limit
    flow.accept_update("raise", limit > flow.vars.limit, limit=limit)
    text = """\
workflow: w
steps: [{id: first, set: {limit: 3}}]
updates: {raise: {accept: update.limit > vars.limit, set: {limit: "${ update.limit }"}}}
"""
    assert flow.definition() == read_yaml(text).definition


def test_every_kind_of_step_is_spelt() -> None:
    """A kind that is added to definitions needs its spellings here."""
    kinds = {kind.__struct_config__.tag for kind in Step.__args__}
    found: set[object] = set()
    for text, _, _ in SPELLINGS.values():
        found.update(_kinds(read_yaml(f"workflow: w\nsteps:{text}").definition))

    assert found == kinds


def _kinds(definition: Definition) -> set[object]:
    return {type(spot.step).__struct_config__.tag for spot in spots(definition)}
