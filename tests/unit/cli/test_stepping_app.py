"""The session in a terminal: keys, breakpoints, search, what the panes show, wide and narrow."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from rich.console import Console
from textual.pilot import Pilot
from textual.widgets import Static

from events import definition as d
from orchestrator.cli.replay.stepping.app import NARROW, SPEEDS, Prompt, Stepping
from orchestrator.cli.replay.stepping.dialogs import KEYS, Reading
from orchestrator.cli.replay.stepping.panes import (
    ChangesPane,
    EventsPane,
    GraphPane,
    StatePane,
    TextPane,
    TimelinePane,
)
from tests.builders import Play, parallel, started, task, workflow
from tests.recordings import recorded

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
WIDE, SMALL = (120, 40), (80, 24)
DEFINITION = workflow(
    parallel(left=task("a"), right=task("b")),
    task("c", inputs={"password": "${ input.password }"}),
)


def played() -> Play:
    play = started(DEFINITION, value={"password": "hunter2"})
    play.wait(0.1).place_all()
    play.wait(0.1).complete("b", {"total": -7})
    play.wait(0.1).complete("a", "declined")
    play.wait(0.1).place("c", node="north")
    play.wait(0.1).fail("c", code="broken", retryable=False)
    return play


LAST = 8


@asynccontextmanager
async def session(
    size: tuple[int, int] = WIDE, begin: int = LAST, play: Play | None = None
) -> AsyncIterator[tuple[Stepping, Pilot[None]]]:
    app = Stepping(recorded(play or played()), begin)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield app, pilot


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


async def typed(pilot: Pilot[None], text: str) -> None:
    """At the prompt, behind what it begins with."""
    pilot.app.query_one(Prompt).insert_text_at_cursor(text)
    await press(pilot, "enter")


def said(app: Stepping) -> str:
    return plain(app.query_one("#said", Static))


def plain(shown: Static) -> str:
    """What a static shows, as text."""
    out = Console(width=200, color_system=None, legacy_windows=False)
    with out.capture() as captured:
        out.print(shown.content)
    return captured.get()


def pane(app: Stepping, kind: type[TextPane]) -> str:
    return plain(app.query_one(kind).text)


def tree(app: Stepping) -> list[str]:
    """All rows of the state that are in sight or could be scrolled to."""
    state = app.query_one(StatePane)
    lines = (state.get_node_at_line(number) for number in range(state.last_line + 1))
    return [str(node.label) for node in lines if node is not None]


def rows(app: Stepping) -> list[str]:
    events = app.query_one(EventsPane)
    height = events.scrollable_content_region.height
    return ["".join(one.text for one in events.render_line(y)).rstrip() for y in range(height)]


async def test_it_opens_where_it_is_told_to() -> None:
    async with session(begin=3) as (app, _):
        assert app.session.version == 3
        assert "version 3 of 8" in plain(app.query_one("#head", Static))
        assert rows(app)[0].strip() == "0 before the first event"
        assert rows(app)[3].startswith(
            "3 22:13:20.100 task.dispatched  attempt 1 of b was given to"
        )


async def test_keys_step_on_and_back_and_to_the_ends() -> None:
    async with session() as (app, pilot):
        seen = []
        for key in ("left", "h", "home", "right", "l", "s", "end", "right", "pageup"):
            await press(pilot, key)
            seen.append(app.session.version)
        assert seen == [7, 6, 0, 1, 2, 3, 8, 8, 0]


async def test_in_a_long_run_the_events_follow_and_their_keys_step() -> None:
    loop = d.ForEachStep(id="l", items=list(range(300)), steps=(task("x"),))
    play = started(workflow(loop)).finish()
    last = len(play.facts)
    async with session(SMALL, last, play) as (app, pilot):
        assert any(row.startswith(f"{last} ") for row in rows(app)), "it opens at the end in sight"
        seen = []
        for key in ("up", "k", "down", "pageup", "home", "pagedown", "j", "end"):
            await press(pilot, key)
            seen.append(app.session.version)
            assert any(row.split()[0] == str(seen[-1]) for row in rows(app) if row), key
        assert seen == [last - 1, last - 2, last - 1, last - 11, 0, 10, 11, last]
        await press(pilot, "2", "pagedown")
        assert app.session.version == last, "elsewhere it scrolls"
        await press(pilot, "left")
        assert app.session.version == last - 1


async def test_all_panes_show_what_was_so_there() -> None:
    async with session(begin=4) as (app, pilot):
        assert "~ steps.b.status" in pane(app, ChangesPane)
        graph = pane(app, GraphPane)
        assert "▶ │ a" in graph
        assert "│ ✓ b" in graph
        assert "◀" in graph, "what the event was about is marked"
        assert any("a  dispatched" in row for row in tree(app))
        await press(pilot, "right")
        assert "a  completed" in "\n".join(tree(app))
        assert "✓ │ a" in pane(app, GraphPane)
        lines = pane(app, TimelinePane)
        assert "┃" in lines, "the timeline says where it stands"
        assert "✗ c" in lines, "and shows all of the run"


async def test_breakpoints_are_set_at_the_prompt_and_met() -> None:
    async with session(begin=0) as (app, pilot):
        await press(pilot, "b")
        assert app.query_one(Prompt).display
        await typed(pilot, "step c")
        assert "breakpoint 1: step c" in said(app)
        seen = []
        for key in ("c", "c", "c", "c", "r"):
            await press(pilot, key)
            seen.append(app.session.version)
        assert seen == [5, 6, 7, 8, 7]
        await press(pilot, "home")
        await press(pilot, "r")
        assert said(app).strip() == "the start"


async def test_search_goes_to_the_next_and_the_one_before() -> None:
    async with session(begin=0) as (app, pilot):
        await press(pilot, "slash")
        await typed(pilot, "Broken")
        assert app.session.version == 7
        await press(pilot, "n")
        assert app.session.version == 8
        await press(pilot, "N")
        assert app.session.version == 7
        await press(pilot, "slash")
        await typed(pilot, "nowhere")
        assert "no event after 7 has 'nowhere' in it" in said(app)
        assert app.query_one("#said").has_class("bad")
        assert app.session.version == 7


async def test_it_goes_to_versions_and_times() -> None:
    async with session() as (app, pilot):
        seen = []
        for place in ("5", "+0.1s", "22:13:21", "end", "start"):
            await press(pilot, "g")
            await typed(pilot, place)
            seen.append(app.session.version)
        assert seen == [5, 3, 8, 8, 0]
        await press(pilot, "g")
        await typed(pilot, "99")
        assert "has no version 99" in said(app)


async def test_the_prompt_is_left_without_a_command() -> None:
    async with session() as (app, pilot):
        await press(pilot, "colon")
        await press(pilot, "b", "a", "escape")
        assert not app.query_one(Prompt).display
        await press(pilot, "left")
        assert app.session.version == LAST - 1, "keys are keys again"


async def test_what_is_no_command_is_told_and_nothing_moves() -> None:
    async with session(begin=2) as (app, pilot):
        await press(pilot, "colon")
        await typed(pilot, "bakc")
        assert "did you mean back?" in said(app)
        assert app.session.version == 2
        await press(pilot, "right")
        assert said(app).strip() == ""


async def test_why_explains_the_event_or_the_step_that_the_state_is_at() -> None:
    async with session(begin=7) as (app, pilot):
        await press(pilot, "w")
        assert isinstance(app.screen, Reading)
        assert "c failed for good with broken" in plain(app.screen.query_one("#read", Static))
        await press(pilot, "escape")
        await press(pilot, "2")
        state = app.query_one(StatePane)
        state.cursor_line = next(n for n, row in enumerate(tree(app)) if row.startswith("b "))
        await press(pilot, "w")
        assert plain(app.screen.query_one("#read", Static)).startswith("b of run-1  completed")


async def test_help_lists_every_key() -> None:
    async with session() as (app, pilot):
        await press(pilot, "question_mark")
        shown = plain(app.screen.query_one("#read", Static))
        for key, _ in KEYS:
            assert key in shown
        await press(pilot, "q")
        assert not isinstance(app.screen, Reading)


async def test_watches_stand_in_the_state() -> None:
    async with session(begin=0) as (app, pilot):
        await press(pilot, "x")
        await typed(pilot, "steps.b.output.total")
        assert any("steps.b.output.total = null" in row for row in tree(app))
        await press(pilot, "end")
        assert any("steps.b.output.total = -7" in row for row in tree(app))


async def test_what_is_open_in_the_state_stays_open() -> None:
    async with session(begin=5) as (app, pilot):
        await press(pilot, "2")
        state = app.query_one(StatePane)
        state.cursor_line = next(n for n, row in enumerate(tree(app)) if row.startswith("b "))
        await press(pilot, "enter")
        assert any(row.startswith("output") for row in tree(app))
        await press(pilot, "right")
        assert any(row.startswith("output") for row in tree(app))
        assert state.cursor_line > 0


async def test_it_plays_to_the_end_at_a_speed() -> None:
    async with session(begin=0) as (app, pilot):
        await press(pilot, *("minus" for _ in SPEEDS), "p")
        assert "▶ 0.1x" in plain(app.query_one("#head", Static))
        await press(pilot, *("plus" for _ in SPEEDS))
        assert "1000x" in said(app)
        while app.session.version < LAST:
            await pilot.pause(0.02)
        await pilot.pause()
        assert "▶" not in plain(app.query_one("#head", Static))


async def test_a_key_ends_the_play() -> None:
    async with session(begin=0) as (app, pilot):
        await press(pilot, "minus", "minus", "minus", "minus", "p", "left")
        stands = app.session.version
        assert "▶" not in plain(app.query_one("#head", Static))
        await pilot.pause(0.05)
        assert app.session.version == stands


async def test_a_click_goes_to_an_event() -> None:
    async with session() as (app, pilot):
        await pilot.click("#events", offset=(10, 4))
        await pilot.pause()
        assert app.session.version == 3


async def test_on_a_narrow_terminal_one_pane_stands_beside_the_events() -> None:
    async with session(SMALL) as (app, pilot):
        for number, name in enumerate(["state", "changes", "graph", "timeline"], 2):
            await press(pilot, str(number))
            assert [one.id for one in app.query(".pane") if one.display] == ["events", name]
            assert app.focused is not None
            assert app.focused.id == name
        await press(pilot, "left")
        assert app.session.version == LAST - 1


async def test_on_a_wide_one_all_are_there_and_one_can_have_it_all() -> None:
    async with session((NARROW, 40)) as (app, pilot):
        assert [one.id for one in app.query(".pane") if one.display] == [
            "events",
            "state",
            "changes",
            "graph",
            "timeline",
        ]
        await press(pilot, "4", "z")
        assert app.screen.maximized is app.query_one(GraphPane)
        await press(pilot, "z")
        assert app.screen.maximized is None


async def test_secrets_are_covered_in_all_of_it() -> None:
    async with session(begin=1) as (app, pilot):
        await press(pilot, "2")
        assert any("***" in row for row in tree(app))
        for key in ("right", "end", "e"):
            assert "hunter2" not in app.export_screenshot()
            await press(pilot, key)
        assert "hunter2" not in app.export_screenshot()


async def test_a_run_without_its_definition_has_no_graph_and_all_else() -> None:
    recording = recorded(played())
    recording.net = None
    app = Stepping(recording, 3)
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "right")
        assert "is not in the log" in pane(app, GraphPane)
        assert app.session.version == 4


async def test_q_ends_it() -> None:
    async with session() as (app, pilot):
        await press(pilot, "q")
        assert app.return_code == 0
