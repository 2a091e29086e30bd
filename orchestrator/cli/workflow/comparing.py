"""`dalsegno workflow diff`: two definitions, step by step."""

from typing import TYPE_CHECKING

import msgspec

from events.redaction import redact
from events.values import Value
from orchestrator.authoring import workflow_version
from orchestrator.authoring.difference import Change, Changed, difference
from orchestrator.cli.common import COMMON, Common
from orchestrator.cli.exits import DONE, FAILED
from orchestrator.cli.output import BAD, DIM, GOOD, UNSURE, console, plain, print_json
from orchestrator.cli.workflow.definitions import AS_IT_IS, Reading
from orchestrator.cli.workflow.registry import SHORT, definition_of

if TYPE_CHECKING:
    from rich.console import Console

MARKS = {"added": ("+", GOOD), "removed": ("-", BAD), "changed": ("~", UNSURE)}


def diff(before: str, after: str, *, reading: Reading = AS_IT_IS, common: Common = COMMON) -> int:
    """Compare two definitions step by step, however their texts are laid out.

    Exit code 0 if they mean the same, 1 if they differ.

    Parameters
    ----------
    before
        A workflow file, or NAME, or NAME@VERSION.
    after
        The same.

    Examples
    --------
    dalsegno workflow diff examples/greet.yaml examples/orders.yaml
    dalsegno workflow diff greet@4be91d1c greet
        What changed since an older version.
    dalsegno workflow diff greet examples/greet.yaml
        What registering the file would change.
    """
    sides = [definition_of(one, reading, common) for one in (before, after)]
    found = difference(*sides)
    versions = [workflow_version(one) for one in sides]
    if common.json:
        told = {"before": versions[0], "after": versions[1], "changes": found}
        print_json(redact(msgspec.to_builtins(told)))
    else:
        out = console()
        names = [f"{one.name}@{v[:SHORT]}" for one, v in zip(sides, versions, strict=True)]
        out.print(f"[bold]{plain(names[0])}[/] → [bold]{plain(names[1])}[/]")
        _show(out, found)
    return FAILED if found else DONE


def _show(out: "Console", found: tuple[Changed, ...]) -> None:
    for one in found:
        mark, colour = MARKS[one.how]
        name = one.step or "(the workflow)"
        out.print(f"[{colour}]{mark} {plain(name)}[/] [{DIM}]{one.how}[/]", soft_wrap=True)
        for change in one.changes:
            _show_change(out, change)
    if not found:
        out.print("no difference")


def _show_change(out: "Console", change: Change) -> None:
    """One line where it is there on one side only, else one for the field and each side."""
    sides = [("-", BAD, change.before), ("+", GOOD, change.after)]
    there = [side for side in sides if side[2] is not msgspec.UNSET]
    if len(there) == 1:
        mark, colour, value = there[0]
        told = f"[{colour}]{mark} {plain(change.field)}: {plain(_text(value))}[/]"
        out.print(f"    {told}", soft_wrap=True)
        return
    out.print(f"    [{DIM}]{plain(change.field)}[/]", soft_wrap=True)
    for mark, colour, value in there:
        out.print(f"      [{colour}]{mark} {plain(_text(value))}[/]", soft_wrap=True)


def _text(value: Value | msgspec.UnsetType) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
