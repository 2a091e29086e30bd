"""A session: a cursor on a recorded run, with breakpoints, watches and a search.

Everything it can do is a command of `language`, and every answer is data. It reads the recording
and nothing else, so no command has an effect on the run or anything around it.
"""

from collections.abc import Callable, Mapping

import msgspec

from events.envelope import Header
from events.errors import DalsegnoError, Rejected
from events.limits import CHANGES_SHOWN_MAX, EVENTS_SHOWN_MAX, STOPS_MAX
from events.redaction import redact_text
from events.values import Value
from orchestrator.insight.comparing.provenance import Origin, origins
from orchestrator.insight.comparing.told import tell
from orchestrator.insight.stepping.answers import (
    Answer,
    AtMoment,
    Changed,
    Drawn,
    Ended,
    EventRow,
    Explained,
    Helped,
    Here,
    Lasting,
    Listed,
    Part,
    Stopping,
    Watched,
    Whole,
)
from orchestrator.insight.stepping.branches import SHOWN_MAX, first_steps
from orchestrator.insight.stepping.graph import Graph, Line
from orchestrator.insight.stepping.language import BY_NAME, SPECS, Command, number_of, parse
from orchestrator.insight.stepping.places import instant_of, stop_of
from orchestrator.insight.timelines.spans import Timeline
from orchestrator.insight.timelines.timeline import timeline
from orchestrator.kernel.expressions import ExpressionFailed, Expressions
from orchestrator.replay.contents import evaluate
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.differences import Change
from orchestrator.replay.moments import Moment, moment_of
from orchestrator.replay.recording import Recording
from orchestrator.replay.stops import Stop
from orchestrator.replay.traces import steps_of
from orchestrator.replay.why.reasons import say, why_event, why_step

AROUND = 5
"""Events before and after the place, where none are named."""


class Session:
    def __init__(self, recording: Recording, expressions: Expressions) -> None:
        self.recording = recording
        self.cursor = Cursor(recording)
        self.stops: dict[int, Stop] = {}
        self.watches: dict[int, str] = {}
        self.needle = ""
        self._expressions = expressions
        self._numbers = 0
        self._graph: Graph | None = None

    # -- commands ---------------------------------------------------------------------------------

    def do(self, line: str) -> Answer | None:
        """The answer to a command; None of an empty line, or a comment.

        Raises `Rejected` for what is no command or cannot be done, `Corrupt` when an event on the
        way is damaged.
        """
        command = parse(line)
        return None if command is None else self.answer(command)

    def answer(self, command: Command) -> Answer:
        """The answer to a command that was read. Raises as `do`."""
        return ANSWERS[command.name](self, command.rest)

    # -- moving -----------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        return self.cursor.version

    @property
    def last(self) -> int:
        return self.recording.last

    def here(self, stopped: str = "") -> Here:
        """Where it stands, with the watches."""
        return Here(
            version=self.version,
            last=self.last,
            status=self.cursor.state.status,
            event=self.row(self.version) if self.version else None,
            stopped=stopped,
            watches=tuple(self._watched(text) for text in self.watches.values()),
        )

    def step(self, count: int = 1) -> Here:
        """So many events on; back with a negative number. Raises `Corrupt`."""
        before = self.version
        self.cursor.to(min(self.last, max(0, before + count)))
        moved = self.version - before
        return self.here("" if moved == count else self._edge())

    def goto(self, version: int) -> Here:
        """Raises `Rejected` for a version that is not there, `Corrupt`."""
        self.cursor.to(version)
        return self.here()

    def to_time(self, text: str) -> Here:
        """Raises `Rejected` for what is no instant."""
        begun_at = self.recording.at(1)
        self.cursor.to_time(instant_of(text, begun_at))
        return self.here()

    def run(self, *, backwards: bool = False) -> Here:
        """To the next breakpoint, or the last one before; else to the end, or the start."""
        hit = self.cursor.run_to(list(self.stops.values()), backwards=backwards)
        if hit is None:
            return self.here(self._edge())
        number = next((n for n, stop in self.stops.items() if stop is hit.stop), 0)
        return self.here(f"breakpoint {number}: {hit.stop.text}")

    def find(self, text: str, *, backwards: bool = False) -> Here:
        """To the next event with a text in it, whatever its case; again the same one without.
        Raises `Rejected` when there is none, and stays."""
        self.needle = text or self.needle
        if not self.needle:
            raise Rejected("nothing to find: expected a text, `find declined`")
        way = (
            range(self.version - 1, 0, -1) if backwards else range(self.version + 1, self.last + 1)
        )
        found = next((version for version in way if self.has(version, self.needle)), 0)
        if not found:
            where = "before" if backwards else "after"
            raise Rejected(f"no event {where} {self.version} has {self.needle!r} in it")
        self.cursor.to(found)
        return self.here(f"found {self.needle!r}")

    def has(self, version: int, text: str) -> bool:
        """Whether an event's type, sentence or stored content has a text, in any case."""
        needle = text.casefold()
        stored = self.recording.stored(version)
        held = stored.state + (stored.opened or b"")
        if needle in held.decode(errors="replace").casefold():
            return True
        return needle in self.row(version).sentence.casefold()

    def _edge(self) -> str:
        return "the end" if self.version == self.last else "the start" if not self.version else ""

    # -- breakpoints and watches ------------------------------------------------------------------

    def stop_at(self, text: str) -> Stopping:
        """A breakpoint. Raises `Rejected` for what is none, or when there are too many."""
        stop = stop_of(text, self._expressions)
        self.stops[self._number()] = stop
        return self.stopping()

    def watch(self, text: str) -> Part | Stopping:
        """Raises `Rejected` for what is no expression, or when there are too many."""
        if not text:
            raise Rejected("nothing to watch: expected an expression, `watch vars.total`")
        self._expressions.paths(text)
        self.watches[self._number()] = text
        return self.stopping()

    def stopping(self) -> Stopping:
        stops = {number: stop.text for number, stop in self.stops.items()}
        return Stopping(stops=stops, watches=dict(self.watches))

    def clear(self, text: str = "") -> Stopping:
        """Raises `Rejected` for a number that no breakpoint has."""
        _forget(self.stops, text, "breakpoint")
        return self.stopping()

    def unwatch(self, text: str = "") -> Stopping:
        """Raises `Rejected` for a number that no watch has."""
        _forget(self.watches, text, "watch")
        return self.stopping()

    def _number(self) -> int:
        if len(self.stops) + len(self.watches) >= STOPS_MAX:
            raise Rejected(
                f"there are {STOPS_MAX} breakpoints and watches: `clear N` or `unwatch N` first"
            )
        self._numbers += 1
        return self._numbers

    def _watched(self, text: str) -> Watched:
        try:
            return Watched(text=text, value=self.value(text))
        except ExpressionFailed as error:
            return Watched(text=text, error=str(error))

    def value(self, text: str) -> Value:
        """The value of an expression here; also of `vars` as a whole. Raises `ExpressionFailed`."""
        return evaluate(self.cursor, WHOLE.get(text, text), self._expressions)

    # -- looking ----------------------------------------------------------------------------------

    def row(self, version: int) -> EventRow:
        """An event in a line; one that cannot be decoded says so."""
        type_ = self.recording.type(version)
        try:
            header, fact = self.recording.decoded(version)
            sentence = say(self.recording, header, fact).sentence
        except DalsegnoError as error:
            sentence = f"cannot be read: {error}"
        at = self.recording.at(version)
        return EventRow(version=version, at=at, type=type_, sentence=redact_text(sentence))

    def events(self, first: int, last: int) -> Listed:
        """Those from `first` to `last` that there are, `EVENTS_SHOWN_MAX` of them."""
        first, last = max(1, first), min(self.last, last)
        shown = min(last, first + EVENTS_SHOWN_MAX - 1)
        rows = tuple(self.row(version) for version in range(first, shown + 1))
        return Listed(here=self.version, rows=rows, more=max(0, last - shown))

    def moment(self) -> Moment:
        return moment_of(self.cursor)

    def glimpse(self) -> tuple[Moment, int]:
        """The moment with some of its steps when there are very many, and how many are left out.
        With tens of thousands it is made within a key's time, and `moment` is not."""
        state = self.cursor.state
        if len(state.steps) <= SHOWN_MAX:
            return self.moment(), 0
        touched = steps_of(self.recording.fact(self.version)) if self.version else ()
        names = first_steps(state, touched)
        return moment_of(self.cursor, names), len(state.steps) - len(names)

    def changes(self) -> tuple[Change, ...]:
        """What the event that led here has changed."""
        return self.cursor.changed()

    def graph(self) -> list[Line]:
        """Raises `Rejected` when the definition is not in the log."""
        if self.recording.net is None:
            raise Rejected(f"the definition of {self.recording.workflow} is not in the log")
        if self._graph is None:
            self._graph = Graph(self.recording.net)
        return self._graph.lines(self.cursor.state)

    def timeline(self) -> Timeline:
        """Up to here."""
        recording = self.recording
        return timeline(recording.run_id, recording.events(1, self.version), recording.net)

    def why(self, step: str = "") -> Explained:
        """Why the event that led here came about, or a step is as it is. Raises `Rejected` before
        the first event, or for a step that the workflow does not have."""
        if not self.version:
            raise Rejected("nothing has happened yet at version 0: `step` goes on")
        if step:
            found = why_step(self.recording, step, self.version)
            return Explained(step=found, reason=found.reason, values=self._values(step))
        reason = why_event(self.recording, self.version)
        return Explained(reason=reason, values=self._values(reason.step))

    def _values(self, step: str) -> Origin | None:
        if not step:
            return None
        found = origins(tell(self.recording, self.version), step, self._expressions)
        return found if found is not None and found.origins else None

    def whole(self) -> Whole:
        """The event that led here. Raises `Rejected` before the first."""
        event = self.cursor.event
        if event is None:
            raise Rejected("there is no event at version 0: `step` goes to the first one")
        header = {name: getattr(event.header, name) for name in Header.__struct_fields__}
        told: dict[str, Value] = msgspec.to_builtins(header)
        told["data"] = msgspec.to_builtins(event.fact)
        return Whole(version=self.version, event=told)

    def part(self, path: str) -> Part:
        """A part of what is so here: a path as expressions know it, or one of the state alone.
        Raises `ExpressionFailed`."""
        return Part(text=path, value=self.value(_as_expression(path)))


ROOTS = frozenset({"input", "vars", "steps", "run", "state", "event", "change", "iteration"})
WHOLE = {"vars": "state.variables", "steps": "state.steps", "run": "state"}
"""What no author can read as a whole."""
OF_STEPS = frozenset({"output", "error"})


def _as_expression(path: str) -> str:
    if path in WHOLE:
        return WHOLE[path]
    root, _, rest = path.partition(".")
    if root == "steps" and not OF_STEPS & set(rest.split(".")[1:2]):
        return f"state.{path}"
    return path if root.partition("[")[0] in ROOTS else f"state.{path}"


def _forget(known: dict[int, Stop] | dict[int, str], text: str, what: str) -> None:
    if not text:
        known.clear()
        return
    number = number_of(text, what)
    if number not in known:
        raise Rejected(f"there is no {what} {number}: `breaks` lists them")
    del known[number]


def _count(text: str) -> int:
    return number_of(text, "N") if text else 1


def _goto(session: Session, rest: str) -> Answer:
    places = {"start": 0, "end": session.last}
    if rest in places:
        return session.goto(places[rest])
    return session.goto(number_of(rest, "the version", 0))


def _changes(session: Session, _: str) -> Answer:
    found = session.changes()
    more = max(0, len(found) - CHANGES_SHOWN_MAX)
    return Changed(version=session.version, changes=found[:CHANGES_SHOWN_MAX], more=more)


def _events(session: Session, rest: str) -> Answer:
    first, _, last = rest.partition(" ")
    if not first:
        return session.events(session.version - AROUND, session.version + AROUND)
    begin = number_of(first, "FROM")
    end = number_of(last.strip(), "TO") if last.strip() else session.last
    return session.events(begin, end)


def _print(session: Session, rest: str) -> Answer:
    if not rest:
        raise Rejected("nothing to print: expected an expression, `print vars.total`")
    return Part(text=rest, value=session.value(rest))


def _help(_: Session, rest: str) -> Answer:
    if not rest:
        return Helped(commands=SPECS)
    found = BY_NAME.get(rest)
    if found is None:
        raise Rejected(f"there is no command {rest!r}: `help` lists them")
    return Helped(commands=(found,))


def _state(session: Session, rest: str) -> Answer:
    return session.part(rest) if rest else AtMoment(moment=session.moment())


def _graph(session: Session, _: str) -> Answer:
    return Drawn(version=session.version, lines=tuple(session.graph()))


ANSWERS: Mapping[str, Callable[[Session, str], Answer]] = {
    "step": lambda session, rest: session.step(_count(rest)),
    "back": lambda session, rest: session.step(-_count(rest)),
    "goto": _goto,
    "time": lambda session, rest: session.to_time(rest),
    "break": lambda session, rest: session.stop_at(rest),
    "breaks": lambda session, _: session.stopping(),
    "clear": lambda session, rest: session.clear(rest),
    "continue": lambda session, _: session.run(),
    "rewind": lambda session, _: session.run(backwards=True),
    "find": lambda session, rest: session.find(rest),
    "findback": lambda session, rest: session.find(rest, backwards=True),
    "state": _state,
    "changes": _changes,
    "event": lambda session, _: session.whole(),
    "events": _events,
    "graph": _graph,
    "timeline": lambda session, _: Lasting(timeline=session.timeline()),
    "why": lambda session, rest: session.why(rest),
    "print": _print,
    "watch": lambda session, rest: session.watch(rest),
    "unwatch": lambda session, rest: session.unwatch(rest),
    "help": _help,
    "quit": lambda _session, _rest: Ended(),
}
"""Each command of the language; a test holds this complete."""
