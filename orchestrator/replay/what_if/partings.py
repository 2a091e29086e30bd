"""Partings: the first event of a run that would not be as it was, and why, in words.

Of a fact and the one that would be in its place the first difference in outcome is told, and the
choice behind it, if one was made otherwise, with the values that it read.
"""

from collections.abc import Iterable

import msgspec

from events import run_facts as r
from events import task_facts as t
from events.errors import DalsegnoError
from events.facts import Choice, Fact, Flow
from events.net import Arc
from events.values import Value
from orchestrator.kernel.durations import as_text
from orchestrator.kernel.instances import static_of
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.state import RunState
from orchestrator.replay.what_if.outcomes import AS_BEFORE, differences

Kind = str
"""branch, inputs, value, step, task, retry, time, refused, error, end."""


class Parting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`version`: of the first event that would be another one, `event` its name as it was
    recorded, "" where nothing more was; `otherwise` the name of what would be in its place, "" if
    nothing. `about`: what of them differs, `was` and `would_be` that on both sides."""

    version: int
    at: int = 0
    event: str = ""
    otherwise: str = ""
    step: str = ""
    kind: Kind = "step"
    text: str = ""
    about: str = ""
    was: Value | msgspec.UnsetType = msgspec.UNSET
    would_be: Value | msgspec.UnsetType = msgspec.UNSET


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run was, and would have been, before the event `version`."""

    recorded: RunState
    other: RunState
    before: NetIndex
    after: NetIndex
    version: int
    at: int


def early(sides: Sides, at: int) -> Parting | None:
    """A timer that would have been due before `at`, and was not."""
    recorded, other = sides.recorded, sides.other
    if recorded.timers == other.timers or other.paused is not None:
        return None
    due = [
        (due_at, key)
        for key, due_at in other.timers.items()
        if due_at < at and recorded.timers.get(key) != due_at
    ]
    if not due:
        return None
    due_at, key = min(due)
    what, _, step = key.partition(":")
    return Parting(
        version=sides.version,
        at=at,
        step=step,
        kind="time",
        about=f"timer {key}",
        text=f"{TIMERS.get(what, what)}{f' of {step}' if step else ''} would have been over "
        f"before this, at {as_text(due_at)}",
        was=_instant(recorded.timers.get(key)),
        would_be=as_text(due_at),
    )


TIMERS = {
    "run": "the time of the run",
    "start": "schedule-to-start",
    "close": "schedule-to-close",
    "execute": "start-to-close",
    "defer": "start-to-close",
    "retry": "the wait before another attempt",
    "wait": "the wait",
    "until": "the wait",
    "within": "the time",
    "halt": "the halt",
}


def _instant(at: int | None) -> Value | msgspec.UnsetType:
    return msgspec.UNSET if at is None else as_text(at)


def refused(sides: Sides, fact: Fact, error: DalsegnoError) -> Parting:
    """What was asked for would not have been allowed."""
    return Parting(
        version=sides.version,
        at=sides.at,
        event=fact.TYPE,
        step=_step(fact),
        kind="refused",
        text=f"it would have been refused: {error}",
    )


def other_work(sides: Sides, fact: Fact, step: str) -> Parting:
    """Another task does the step."""
    was, now = (_work(net, step) for net in (sides.before, sides.after))
    return Parting(
        version=sides.version,
        at=sides.at,
        event=fact.TYPE,
        otherwise=fact.TYPE,
        step=step,
        kind="task",
        about=f"ready {step}",
        text=f"{step} would be done by {now}, not by {was}",
        was=was,
        would_be=now,
    )


def _work(net: NetIndex, step: str) -> str:
    action = net.steps[static_of(step)].step.action
    body = getattr(action, "body", action)
    return str(getattr(body, "task", "") or getattr(body, "workflow", ""))


def parting(sides: Sides, fact: Fact | None, other: Fact | None) -> Parting:
    """Of a recorded event and what would be in its place; one of them may be missing."""
    base = Parting(
        version=sides.version,
        at=sides.at,
        event="" if fact is None else fact.TYPE,
        otherwise="" if other is None else other.TYPE,
        step=_step(fact) or _step(other),
    )
    if other is None:
        return msgspec.structs.replace(base, kind="time", text=_nothing(sides, fact))
    if fact is None:
        return msgspec.structs.replace(base, kind="end", text=f"the run would go on: {_is(other)}")
    if type(fact) is not type(other):
        return _another(base, fact, other)
    found = sorted(differences(fact, other), key=lambda one: not one[0].startswith("fails "))
    about, was, would_be = found[0]
    choice = _choice(sides, fact, other)
    told = _stuck(other, about) or ", ".join(_told(*one) for one in found[:TOLD_MAX])
    return msgspec.structs.replace(
        base,
        kind="branch" if choice else _kind(about, was, would_be),
        step=about.partition(" ")[2] or base.step,
        about=about,
        text=f"{choice}: {told}" if choice else told,
        was=_value(was),
        would_be=_value(would_be),
    )


def _stuck(other: Fact, about: str) -> str:
    """Why a step would fail, where that is what differs."""
    flow = getattr(other, "flow", None)
    stuck = flow.stuck if isinstance(flow, Flow) else ()
    found = next((one for one in stuck if about == f"fails {one.step}"), None)
    if found is None:
        return ""
    return f"{_named(found.step)} would fail: {found.failure.code}: {found.failure.message}"


def _step(fact: Fact | None) -> str:
    return str(getattr(fact, "step", "") or "")


def _value(value: object) -> Value | msgspec.UnsetType:
    if value is msgspec.UNSET:
        return msgspec.UNSET
    plain: Value = msgspec.to_builtins(value)
    return plain


def _another(base: Parting, fact: Fact, other: Fact) -> Parting:
    kind, text = "step", f"{_is(other)}; recorded: {_is(fact)}"
    retried = (t.AttemptFailed, r.ChildFailed)
    if isinstance(other, retried) and isinstance(fact, t.TaskFailed):
        kind, text = "retry", f"{base.step} would be tried again: {other.why}"
    elif isinstance(fact, retried) and isinstance(other, t.TaskFailed):
        kind, text = "retry", f"{base.step} would not be tried again: {other.why}"
    elif isinstance(other, t.TaskFailed):
        kind = "error"
        text = f"{other.step} would fail: {other.failure.code}: {other.failure.message}"
    elif isinstance(other, r.RunFailed | r.RunTimedOut):
        kind, text = "end", f"the run would end: {other.failure.code}: {other.failure.message}"
    return msgspec.structs.replace(base, kind=kind, text=text)


def _is(fact: Fact) -> str:
    """A fact in a few words."""
    name, step = fact.TYPE.rpartition(".")[0], _step(fact)
    return f"{name} of {step}" if step else name


def _nothing(sides: Sides, fact: Fact | None) -> str:
    """Nothing would follow from what was given."""
    step = _step(fact)
    found = sides.other.steps.get(step)
    for what in ("wait", "until", "retry", "start", "close", "execute", "within"):
        due_at = sides.other.timers.get(f"{what}:{step}")
        if due_at is not None and due_at > sides.at:
            return f"{TIMERS[what]} of {step} would not be over before {as_text(due_at)}"
    if step and found is None:
        return f"{step} would not have been reached"
    if found is not None:
        return f"nothing would follow: {step} would be {found.status}"
    return "nothing would follow"


# -- what differs ---------------------------------------------------------------------------------


def _choice(sides: Sides, fact: Fact, other: Fact) -> str:
    """The first choice that went another way, with what it read; "" if none did."""
    made = {one.step: one for one in _choices(other)}
    for one in _choices(fact):
        now = made.get(one.step)
        if now is not None and now.arc != one.arc:
            where = _leads(sides.after, now)
            read = ", ".join(f"{path} = {_short(value)}" for path, value in now.values.items())
            return f"{_named(one.step)} would take {where}{f' ({read})' if read else ''}"
    return ""


def _named(step: str) -> str:
    return step.partition("/")[0]


def _choices(fact: Fact) -> Iterable[Choice]:
    flow = getattr(fact, "flow", None)
    return flow.choices if isinstance(flow, Flow) else ()


def _leads(net: NetIndex, choice: Choice) -> str:
    arc: Arc = net.arcs[choice.arc]
    return f"the case `{arc.when}`" if arc.when else "its default"


def _short(value: object) -> str:
    if value == AS_BEFORE:
        return AS_BEFORE
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


SHORT = 60
TOLD_MAX = 3
"""Differences of one event that are told."""

WORDS: dict[str, tuple[str, str, str]] = {
    "ready": ("{} would not begin", "{} would begin", "{} would be given {} instead of {}"),
    "waits": ("{} would not be waited for", "{} would wait", "{} would wait for {}, not {}"),
    "calls": ("{} would not be called", "{} would be called", "{} would call {}, not {}"),
    "maps": ("{} would not begin", "{} would begin", "{} would go through {}, not {}"),
    "repeats": ("{} would not begin", "{} would begin", "{} would go through {}, not {}"),
    "sets": ("vars.{} would not be set", "vars.{} would be set", "vars.{} would be {}, not {}"),
    "enters": ("{} would not be entered", "{} would be entered", ""),
    "leaves": ("{} would not be over", "{} would be over", ""),
    "reaches": ("the run would not reach {}", "the run would reach {}", ""),
    "fails": ("{} would not fail", "{} would fail", "{} would fail with {}, not {}"),
    "renews": ("{} would not begin anew", "{} would begin anew", "{} would be given {}, not {}"),
}
"""What is only recorded, what would only be otherwise, and what would be something else."""
KINDS = {"ready": "inputs", "calls": "inputs", "maps": "inputs", "repeats": "inputs"}
VALUES = frozenset({"sets", "output"})


def _kind(about: str, was: object, would_be: object) -> Kind:
    verb = about.partition(" ")[0]
    if verb in VALUES:
        return "value"
    if verb == "fails":
        return "error"
    both = msgspec.UNSET not in (was, would_be)
    return KINDS.get(verb, "step") if both else "step"


def _told(about: str, was: object, would_be: object) -> str:
    verb, _, what = about.partition(" ")
    gone, come, other = WORDS.get(verb, ("", "", ""))
    if msgspec.UNSET not in (was, would_be) and other:
        return other.format(what, _short(would_be), _short(was))
    if msgspec.UNSET not in (was, would_be):
        return f"{about} would be {_short(would_be)}, not {_short(was)}"
    if not what:
        side = "only recorded" if would_be is msgspec.UNSET else "not recorded"
        return f"{about}: {_short(was if would_be is msgspec.UNSET else would_be)} is {side}"
    return (gone if would_be is msgspec.UNSET else come).format(what)
