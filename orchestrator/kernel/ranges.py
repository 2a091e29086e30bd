"""Names and ranges: what each single value of a definition, or of a request, may be.

A check of a definition and the door of a coordinator ask here, so that a run's own options obey the
same rules as those that its definition gives.
"""

import math
import re
from collections.abc import Iterator, Mapping

from events.definition import MapStep, WaitStep, WithinStep
from events.limits import INTEGER_MAX, PRIORITY_MAX, Limits
from events.policies import Attribute, Needs, Retry, RunOptions, Timeouts
from events.values import INTEGER_MIN
from orchestrator.kernel.durations import instant, seconds

Shape = re.Pattern[str]
Complaint = tuple[str, str]
"""Path below the policy, and message."""

STEP_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
WORKFLOW_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
SIGNAL_NAME = WORKFLOW_NAME
TASK_TYPE = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
CODE = re.compile(r"\S+")
RESERVED = frozenset({"true", "false", "null", "in"})


_SHAPES = {
    STEP_ID: "letters, digits, `_` and `-`, not beginning with a digit",
    WORKFLOW_NAME: "letters, digits, `_`, `.` and `-`, not beginning with a digit",
    TASK_TYPE: "printable text without space around it",
    VARIABLE: "letters, digits and `_`, not beginning with a digit",
    CODE: "text without spaces",
}


def name_complaint(what: str, name: str, shape: Shape, limits: Limits) -> str:
    """Why `name` is no good `what`; the empty text when it is."""
    if not name:
        return f"{what} is empty: give it a name"
    if len(name) > limits.name_chars_max:
        return f"{what} has {len(name)} characters, over {limits.name_chars_max}: shorten it"
    if not shape.fullmatch(name):
        return f"{what} {name!r} is not valid: use {_SHAPES[shape]}"
    if shape is VARIABLE and name in RESERVED:
        return f"{what} `{name}` is a word of the expression language: choose another"
    return ""


def options_complaints(options: RunOptions, limits: Limits) -> Iterator[Complaint]:
    yield from _duration("timeout", options.timeout_s, limits)
    if options.retry:
        for where, message in retry_complaints(options.retry, limits):
            yield f"retry.{where}", message
    if options.timeouts:
        for where, message in timeouts_complaints(options.timeouts, limits):
            yield f"timeouts.{where}", message
    if not -PRIORITY_MAX <= options.priority <= PRIORITY_MAX:
        yield "priority", f"{options.priority} is not within ±{PRIORITY_MAX}"
    most = options.concurrency_max
    if most is not None and not 1 <= most <= limits.concurrency_max:
        yield "concurrency_max", f"{most} is not within 1 and {limits.concurrency_max}"
    for where, message in tags_complaints(options.tags, limits):
        yield f"tags{where}", message
    for where, message in attributes_complaints(options.attributes, limits):
        yield f"attributes{where}", message
    if len(options.build) > limits.name_chars_max or not options.build.isprintable():
        shown = options.build[:40]
        yield "build", f"{shown!r}: expected {limits.name_chars_max} printable characters at most"


def tags_complaints(tags: Mapping[str, str], limits: Limits) -> Iterator[Complaint]:
    """Tags of a run and labels of a task; the path of one begins with a dot."""
    if len(tags) > limits.tags_max:
        yield "", f"{len(tags)}, over {limits.tags_max}: remove some"
        return
    most = limits.name_chars_max
    for key, text in tags.items():
        if not key:
            yield ".", "a key is empty: give it a name"
        elif len(key) > most or len(text) > most:
            yield f".{key[:most]}", f"over {most} characters: shorten it"


def attributes_complaints(
    attributes: Mapping[str, Attribute], limits: Limits
) -> Iterator[Complaint]:
    """Search attributes: as tags; numbers are finite and have at most 64 bits."""
    texts = {key: one if isinstance(one, str) else "" for key, one in attributes.items()}
    yield from tags_complaints(texts, limits)
    for key, value in attributes.items():
        if isinstance(value, float) and not math.isfinite(value):
            yield f".{key}", f"{value} is no number"
        elif isinstance(value, int) and not INTEGER_MIN <= value <= INTEGER_MAX:
            yield f".{key}", "over 64 bits: write it as text"


def retry_complaints(retry: Retry, limits: Limits) -> Iterator[Complaint]:
    if not 1 <= retry.attempts_max <= limits.attempts_max:
        expected = f"expected 1 to {limits.attempts_max} (1 is no retry)"
        yield "attempts", f"{retry.attempts_max} attempts: {expected}"
    for where, delay in (("initial", retry.initial_s), ("cap", retry.cap_s)):
        if not (math.isfinite(delay) and 0 <= delay <= limits.duration_s_max):
            yield where, f"{delay} s is not within 0 and {limits.duration_s_max:.0f} s"
    if not (math.isfinite(retry.factor) and retry.factor >= 1):
        yield "factor", f"{retry.factor} is below 1: delays would shrink"
    if retry.initial_s > retry.cap_s:
        yield "cap", f"{retry.cap_s} s is below the initial delay of {retry.initial_s} s"
    yield from _codes_complaints(retry, limits)


def _codes_complaints(retry: Retry, limits: Limits) -> Iterator[Complaint]:
    both = sorted(set(retry.retryable_codes) & set(retry.permanent_codes))
    if both:
        yield "permanent", f"{', '.join(both)} cannot be retryable and permanent"
    for where, codes in (
        ("retryable", retry.retryable_codes),
        ("permanent", retry.permanent_codes),
    ):
        if len(codes) > limits.codes_max:
            yield where, f"{len(codes)} codes, over {limits.codes_max}: name fewer"
            continue
        for index, code in enumerate(codes):
            if message := name_complaint("the code", code, CODE, limits):
                yield f"{where}[{index}]", message


def timeouts_complaints(timeouts: Timeouts, limits: Limits) -> Iterator[Complaint]:
    yield from _duration("schedule_to_start", timeouts.schedule_to_start_s, limits)
    yield from _duration("start_to_close", timeouts.start_to_close_s, limits)
    yield from _duration("schedule_to_close", timeouts.schedule_to_close_s, limits)
    yield from _duration("heartbeat", timeouts.heartbeat_s, limits)


def needs_complaints(needs: Needs) -> Iterator[Complaint]:
    amounts = {
        "cpu": needs.cpu,
        "memory": needs.memory_bytes,
        "disk": needs.disk_bytes,
        "gpu": needs.gpu,
        **{f"custom.{name}": amount for name, amount in needs.custom.items()},
    }
    for where, amount in amounts.items():
        if not (math.isfinite(amount) and amount >= 0):
            yield where, f"{amount} is not an amount: expected 0 or more"


def map_complaints(step: MapStep, limits: Limits) -> Iterator[Complaint]:
    most = limits.concurrency_max
    if not 1 <= step.concurrency <= most:
        yield "concurrency", f"{step.concurrency} is not within 1 and {most}"
    most = limits.map_items_max
    if step.batch is not None and not 1 <= step.batch <= most:
        yield "batch", f"{step.batch} is not within 1 and {most}"
    number = step.number
    if step.complete_when == "count" and not (1 <= number <= most and number == int(number)):
        yield "complete_when.count", f"{number:g}: expected a whole number from 1 to {most}"
    elif step.complete_when == "percent" and not 0 < number <= 100:
        yield "complete_when.percent", f"{number:g}: expected more than 0 and at most 100"


def wait_complaints(step: WaitStep, limits: Limits) -> Iterator[Complaint]:
    """What is wrong with the constant times of a wait; what is an expression may give anything."""
    if isinstance(step.duration, str) and "${" in step.duration:
        pass
    elif step.duration is not None:
        try:
            duration_s = seconds(step.duration)
        except ValueError as error:
            yield "for", str(error)
        else:
            if duration_s > limits.duration_s_max:
                yield "for", f"{duration_s} s is over {limits.duration_s_max:.0f} s: wait until"
    if step.until and "${" not in step.until:
        try:
            instant(step.until)
        except ValueError as error:
            yield "until", str(error)
    yield from _duration("timeout", step.timeout_s, limits)


def within_complaints(step: WithinStep, limits: Limits) -> Iterator[Complaint]:
    """What is wrong with the limit of time of a group of steps."""
    if not 0 < step.timeout_s <= limits.duration_s_max:
        expected = f"expected more than 0 and at most {limits.duration_s_max:.0f} s"
        yield "within", f"{step.timeout_s:g} s: {expected}"


def _duration(where: str, seconds: float | None, limits: Limits) -> Iterator[Complaint]:
    if seconds is not None and not 0 < seconds <= limits.duration_s_max:
        expected = f"expected more than 0 and at most {limits.duration_s_max:.0f} s"
        yield where, f"{seconds} s: {expected}, or leave it out for no limit"
