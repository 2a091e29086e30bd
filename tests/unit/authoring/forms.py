"""A document with every key of the authored form, and damages to documents."""

from collections.abc import Iterator
from copy import deepcopy

import yaml

from events.values import Value

WHOLE = """\
$schema: workflow.schema.json
workflow: whole
description: every key once
options:
  timeout: 10m
  error_policy: finish_others
  retry:
    {attempts: 3, kind: linear, initial: 1s, factor: 2, cap: 1m, retryable: [x], permanent: [y]}
  timeouts: {schedule_to_start: 5, start_to_close: 1m30s, schedule_to_close: PT1H, heartbeat: 1.5s}
  tags: {team: a}
  attributes: {amount: 2.5, vip: true, city: Oslo, count: 3}
  priority: 3
  concurrency_max: 10
  build: pinned
  personal: true
steps:
  - id: fetch
    task: shop.fetch
    with: {url: "${ input.url }"}
    retry: {attempts: 3}
    timeouts: {start_to_close: 1m}
    needs: {cpu: 1.5, memory: 512MB, disk: 1 GiB, gpu: 1, custom: {licence: 1}}
    labels: {zone: a}
    depends_on: []
    when: has(input.url)
    on_error: [{codes: [gone], steps: [{id: sorry, set: {page: null}}]}]
  - id: route
    choice:
      - {when: input.n > 3, steps: [{id: stop, fail: {code: too_many, message: m}}]}
      - default: []
  - id: both
    parallel: {left: [{id: l, task: t}], right: [{id: r, task: t}]}
  - {id: pause, wait: {for: 5m}, on_error: [{steps: []}]}
  - {id: eve, wait: {until: "2026-12-24T18:00:00Z"}}
  - {id: approval, wait: {signal: approved, correlation: 3, timeout: 2d}}
  - {id: going, while: "false", steps: [{id: w, task: t}], max: 3, on_error: []}
  - {id: settled, until: "true", steps: [{id: u, task: t}], max: 3, on_error: []}
  - {id: soon, within: 30s, steps: [{id: h, task: t}], on_error: []}
  - {id: each, for_each: [1, 2], steps: [{id: f, task: t}], max: 3, on_error: []}
  - id: scale
    map:
      items: ${ input.files }
      task: t
      with: {file: "${ iteration.item }"}
      retry: {attempts: 2}
      timeouts: {heartbeat: 1m}
      needs: {cpu: 1}
      labels: {zone: b}
      concurrency: 5
      batch: 10
      complete_when: {count: 3}
    on_error: []
  - {id: part, map: {items: [], task: t, complete_when: {percent: 95}}}
  - id: ship
    call: {workflow: shipping, version: abc, input: {order: 1}}
    retry: {attempts: 2}
    on_error: []
output: {page: "${ vars.page }"}
updates: {raise: {accept: update.n > 3, set: {page: "${ update.n }"}}}
"""
ODD: tuple[Value, ...] = (None, True, 7, -1, 2.5, "", "text", "${ input.x }", [], [7], {}, {"x": 7})


def whole() -> dict[str, Value]:
    """The document as data."""
    found: dict[str, Value] = yaml.safe_load(WHOLE)
    return found


def parts() -> Iterator[Value]:
    """The same in small documents: its head with the first step, and each other step."""
    document = whole()
    found = document["steps"]
    assert isinstance(found, list)
    yield {**document, "steps": found[:1]}
    for step in found[1:]:
        yield {"workflow": "part", "steps": [step]}


def damaged(document: Value) -> Iterator[Value]:
    """The document with one key less, one more, or one value replaced, in every place."""
    for path in [*paths(document)]:
        for odd in ODD:
            yield replaced(document, path, odd)
        found = at(document, path)
        if isinstance(found, dict):
            yield replaced(document, path, {**found, "surplus": 7})
            for key in found:
                less = {name: inner for name, inner in found.items() if name != key}
                yield replaced(document, path, less)


Path = tuple[str | int, ...]


def paths(value: Value, above: Path = ()) -> Iterator[Path]:
    yield above
    inner = value.items() if isinstance(value, dict) else ()
    numbered = enumerate(value) if isinstance(value, list) else ()
    for key, below in [*inner, *numbered]:
        yield from paths(below, (*above, key))


def at(value: Value, path: Path) -> Value:
    for key in path:
        value = value[key]  # type: ignore[index]
    return value


def replaced(document: Value, path: Path, instead: Value) -> Value:
    if not path:
        return instead
    found = deepcopy(document)
    at(found, path[:-1])[path[-1]] = deepcopy(instead)  # type: ignore[index]
    return found
