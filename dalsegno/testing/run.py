"""A run in a test: what it is, what came of it, and all that can be done to it."""

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from dalsegno.testing.driving import Driver
from dalsegno.testing.errors import Stuck, WorkflowFailed
from dalsegno.testing.twins.coordinator import finish
from dalsegno.testing.waits import ended_badly, waits_for
from dalsegno.testing.world import World
from events.api import (
    AnyRequest,
    CancelRun,
    ErasePersonal,
    PauseRun,
    Queried,
    QueryRun,
    ResumeRun,
    RunView,
    SignalRun,
    Updated,
    UpdateRun,
)
from events.envelope import Event, unseal
from events.errors import Rejected
from events.facts import Called, Fact, Flow
from events.ids import run_stream
from events.run_facts import ChildCalled
from events.values import Value, admit
from orchestrator.adapters.memory.store import MemoryStore
from orchestrator.kernel.state import TERMINAL
from orchestrator.replay.exchange.export import export

F = TypeVar("F", bound=Fact)
ALL = 10**9


class Run:
    """Made by `env.start`. What is asked of it is answered as things are at this instant; time
    passes only in `result`, `ended` and `until`, and in `env.sleep`."""

    def __init__(self, run_id: str, world: World, driver: Driver) -> None:
        self.id = run_id
        self._world = world
        self._driver = driver

    # -- how it is --------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        row = self._world.log.index_row(self.id)
        return "" if row is None else row.status

    def view(self) -> RunView:
        """The run as `dalsegno run show` shows it."""
        return self._world.show(self.id)

    def events(self) -> list[Event]:
        """Everything that was recorded of it: header and fact of each event, in order."""
        stored = self._world.log.read(run_stream(self.id), 0, ALL)
        return [unseal(one, self._world.catalogue) for one in stored]

    def child(self, step: str) -> "Run":
        """The run that a step of this one called, the newest if there were several. Raises
        `Rejected` when it has called none."""
        found = [
            called.run_id
            for event in self.events()
            for called in _called(event.fact)
            if called.step == step
        ]
        if not found:
            raise Rejected(f"step {step} of run {self.id} has not called a run")
        return Run(found[-1], self._world, self._driver)

    def facts(self, kind: type[F]) -> list[F]:
        """The facts of this kind, in order."""
        return [event.fact for event in self.events() if isinstance(event.fact, kind)]

    def export(self) -> bytes:
        """Its history as `dalsegno events export` writes it, for `replay_history`."""
        world = self._world
        lines = export(MemoryStore(world.log), world.catalogue, self.id)
        return b"".join(line + b"\n" for line in finish(_all(lines)))

    # -- its end ----------------------------------------------------------------------------------

    async def result(self) -> Value:
        """Its output, once it has completed. Time skips to whatever comes next.

        Raises `WorkflowFailed` when it ends otherwise, from what its handler raised, and `Stuck`
        when it can never end.
        """
        run = await self.ended()
        if run.status != "completed":
            raised = self._world.stage.raised
            cause = raised.get((self.id, run.error.step)) if run.error is not None else None
            raise WorkflowFailed(ended_badly(run), run) from cause
        return run.output

    async def ended(self) -> RunView:
        """The run once it has ended, however that was. Raises `Stuck` when it can never end."""
        await self.until(lambda _: self.status in TERMINAL)
        return self.view()

    async def until(self, condition: "Callable[[Run], bool]") -> None:
        """Lets time pass until the condition holds; it is looked at whenever something may have
        happened. Raises `Stuck` when it can never hold."""
        if not await self._driver.drive(lambda: condition(self)):
            raise Stuck(self._waits_for())

    def _waits_for(self) -> str:
        run = self.view()
        if run.status in TERMINAL:
            return f"{ended_badly(run)}, and what was waited for has not come"
        return waits_for(self._world, run)

    # -- steering ---------------------------------------------------------------------------------

    async def signal(
        self, name: str, data: object = None, *, correlation: object = None, signal_id: str = ""
    ) -> None:
        """Sends a signal; with the same `signal_id` it is the same signal. Raises `Rejected`."""
        given = SignalRun(
            run_id=self.id,
            name=name,
            id=signal_id or self._world.another_id("signal"),
            data=admitted(data, f"data of signal {name}"),
            correlation=admitted(correlation, f"correlation of signal {name}"),
        )
        await self._steer(given)

    async def update(self, name: str, data: object = None) -> dict[str, Value]:
        """Updates it; returns the variables that the update sets. Raises `Rejected`."""
        data = admitted(data, f"data of update {name}")
        update_id = self._world.another_id("update")
        given = UpdateRun(run_id=self.id, name=name, id=update_id, data=data)
        answer = self._world.ask(given)
        await self._driver.settle()
        return answer.variables if isinstance(answer, Updated) else {}

    def query(self, expression: str) -> Value:
        """The value of a CEL expression over the run's state. Raises `Rejected`."""
        answer = self._world.ask(QueryRun(run_id=self.id, expression=expression))
        return answer.value if isinstance(answer, Queried) else None

    async def cancel(self, reason: str = "") -> None:
        await self._steer(CancelRun(run_id=self.id, reason=reason))

    async def pause(self, reason: str = "") -> None:
        await self._steer(PauseRun(run_id=self.id, reason=reason))

    async def resume(self, reason: str = "") -> None:
        await self._steer(ResumeRun(run_id=self.id, reason=reason))

    async def erase(self, reason: str = "") -> int:
        """Erases what was said in this run, and in all others of its subject, as `dalsegno erase`
        does; returns how many they are. What is read of them afterwards has marks in place of the
        values. Raises `Rejected` for a run that is not personal, or one of them that is open."""
        keys = self._world.log.data_keys
        key_id, subject, runs = keys.shared_with(self.id)
        if open_ := [one for one in runs if Run(one, self._world, self._driver)._is_open]:
            raise Rejected(f"{', '.join(open_)} of {subject} is open: what it has is still used")
        request = ErasePersonal(
            run_id=self.id, key_id=key_id, subject=subject, runs=len(runs), reason=reason
        )
        await self._steer(request)
        keys.drop(self.id)
        return len(runs)

    @property
    def _is_open(self) -> bool:
        return self.status not in TERMINAL

    async def _steer(self, request: AnyRequest) -> None:
        self._world.ask(request)
        await self._driver.settle()


async def _all(lines: AsyncIterator[bytes]) -> list[bytes]:
    return [line async for line in lines]


def admitted(value: object, what: str) -> Value:
    """A value of the test as the product takes it. Raises `InvalidValue` with the path of what is
    no JSON data."""
    return admit(value, what)


def _called(fact: Fact) -> tuple[Called, ...]:
    """The calls of other runs that a fact records."""
    if isinstance(fact, ChildCalled):
        return (fact.call,)
    flow = getattr(fact, "flow", None)
    return flow.calls if isinstance(flow, Flow) else ()
