"""Session: one client at one run, as a step machine without IO.

    new ──initialize──► greeted ──attach──► attached ──configurationDone──► stopped ◄──► moving
                                                                               └──disconnect──► done

An edge gives it the messages as they come (`requests.take`), lets it go on while it moves (`work`),
does what it wants done (`want`) and tells it of new events (`grown`). It answers by `send`, in
order. A request that is malformed, unknown, or not possible now is answered with an error that says
what to do; the session goes on.

Runs are open one inside the other: the one that was attached to, and where somebody has stepped
into a run that one of its steps called, that one above it.
"""

from collections.abc import Callable
from enum import IntEnum

from events.errors import DalsegnoError
from events.limits import DAP_RUNS_OPEN_MAX
from events.values import Value
from orchestrator.dap import arguments as a
from orchestrator.dap.arming import Arming
from orchestrator.dap.breakpoints import Breakpoints
from orchestrator.dap.capabilities import CAPABILITIES
from orchestrator.dap.inspecting import Inspecting
from orchestrator.dap.layout import MAIN
from orchestrator.dap.level import Level
from orchestrator.dap.messages import Outbox, Request
from orchestrator.dap.moving import BEGINNING, END, Move, Mover, Stop
from orchestrator.dap.numbering import Numbering, Shown
from orchestrator.dap.opening import Opened
from orchestrator.dap.refusals import DapRefused, Malformed, OutOfOrder
from orchestrator.dap.replica import ITSELF, At, Replica
from orchestrator.dap.values import text_of
from orchestrator.dap.wants import Change, Foresee, Fork, OpenCalled, OpenRun, Want
from orchestrator.kernel.expressions import Expressions


class Phase(IntEnum):
    NEW = 0
    GREETED = 1
    ATTACHED = 2
    MOVING = 3
    STOPPED = 4
    DONE = 5


class Session:
    """See the text above. `key_of` gives what the paths of one file have in common."""

    def __init__(
        self,
        expressions: Expressions,
        key_of: Callable[[str], str],
        send: Callable[[bytes], None],
    ) -> None:
        self._expressions = expressions
        self._key_of = key_of
        self.out = Outbox(send)
        self.phase = Phase.NEW
        self.want: Want | None = None
        """To be done before anything else; then `opened`, `foreseen`, `forked` or `refused`."""
        self.levels: list[Level] = []
        self.numbering = Numbering()
        self._arm()
        self._attach = a.Attach()
        self.changed: dict[str, Value] = {}
        """Variables that a fork from where one stands is to have."""
        self._move: Move | None = None
        self._motion = ""
        self._waits = False

    def _arm(self) -> None:
        self.arming = Arming(self._expressions, self.numbering, self._key_of)
        self.inspecting = Inspecting(self.levels, self._expressions, self.arming, self.numbering)

    @property
    def top(self) -> Level:
        return self.levels[-1]

    @property
    def armed(self) -> list[Breakpoints]:
        """The breakpoints of each run that is open, the outermost first."""
        return [level.breakpoints for level in self.levels]

    @property
    def is_busy(self) -> bool:
        """Whether `work` has something to do."""
        return self._move is not None and not self._waits and self.want is None

    @property
    def follows(self) -> tuple[Replica, ...]:
        """The runs that may go on while the session is open."""
        return tuple(level.replica for level in self.levels if not level.replica.is_over)

    # -- attaching --------------------------------------------------------------------------------

    def greet(self, request: Request, given: a.Initialize) -> None:
        if given.path_format != "path":
            raise Malformed(f"pathFormat is {given.path_format[:20]!r}: expected `path`")
        self.numbering = Numbering(int(given.lines_start_at1), int(given.columns_start_at1))
        self._arm()
        self.phase = Phase.GREETED
        self.out.respond(request, CAPABILITIES)

    def attach(self, request: Request, given: a.Attach) -> None:
        if not given.run and not given.file:
            raise Malformed(
                "what to attach to is missing: give `run`, the id of a run, or `file`, a history "
                "that `dalsegno events export` wrote"
            )
        if isinstance(given.at, str) and given.at not in {"start", "end", "failure"}:
            raise Malformed(f"at is {given.at[:40]!r}: expected start, end, failure or a version")
        self._attach = given
        self.want = OpenRun(request, given)

    def opened(self, request: Request | None, opened: Opened) -> None:
        """A run was opened: that to attach to, or (without a request) one that is stepped into.
        Raises `DalsegnoError`, of which `refused` is to be told then."""
        level = self._level(opened)
        if request is None:
            self.want = None
            self._step_into(level)
            return
        level.go(self._entry(level.replica))
        self.want = None
        self.levels[:] = [level]
        self.inspecting.threads.number(level.replica.run_id, MAIN)
        self.phase = Phase.ATTACHED
        if opened.remark:
            self.out.tell(opened.remark, "important")
        self.out.respond(request)
        replica = level.replica
        self.out.tell(
            f"run {replica.run_id} of {replica.layout.name}: {replica.last} events"
            f"{'' if replica.is_over else ' so far'}, at version {level.stop.at.version}"
        )
        self.out.event("initialized")

    def refused(self, error: DalsegnoError) -> None:
        """What was wanted cannot be done."""
        want, self.want = self.want, None
        match want:
            case OpenRun(request=request) | Foresee(request=request) | Fork(request=request):
                self.out.refuse(request.seq, request.command, error)
            case OpenCalled(run_id=run_id):
                self.out.tell(f"run {run_id} cannot be stepped into: {error}")
                self._begin("stepIn", self.top.mover.step_in(self.top.stop.at))
            case None:
                pass

    def _level(self, opened: Opened) -> Level:
        breakpoints = self.arming.breakpoints(opened.replica)
        mover = Mover(opened.replica, breakpoints, self.out.tell)
        return Level(opened.replica, breakpoints, mover)

    def _entry(self, replica: Replica) -> Stop:
        """Where the client wants to begin. Raises `Malformed`."""
        at, wanted = replica.first_at(1), self._attach.at
        if wanted == "end":
            at = At(replica.last, len(replica.told(replica.last).begun) - 1)
        elif wanted == "failure":
            at = _failure_in(replica) or At(replica.last)
        elif isinstance(wanted, int):
            at = self.place(replica, wanted)
        return Stop(at=at, focus=replica.focus(at), reason=BEGINNING)

    @staticmethod
    def place(replica: Replica, version: int) -> At:
        """The place of a version that a person named. Raises `Malformed`."""
        if not 1 <= version <= replica.last:
            raise Malformed(
                f"run {replica.run_id} has no version {version}: they are 1 to {replica.last}"
            )
        return replica.first_at(version)

    def begin(self, request: Request) -> None:
        """All breakpoints are there."""
        self.out.respond(request)
        if self._attach.stop_on_entry:
            self.stand(self.top.stop)
        else:
            self._begin("continue", self._entering())

    def _entering(self) -> Move:
        """Like continue, but a breakpoint at the very place where one begins counts."""
        return self.top.mover.continue_(self.top.replica.before(self.top.stop.at) or At(0))

    # -- standing and moving ----------------------------------------------------------------------

    def stand(self, stop: Stop, reason: str = "") -> None:
        """The session stands there, and says so."""
        self._move, self._waits = None, False
        self.changed = {}
        self.top.go(stop)
        self.inspecting.forget()
        self.phase = Phase.STOPPED
        body: Shown = {
            "reason": reason or stop.reason,
            "threadId": self.inspecting.thread_of(stop),
            "allThreadsStopped": True,
            "description": stop.text or self._described(stop),
        }
        if stop.text:
            body["text"] = stop.text
        if stop.breakpoints:
            body["hitBreakpointIds"] = list(stop.breakpoints)
        self.out.event("stopped", body)

    def _described(self, stop: Stop) -> str:
        replica, at = self.top.replica, stop.at
        what = f"{stop.focus} begins" if at.place != ITSELF else stop.focus
        told = ", ".join(filter(None, [replica.recording.type(at.version), what]))
        return f"version {at.version} of {replica.last}: {told}"

    def move(self, motion: str, given: a.Move) -> None:
        """Begins a move of the innermost run."""
        top, mover = self.top, self.top.mover
        at, focus = top.stop.at, top.stop.focus
        thread = self.inspecting.key_of(given.thread_id)
        by_events = self._attach.stepping == "events" or given.granularity == "instruction"
        match motion:
            case "continue":
                self._begin(motion, mover.continue_(at))
            case "reverseContinue":
                self._begin(motion, mover.reverse(at))
            case "stepIn" if not by_events and self._called(focus):
                self._want_called(self._called(focus))
            case "stepOut":
                self._begin(motion, mover.step_out(at, focus, thread))
            case "stepBack" if by_events:
                self._begin(motion, mover.event_back(at))
            case "stepBack":
                self._begin(motion, mover.step_back(at, focus, thread))
            case "next" if not by_events:
                self._begin(motion, mover.next(at, focus, thread))
            case _:
                self._begin(motion, mover.step_in(at))

    def _begin(self, motion: str, move: Move) -> None:
        self._move, self._motion, self._waits = move, motion, False
        self.phase = Phase.MOVING

    def work(self) -> None:
        """Goes on with the move, for a while."""
        if self._move is None:
            return
        try:
            self._waits = next(self._move)
        except StopIteration as done:
            self._arrive(done.value)
        except DalsegnoError as error:
            self.out.tell(f"the history cannot be gone through: {error}", "important")
            self.stand(self.top.stop)

    def grown(self) -> None:
        """There are new events of a run that is open."""
        self._waits = False

    def pause(self) -> None:
        """Stops where the move has got to."""
        if self._move is not None:
            self._move.close()
            at = self.top.mover.at
            self.stand(Stop(at=at, focus=self.top.replica.focus(at), reason="pause"))

    def _arrive(self, stop: Stop) -> None:
        """A move is over: in the run itself, or at either end of one that was stepped into."""
        if len(self.levels) > 1 and stop.reason in {BEGINNING, END}:
            self._leave(forward=stop.reason == END)
        else:
            self.stand(stop)

    # -- runs in runs -----------------------------------------------------------------------------

    def _called(self, focus: str) -> str:
        """The run that the step one stands at has called; empty for none."""
        replica = self.top.replica
        return replica.cursor.state.calls.get(focus, "") if focus else ""

    def _want_called(self, run_id: str) -> None:
        if len(self.levels) >= DAP_RUNS_OPEN_MAX:
            told = f"{DAP_RUNS_OPEN_MAX} runs are open inside each other"
            self.out.tell(f"{told}: attach to run {run_id} by itself", "important")
            self._begin("stepIn", self.top.mover.step_in(self.top.stop.at))
            return
        self.phase = Phase.MOVING
        self.want = OpenCalled(run_id)

    def _step_into(self, level: Level) -> None:
        self.levels.append(level)
        at = level.replica.first_at(1)
        self.stand(Stop(at=at, focus=level.replica.focus(at), reason="step"))

    def _leave(self, *, forward: bool) -> None:
        """Goes on in the run that had called this one, from the step that did."""
        self.levels.pop()
        stop, mover, motion = self.top.stop, self.top.mover, self._motion
        thread = self.top.replica.layout.thread(stop.focus)
        if motion == "continue":
            self._begin(motion, mover.continue_(stop.at))
        elif motion == "reverseContinue":
            self._begin(motion, mover.reverse(stop.at))
        elif forward:
            self._begin(motion, mover.next(stop.at, stop.focus, thread))
        else:
            self.stand(stop, "step")

    def restart(self, request: Request) -> None:
        """From the beginning again; of a run that goes on with all that has come since."""
        del self.levels[1:]
        self.out.respond(request)
        at = self.top.replica.first_at(1)
        self.stand(Stop(at=at, focus=self.top.replica.focus(at), reason=BEGINNING))

    # -- the end, and what only a fork can have ---------------------------------------------------

    def foresee(self, request: Request, name: str, value: Value, shown: Value) -> None:
        self.want = Foresee(request, self._change({**self.changed, name: value}), shown)

    def _change(self, variables: dict[str, Value]) -> Change:
        return Change(self.top.replica.run_id, self.top.stop.at.version, variables)

    def foreseen(self, wanted: Foresee, preview: str) -> None:
        """The run stays what it is: the answer is the value in a fork, and how to have that."""
        self.want, self.changed = None, wanted.change.variables
        self.out.tell(preview, "important")
        told = {"value": text_of(wanted.shown), "type": "in a fork only"}
        self.out.respond(wanted.request, told)

    def fork(self, request: Request) -> None:
        """Begins what was foreseen. Raises `DapRefused` where nothing was."""
        if not self.changed:
            raise DapRefused("nothing was changed here: change a variable first, and see what for")
        self.want = Fork(request, self._change(self.changed))

    def forked(self, wanted: Fork, run_id: str) -> None:
        """It has begun; the session stays in the run that it was forked from."""
        self.want, self.changed = None, {}
        change = wanted.change
        told = (
            f"run {run_id} has begun, forked from run {change.run_id} at its version "
            f"{change.version} with {', '.join(change.variables)}: attach to it to follow it"
        )
        self.out.respond(wanted.request, {"result": told, "variablesReference": 0})

    def end(self, request: Request, *, is_final: bool) -> None:
        """`terminate` ends the session for the client, `disconnect` for both sides."""
        if self._move is not None:
            self._move.close()
        self._move = None
        self.out.respond(request)
        if not is_final:
            self.out.event("terminated")
            return
        self.phase = Phase.DONE


def _failure_in(replica: Replica) -> At | None:
    """Where a step failed for good, or the run did, first."""
    for version in range(1, replica.last + 1):
        if any(one.filter != "attempt_failed" for one in replica.told(version).failed):
            return At(version)
    return None


def out_of_order(command: str, phase: Phase) -> OutOfOrder:
    """What has to come before."""
    mends = {
        Phase.NEW: "send `initialize` first",
        Phase.GREETED: "send `attach` first, and wait for `initialized`",
        Phase.ATTACHED: "send `configurationDone` first",
        Phase.MOVING: "it moves: send `pause`, or wait for `stopped`",
        Phase.STOPPED: "that was done already",
        Phase.DONE: "the session is over: connect anew",
    }
    return OutOfOrder(f"`{command}` is not possible now: {mends[phase]}")
