"""Whatever became of a run, a debugger goes through it both ways and finds the same."""

from hypothesis import given, settings
from hypothesis import strategies as st

from events.definition import ChoiceStep, Definition, LoopStep, ParallelStep, WithinStep
from orchestrator.dap.breakpoints import Breakpoint, Breakpoints
from orchestrator.dap.layout import Layout
from orchestrator.dap.looking import Look
from orchestrator.dap.moving import Move, Mover, Stop
from orchestrator.dap.replica import OVER, At, Replica
from orchestrator.dap.scopes import Scopes
from orchestrator.dap.sources import Sheet, Sources, stored_text
from orchestrator.dap.stacks import frames, shown_frame
from orchestrator.kernel.instances import static_of
from orchestrator.kernel.state import RunState
from tests.builders import Play
from tests.property.test_kernel_runs import EXPRESSIONS, history
from tests.recordings import recorded
from tests.worlds import Drawn, definitions

HOLDERS = (ChoiceStep, LoopStep, ParallelStep, WithinStep)


@st.composite
def played(draw: st.DrawFn) -> tuple[Play, Definition]:
    definition = draw(definitions())
    return history(definition, Drawn(draw), draw(st.integers(0, 40))), definition


def replica_of(play: Play, definition: Definition) -> Replica:
    text, authored = stored_text(definition)
    sources = Sources(Layout(definition))
    sources.add(Sheet("stored", "", 1, text), authored)
    return Replica(recorded(play), definition, sources)


def moved(move: Move) -> Stop:
    while True:
        try:
            assert next(move) is False, "it waits, at the end of a run"
        except StopIteration as done:
            stop: Stop = done.value
            return stop


class Walk:
    """Goes through a run; where it has been."""

    def __init__(self, replica: Replica, *points: Breakpoint) -> None:
        self.replica = replica
        breakpoints = Breakpoints(replica, EXPRESSIONS)
        breakpoints.put("all", points)
        self.mover = Mover(replica, breakpoints, print)
        self.at = replica.first_at(1)

    def go(self, move: Move) -> Stop:
        stop = moved(move)
        self.replica.cursor.to(stop.at.version)
        self.at = stop.at
        return stop

    def all_of(self, motion: str) -> list[At]:
        """The places where it stops, until it is at either end."""
        found: list[At] = []
        while True:
            moves = {
                "continue": self.mover.continue_,
                "reverse": self.mover.reverse,
                "in": self.mover.step_in,
                "back": self.mover.event_back,
            }
            stop = self.go(moves[motion](self.at))
            if stop.text.startswith("the "):
                return found
            found.append(stop.at)


@settings(max_examples=40)
@given(found=played())
def test_every_place_is_there_from_both_sides(found: tuple[Play, Definition]) -> None:
    replica = replica_of(*found)
    walk = Walk(replica)
    first = walk.at
    there = walk.all_of("in")
    assert {at.version for at in there} | {1} == set(range(1, replica.last + 1))
    assert [first, *there] == sorted({first, *there})
    back = walk.all_of("back")
    assert [*back[::-1], there[-1]] == [first, *there][-len(back) - 1 :]


@settings(max_examples=40)
@given(found=played(), condition=st.sampled_from(["", "step.status != 'ready'", "size(vars) > 1"]))
def test_breakpoints_are_met_at_the_same_places_from_both_sides(
    found: tuple[Play, Definition], condition: str
) -> None:
    points = (
        Breakpoint(id=1, kind="function", name="s*", condition=condition),
        Breakpoint(id=2, kind="exception", name="attempt_failed"),
        Breakpoint(id=3, kind="exception", name="step_failed"),
    )
    replica = replica_of(*found)
    walk = Walk(replica, *points)
    walk.at = At(0)
    first = replica.first_at(1)  # where a history begins: nobody comes back behind that
    there = [at for at in walk.all_of("continue") if at >= first]
    back = walk.all_of("reverse")
    # The place where one stands is not met again, and the end of the history may be one.
    assert there in (back[::-1], [*back[::-1], *there[-1:]])


@settings(max_examples=40)
@given(found=played())
def test_each_place_has_its_thread_its_frames_and_all_that_is_shown_of_it(
    found: tuple[Play, Definition],
) -> None:
    replica = replica_of(*found)
    walk = Walk(replica)
    while True:
        stop = walk.go(walk.mover.step_in(walk.at))
        if stop.text.startswith("the "):
            break
        check_ways(replica, replica.cursor.state)
        threads = replica.threads(stop.focus)
        assert replica.layout.thread(stop.focus) in threads
        for thread in threads:
            for number, frame in enumerate(frames(replica, thread, stop.focus)):
                assert shown_frame(frame, number)["line"]
        look = Look(replica.cursor, stop.focus)
        for scope in Scopes(replica, stop.focus, look).all():
            for row in scope.rows():
                if row.rows is not None:
                    row.rows()
                if row.path:
                    assert look.evaluate(row.path, EXPRESSIONS) == row.value


def check_ways(replica: Replica, state: RunState) -> None:
    """Two steps of one way are never under way at the same time."""
    busy: dict[str, str] = {}
    for name, step in state.steps.items():
        stand = replica.layout.stand(name)
        if step.status in OVER or stand is None or isinstance(stand.step, HOLDERS):
            continue
        thread = replica.layout.thread(name)
        other = busy.setdefault(thread, name)
        assert other == name, f"{other} and {name} are both on the way {thread!r}"


@settings(max_examples=40)
@given(found=played())
def test_next_stays_out_of_what_is_inside_and_comes_to_an_end(
    found: tuple[Play, Definition],
) -> None:
    replica = replica_of(*found)
    walk = Walk(replica)
    for _ in range(replica.last * 3):
        focus = replica.focus(walk.at)
        stop = walk.go(walk.mover.next(walk.at, focus, ""))
        if stop.text.startswith("the "):
            return
        assert replica.layout.thread(stop.focus) == ""
        assert replica.layout.levels(stop.focus) == (), static_of(stop.focus)
    raise AssertionError("it never ends")
