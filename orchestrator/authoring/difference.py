"""Difference: what changed from one definition to another, step by step and not by text.

Step ids are unique in a definition, so a step is the same step wherever it stands and however the
text around it was laid out.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from events.definition import ChoiceStep, Definition, ParallelStep, Step
from events.values import Value
from orchestrator.authoring.outline import BODY, inner_blocks

Form = dict[str, Value]
INSIDE = ("steps", "default")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """`field` is the path of what differs: `retry.attempts_max`, `place`. A side where it is not
    there at all is unset."""

    field: str
    before: Value | msgspec.UnsetType = msgspec.UNSET
    after: Value | msgspec.UnsetType = msgspec.UNSET


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A step that differs; `step` is empty for the workflow itself."""

    step: str
    how: Literal["added", "removed", "changed"]
    changes: tuple[Change, ...] = ()


def difference(before: Definition, after: Definition) -> tuple[Changed, ...]:
    """The workflow itself, then steps in the order of `after`, those removed at the end."""
    old, new = _forms(before), _forms(after)
    found: list[Changed] = []
    for step, form in new.items():
        if step not in old:
            found.append(Changed(step=step, how="added", changes=_changes({}, form)))
        elif changes := _changes(old[step], form):
            found.append(Changed(step=step, how="changed", changes=changes))
    for step, form in old.items():
        if step not in new:
            found.append(Changed(step=step, how="removed", changes=_changes(form, {})))
    return tuple(found)


def _forms(definition: Definition) -> dict[str, Form]:
    """Every step by its id, without the steps inside it; the workflow itself as ``""``."""
    whole = _plain(definition)
    whole.pop("steps", None)
    return {"": whole, **dict(_steps(definition.steps, "the workflow"))}


def _steps(steps: tuple[Step, ...], place: str) -> Iterator[tuple[str, Form]]:
    """`place`: the list of steps that each stands in; `follows`: the one before it there, for which
    it waits. A checked definition is not deep."""
    before: str | None = None
    for step in steps:
        form = _plain(step)
        del form["id"]
        follows: Form = {} if step.depends_on is not None else {"follows": before}
        yield step.id, {"kind": form.pop("type"), **_own(form), "place": place, **follows}
        before = step.id
        for label, inside in inner_blocks(step):
            yield from _steps(inside, f"{step.id}, {_label(step, label)}")


def _label(step: Step, label: str) -> str:
    if isinstance(step, ParallelStep):
        return f"branch {label}"
    if isinstance(step, ChoiceStep):
        return label if label == "default" else f"case {label}"
    return label if label == BODY else f"on error {label.removeprefix('error')}"


def _plain(part: Definition | Step) -> Form:
    """As it is in JSON: what a default is, is not there."""
    return msgspec.json.decode(msgspec.json.encode(part), type=dict[str, Value])


def _own(form: Form) -> Form:
    """A step without the steps inside it: of cases, branches and handlers what tells them apart."""
    kept = _without_steps(form)
    for key in ("cases", "on_error"):
        parts = kept.get(key)
        if isinstance(parts, list):
            kept[key] = [_without_steps(one) for one in parts if isinstance(one, dict)]
    if isinstance(branches := kept.get("branches"), dict):
        kept["branches"] = list(branches)
    return kept


def _without_steps(part: Form) -> Form:
    return {key: value for key, value in part.items() if key not in INSIDE}


def _changes(old: Form, new: Form) -> tuple[Change, ...]:
    return tuple(_compare("", old, new))


def _compare(path: str, old: Form, new: Form) -> Iterator[Change]:
    for key in dict.fromkeys((*old, *new)):
        where = f"{path}.{key}".lstrip(".")
        before, after = old.get(key, msgspec.UNSET), new.get(key, msgspec.UNSET)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _compare(where, before, after)
        elif before != after or type(before) is not type(after):
            yield Change(field=where, before=before, after=after)
