"""A session in a terminal of its own: five panes that move together, keys, and a prompt.

    events ──► where the session stands
    state, changes, graph, timeline ──► what was so there

On a narrow terminal the events and one of the other panes are there. All that is shown is made by
the session, which has no terminal; here are keys, places and colours only.
"""

from collections.abc import Callable, Iterable
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.css.query import NoMatches
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Footer, Input, Static

from events.errors import DalsegnoError
from events.limits import CHANGES_SHOWN_MAX
from events.redaction import redact_text
from orchestrator.adapters.cel import CelExpressions
from orchestrator.cli.output import COLOURS, DIM, UNSURE, clock, plain, took
from orchestrator.cli.replay.stepping.dialogs import Reading, help_parts
from orchestrator.cli.replay.stepping.panes import (
    ChangesPane,
    EventsPane,
    GraphPane,
    StatePane,
    TimelinePane,
)
from orchestrator.cli.replay.stepping.styles import STYLES
from orchestrator.cli.replay.stepping.telling import told
from orchestrator.insight.stepping.answers import Answer, Ended, Here, Stopping
from orchestrator.insight.stepping.session import Session
from orchestrator.insight.timelines.spans import Timeline
from orchestrator.insight.timelines.timeline import timeline
from orchestrator.kernel.instances import static_of
from orchestrator.replay.recording import Recording
from orchestrator.replay.traces import steps_of

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 1000.0)
"""How many times as fast as it was."""
PAUSE_MIN_S, PAUSE_MAX_S = 0.02, 1.0
"""Between two events that are played; what took longer is cut short."""
PANES = ("events", "state", "changes", "graph", "timeline")
NARROW = 100
MICROSECONDS = 1_000_000


class Stepping(App[None]):
    """One session."""

    CSS = STYLES
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (NARROW, "-wide")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l,s", "step(1)", "step", key_display="→"),
        Binding("left,h", "step(-1)", "back", key_display="←"),
        Binding("home", "edge(False)", show=False),
        Binding("end", "edge(True)", show=False),
        Binding("g", "ask('goto ')", "go to"),
        Binding("b", "ask('break ')", "break"),
        Binding("c", "run(False)", "continue"),
        Binding("r", "run(True)", "rewind"),
        Binding("slash", "ask('find ')", "find", key_display="/"),
        Binding("n", "again(False)", show=False),
        Binding("N", "again(True)", show=False),
        Binding("p", "play", show=False),
        Binding("plus,equals_sign", "faster(1)", show=False),
        Binding("minus", "faster(-1)", show=False),
        Binding("w", "why", "why"),
        Binding("e", "say('event')", show=False),
        Binding("x", "ask('watch ')", show=False),
        *(
            Binding(str(number), f"pane('{name}')", show=False)
            for number, name in enumerate(PANES, 1)
        ),
        Binding("z", "alone", show=False),
        Binding("colon", "ask('')", show=False),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("q,ctrl+c", "quit", "quit"),
    ]

    def __init__(self, recording: Recording, begin: int) -> None:
        super().__init__()
        self.title = f"dalsegno replay {recording.run_id}"
        self.session = Session(recording, CelExpressions())
        self.session.goto(begin)
        self._speed = SPEEDS.index(1.0)
        self._playing: Timer | None = None
        self._timeline: Timeline | None = None

    # -- layout -----------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        with Container(id="panes"):
            yield EventsPane(self.session)
            yield StatePane()
            yield ChangesPane()
            yield GraphPane()
            yield TimelinePane()
        yield Static(id="said")
        yield Prompt()
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self.screen.set_class(self.size.width < NARROW, "-narrow")
        self.screen.set_class(self.size.width >= NARROW, "-wide")
        self.action_pane("state")
        self.action_pane("events")
        self._show()
        self.call_after_refresh(self._make_timeline)

    # -- showing ----------------------------------------------------------------------------------

    def _show(self, said: str = "") -> None:
        """All panes as it is where the session stands."""
        session = self.session
        here = session.here(said)
        self._head(here)
        self._say(here.stopped)
        self.query_one(EventsPane).show()
        self.query_one(StatePane).show(*session.glimpse(), here.watches)
        found = session.changes()
        more = max(0, len(found) - CHANGES_SHOWN_MAX)
        self.query_one(ChangesPane).show(session.version, found[:CHANGES_SHOWN_MAX], more)
        self._graph()
        self._timeline_pane()

    def _head(self, here: Here) -> None:
        recording = self.session.recording
        colour = COLOURS.get(here.status, "default")
        line = Text.from_markup(
            f"[bold]{plain(recording.run_id)}[/]  {plain(recording.workflow)}  "
            f"[{colour}]{here.status}[/]  [{DIM}]version[/] {here.version} [{DIM}]of[/] {here.last}"
        )
        if here.event is not None:
            begun_at = recording.at(1)
            after = took(begun_at, here.event.at)
            line.append(f"  {clock(here.event.at)}", style=DIM)
            line.append(f"  {after} after the beginning", style=DIM)
        if self._playing is not None:
            line.append(f"  ▶ {self._speed_text}", style=f"bold {UNSURE}")
        self.query_one("#head", Static).update(line)

    def _say(self, text: str, *, bad: bool = False) -> None:
        said = self.query_one("#said", Static)
        said.set_class(bad, "bad")
        said.update(Text(redact_text(text), no_wrap=True, overflow="ellipsis"))

    def _graph(self) -> None:
        pane = self.query_one(GraphPane)
        try:
            lines = self.session.graph()
        except DalsegnoError as error:
            pane.without(str(error))
            return
        version = self.session.version
        steps = steps_of(self.session.recording.fact(version)) if version else ()
        pane.show(lines, frozenset(map(static_of, steps)))

    def _make_timeline(self) -> None:
        """That of the whole run, once. All events are read for it, so the rest is shown before."""
        recording = self.session.recording
        self._timeline = timeline(recording.run_id, recording.events(), recording.net)
        self._timeline_pane()

    def _timeline_pane(self) -> None:
        if self._timeline is not None:
            recording, version = self.session.recording, self.session.version
            self.query_one(TimelinePane).show(self._timeline, recording.at(max(1, version)))

    # -- doing ------------------------------------------------------------------------------------

    def _do(self, deed: Callable[[], Answer | None]) -> None:
        """Carries out a command; shows where that led, or what it answers, or why it cannot be."""
        try:
            answer = deed()
        except DalsegnoError as error:
            self._say(str(error), bad=True)
            return
        match answer:
            case None:
                pass
            case Here():
                self._show(answer.stopped)
            case Ended():
                self.exit()
            case Stopping():
                self._show(_stopping(answer))
            case _:
                self._read(answer)

    def _read(self, answer: Answer) -> None:
        width = max(40, self.size.width - 12)
        self._open(f"version {self.session.version}", told(answer, width))

    def _open(self, title: str, parts: Iterable[RenderableType]) -> None:
        _ = self.push_screen(Reading(title, parts))

    def action_step(self, count: int) -> None:
        self._stop_playing()
        self._do(lambda: self.session.step(count))

    def action_edge(self, last: bool) -> None:
        self._stop_playing()
        self._do(lambda: self.session.goto(self.session.last if last else 0))

    def action_run(self, backwards: bool) -> None:
        self._stop_playing()
        self._do(lambda: self.session.run(backwards=backwards))

    def action_again(self, backwards: bool) -> None:
        self._do(lambda: self.session.find("", backwards=backwards))

    def action_say(self, command: str) -> None:
        self._do(lambda: self.session.do(command))

    def action_why(self) -> None:
        """Of the step that the state's cursor is at, when that has the focus."""
        state = self.query_one(StatePane)
        step = state.step if state.has_focus else ""
        self._do(lambda: self.session.why(step))

    def action_help(self) -> None:
        self._open("keys", help_parts())

    def on_events_pane_chosen(self, message: EventsPane.Chosen) -> None:
        self._stop_playing()
        self._do(lambda: self.session.goto(message.version))

    # -- prompt -----------------------------------------------------------------------------------

    def action_ask(self, begun: str) -> None:
        """Opens the prompt with the beginning of a command in it."""
        self._stop_playing()
        self.query_one(Prompt).open(begun)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(Prompt).close()
        line = event.value.strip()
        if line.startswith("goto ") and not line.removeprefix("goto ").strip().isdecimal():
            place = line.removeprefix("goto ").strip()
            line = line if place in {"start", "end"} else f"time {place}"
        self._do(lambda: self.session.do(line))

    # -- playing ----------------------------------------------------------------------------------

    @property
    def _speed_text(self) -> str:
        return f"{SPEEDS[self._speed]:g}x"

    def action_play(self) -> None:
        if self._playing is not None:
            self._stop_playing()
            return
        if self.session.version == self.session.last:
            self._do(lambda: self.session.goto(0))
        self._wait()
        self._show()

    def action_faster(self, more: int) -> None:
        self._speed = max(0, min(len(SPEEDS) - 1, self._speed + more))
        if self._playing is not None:
            self._playing.stop()
            self._wait()
            self._head(self.session.here())
        self._say(f"plays at {self._speed_text} of the time that it took")

    def _wait(self) -> None:
        """Until the next event comes, by its own time and the speed."""
        session = self.session
        if session.version >= session.last:
            self._stop_playing()
            return
        recording, version = session.recording, session.version
        gap_s = 0.0
        if version:
            gap_s = (recording.at(version + 1) - recording.at(version)) / MICROSECONDS
        pause_s = min(PAUSE_MAX_S, max(PAUSE_MIN_S, gap_s / SPEEDS[self._speed]))
        self._playing = self.set_timer(pause_s, self._play_on)

    def _play_on(self) -> None:
        if self._playing is None:
            return
        self._do(lambda: self.session.step(1))
        self._wait()

    def _stop_playing(self) -> None:
        if self._playing is not None:
            self._playing.stop()
            self._playing = None
            self._head(self.session.here())

    # -- panes ------------------------------------------------------------------------------------

    def action_pane(self, name: str) -> None:
        """Gives a pane the focus; on a narrow terminal it takes the place beside the events."""
        if name != "events":
            for pane in self.query(".pane"):
                pane.set_class(pane.id == name, "-chosen")
        self.query_one(f"#{name}").focus()

    def action_alone(self) -> None:
        """The pane with the focus fills the window, or all are there again."""
        screen = self.screen
        if screen.maximized is not None:
            screen.minimize()
        elif isinstance(self.focused, Widget):
            screen.maximize(self.focused, container=False)


class Prompt(Input):
    """Where commands are typed; there only while it is open."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]

    def __init__(self) -> None:
        super().__init__(
            id="prompt",
            placeholder="a command; `help` lists them",
            compact=True,
            select_on_focus=False,
        )
        self.display = False

    def open(self, begun: str) -> None:
        self.display = True
        self.value = begun
        self.cursor_position = len(begun)
        self.focus()

    def close(self) -> None:
        self.display = False
        try:
            self.app.query_one(EventsPane).focus()
        except NoMatches:
            return

    def action_leave(self) -> None:
        self.close()


def _stopping(answer: Stopping) -> str:
    """The newest of them, in a line."""
    told = {**answer.stops, **answer.watches}
    if not told:
        return "no breakpoints and no watches"
    newest = max(told)
    kind = "breakpoint" if newest in answer.stops else "watch"
    return f"{kind} {newest}: {told[newest]}; `:breaks` lists {len(told)}"
