"""Comparing two runs: where they first say something else, why, and what else differs.

Events of two runs cannot be laid side by side as they come: branches overtake each other. So things
are compared (see `told`), each with the same thing of the other run, whenever that was said. What
differs is ordered as the runs said it, so nothing that differs comes before the first divergence.

The cause of a difference is sought backwards through what the workflow reads: a choice read these
values; a step was given these inputs, which its definition takes from an output, a variable, the
input; those differ, or they do not, and then the cause is the step itself, or the definition.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Literal

import msgspec

from events.codec import encode
from events.limits import COMPARED_CHANGES_MAX
from orchestrator.insight.comparing.blaming import Blame, Cause
from orchestrator.insight.comparing.told import PATH, Key, Thing, Told, name_of, tell
from orchestrator.insight.timelines.spans import Timeline
from orchestrator.insight.timelines.timeline import timeline
from orchestrator.kernel.expressions import Expressions
from orchestrator.replay.differences import Change, between
from orchestrator.replay.recording import Recording

GIVEN = frozenset({"input", "inputs"})
ALONE = frozenset({"choice", "iteration", "outcome", "variable", "end", "result"})
"""Kinds that tell something where only one of the two has it. Of a step, that only one has come to
it says all."""
How = Literal["both", "only_a", "only_b"]


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two runs, `a` or `b`. Instants in microseconds. `source`: what it is a fork of."""

    run_id: str
    workflow: str
    workflow_version: str
    status: str
    events: int
    begun_at: int
    until: int
    source: str = ""
    source_version: int = 0


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the two say differently, or only one of them. `changes`: of its value, inside.
    `more`: changes that are left out."""

    key: Key
    how: How
    a: Thing | None
    b: Thing | None
    changes: tuple[Change, ...] = ()
    more: bool = False

    @property
    def is_path(self) -> bool:
        return self.key.kind in PATH


class Lasted(msgspec.Struct, frozen=True, kw_only=True):
    """How long a step lasted, microseconds, and how many attempts it took; None: it was not
    there, or was done by the run that this one is forked from."""

    step: str
    a: int | None
    b: int | None
    attempts_a: int = 0
    attempts_b: int = 0

    @property
    def apart(self) -> int:
        return (self.b or 0) - (self.a or 0)


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """`first`: the first divergence; where that is the input, `then` is the first that is not.
    `cause`: the first on the path, back to what it comes from;
    where there is but one path, the result of the run. `shared`: the version up to which both have
    the history of the run `shared_with`; 0: they have none in common. `definition`: steps that are
    not the same in both."""

    a: Side
    b: Side
    shared: int
    shared_with: str
    same_definition: bool
    definition: tuple[str, ...]
    first: Difference | None
    then: Difference | None
    cause: Cause | None
    path: tuple[Difference, ...]
    data: tuple[Difference, ...]
    time: tuple[Lasted, ...]

    @property
    def same(self) -> bool:
        """Whether they took the same path with the same values."""
        return not self.path and not self.data


def compare(a: Recording, b: Recording, expressions: Expressions) -> Comparison:
    """What is different in `b`. O(events). Raises as a cursor does."""
    told_a, told_b = tell(a), tell(b)
    found = list(_differences(told_a, told_b))
    blame = Blame(told_a, told_b, expressions)
    path = [one for one in found if one.is_path]
    data = [one for one in found if not one.is_path]
    first = min(found, key=_place, default=None)
    then = min((one for one in found if one.key.kind not in GIVEN), key=_place, default=None)
    result = next((one for one in data if one.key.kind == "result"), first)
    parting = min(path, key=_place, default=result)
    shared_with, shared = _shared(a, b)
    lines = timeline(a.run_id, a.events(), a.net), timeline(b.run_id, b.events(), b.net)
    return Comparison(
        a=_side(told_a, lines[0]),
        b=_side(told_b, lines[1]),
        shared=shared,
        shared_with=shared_with,
        same_definition=(a.workflow, a.workflow_version) == (b.workflow, b.workflow_version),
        definition=tuple(blame.changed_steps()),
        first=first,
        then=then if first is not None and first.key.kind == "input" else None,
        cause=None if parting is None else blame.of(parting.key),
        path=tuple(sorted(path, key=_place)),
        data=tuple(sorted(data, key=_place)),
        time=tuple(_times(*lines)),
    )


def _place(one: Difference) -> tuple[bool, int]:
    """The end comes last, wherever it stands: it is what all else leads to."""
    ordinals = [thing.ordinal for thing in (one.a, one.b) if thing is not None]
    return one.key.kind in {"end", "result"}, min(ordinals)


def _differences(a: Told, b: Told) -> Iterator[Difference]:
    """What a run that still goes on has not come to yet is no difference."""
    for key, thing in a.things.items():
        other = b.things.get(key) or _last_setting(b, key)
        if other is None:
            if key.kind in ALONE and b.state.terminal:
                yield Difference(key=key, how="only_a", a=thing, b=None)
        elif encode(thing.value) != encode(other.value):
            yield _changed(key, thing, other)
        elif _said(thing) != _said(other):
            yield Difference(key=key, how="both", a=thing, b=other)
    for key, thing in b.things.items():
        if key in a.things:
            continue
        other = _last_setting(a, key)
        if other is not None and encode(thing.value) != encode(other.value):
            yield _changed(key, other, thing)
        elif other is None and key.kind in ALONE and a.state.terminal:
            yield Difference(key=key, how="only_b", a=None, b=thing)


def _last_setting(told: Told, key: Key) -> Thing | None:
    """What a variable was to the end in the run that has set it fewer times."""
    known = told.settings.get(key.name, []) if key.kind == "variable" else []
    return known[-1] if known and told.state.terminal else None


def _said(thing: Thing) -> str:
    return "" if thing.failure is None else thing.failure.message


def _changed(key: Key, a: Thing, b: Thing) -> Difference:
    found = list(islice(between(name_of(key), a.value, b.value), COMPARED_CHANGES_MAX + 1))
    changes, more = tuple(found[:COMPARED_CHANGES_MAX]), len(found) > COMPARED_CHANGES_MAX
    return Difference(key=key, how="both", a=a, b=b, changes=changes, more=more)


def _side(told: Told, line: Timeline) -> Side:
    recording = told.recording
    return Side(
        run_id=recording.run_id,
        workflow=recording.workflow,
        workflow_version=recording.workflow_version,
        status=told.state.status,
        events=recording.last,
        begun_at=line.begun_at,
        until=line.until,
        source=line.source,
        source_version=line.source_version,
    )


def _shared(a: Recording, b: Recording) -> tuple[str, int]:
    """The run and the version up to which both have one history; 0: they have none."""
    upto = _ancestry(b)
    both = ((run_id, min(last, upto.get(run_id, 0))) for run_id, last in _ancestry(a).items())
    return next((one for one in both if one[1]), ("", 0))


def _ancestry(recording: Recording | None) -> dict[str, int]:
    """The run itself and those that it was forked from, each with its last version there."""
    found: dict[str, int] = {}
    while recording is not None:
        found[recording.run_id] = recording.last
        recording = recording.source
    return found


def _times(a: Timeline, b: Timeline) -> Iterator[Lasted]:
    """Of all steps of either, as `a` has them, then those that only `b` has."""
    rows_a = {row.name: row for row in a.rows if not row.is_item}
    rows_b = {row.name: row for row in b.rows if not row.is_item}
    for name in dict.fromkeys([*rows_a, *rows_b]):
        row_a, row_b = rows_a.get(name), rows_b.get(name)
        yield Lasted(
            step=name,
            a=None if row_a is None else row_a.length(a.until),
            b=None if row_b is None else row_b.length(b.until),
            attempts_a=0 if row_a is None else row_a.attempts,
            attempts_b=0 if row_b is None else row_b.attempts,
        )
