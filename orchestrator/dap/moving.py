"""Moving: from a place in a history to the next one at which a session stops.

A move is a generator that gives way again and again, so that whoever drives it can look whether
something else has come, and returns the stop. On a run that goes on it waits at the end for what is
to come. Breakpoints are met on the way of every move, in both directions.

    continue          to a breakpoint; on to the end of what there is
    next, stepOut     to where the next step of the thread begins, in the same frame or further out,
                      or only further out; when the thread is over, to the event by which it is
    stepIn            to the very next place, in whatever thread
    stepBack          to where the step before began, in the thread or in the one that it came from
    reverseContinue   to a breakpoint before; else to the beginning
"""

from collections.abc import Callable, Generator, Iterator

import msgspec

from orchestrator.dap.beginnings import Failed
from orchestrator.dap.breakpoints import REASONS, Breakpoints, Met
from orchestrator.dap.layout import MAIN
from orchestrator.dap.replica import ITSELF, At, Replica
from orchestrator.replay.cursor import Cursor

SLICE = 200
"""Events between two looks whether something else has come."""

BEGINNING, END = "entry", "pause"


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Where and why a session stopped. `reason` is the protocol's; `text` is for the person."""

    at: At
    focus: str
    reason: str
    text: str = ""
    breakpoints: tuple[int, ...] = ()
    failed: Failed | None = None


Goal = Callable[[At, str], bool]
"""Whether a move ends at a place, which is about an instance."""

Move = Generator[bool, None, Stop]
"""Gives true where it cannot go on before the history has grown."""


class Mover:
    """Makes the moves of one replica. `say` is told what log points say on the way."""

    def __init__(
        self, replica: Replica, breakpoints: Breakpoints, say: Callable[[str], None]
    ) -> None:
        self._replica = replica
        self._breakpoints = breakpoints
        self._say = say
        self.at = At(0)
        """The place that the move has got to."""

    # -- the moves --------------------------------------------------------------------------------

    def continue_(self, at: At) -> Move:
        return self._forward(at, lambda _at, _instance: False)

    def step_in(self, at: At) -> Move:
        return self._forward(at, lambda _at, _instance: True)

    def next(self, at: At, focus: str, thread: str) -> Move:
        thread, depth = self._on_from(focus, thread)
        return self._forward(at, self._begins(thread, depth), thread)

    def step_out(self, at: At, focus: str, thread: str) -> Move:
        thread, depth = self._on_from(focus, thread)
        return self._forward(at, self._begins(thread, depth - 1), thread)

    def step_back(self, at: At, focus: str, thread: str) -> Move:
        threads = {thread, self._replica.layout.outer_thread(focus)}
        layout = self._replica.layout

        def goal(place: At, instance: str) -> bool:
            return place.place != ITSELF and layout.thread(instance) in threads

        return self._backward(at, goal)

    def event_back(self, at: At) -> Move:
        """To the event before, or the step that began before in the same one."""
        return self._backward(at, lambda _at, _instance: True)

    def reverse(self, at: At) -> Move:
        return self._backward(at, lambda _at, _instance: False)

    # -- forward ----------------------------------------------------------------------------------

    def _on_from(self, focus: str, thread: str) -> tuple[str, int]:
        """The thread that goes on, and the depth that it is at: that of the thread that this one
        came from when it is over."""
        replica = self._replica
        if thread != MAIN and not self._goes_on(thread, replica.cursor):
            instance = replica.leaf(thread, focus)
            outer = replica.layout.outer_thread(instance)
            return outer, replica.depth(replica.leaf(outer))
        return thread, replica.depth(replica.leaf(thread, focus))

    def _begins(self, thread: str, depth: int) -> Goal:
        replica = self._replica

        def goal(at: At, instance: str) -> bool:
            if at.place == ITSELF or replica.layout.thread(instance) != thread:
                return False
            return replica.depth(instance) <= depth

        return goal

    def _forward(self, at: At, goal: Goal, thread: str | None = None) -> Move:
        replica, seen = self._replica, 0
        self.at = max(at, At(1))
        yield from self._prepared(at, backward=False)
        while True:
            following = replica.after(at)
            if following is None:
                if replica.is_over:
                    return self._at_end(at)
                yield True
                continue
            if following.version != at.version:
                seen += 1
                if seen % SLICE == 0:
                    yield False
            at = self.at = following
            stop = self._met(at, forward=True) or self._reached(at, goal)
            if stop is None and thread is not None and self._is_last_of(thread, at):
                text = f"the branch {thread or 'of the run'} is over"
                stop = Stop(at=at, focus=replica.focus(at), reason="step", text=text)
            if stop is not None:
                return stop

    def _is_last_of(self, thread: str, at: At) -> bool:
        """Whether nothing of a branch is under way any more with this event."""
        replica = self._replica
        if thread == MAIN or at.place != ITSELF:
            return False
        told = replica.told(at.version)
        if not any(self._touches(thread, one) for one in told.ended):
            return False
        return not self._goes_on(thread, replica.aside.to(at.version))

    def _touches(self, thread: str, instance: str) -> bool:
        layout = self._replica.layout
        return layout.thread(instance) == thread or layout.holds(instance)

    def _goes_on(self, thread: str, cursor: Cursor) -> bool:
        """Whether something in a thread, or in one that came from it, is under way."""
        layout = self._replica.layout
        return any(layout.thread(one) == thread for one in self._replica.active(cursor.state))

    def _at_end(self, at: At) -> Stop:
        focus = self._replica.focus(at)
        type_ = self._replica.recording.type(at.version)
        return Stop(at=at, focus=focus, reason=END, text=f"the end of the history: {type_}")

    # -- backward ---------------------------------------------------------------------------------

    def _backward(self, at: At, goal: Goal) -> Move:
        seen = 0
        self.at = at
        yield from self._prepared(at, backward=True)
        while (before := self._replica.before(at)) is not None:
            if before.version != at.version:
                seen += 1
                if seen % SLICE == 0:
                    yield False
            at = self.at = before
            stop = self._met(at, forward=False) or self._reached(at, goal)
            if stop is not None:
                return stop
        first = self._replica.first_at(1)
        focus = self._replica.focus(first)
        return Stop(at=first, focus=focus, reason=BEGINNING, text="the beginning of the history")

    def _prepared(self, at: At, *, backward: bool) -> Iterator[bool]:
        for _ in self._breakpoints.prepare(at.version, backward=backward):
            yield False

    # -- both -------------------------------------------------------------------------------------

    def _reached(self, at: At, goal: Goal) -> Stop | None:
        focus = self._replica.focus(at)
        return Stop(at=at, focus=focus, reason="step") if goal(at, focus) else None

    def _met(self, at: At, *, forward: bool) -> Stop | None:
        """The stop at the breakpoints that are met at a place, if one is."""
        met = self._breakpoints.met(at.version, at.place, at.place)
        if forward:
            for text in self._said(met):
                self._say(text)
        stopping = [one for one in met if not one.breakpoint.message]
        return _stop_at(stopping) if stopping else None

    def _said(self, met: list[Met]) -> Iterator[str]:
        for one in met:
            if one.breakpoint.message:
                yield self._breakpoints.message(one)
        yield from self._breakpoints.complaints()


def _stop_at(met: list[Met]) -> Stop:
    """A stop for the first of them, which names all."""
    first = min(met, key=lambda one: one.breakpoint.kind != "exception")
    failed = first.failed
    text = "" if failed is None else f"{failed.failure.code}: {failed.failure.message}"
    return Stop(
        at=first.at,
        focus=first.instance,
        reason=REASONS[first.breakpoint.kind],
        text=text,
        breakpoints=tuple(one.breakpoint.id for one in met),
        failed=failed,
    )
