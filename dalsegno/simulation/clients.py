"""Clients of a simulated cluster: they register the workflows, start runs, send signals, and ask
again until they are answered."""

from collections.abc import Callable

from dalsegno.testing.twins.scheduler import SECOND, Scheduler
from events.api import AnyAnswer, AnyRequest, Refused, RegisterWorkflow, SignalRun, StartRun
from events.errors import NotFound, Rejected
from events.simulation import Plan

PATIENCE_US = 2 * SECOND
START_US = SECOND
"""When the first run is started, and how long after it the last one."""

Send = Callable[[str, AnyRequest, str], None]
Then = Callable[[AnyAnswer], None]


class Clients:
    def __init__(self, scheduler: Scheduler, plan: Plan, send: Send) -> None:
        self._scheduler = scheduler
        self._plan = plan
        self._send = send
        self._open: dict[str, tuple[str, AnyRequest, Then]] = {}
        self._asked = 0
        self._starting = plan.runs
        self._later: list[tuple[int, Callable[[], None]]] = []
        """What is to be done at an instant, in order."""

    @property
    def is_starting(self) -> bool:
        return self._starting > 0

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for an answer."""
        return bool(self._open)

    def due_in(self) -> list[int]:
        """How many microseconds until they do something of their own."""
        now = self._scheduler.now
        return [at - now for at, _ in self._later]

    def skipped(self, duration_us: int) -> None:
        """Time has been skipped: what they had planned does not come later for that."""
        planned, self._later = self._later, []
        for at, action in planned:
            self._at(at - self._scheduler.now - duration_us, action, skipped_us=duration_us)

    def begin(self) -> None:
        self._register(0)

    def answered(self, reply_to: str, answer: AnyAnswer) -> None:
        if isinstance(answer, Refused) and answer.code not in (Rejected.code, NotFound.code):
            return  # it is asked again
        found = self._open.pop(reply_to, None)
        if found is not None:
            found[2](answer)

    def _register(self, number: int) -> None:
        """One after the other: a workflow may call those before it."""
        for definition in self._plan.definitions[number : number + 1]:
            request = RegisterWorkflow(definition=definition)
            self._ask(definition.name, request, lambda _: self._register(number + 1))
        if number == len(self._plan.definitions):
            for run in range(self._plan.runs):
                delay_us = START_US * run // max(self._plan.runs, 1)
                self._scheduler.after(delay_us, "", lambda run=run: self._start(f"run-{run + 1}"))  # type: ignore[misc]

    def _start(self, run_id: str) -> None:
        name = self._plan.definitions[-1].name
        request = StartRun(run_id=run_id, workflow=name, input=self._plan.input)
        self._ask(run_id, request, lambda answer: self._started(run_id, answer))

    def _started(self, run_id: str, answer: AnyAnswer) -> None:
        if isinstance(answer, Refused):
            raise Rejected(answer.message)
        self._starting -= 1
        for name, signal in self._plan.model.signals.items():
            request = SignalRun(
                run_id=run_id,
                name=name,
                id=f"{name}-1",
                data=signal.data,
                correlation=signal.correlation,
            )
            self._at(round(signal.after_s * SECOND), lambda given=request: self._signal(given))  # type: ignore[misc]

    def _signal(self, request: SignalRun) -> None:
        """One that comes when the run is over is refused, and that is all."""
        self._ask(request.run_id, request, lambda _: None)

    def _at(self, delay_us: int, action: Callable[[], None], skipped_us: int = 0) -> None:
        """`skipped_us`: time that is about to be skipped, and delays what is planned now."""
        entry = (self._scheduler.now + skipped_us + delay_us, action)
        self._later.append(entry)

        def act() -> None:
            if entry in self._later:
                self._later.remove(entry)
                action()

        self._scheduler.after(delay_us, "", act)

    def _ask(self, name: str, request: AnyRequest, then: Then) -> None:
        self._asked += 1
        reply_to = f"client-{self._asked}"
        self._open[reply_to] = (name, request, then)
        self._try(reply_to)

    def _try(self, reply_to: str) -> None:
        found = self._open.get(reply_to)
        if found is not None:
            self._send(found[0], found[1], reply_to)
            self._scheduler.after(PATIENCE_US, "", lambda: self._try(reply_to))
