"""Arming: what a client asks to be stopped at, and what comes of it in each run that is open.

Requests name lines, names, failures and data; a run that is opened later, because somebody steps
into it, is armed with all of them as well.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from events.limits import DAP_BREAKPOINTS_MAX
from orchestrator.dap import arguments as a
from orchestrator.dap.beginnings import ATTEMPT, RUN, STEP
from orchestrator.dap.breakpoints import (
    EVENT,
    Breakpoint,
    Breakpoints,
    Kind,
    Times,
    holes_in,
    is_expression,
    times_of,
)
from orchestrator.dap.numbering import Numbering, Shown
from orchestrator.dap.refusals import Malformed
from orchestrator.dap.replica import Replica
from orchestrator.dap.sources import Sheet
from orchestrator.kernel.expressions import Expressions
from orchestrator.kernel.instances import static_of

FILTERS = (
    (
        ATTEMPT,
        "Failed attempts",
        "An attempt of a task failed, also when another one follows.",
        False,
    ),
    (STEP, "Failed steps", "A step failed for good, or could not begin.", True),
    (RUN, "Failed run", "The run ended as failed or timed out.", True),
)
DATA = ("vars.", "steps.")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A breakpoint as it was asked for; `wrong` is what is wrong with it, whatever the run."""

    id: int
    line: int = 0
    name: str = ""
    condition: str = ""
    times: Times | None = None
    message: str = ""
    wrong: str = ""


class Arming:
    """Keeps what was asked for. `key_of` gives what two paths of one file have in common."""

    def __init__(
        self, expressions: Expressions, numbering: Numbering, key_of: Callable[[str], str]
    ) -> None:
        self._expressions = expressions
        self._numbering = numbering
        self._key_of = key_of
        self._next = 0
        self._lines: dict[str, tuple[a.Source, tuple[Asked, ...]]] = {}
        self._named: dict[Kind, tuple[Asked, ...]] = {}

    def breakpoints(self, replica: Replica) -> Breakpoints:
        """All that is asked for, in a run that was just opened."""
        made = Breakpoints(replica, self._expressions)
        for place, (source, asked) in self._lines.items():
            made.put(place, self._in_lines(replica, self.sheet(replica, source), asked))
        for kind, asked in self._named.items():
            made.put(kind, _named(kind, asked))
        return made

    def sheet(self, replica: Replica, source: a.Source) -> Sheet | None:
        """The text of a run that a client means."""
        key = self._key_of(source.path) if source.path else ""
        for one in replica.sources.sheets:
            if source.source_reference and one.reference == source.source_reference:
                return one
            if not source.source_reference and one.path and self._key_of(one.path) == key:
                return one
        return None

    # -- in lines ---------------------------------------------------------------------------------

    def lines(self, given: a.SetBreakpoints, armed: Sequence[Breakpoints]) -> list[Shown]:
        """Takes those of one source; the answer."""
        some = given.breakpoints
        if some is None:
            some = [a.SourceBreakpoint(line=line) for line in given.lines]
        _bound(some, "of one source")
        asked = tuple(self._asked_in_line(one) for one in some)
        source = given.source
        place = f"{self._key_of(source.path)}#{source.source_reference}"
        self._lines[place] = source, asked
        answer = [_pending(one) for one in asked]
        for breakpoints in reversed(armed):
            sheet = self.sheet(breakpoints.replica, source)
            breakpoints.put(place, self._in_lines(breakpoints.replica, sheet, asked))
            if sheet is not None:
                answer = [self._placed(sheet, one) for one in asked]
        return answer

    def _asked_in_line(self, given: a.SourceBreakpoint) -> Asked:
        asked = self._asked("", given.condition, given.hit_condition)
        wrong = asked.wrong
        for hole in holes_in(given.log_message):
            wrong = wrong or is_expression(hole, self._expressions)
        line = self._numbering.line(given.line)
        return msgspec.structs.replace(asked, line=line, message=given.log_message, wrong=wrong)

    def _in_lines(
        self, replica: Replica, sheet: Sheet | None, asked: Iterable[Asked]
    ) -> tuple[Breakpoint, ...]:
        found: list[Breakpoint] = []
        for one in asked if sheet is not None else ():
            spotted = sheet.at(one.line) if sheet is not None else None
            if spotted is None or one.wrong or spotted.step not in replica.layout:
                continue
            made = _made("line", one)
            found.append(msgspec.structs.replace(made, step=spotted.step, part=spotted.part))
        return tuple(found)

    def _placed(self, sheet: Sheet, asked: Asked) -> Shown:
        """Where a breakpoint went."""
        spotted = sheet.at(asked.line)
        if asked.wrong or spotted is None:
            reason = asked.wrong or "there is no step in this file"
            return {"id": asked.id, "verified": False, "message": reason, "reason": "failed"}
        place = self._numbering.told({"line": spotted.line, "column": spotted.column})
        what = f"an item of {spotted.step}" if spotted.part == "item" else spotted.step
        told: Shown = {"id": asked.id, "verified": True, "source": sheet.source()}
        return {**told, **place, "message": f"where {what} begins"}

    # -- by name ----------------------------------------------------------------------------------

    def functions(
        self, given: a.SetFunctionBreakpoints, armed: Sequence[Breakpoints]
    ) -> list[Shown]:
        _bound(given.breakpoints, "on names")
        asked = tuple(
            self._asked(one.name.strip(), one.condition, one.hit_condition)
            for one in given.breakpoints
        )
        self._take("function", asked, armed)
        return [self._known(one, armed) for one in asked]

    def exceptions(
        self, given: a.SetExceptionBreakpoints, armed: Sequence[Breakpoints]
    ) -> list[Shown]:
        options = [(one.filter_id, one.condition) for one in given.filter_options]
        some = [*((name, "") for name in given.filters), *options]
        _bound(some, "on failures")
        asked = tuple(self._asked(name, condition, "") for name, condition in some)
        known = [name for name, *_ in FILTERS]
        expected = f"expected one of {', '.join(known)}"
        asked = tuple(
            one
            if one.name in known
            else msgspec.structs.replace(one, wrong=f"there is no filter `{one.name}`: {expected}")
            for one in asked
        )
        self._take("exception", asked, armed)
        return [_answer(one) for one in asked]

    def data(self, given: a.SetDataBreakpoints, armed: Sequence[Breakpoints]) -> list[Shown]:
        _bound(given.breakpoints, "on data")
        asked = tuple(
            self._asked(one.data_id, one.condition, one.hit_condition) for one in given.breakpoints
        )
        asked = tuple(
            one
            if one.name.startswith(DATA)
            else msgspec.structs.replace(
                one, wrong=f"`{one.name[:60]}` is nothing to watch: expected vars.<name>"
            )
            for one in asked
        )
        self._take("data", asked, armed)
        return [_answer(one) for one in asked]

    def _take(self, kind: Kind, asked: tuple[Asked, ...], armed: Sequence[Breakpoints]) -> None:
        self._named[kind] = asked
        for breakpoints in armed:
            breakpoints.put(kind, _named(kind, asked))

    def _asked(self, name: str, condition: str, hit_condition: str) -> Asked:
        self._next += 1
        condition = condition.strip()
        wrong, times = "", None
        if condition:
            wrong = is_expression(condition, self._expressions)
        try:
            times = times_of(hit_condition)
        except ValueError as error:
            wrong = wrong or str(error)
        return Asked(id=self._next, name=name, condition=condition, times=times, wrong=wrong)

    def _known(self, asked: Asked, armed: Sequence[Breakpoints]) -> Shown:
        """Whether some step is called so."""
        if asked.wrong or asked.name.startswith(EVENT):
            return _answer(asked)
        pattern = asked.name.replace("[*]", "")
        for breakpoints in armed:
            steps = breakpoints.replica.layout.stands
            if any(breakpoints.is_called(step, static_of(pattern)) for step in steps):
                return _answer(asked)
        mend = (
            "expected a step's id, `scale[3]`, a task type, or `event:` and a type such as task.*"
        )
        message = f"no step of the workflow is called `{asked.name}`: {mend}"
        return {"id": asked.id, "verified": False, "message": message, "reason": "pending"}


def _named(kind: Kind, asked: Iterable[Asked]) -> tuple[Breakpoint, ...]:
    return tuple(_made(kind, one) for one in asked if not one.wrong)


def _made(kind: Kind, asked: Asked) -> Breakpoint:
    return Breakpoint(
        id=asked.id,
        kind=kind,
        name=asked.name,
        condition=asked.condition,
        times=asked.times,
        message=asked.message,
    )


def _answer(asked: Asked) -> Shown:
    if asked.wrong:
        return {"id": asked.id, "verified": False, "message": asked.wrong, "reason": "failed"}
    return {"id": asked.id, "verified": True}


def _pending(asked: Asked) -> Shown:
    message = asked.wrong or (
        "no open run has its steps in this file: name it as `definition` in the configuration"
    )
    reason = "failed" if asked.wrong else "pending"
    return {"id": asked.id, "verified": False, "message": message, "reason": reason}


def _bound(given: Sequence[object], what: str) -> None:
    if len(given) > DAP_BREAKPOINTS_MAX:
        raise Malformed(f"{len(given)} breakpoints {what}, over {DAP_BREAKPOINTS_MAX}: set fewer")
