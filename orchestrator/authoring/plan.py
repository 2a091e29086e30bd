"""Plan: what a definition would do, in which order, before anything of it runs.

Lists of steps are cut into stages: a step's stage is one more than the highest of those it waits
for, so steps of one stage may run at the same time. What lies inside a step (cases, branches, the
body of a loop, error handlers) is a list of its own with stages of its own.
"""

from collections.abc import Iterator
from typing import assert_never

import msgspec

from events.definition import (
    CallStep,
    ChoiceStep,
    Definition,
    FailStep,
    ForEachStep,
    LoopStep,
    MapStep,
    ParallelStep,
    SetStep,
    Step,
    TaskStep,
    UntilStep,
    WaitStep,
    WhileStep,
    WithinStep,
)
from events.policies import Retry, RunOptions, Timeouts
from orchestrator.authoring.order import order
from orchestrator.authoring.outline import BODY, Block, Node, handlers_of, outline, waits
from orchestrator.kernel.durations import duration_text
from orchestrator.kernel.expressions import Expressions
from orchestrator.kernel.retry import delay_s

VERSION_CHARS = 12
SHOWN_ATTEMPTS = 10
"""Attempts of a retry schedule that are worked out one by one."""


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A step, or (`id` empty) the head of a list of steps inside one. `depth` counts the lists that
    it lies in. `after`: ids of the steps of its list that it waits for. `retry` and `timeouts` are
    those that hold for it, the run's where it has none."""

    depth: int
    what: str
    id: str = ""
    stage: int = 0
    after: tuple[str, ...] = ()
    when: str = ""
    task: str = ""
    retry: Retry | None = None
    timeouts: Timeouts | None = None


class Window(msgspec.Struct, frozen=True):
    """When an attempt can begin at the soonest, in seconds after the first one, and the latest
    that the jitter allows; if every attempt failed at once."""

    earliest_s: float
    latest_s: float


def plan(definition: Definition, expressions: Expressions) -> tuple[Planned, ...]:
    """The rows of a definition that has been checked, in the order of the text."""
    return tuple(_block(outline(definition, expressions), definition.options, 0))


def schedule(retry: Retry, attempts_max: int = SHOWN_ATTEMPTS) -> tuple[Window, ...]:
    """When the attempts begin, at most `attempts_max` of them."""
    found, low, high, previous = [Window(0.0, 0.0)], 0.0, 0.0, 0.0
    for counted in range(1, min(retry.attempts_max, attempts_max)):
        low += delay_s(retry, counted, 0.0, 0.0)
        previous = delay_s(retry, counted, previous, 1.0)
        high += previous
        found.append(Window(low, high))
    return tuple(found)


def _block(block: Block, options: RunOptions, depth: int) -> Iterator[Planned]:
    waiting = waits(block)
    stages = _stages(order(waiting).after)
    for index, node in enumerate(block.nodes):
        after = tuple(block.nodes[wait.index].step.id for wait in waiting[index])
        yield _planned(node.step, options, depth, stages[index], after)
        yield from _inside(node, options, depth + 1)


def _stages(after: tuple[int, ...]) -> list[int]:
    """One more than the longest way of waits; the bit set of a step holds those of all that it
    comes after, so fewer bits come first."""
    stages = [1] * len(after)
    for index in sorted(range(len(after)), key=lambda place: after[place].bit_count()):
        before = (stages[other] for other in range(len(after)) if after[index] >> other & 1)
        stages[index] = max(before, default=0) + 1
    return stages


def _planned(
    step: Step, options: RunOptions, depth: int, stage: int, after: tuple[str, ...]
) -> Planned:
    works = step if isinstance(step, TaskStep | MapStep) else None
    return Planned(
        depth=depth,
        what=_what(step),
        id=step.id,
        stage=stage,
        after=after,
        when=step.when or "",
        task=works.task if works else "",
        retry=_retry(step, options),
        timeouts=(works.timeouts or options.timeouts) if works else None,
    )


def _retry(step: Step, options: RunOptions) -> Retry | None:
    if isinstance(step, TaskStep | MapStep):
        return step.retry or options.retry
    return step.retry if isinstance(step, CallStep) else None


def _inside(node: Node, options: RunOptions, depth: int) -> Iterator[Planned]:
    for place, block in enumerate(node.blocks):
        yield Planned(depth=depth, what=_head(node, block, place))
        yield from _block(block, options, depth + 1)


def _head(node: Node, block: Block, place: int) -> str:
    step = node.step
    handlers = handlers_of(step)
    first_handler = len(node.blocks) - len(handlers)
    if place >= first_handler:
        codes = handlers[place - first_handler].codes
        return f"on error {', '.join(codes)}" if codes else "on any error"
    if isinstance(step, ChoiceStep):
        case = step.cases[place] if place < len(step.cases) else None
        return "otherwise" if case is None else f"if {case.when}"
    if isinstance(step, WithinStep):
        return "in this time"
    return "each time" if block.label == BODY else f"branch {block.label}"


def _what(step: Step) -> str:
    """The step in a few words."""
    match step:
        case TaskStep():
            return f"task {step.task}"
        case SetStep():
            return f"set {', '.join(step.variables)}"
        case FailStep():
            return f"fail the run as {step.code}"
        case WaitStep():
            return _wait(step)
        case MapStep():
            return _map(step)
        case CallStep(version=version):
            return f"run workflow {step.workflow}{'@' if version else ''}{version[:VERSION_CHARS]}"
        case _:
            return _holds(step)


def _holds(step: ChoiceStep | ParallelStep | LoopStep | WithinStep) -> str:
    match step:
        case ChoiceStep():
            return "choose the first case that holds"
        case ParallelStep():
            return f"{len(step.branches)} branches at the same time"
        case WhileStep():
            return f"repeat while {step.condition}, at most {step.iterations_max} times"
        case UntilStep():
            return f"repeat until {step.condition}, at most {step.iterations_max} times"
        case ForEachStep():
            return f"one by one for each of {_text(step.items)}"
        case WithinStep():
            return f"all within {step.timeout_s:g} s"
        case _:
            assert_never(step)


def _map(step: MapStep) -> str:
    return (
        f"task {step.task} for each of {_text(step.items)}, "
        f"{step.concurrency} at the same time, {_rule(step)}"
    )


def _wait(step: WaitStep) -> str:
    if step.signal:
        patience = "" if step.timeout_s is None else f", {duration_text(step.timeout_s)} at most"
        return f"wait for signal {step.signal}{patience}"
    if step.until:
        return f"wait until {step.until}"
    if isinstance(step.duration, float):
        return f"wait {duration_text(step.duration)}"
    return f"wait {_text(step.duration)}"


def _rule(step: MapStep) -> str:
    if step.complete_when in {"count", "percent"}:
        unit = "items" if step.complete_when == "count" else "% of the items"
        return f"done when {step.number:g} {unit} completed"
    return {
        "all": "all must complete",
        "any": "done when one completed",
        "fail_fast": "the first failure ends it",
        "collect": "failures are collected",
    }[step.complete_when]


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
