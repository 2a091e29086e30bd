"""Clients: they register workflows, start, cancel and fork runs, and ask again until answered."""

from collections.abc import Callable

from dalsegno.testing.twins.scheduler import SECOND, Scheduler
from events.api import (
    AnyAnswer,
    AnyRequest,
    CancelRun,
    CordonNode,
    DrainNode,
    ForkRun,
    PauseRun,
    Refused,
    RegisterWorkflow,
    RepinRun,
    ResumeRun,
    RunAnswer,
    ShowRun,
    SignalRun,
    StartRun,
    UncordonNode,
    UpdateRun,
)
from events.errors import Unavailable
from events.values import Value
from tests.simulation.mistakes import name_of
from tests.simulation.operators import Operators, drawn
from tests.simulation.workload import OPERATED, REFUSED, Steering, Wanted, Workload

PATIENCE_US = 2 * SECOND

Send = Callable[[str, AnyRequest, str], None]
"""Sends a request about a name, to be answered to the last."""

Then = Callable[[AnyAnswer], None]


class Clients:
    """`children` names the child runs of a run that are open."""

    def __init__(
        self,
        scheduler: Scheduler,
        workload: Workload,
        send: Send,
        children: Callable[[str], list[str]],
    ) -> None:
        self.started: set[str] = set()
        self.forked: list[str] = []
        self._scheduler = scheduler
        self._workload = workload
        self._send = send
        self._open: dict[str, tuple[str, AnyRequest, Then]] = {}
        self.requests: dict[str, AnyRequest] = {}
        """Everything that was ever asked, by where the answer goes."""
        self._asked = 0
        self._operators = Operators(scheduler.rng, self.ask, self._after, children)

    @property
    def waiting(self) -> list[AnyRequest]:
        """Requests without an answer."""
        return [request for _, request, _ in self._open.values()]

    def begin(self) -> None:
        self._register(0)
        for wanted in self._workload.runs:
            self._after(wanted.at, lambda wanted=wanted: self._start(wanted))  # type: ignore[misc]
        for at, request in self._workload.mistakes:
            name = name_of(request)
            self._after(at, lambda n=name, given=request: self.ask(n, given, lambda _: None))  # type: ignore[misc]
        for steering in self._workload.steerings:
            self._after(steering.at, lambda given=steering: self._steer(given))  # type: ignore[misc]
            self._after(self._workload.calm_us, lambda given=steering: self._uncordon(given.node))  # type: ignore[misc]

    def _register(self, number: int) -> None:
        """One after the other: a workflow may call those before it."""
        for definition in self._workload.definitions[number : number + 1]:
            request = RegisterWorkflow(definition=definition)
            self.ask(definition.name, request, lambda _: self._register(number + 1))

    def answered(self, reply_to: str, answer: AnyAnswer) -> None:
        """An answer has come; one that says "try again" leaves the request open."""
        if isinstance(answer, Refused) and answer.code == Unavailable.code:
            return
        found = self._open.pop(reply_to, None)
        if found is not None:
            self._scheduler.note(f"answer {reply_to} {type(answer).__name__}")
            found[2](answer)

    def _steer(self, wanted: Steering) -> None:
        """A message that comes twice may cordon the node once more: it is uncordoned for good when
        no message is late any more."""
        node, reason = wanted.node, "its host is looked at"
        request: AnyRequest = CordonNode(actor="op", node=node, reason=reason)
        if wanted.drain_s is not None:
            request = DrainNode(actor="op", node=node, reason=reason, deadline_s=wanted.drain_s)
        self.ask(node, request, lambda _: self._after(wanted.for_us, lambda: self._uncordon(node)))

    def _uncordon(self, node: str) -> None:
        self.ask(node, UncordonNode(actor="op", node=node, reason="looked"), lambda _: None)

    def _after(self, delay_us: int, action: Callable[[], None]) -> None:
        self._scheduler.after(delay_us, "client", action)

    def ask(self, name: str, request: AnyRequest, then: Then) -> None:
        self._asked += 1
        reply_to = f"c{self._asked}"
        self._open[reply_to] = (name, request, then)
        self.requests[reply_to] = request
        self._try(reply_to)

    def _try(self, reply_to: str) -> None:
        found = self._open.get(reply_to)
        if found is not None:
            self._send(found[0], found[1], reply_to)
            self._after(PATIENCE_US, lambda: self._try(reply_to))

    # -- what they want ---------------------------------------------------------------------------

    def _start(self, wanted: Wanted) -> None:
        request = StartRun(
            run_id=wanted.run_id,
            workflow=wanted.workflow,
            input=wanted.input,
            subject=wanted.subject,
        )
        self.ask(wanted.run_id, request, lambda answer: self._begun(wanted, answer))

    def _begun(self, wanted: Wanted, answer: AnyAnswer) -> None:
        if isinstance(answer, Refused):
            # Before its workflow is registered a run is refused, and wanted all the same.
            self._after(SECOND, lambda: self._start(wanted))
            return
        self.started.add(wanted.run_id)
        self._signal(wanted.run_id, wanted.workflow)
        self._update(wanted.run_id)
        self._start_again(wanted)
        now = self._scheduler.now
        if wanted.cancel_at is not None:
            cancel = CancelRun(run_id=wanted.run_id, reason="not wanted any more")
            self._after(
                wanted.cancel_at - now, lambda: self.ask(wanted.run_id, cancel, lambda _: None)
            )
        self._operators.attend(wanted.run_id, wanted.acts, now)
        if wanted.pause_at is not None:
            self._after(wanted.pause_at - now, lambda: self._pause(wanted.run_id))
        if wanted.repin_at is not None:
            repin = RepinRun(run_id=wanted.run_id, build=wanted.build, reason="it has to go on")
            self._after(
                wanted.repin_at - now, lambda: self.ask(wanted.run_id, repin, lambda _: None)
            )
        if wanted.fork_at is not None:
            show = ShowRun(run_id=wanted.run_id)
            self._after(
                wanted.fork_at - now,
                lambda: self.ask(wanted.run_id, show, lambda seen: self._fork(wanted, seen)),
            )

    def _start_again(self, wanted: Wanted) -> None:
        """By a client that does not know whether it has started the run already; much later, too,
        when it may have ended."""
        if self._scheduler.chance(0.3):
            request = StartRun(run_id=wanted.run_id, workflow=wanted.workflow, input=wanted.input)
            delay_us = self._scheduler.between(0.0, 20.0)
            self._after(delay_us, lambda: self.ask(wanted.run_id, request, lambda _: None))

    def _update(self, run_id: str) -> None:
        """Some that are accepted and one that is not, whatever their order."""
        sent: tuple[Value, ...] = (1, REFUSED, {"x": 2})
        for number, data in enumerate(sent):
            update = UpdateRun(run_id=run_id, name="note", id=f"u{number}", data=data)
            self._after(
                int(self._scheduler.rng.random() * 4 * SECOND),
                lambda given=update: self.ask(run_id, given, lambda _: None),  # type: ignore[misc]
            )

    def _pause(self, run_id: str) -> None:
        """For a while; then it is looked at until it goes on: a message that comes twice may pause
        it once more."""
        pause = PauseRun(run_id=run_id, reason="a look first")
        delay_us = int(self._scheduler.rng.random() * 6 * SECOND)
        self.ask(run_id, pause, lambda _: self._after(delay_us, lambda: self._resume(run_id)))

    def _resume(self, run_id: str) -> None:
        resume = ResumeRun(run_id=run_id, reason="looked")
        self.ask(run_id, resume, lambda answer: self._look(run_id, answer))

    def _look(self, run_id: str, seen: AnyAnswer) -> None:
        if isinstance(seen, RunAnswer) and seen.run.status == "paused":
            self._resume(run_id)
        elif isinstance(seen, RunAnswer) and seen.run.ended_at is None:
            show = ShowRun(run_id=run_id)
            self._after(
                5 * SECOND, lambda: self.ask(run_id, show, lambda more: self._look(run_id, more))
            )

    def _signal(self, run_id: str, workflow: str) -> None:
        """Every signal that the run may wait for, at any time, some of them twice."""
        for number, name in enumerate(self._workload.signals[workflow]):
            signal = SignalRun(
                run_id=run_id, name=name, id=f"{number} {name}", data=name, correlation=workflow
            )
            for _ in range(self._scheduler.rng.choice((1, 1, 2))):
                delay_us = int(self._scheduler.rng.random() * 8 * SECOND)
                self._after(delay_us, lambda given=signal: self.ask(run_id, given, lambda _: None))  # type: ignore[misc]

    def _fork(self, wanted: Wanted, seen: AnyAnswer) -> None:
        if not isinstance(seen, RunAnswer):
            return
        version = self._scheduler.rng.randint(1, seen.run.version)
        fork = ForkRun(
            run_id=f"f{wanted.run_id}", source_run_id=wanted.run_id, source_version=version
        )
        self.ask(fork.run_id, fork, lambda answer: self._forked(fork.run_id, answer))

    def _forked(self, run_id: str, answer: AnyAnswer) -> None:
        if isinstance(answer, RunAnswer):
            self.started.add(run_id)
            self.forked.append(run_id)
            self._signal(run_id, answer.run.workflow)
            if self._scheduler.chance(OPERATED):
                now = self._scheduler.now
                acts = drawn(self._scheduler.rng, now, steady=False)
                self._operators.attend(run_id, acts, now)
