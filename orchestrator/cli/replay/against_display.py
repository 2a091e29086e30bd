"""What `dalsegno replay --against` shows: of one run where it parts and where it would have gone,
of many which ones differ, and what that comes from."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from events.redaction import redact
from orchestrator.cli.output import (
    BAD,
    DIM,
    GOOD,
    UNSURE,
    clock,
    console,
    counted,
    plain,
    rows,
    status,
    table,
)
from orchestrator.replay.what_if.otherwise import Otherwise
from orchestrator.replay.what_if.partings import Parting
from orchestrator.replay.what_if.verdicts import Verdict, is_open

if TYPE_CHECKING:
    from rich.console import Console

RUNS_SHOWN = 20
CAUSES_SHOWN = 10
STEPS_SHOWN = 20
WHY = {
    "never_ran": "it did not run",
    "other_inputs": "it was given something else",
    "other_task": "another task did it",
    "no_result": "no result of it is recorded",
}


def verdict_json(one: Verdict) -> dict[str, object]:
    """As `--json` shows it."""
    return msgspec.convert(redact(msgspec.to_builtins(one)), dict[str, object])


# -- one run --------------------------------------------------------------------------------------


def print_verdict(one: Verdict) -> None:
    out = console()
    head = f"[bold]{plain(one.run_id)}[/]"
    if one.outcome == "unknown":
        out.print(f"{head} [{UNSURE}]cannot be judged[/]: {plain(one.why)}")
        return
    if one.parting is None:
        far = ", as far as it has come" if is_open(one) else ""
        out.print(f"{head} [{GOOD}]would have gone the same way[/]: {one.events} events{far}")
        return
    out.print(f"{head} [{BAD}]would have gone another way[/], from event {one.parting.version}")
    _print_parting(out, one.parting)
    if one.otherwise is not None:
        _print_otherwise(out, one.otherwise)


def print_started(found: Sequence[Verdict]) -> None:
    """Those of the same workflow that a run has started."""
    if not found:
        return
    out = console()
    others = [one for one in found if one.outcome != "same"]
    said = f"{len(found) - len(others)} of them would have gone the same way"
    out.print(f"\nIt has started {counted(len(found), 'run')} of this workflow; {said}.")
    for one in others[:RUNS_SHOWN]:
        where = "cannot be judged" if one.parting is None else f"event {one.parting.version}"
        why = one.why if one.parting is None else one.parting.text
        out.print(f"[{BAD}]{plain(one.run_id)}[/] {where}: {plain(why)}", soft_wrap=True)
    if len(others) > RUNS_SHOWN:
        out.print(f"[{DIM}]… {len(others) - RUNS_SHOWN} more; --json names all[/]")


def _print_parting(out: "Console", parting: Parting) -> None:
    recorded = parting.event or "nothing more"
    instead = parting.otherwise if parting.otherwise != parting.event else ""
    at = f" at {clock(parting.at)}" if parting.at else ""
    more = f", would be {instead}" if instead else ""
    out.print(f"  event {parting.version}{at}: {recorded}{more}")
    out.print(f"  {plain(parting.text)}", soft_wrap=True)


def _print_otherwise(out: "Console", found: Otherwise) -> None:
    out.print()
    out.print(f"From there on {_end(found)}; {counted(found.same, 'step')} as recorded.")
    if found.steps:
        made = table("step", "would be", "was")
        lines = (
            (plain(one.step), _would_be(one.status, one.output), status(one.was) or "none")
            for one in found.steps[:STEPS_SHOWN]
        )
        out.print(rows(made, lines))
        if len(found.steps) > STEPS_SHOWN:
            out.print(f"[{DIM}]… {len(found.steps) - STEPS_SHOWN} more; --json has all[/]")
    for unknown in found.unknown[:STEPS_SHOWN]:
        out.print(f"[{UNSURE}]unknown[/] what {plain(unknown.step)} returns: {WHY[unknown.why]}")
    for text in found.not_taken:
        out.print(f"[{UNSURE}]refused[/] {plain(text)}")
    if found.cut:
        out.print(f"[{DIM}]It was followed no further.[/]")


def _would_be(text: str, output: bool) -> str:
    return (status(text) or "not reached") + (", with another output" if output else "")


def _end(found: Otherwise) -> str:
    if found.unknown:
        return f"it would be {status(found.status)}, waiting for what nobody knows"
    was = "" if found.was == found.status else f", not {status(found.was)}"
    error = f" ({plain(found.error)})" if found.error else ""
    return f"it would be {status(found.status)}{was}{error}"


# -- many runs ------------------------------------------------------------------------------------


def print_summary(workflow: str, found: Sequence[Verdict], more: bool) -> None:
    out = console()
    differ = [one for one in found if one.parting is not None]
    unknown = [one for one in found if one.outcome == "unknown"]
    same = len(found) - len(differ) - len(unknown)
    open_ = sum(1 for one in found if one.outcome == "same" and is_open(one))
    still = f" ({open_} of them open, as far as they have come)" if open_ else ""
    out.print(
        f"[bold]{plain(workflow)}[/]: {counted(len(found), 'run')}, [{GOOD}]{same}[/] go the same "
        f"way{still}, [{BAD if differ else DIM}]{len(differ)}[/] would go another"
        + (f", [{UNSURE}]{len(unknown)}[/] cannot be judged" if unknown else "")
    )
    if more:
        out.print(f"[{DIM}]There are older ones: --limit takes more of them.[/]")
    if differ:
        _print_causes(out, differ)
        _print_differing(out, differ)
    for one in unknown[:RUNS_SHOWN]:
        out.print(f"[{UNSURE}]unknown[/] {plain(one.run_id)}: {plain(one.why)}")


def _print_causes(out: "Console", differ: Sequence[Verdict]) -> None:
    """What several differ by, those of most runs first."""
    counts = Counter((one.parting.kind, one.parting.step) for one in differ if one.parting)
    first = {
        (one.parting.kind, one.parting.step): one.parting for one in reversed(differ) if one.parting
    }
    out.print()
    for cause, count in counts.most_common(CAUSES_SHOWN):
        text = plain(first[cause].text)
        out.print(f"{counted(count, 'run')}: {text}", soft_wrap=True)
    if len(counts) > CAUSES_SHOWN:
        out.print(f"[{DIM}]… {len(counts) - CAUSES_SHOWN} more causes; --json has all[/]")


def _print_differing(out: "Console", differ: Sequence[Verdict]) -> None:
    out.print()
    made = table("run", "event>", "recorded", "would end", "because")
    lines = (
        (
            plain(one.run_id),
            str(one.parting.version),
            one.parting.event or "none",
            _would_end(one.otherwise),
            plain(one.parting.text),
        )
        for one in differ[:RUNS_SHOWN]
        if one.parting is not None
    )
    out.print(rows(made, lines))
    if len(differ) > RUNS_SHOWN:
        out.print(f"[{DIM}]… {len(differ) - RUNS_SHOWN} more; --json names all[/]")


def _would_end(found: Otherwise | None) -> str:
    if found is None:
        return ""
    return f"[{UNSURE}]unknown[/]" if found.unknown else status(found.status)
