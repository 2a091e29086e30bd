"""`dalsegno diff`: where two runs part, why, and what else is different."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from events.redaction import redact
from events.values import Value
from orchestrator.adapters.cel import CelExpressions
from orchestrator.cli.common import COMMON, Common
from orchestrator.cli.exits import DONE, FAILED
from orchestrator.cli.output import (
    BAD,
    DIM,
    UNSURE,
    console,
    counted,
    grid,
    instant,
    plain,
    print_json,
    rows,
    status,
    table,
    took,
)
from orchestrator.cli.replay.recordings import recorded
from orchestrator.cli.shown import NOTHING, value_line
from orchestrator.insight.comparing.blaming import Cause
from orchestrator.insight.comparing.runs import Comparison, Difference, Lasted, Side, compare
from orchestrator.insight.comparing.told import PATH, Key, Thing, name_of
from orchestrator.kernel.state import TERMINAL
from orchestrator.replay.differences import Change

if TYPE_CHECKING:
    from rich.console import Console
    from rich.tree import Tree

SHORT = 12
NAME_MAX = 18
"""Characters of a run id that heads a column; of longer ones `a` and `b` do."""
ROWS = 12
"""Rows of data, and of times, unless all are asked for."""
SHARE = 0.1
"""Steps whose time differs by less than that are left out, unless all are asked for."""
SHARE_OF_RUN = 0.05
CAUSE_CHARS = 32
SECOND = 1_000_000


def diff(
    run_a: str,
    run_b: str,
    *,
    in_a: str = "",
    in_b: str = "",
    all: bool = False,  # noqa: A002
    common: Common = COMMON,
) -> int:
    """Compare two runs, of one workflow version or of two: where they first part and what that
    comes from, then which way they went, with what, and how long it took.

    Values are followed back through what the workflow reads, to the first ones that differ. Exit
    code 0 if both went the same way with the same values, 1 if not.

    Parameters
    ----------
    run_a
        The one that is compared with, such as a run that went well: its id, or a file that
        `dalsegno events export` has written.
    run_b
        The other one.
    in_a
        Which run of the first file, where that has several.
    in_b
        Which run of the second file.
    all
        Everything that differs, also what steps were given, and every time.

    Examples
    --------
    dalsegno diff nightly-16 nightly-17
    dalsegno diff nightly-16.bundle nightly-17
        One of them was exported, perhaps from another cluster.
    dalsegno diff nightly-17 nightly-17-mended --json
    """
    a, b = recorded(common, run_a, in_a), recorded(common, run_b, in_b)
    found = compare(a, b, CelExpressions())
    if common.json:
        print_json(comparison_json(found))
    else:
        _Page(console(), found, everything=all).show()
    return DONE if found.same else FAILED


class _Page:
    def __init__(self, out: "Console", found: Comparison, *, everything: bool) -> None:
        self._out = out
        self._found = found
        self._all = everything
        ids = found.a.run_id, found.b.run_id
        fits = max(map(len, ids)) <= NAME_MAX and ids[0] != ids[1]
        self._a, self._b = ids if fits else ("a", "b")

    def show(self) -> None:
        found, out = self._found, self._out
        self._head()
        if found.same:
            out.print("\nBoth went the same way with the same values.")
        if found.definition:
            self._definition()
        if found.first is not None:
            self._first(found.first)
        if found.cause is not None and not found.same:
            self._cause(found.cause)
        self._path()
        self._data()
        self._time()

    def _title(self, text: str, note: str = "") -> None:
        self._out.print(f"\n[bold]{text}[/]" + (f"  [{DIM}]{note}[/]" if note else ""))

    def _head(self) -> None:
        found, out = self._found, self._out
        out.print(grid((self._side("a", found.a), self._side("b", found.b))))
        if found.shared:
            one = "a" if found.shared_with == found.a.run_id else "b"
            if found.shared_with not in {found.a.run_id, found.b.run_id}:
                one = f"run {found.shared_with}"
            upto = f"up to version {found.shared} of {one}"
            out.print(f"[{DIM}]both have one history {plain(upto)}[/]")

        still = [one for one in (found.a, found.b) if one.status not in TERMINAL]
        if still:
            named = " and ".join(plain(one.run_id) for one in still)
            what = "what they have" if len(still) > 1 else "what it has"
            out.print(f"[{DIM}]{named} still goes on: {what} not come to is not compared[/]")

    def _side(self, letter: str, side: Side) -> tuple[str, ...]:
        return (
            f"[{DIM}]{letter}[/]",
            f"[bold]{plain(side.run_id)}[/]",
            status(side.status),
            took(side.begun_at, side.until),
            counted(side.events, "event"),
            f"[{DIM}]{plain(side.workflow)} {side.workflow_version[:SHORT]}[/]",
        )

    def _definition(self) -> None:
        steps = self._found.definition
        named = ", ".join(steps[:ROWS]) + (" …" if len(steps) > ROWS else "")
        a, b = self._found.a, self._found.b
        self._title("Definition")
        self._out.print(f"  not the same: {plain(named)}", soft_wrap=True)
        versions = (f"{one.workflow}@{one.workflow_version[:SHORT]}" for one in (a, b))
        self._out.print(
            f"  [{DIM}]`dalsegno workflow diff {plain(' '.join(versions))}` says how[/]"
        )

    # -- the first, and why -----------------------------------------------------------------------

    def _first(self, first: Difference) -> None:
        self._title("First divergence")
        self._out.print(f"  {self._both(first)}{_events(first)}")
        then = self._found.then
        if then is not None:
            self._out.print(f"  {self._both(then)}{_events(then)}  [{DIM}]first after that[/]")

    def _both(self, one: Difference) -> str:
        """What it is on both sides, in short: of a long value its first change."""
        if one.changes and not one.is_path:
            change = one.changes[0]
            more = len(one.changes) - 1
            rest = f" [{DIM}]and {counted(more, 'more change')}[/]" if more else ""
            return f"[bold]{plain(change.path)}[/]  {_sides(change)}{rest}"
        name = f"[bold]{plain(name_of(one.key))}[/]"
        return f"{name}  {self._word(one.a, one)} → {self._word(one.b, one)}"

    def _cause(self, cause: Cause) -> None:
        from rich.tree import Tree

        self._title("Where they part, and what that comes from")
        drawn = Tree(self._words(cause), guide_style=DIM)
        _hang(drawn, cause, self._words)
        self._out.print(drawn)

    def _words(self, cause: Cause) -> str:
        name = plain(cause.what)
        note = "told above" if cause.seen else cause.note
        where = _versions(cause.version_a, cause.version_b)
        said = f"  [{DIM}]{plain(', '.join(filter(None, (note, where))))}[/]"
        return f"[bold]{name}[/]  {_value(cause.a, cause)} → {_value(cause.b, cause)}{said}"

    # -- path, data, time -------------------------------------------------------------------------

    def _path(self) -> None:
        found = _once_a_loop(self._found.path)
        if not found:
            if not self._found.same:
                self._title("Path", "the same")
            return
        self._title("Path")
        made = table("step", "event>?", self._a, self._b)
        self._out.print(rows(made, (self._path_row(one) for one in found)))
        for one in found:
            for side in (one.a, one.b):
                if side is not None and side.failure is not None and one.key.kind == "outcome":
                    failure = side.failure
                    told = f"{failure.code}: {failure.message}" if failure.message else failure.code
                    self._out.print(f"[{BAD}]{plain(one.key.name)}[/] {plain(told)}")

    def _path_row(self, one: Difference) -> tuple[str, ...]:
        return (
            plain(name_of(one.key)),
            _places(one),
            self._word(one.a, one),
            self._word(one.b, one),
        )

    def _word(self, thing: Thing | None, one: Difference) -> str:
        if thing is None:
            return f"[{DIM}]not reached[/]"
        return _path_word(thing)

    def _data(self) -> None:
        shown = [
            (one, change)
            for one in self._found.data
            if self._all or one.key.kind != "inputs"
            for change in one.changes
        ]
        alone = [one for one in self._found.data if one.how != "both"]
        if not shown and not alone:
            if not self._found.same:
                self._title("Data", "the same")
            return
        lines = [*(self._data_row(*both) for both in shown), *map(self._alone_row, alone)]
        most = len(lines) if self._all else ROWS
        self._title("Data", self._more(len(lines) - most))
        made = table("value", "event>?", self._a, self._b)
        self._out.print(rows(made, lines[:most]))

    def _data_row(self, one: Difference, change: Change) -> tuple[str, ...]:
        return (
            plain(change.path),
            _places(one),
            plain(_before(change)),
            plain(_after(change)),
        )

    def _alone_row(self, one: Difference) -> tuple[str, ...]:
        name = name_of(one.key)
        return (
            plain(name),
            _places(one),
            NOTHING if one.a is None else plain(value_line(one.a.value, name)),
            NOTHING if one.b is None else plain(value_line(one.b.value, name)),
        )

    def _more(self, more: int) -> str:
        return f"{more} more with --all" if more > 0 else ""

    def _time(self) -> None:
        found = [one for one in self._found.time if self._all or self._is_apart(one)]
        found.sort(key=lambda one: abs(one.apart), reverse=True)
        most = len(found) if self._all else ROWS
        more = self._more(len(self._found.time) - min(most, len(found)))
        if not found:
            self._title("Time", f"about the same; {more}" if more else "about the same")
            return
        self._title("Time", more)
        made = table("step", f"{self._a}>", f"{self._b}>", "apart>", "attempts?")
        self._out.print(rows(made, (self._time_row(one) for one in found[:most])))

    def _time_row(self, one: Lasted) -> tuple[str, ...]:
        """A step that only one of them did: the other has taken it over, or not come to it."""
        a, b = self._found.a, self._found.b
        cells = (
            _lasted(one.a, kept=a.source == b.run_id),
            _lasted(one.b, kept=b.source == a.run_id),
        )
        if one.a is None or one.b is None:
            return (plain(one.step), *cells, "", "")
        apart = ("+" if one.apart > 0 else "-") + took(0, abs(one.apart))
        attempts = f"{one.attempts_a} and {one.attempts_b}"
        same = one.attempts_a == one.attempts_b
        return (plain(one.step), *cells, apart, "" if same else attempts)

    def _is_apart(self, one: Lasted) -> bool:
        """Whether that tells anything: a tenth of the longer one, and some of the whole run."""
        whole = max(side.until - side.begun_at for side in (self._found.a, self._found.b))
        return abs(one.apart) > max(SHARE * max(one.a or 0, one.b or 0), SHARE_OF_RUN * whole)


def _hang(branch: "Tree", cause: Cause, words: Callable[[Cause], str]) -> None:
    for one in cause.causes:
        _hang(branch.add(words(one)), one, words)


def _once_a_loop(path: Sequence[Difference]) -> list[Difference]:
    """Of the iterations of a loop the first that differs; those after it follow from that."""
    found: list[Difference] = []
    loops: set[str] = set()
    for one in path:
        if one.key.kind != "iteration":
            found.append(one)
        elif one.key.name not in loops:
            loops.add(one.key.name)
            found.append(one)
    return found


def _path_word(thing: Thing) -> str:
    """Which way it went, in a word or two."""
    value = thing.value
    match thing.key.kind, value:
        case (("outcome" | "end"), dict()):
            more = [f" {value[name]}" for name in ("code", "outcome") if value.get(name)]
            note = f" ({thing.note})" if thing.note else ""
            return status(str(value.get("status"))) + plain("".join(more) + note)
        case "choice", _:
            return f"took {plain(str(value))}"
        case "iteration", int():
            return f"began iteration {value}"
        case "iteration", _:
            return "was left"
        case "skipped", _:
            return status("skipped")
        case _:
            return plain(value_line(value, name_of(thing.key)))


def _value(value: Value | msgspec.UnsetType, cause: Cause) -> str:
    """One side of a cause."""
    if value is msgspec.UNSET:
        return f"[{DIM}]not there[/]"
    if cause.kind in PATH and cause.what.count(".") == 0:
        return _path_word(Thing(key=Key(cause.kind, cause.what), value=value))
    return f"[{UNSURE}]{plain(value_line(value, cause.what, CAUSE_CHARS))}[/]"


def _sides(change: Change) -> str:
    return f"{plain(_before(change))} → {plain(_after(change))}"


def _before(change: Change) -> str:
    absent = change.kind == "added" and change.before is None
    return NOTHING if absent else value_line(change.before, change.path)


def _after(change: Change) -> str:
    absent = change.kind == "removed" and change.after is None
    return NOTHING if absent else value_line(change.after, change.path)


def _events(one: Difference) -> str:
    where = _versions(one.a.version if one.a else 0, one.b.version if one.b else 0)
    return f"  [{DIM}]{where}[/]"


def _versions(a: int, b: int) -> str:
    """The events that say it, of `a` and of `b`."""
    if a and b:
        return f"event {a}" if a == b else f"events {a}, {b}"
    return f"event {a or b} of {'a' if a else 'b'}"


def _places(one: Difference) -> str:
    sides = [NOTHING if thing is None else str(thing.version) for thing in (one.a, one.b)]
    return sides[0] if sides[0] == sides[1] else ", ".join(sides)


def _lasted(time: int | None, *, kept: bool) -> str:
    if time is not None:
        return took(0, time)
    return f"[{DIM}]kept[/]" if kept else NOTHING


# -- JSON ------------------------------------------------------------------------------------------


def comparison_json(found: Comparison) -> object:
    """Instants as texts; secrets covered."""
    told: dict[str, object] = {
        "same": found.same,
        "a": _side_json(found.a),
        "b": _side_json(found.b),
        "shared": {"run_id": found.shared_with, "version": found.shared} if found.shared else None,
        "same_definition": found.same_definition,
        "definition": found.definition,
        "first": None if found.first is None else _difference_json(found.first),
        "then": None if found.then is None else _difference_json(found.then),
        "cause": None if found.cause is None else _cause_json(found.cause),
        "path": [_difference_json(one) for one in found.path],
        "data": [_difference_json(one) for one in found.data],
        "time": [
            {"step": one.step, "a_s": _seconds(one.a), "b_s": _seconds(one.b)} for one in found.time
        ],
    }
    return redact(told)


def _side_json(side: Side) -> dict[str, object]:
    told = msgspec.structs.asdict(side)
    return {**told, "begun_at": instant(side.begun_at), "until": instant(side.until)}


def _difference_json(one: Difference) -> dict[str, object]:
    return {
        "what": name_of(one.key),
        "kind": one.key.kind,
        "how": one.how,
        "a": _thing_json(one.a),
        "b": _thing_json(one.b),
        "changes": [msgspec.to_builtins(change) for change in one.changes],
    }


def _thing_json(thing: Thing | None) -> dict[str, object] | None:
    if thing is None:
        return None
    told: dict[str, object] = {
        "version": thing.version,
        "run_id": thing.run_id,
        "value": thing.value,
    }
    if thing.values:
        told["values"] = dict(thing.values)
    if thing.failure is not None:
        told["failure"] = msgspec.to_builtins(thing.failure)
    if thing.note:
        told["note"] = thing.note
    return told


def _cause_json(cause: Cause) -> dict[str, object]:
    told: dict[str, object] = {"what": cause.what, "kind": cause.kind}
    for name, value, version in (
        ("a", cause.a, cause.version_a),
        ("b", cause.b, cause.version_b),
    ):
        if value is not msgspec.UNSET:
            told[name] = {"value": redact(value, cause.what.rpartition(".")[2]), "version": version}
    if cause.note:
        told["note"] = cause.note
    return {**told, "causes": [_cause_json(one) for one in cause.causes]}


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / SECOND
