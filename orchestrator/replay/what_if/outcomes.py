"""Outcomes: of a fact, what became of a run by it, apart from how that was decided and written.

Two facts have the same outcome when the run is as far by the one as by the other: the same steps
are ready with the same inputs, wait for the same, have failed or ended the same way, and the same
values are set. Which condition led there, what it read, on which arcs tokens lie, when timeouts
end and what a message says, is no outcome. So a definition may be written otherwise, and its runs
still have the outcomes that they had.
"""

from collections.abc import Callable, Iterator, Mapping

import msgspec

from events.facts import Called, Enabled, Fact, Failure, Flow, Looping, Mapped, Stuck, Waiting
from events.run_facts import Renewed

UNSAID = frozenset(
    {
        "backup",
        "build_id",
        "by",
        "delay_s",
        "detail",
        "digest",
        "due_at",
        "ended_at",
        "forgotten",
        "incarnation",
        "kills",
        "killed",
        "next_attempt_at",
        "node",
        "options",
        "origin",
        "output_bytes",
        "placement",
        "reason",
        "run_id",
        "said",
        "shift_us",
        "start_due_at",
        "started_at",
        "task",
        "usage",
        "values",
        "when",
        "why",
        "workflow_version",
    }
)
"""Fields of facts that say when, where, by whom and why, and what follows from other fields."""

SETS = frozenset({"cancelled", "recalled", "unsettled", "undone", "retried"})
"""Names in no order."""

AS_BEFORE = "what it had been given"
"""By a step that begins anew with the inputs that it had."""

encode = msgspec.json.Encoder(order="sorted").encode
_plain = msgspec.json.Encoder().encode

Outcome = dict[str, object]
"""What became of a run, by what it is about: `ready bill`, `sets price`, `output`."""


def same(one: Fact, other: Fact) -> bool:
    """Whether two facts have the same outcome. Most are equal, which is found out first."""
    if type(one) is not type(other):
        return False
    return _plain(one) == _plain(other) or encode(outcome(one)) == encode(outcome(other))


def outcome(fact: Fact) -> Outcome:
    """What became of a run by a fact."""
    found: Outcome = {}
    for name in fact.__struct_fields__:
        if name not in UNSAID:
            found.update(_field(name, getattr(fact, name)))
    return found


def differences(one: Fact, other: Fact) -> Iterator[tuple[str, object, object]]:
    """What two facts of one kind differ in, with both sides; UNSET where one says nothing of it."""
    before, after = outcome(one), outcome(other)
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name, msgspec.UNSET), after.get(name, msgspec.UNSET)
        if msgspec.UNSET in (old, new) or encode(old) != encode(new):
            yield name, old, new


def _field(name: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Flow):
        yield from _flow(value)
    elif isinstance(value, Failure):
        yield name, value.code
    elif isinstance(value, Called):
        yield from _called(value)
    elif name == "renewed" and isinstance(value, tuple):
        for one in value:
            yield from _renewed(one)
    elif name == "variables" and isinstance(value, dict):
        yield from ((f"sets {variable}", set_) for variable, set_ in value.items())
    elif name in SETS and isinstance(value, tuple):
        yield name, sorted(value)
    elif value not in (None, "", 0, ()) or name == "output":
        yield name, value


# -- flows ----------------------------------------------------------------------------------------


def _flow(flow: Flow) -> Iterator[tuple[str, object]]:
    for read, several in FLOWS:
        for one in getattr(flow, several):
            yield from read(one)
    for variable, value in flow.variables.items():
        yield f"sets {variable}", value
    for name in flow.entered:
        yield f"enters {name}", True
    for name in flow.left:
        yield f"leaves {name}", True
    if flow.ended:
        yield "reaches the end", True


def _enabled(one: Enabled) -> Iterator[tuple[str, object]]:
    yield f"ready {one.step}", one.inputs


def _waiting(one: Waiting) -> Iterator[tuple[str, object]]:
    yield f"waits {one.step}", (one.signal, one.correlation, one.absolute)


def _looping(one: Looping) -> Iterator[tuple[str, object]]:
    yield f"repeats {one.step}", one.items


def _mapped(one: Mapped) -> Iterator[tuple[str, object]]:
    yield f"maps {one.step}", (one.items, 0 if one.cut is None else one.cut.count)


def _called(one: Called) -> Iterator[tuple[str, object]]:
    yield f"calls {one.step}", (one.workflow, one.input, one.attempt)


def _stuck(one: Stuck) -> Iterator[tuple[str, object]]:
    yield f"fails {one.step}", one.failure.code


def _renewed(one: Renewed) -> Iterator[tuple[str, object]]:
    called = None if one.call is None else (one.call.workflow, one.call.input)
    yield f"renews {one.step}", called or (AS_BEFORE if one.inputs is None else one.inputs)


FLOWS: tuple[tuple[Callable[..., Iterator[tuple[str, object]]], str], ...] = (
    (_enabled, "enabled"),
    (_waiting, "waiting"),
    (_looping, "loops"),
    (_mapped, "maps"),
    (_called, "calls"),
    (_stuck, "stuck"),
)
"""What a flow leads to, by field; the others say how."""

FLOW_UNSAID: Mapping[str, str] = {
    "tokens": "where the run stands between steps follows from what it leads to",
    "choices": "a choice is what it leads to",
    "skipped": "what does not run has no outcome",
    "turned": "what is to be decided next is decided by the next facts",
    "moved": "how far a map is follows from its items",
    "limited": "only says until when",
}
"""Fields of a flow that are no outcome, and why; a test holds both complete."""
