"""Inspecting: the answers to what a client asks while it stands still."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from events.facts import Failure
from events.limits import DAP_TARGETS_MAX, DAP_VARIABLES_MAX
from events.values import Value, admit
from orchestrator.dap import arguments as a
from orchestrator.dap.arming import DATA, Arming
from orchestrator.dap.console import completions, evaluated
from orchestrator.dap.level import Level
from orchestrator.dap.looking import Look
from orchestrator.dap.moving import Stop
from orchestrator.dap.numbering import Numbering, Shown
from orchestrator.dap.refusals import DapRefused, Malformed, ReadOnly, Stale
from orchestrator.dap.replica import At
from orchestrator.dap.scopes import Scopes, instant
from orchestrator.dap.sources import Sheet
from orchestrator.dap.stacks import Frame, Threads, caller, frames, shown_frame
from orchestrator.dap.values import Inside, References, Row
from orchestrator.kernel.expressions import ExpressionFailed, Expressions
from orchestrator.kernel.instances import static_of


class Inspecting:
    """Over the runs that are open, the innermost last. All numbers that it gives out hold until
    `forget`."""

    def __init__(
        self,
        levels: list[Level],
        expressions: Expressions,
        arming: Arming,
        numbering: Numbering,
    ) -> None:
        self._levels = levels
        self._expressions = expressions
        self._arming = arming
        self._numbering = numbering
        self.threads = Threads()
        self.references = References()
        self._frames: dict[int, Frame] = {}
        self._targets: dict[int, At] = {}
        self._next = 1

    def forget(self) -> None:
        """The session stands somewhere else."""
        self.references.forget()
        self._frames.clear()
        self._targets.clear()

    @property
    def _top(self) -> Level:
        return self._levels[-1]

    # -- threads and frames -----------------------------------------------------------------------

    def thread_rows(self) -> list[Shown]:
        return self.threads.shown(self._top.replica, self._top.stop.focus)

    def thread_of(self, stop: Stop) -> int:
        """The number of the thread that a stop is in."""
        replica = self._top.replica
        return self.threads.number(replica.run_id, replica.layout.thread(stop.focus))

    def key_of(self, thread: int) -> str:
        return self.threads.key(self._top.replica.run_id, thread)

    def stack(self, given: a.StackTrace) -> Shown:
        """The frames of a thread, with those of the runs that have called this one below."""
        top, key = self._top, self.key_of(given.thread_id)
        found = frames(top.replica, key, top.stop.focus)
        for level in reversed(self._levels[:-1]):
            focus = level.stop.focus
            found += frames(level.replica, level.replica.layout.thread(focus), focus)
        outermost = caller(self._levels[0].replica)
        found += [outermost] if outermost is not None else []
        first = max(given.start_frame, 0)
        some = found[first : first + given.levels] if given.levels > 0 else found[first:]
        shown = [self._numbering.told(shown_frame(one, self._number(one))) for one in some]
        return {"stackFrames": shown, "totalFrames": len(found)}

    def _number(self, frame: Frame) -> int:
        number, self._next = self._next, self._next + 1
        self._frames[number] = frame
        return number

    def frame(self, number: int) -> Frame:
        """Raises `Stale`; 0 is the innermost of the thread that the stop is in."""
        if not number:
            return Frame(self._top.replica, "", self._top.stop.focus)
        found = self._frames.get(number)
        if found is None:
            raise Stale(f"there is no frame {number} in this stop: ask for `stackTrace` again")
        return found

    def begin_of(self, frame: Frame) -> At:
        """Where what a frame is at began. Raises `DapRefused`."""
        cursor = frame.replica.cursor
        if frame.replica is not self._top.replica:
            raise DapRefused("only a frame of the innermost run can be begun again: step out first")
        for place in reversed(cursor.recording.traces.step(frame.instance, cursor.version)):
            begun = frame.replica.told(place.version).begun
            if place.run_id == frame.replica.run_id and frame.instance in begun:
                return At(place.version, begun.index(frame.instance))
        raise DapRefused(f"where {frame.instance or frame.name} began is not in this history")

    # -- values -----------------------------------------------------------------------------------

    def look(self, frame: Frame) -> Look:
        failed = self._top.stop.failed
        is_there = failed is not None and frame.instance == self._top.stop.focus
        failure = failed.failure if failed is not None and is_there else None
        return Look(frame.replica.cursor, frame.instance, failure)

    def scopes(self, given: a.Frame) -> list[Shown]:
        frame = self.frame(given.frame_id)
        if frame.is_label:
            return []
        found: list[Shown] = []
        for scope in Scopes(frame.replica, frame.instance, self.look(frame)).all():
            number = self.references.put(_lazily(scope.rows, scope.path))
            told: Shown = {"name": scope.name, "variablesReference": number}
            told["expensive"] = scope.expensive
            found.append({**told, "presentationHint": scope.hint} if scope.hint else told)
        return found

    def variables(self, given: a.Variables) -> list[Shown]:
        inside = self.references.of(given.variables_reference)
        if given.filter and (given.filter == "indexed") is not inside.is_list:
            return []
        return self.references.rows(given.variables_reference, given.start, given.count)

    def evaluate(self, given: a.Evaluate) -> Shown:
        """Raises `DapRefused` with what is wrong with the expression."""
        frame = self.frame(given.frame_id)
        try:
            look = self.look(frame)
            row = evaluated(given.expression, look, self._expressions, frame.replica)
        except ExpressionFailed as error:
            raise DapRefused(str(error)) from error
        shown = self.references.result(row)
        if given.context == "clipboard":
            shown["result"] = msgspec.json.format(msgspec.json.encode(row.value)).decode()
        return shown

    def completions(self, given: a.Completions) -> list[Shown]:
        frame = self.frame(given.frame_id)
        lines = given.text.split("\n")
        line = self._numbering.line(given.line) if given.line else len(lines)
        text = lines[min(max(line, 1), len(lines)) - 1]
        text = text[: max(self._numbering.column(given.column) - 1, 0)]
        found = completions(text, self.look(frame), frame.replica)
        start = len(text)
        return [
            {"label": name, "start": start - typed, "length": typed, "type": "property"}
            for name, typed in found
        ]

    def exception(self) -> Shown:
        """What failed where the session stands. Raises `DapRefused`."""
        stop, replica = self._top.stop, self._top.replica
        failed, step = stop.failed, replica.step(stop.focus)
        failure = failed.failure if failed is not None else None
        if failure is None and step is not None:
            failure = step.failure
        if failure is None:
            raise DapRefused("nothing has failed here: ask after a stop with reason `exception`")
        return _exception(failure, stop.focus, "" if failed is None else failed.why)

    def settable(
        self, given: a.SetVariable, changed: Mapping[str, Value]
    ) -> tuple[str, Value, Value]:
        """The variable of the workflow that a client wants changed, after what it has `changed`
        before; its whole new value, and the
        value of that part of it. Raises `ReadOnly`, `Malformed`, `InvalidValue`."""
        inside = self.references.of(given.variables_reference)
        value = _value(given.value, given.name)
        path = inside.path.split(".") if inside.path else []
        if path[:1] != ["vars"] or "[" in inside.path:
            raise ReadOnly(
                f"`{given.name}` is what happened, and stays so: only variables of the workflow "
                "can be changed, and only in a fork of the run"
            )
        if len(path) == 1:
            return given.name, value, value
        variables = {**self._top.replica.cursor.state.variables, **changed}
        return path[1], _changed(variables[path[1]], path[2:], given.name, value), value

    # -- text -------------------------------------------------------------------------------------

    @property
    def sheets(self) -> list[Sheet]:
        """All texts, those of the innermost run first."""
        found = [
            sheet for level in reversed(self._levels) for sheet in level.replica.sources.sheets
        ]
        return list({(one.path, one.reference): one for one in found}.values())

    def sheet(self, source: a.Source) -> Sheet:
        """Raises `DapRefused`."""
        for level in reversed(self._levels):
            found = self._arming.sheet(level.replica, source)
            if found is not None:
                return found
        named = source.path or f"reference {source.source_reference}"
        raise DapRefused(f"{named} is no text of a run that is open: ask for `loadedSources`")

    def locations(self, given: a.BreakpointLocations) -> list[Shown]:
        first = self._numbering.line(given.line)
        last = self._numbering.line(given.end_line) if given.end_line else first
        found = self.sheet(given.source).between(first, last)
        return [self._numbering.told({"line": one.line, "column": one.column}) for one in found]

    def targets(self, given: a.GotoTargets) -> list[Shown]:
        """Where what stands in a line began, each time."""
        sheet, replica = self.sheet(given.source), self._top.replica
        spotted = sheet.at(self._numbering.line(given.line))
        if spotted is None or sheet not in replica.sources.sheets:
            return []
        found: list[Shown] = []
        for at, instance in self._beginnings(spotted.step):
            if len(found) == DAP_TARGETS_MAX:
                break
            number, self._next = self._next, self._next + 1
            self._targets[number] = at
            when = instant(replica.recording.at(at.version))
            label = f"{instance} at version {at.version}, {when}"
            place = {"line": spotted.line, "column": spotted.column}
            found.append(self._numbering.told({"id": number, "label": label, **place}))
        return found

    def _beginnings(self, step: str) -> list[tuple[At, str]]:
        replica = self._top.replica
        versions = {
            version
            for name, some in replica.recording.traces.steps.items()
            if static_of(name) == step
            for version in some
        }
        return [
            (At(version, place), instance)
            for version in sorted(versions)
            for place, instance in enumerate(replica.told(version).begun)
            if static_of(instance) == step
        ]

    def target(self, number: int) -> At:
        """Raises `Stale`."""
        found = self._targets.get(number)
        if found is None:
            raise Stale(f"there is no target {number} in this stop: ask for `gotoTargets` again")
        return found

    def data_info(self, given: a.DataBreakpointInfo) -> Shown:
        """What a data breakpoint on a row, or on an expression, would be on."""
        path = given.name.strip()
        if given.variables_reference:
            inside = self.references.of(given.variables_reference)
            path = f"{inside.path}.{given.name}" if inside.path else ""
        parts = path.split(".")
        if path.startswith(DATA) and len(parts) > 1 and parts[1]:
            id_ = f"vars.{parts[1]}" if parts[0] == "vars" else f"steps.{parts[1]}.output"
            told: Shown = {"dataId": id_, "description": id_, "accessTypes": ["write"]}
            return {**told, "canPersist": True}
        return {"dataId": None, "description": "only variables, and outputs of steps, are watched"}


def _lazily(rows: Callable[[], Sequence[Row]], path: str) -> Inside:
    """Rows that are made when they are asked for first."""
    made: list[Sequence[Row]] = []

    def some(start: int, most: int) -> Sequence[Row]:
        if not made:
            made.append(rows())
        return made[0][start : start + most]

    return Inside(path, DAP_VARIABLES_MAX, False, some)


def _exception(failure: Failure, step: str, why: str) -> Shown:
    details: Shown = {"typeName": failure.code, "message": failure.message}
    if step:
        details["evaluateName"] = f"steps.{static_of(step)}.error"
    stack = failure.details.get("traceback") if isinstance(failure.details, dict) else None
    if stack is not None:
        details["stackTrace"] = (
            "\n".join(map(str, stack)) if isinstance(stack, list) else str(stack)
        )
    told = f"{failure.message} ({why})" if why else failure.message
    told = f"{step}: {told}" if step else told
    return {
        "exceptionId": failure.code,
        "description": told,
        "breakMode": "always",
        "details": details,
    }


def _value(text: str, name: str) -> Value:
    """What a person typed: JSON. Raises `Malformed`, `InvalidValue`."""
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(
            f'the value of `{name}` is no JSON: a text stands in quotes, "{text[:40]}"'
        ) from error
    return admit(value, name)


def _changed(value: Value, path: list[str], name: str, to: Value) -> Value:
    """The value with something inside it changed; lists by `[3]`."""
    if path:
        key, *rest = path
        if isinstance(value, dict) and key in value:
            return {**value, key: _changed(value[key], rest, name, to)}
        raise ReadOnly(f"`{name}` is not inside a variable of the workflow")
    if isinstance(value, list) and name[1:-1].isdecimal() and int(name[1:-1]) < len(value):
        at = int(name[1:-1])
        return [*value[:at], to, *value[at + 1 :]]
    if isinstance(value, dict):
        return {**value, name: to}
    raise ReadOnly(f"`{name}` is not inside a variable of the workflow")
