"""The stage: where handlers and fakes are called, by the agent's own machinery.

Handlers run in real time and take no virtual time: the clock of the world stands still while one of
them runs. Fakes take the virtual time that they were told to, and no real time.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from collections.abc import Set as AbstractSet

import msgspec

from dalsegno.testing.fakes import Call, Fakes
from dalsegno.testing.twins.scheduler import Scheduler
from events.api import AnyAnswer, AnyRequest
from events.errors import InvariantViolation, Rejected
from events.values import Value
from node_agent import TaskCancelled, TaskContext
from node_agent.registry import Registered, TaskRegistry
from node_agent.signatures import Signature
from node_agent.tasks import Arguments, Handler, TaskType, Terms

Fetch = Callable[[str, int], list[Value]]


class Running(msgspec.Struct, frozen=True):
    task: str
    node: str


class Stage:
    """Shared by all nodes of a world. `changed` is set whenever something may go on."""

    def __init__(
        self,
        scheduler: Scheduler,
        fakes: Fakes,
        secrets: Mapping[str, str],
        token_secret: Callable[[], str],
    ) -> None:
        self.scheduler = scheduler
        self.token_secret = token_secret
        """Of the completion tokens that handlers give away."""
        self.fakes = fakes
        self.calls: list[Call] = []
        self.raised: dict[tuple[str, str], Exception] = {}
        """What a handler or fake raised last, by run and step."""
        self.changed = asyncio.Event()
        self.handled: frozenset[str] = frozenset()
        """Tasks that have handlers."""
        self.missing: dict[str, str] = {}
        """What executions wait for of whose task there is neither handler nor fake."""
        self.running: dict[str, Running] = {}
        """Handlers that run, and fakes that are not asleep, by attempt."""
        self.fetch: Fetch = _nothing
        """Values of a stored chunk from the first on: what the coordinator of the world answers."""
        self._awaited: dict[str, list[Callable[[], None]]] = {}
        self._secrets = dict(secrets)
        self._loop = asyncio.get_running_loop()
        self._home = threading.get_ident()

    def resolve(self, name: str) -> str | None:
        """The secret of this name: the stage is every node's source of secrets."""
        return self._secrets.get(name)

    async def fetch_values(self, hash_: str, first: int) -> list[Value]:
        """The stage is every node's source of large lists, too."""
        return self.fetch(hash_, first)

    async def ask(self, request: AnyRequest, about: str) -> AnyAnswer:
        """Nor does it act on other runs."""
        raise Rejected(f"a test has no cluster in which run {about} could be acted on: use a fake")

    def at_home(self, action: Callable[[], None]) -> None:
        """Does it in the event loop's thread, now if this is it."""
        if threading.get_ident() == self._home:
            action()
        else:
            self._loop.call_soon_threadsafe(action)

    async def around(self, ctx: TaskContext, arguments: Arguments, proceed: Handler) -> object:
        """Stands around every handler: keeps the record and lets fakes step in."""
        self._record(ctx)
        try:
            return await self._play(ctx, arguments, proceed)
        except Exception as error:
            self.raised[ctx.run_id, ctx.step] = error
            raise

    async def _play(self, ctx: TaskContext, arguments: Arguments, proceed: Handler) -> object:
        fake = self.fakes.take(ctx.task)
        while fake is None and ctx.task not in self.handled:
            await self._come(ctx)
            fake = self.fakes.take(ctx.task)
        if fake is None:
            return await proceed(ctx, arguments)
        await self._sleep(ctx, fake.takes_us)
        returned = fake.outcome(ctx)
        return await returned if hasattr(returned, "__await__") else returned

    def _record(self, ctx: TaskContext) -> None:
        call = Call(
            task=ctx.task,
            inputs=ctx.inputs,
            run_id=ctx.run_id,
            step=ctx.step,
            attempt=ctx.attempt,
            idempotency_key=ctx.idempotency_key,
            node=self.running[name_of(ctx)].node,
            at=self.scheduler.wall,
        )
        self.calls.append(call)

    def come(self, task: str) -> None:
        """A fake of this task has been made."""
        awaited, self._awaited[task] = self._awaited.get(task, []), []
        for wake in awaited:
            wake()

    async def _come(self, ctx: TaskContext) -> None:
        """Waits for a fake of the task."""
        attempt = name_of(ctx)
        self.missing[attempt] = (
            f"step {ctx.step} of run {ctx.run_id} ({ctx.workflow}) runs the task {ctx.task}, and "
            "here is neither a handler of it nor a fake that is not used up: hand the handler over "
            f'with dalsegno_env(tasks=[…]), or fake it with env.fake("{ctx.task}", returns=…)'
        )
        try:
            await self._asleep(ctx, self._awaited.setdefault(ctx.task, []).append)
        finally:
            self.forget(attempt)

    def forget(self, attempt: str) -> None:
        """Nobody waits for a fake for this attempt any more."""
        self.missing.pop(attempt, None)

    async def _sleep(self, ctx: TaskContext, duration_us: int) -> None:
        """In virtual time. What ends at the same instant ends in an order that the seed decides."""
        scheduler = self.scheduler
        label, rank = f"{name_of(ctx)} goes on", scheduler.rng.random()
        await self._asleep(ctx, lambda wake: scheduler.after(duration_us, label, wake, rank))

    async def _asleep(self, ctx: TaskContext, plan: Callable[[Callable[[], None]], None]) -> None:
        """Until what it hands to `plan` is called, or the attempt is cancelled; meanwhile it is not
        running."""
        woken: asyncio.Future[None] = self._loop.create_future()
        attempt = name_of(ctx)
        execution = self.running.pop(attempt)

        def wake(error: BaseException | None = None) -> None:
            if not woken.done():
                self.running[attempt] = execution
                woken.set_result(None) if error is None else woken.set_exception(error)

        plan(wake)
        ctx.on_cancel(lambda: wake(TaskCancelled()))
        self.changed.set()
        await woken


def _nothing(hash_: str, first: int) -> list[Value]:
    raise InvariantViolation(f"values of {hash_} are asked for before there is a coordinator")


def name_of(ctx: TaskContext) -> str:
    """The attempt that a context is for, as text."""
    return f"{ctx.idempotency_key}@{ctx.attempt}"


class Troupe(TaskRegistry):
    """The user's tasks, and with them every task that a workflow asks for or a fake is made of."""

    def __init__(self, registry: TaskRegistry, stage: Stage) -> None:
        super().__init__(registry.declared(), (stage.around, *registry.interceptors))
        stage.handled = registry.names
        self._others: dict[str, Registered] = {}
        self.all_names: AbstractSet[str] = _Names(self)

    @property
    def names(self) -> frozenset[str]:
        return super().names | self._others.keys()

    def find(self, name: str) -> Registered | None:
        return super().find(name) or self._others.get(name)

    def learn(self, name: str) -> bool:
        """Whether the task was not known so far. Of a new one nothing is known but its name."""
        if self.find(name) is not None:
            return False
        declared = TaskType(_anything, Terms(name=name), f"the fake of {name}")
        self._others[name] = Registered(declared, Signature(_anything, name, declared.origin))
        return True


async def _anything(ctx: TaskContext, **inputs: object) -> object:
    """Has the parameters of a task of which nothing is known; the stage never calls it."""
    raise InvariantViolation(f"{ctx.task} was called, which has no handler")


class _Names(AbstractSet[str]):
    """The names of a troupe as they are now."""

    def __init__(self, troupe: Troupe) -> None:
        self._troupe = troupe

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._troupe.find(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._troupe.names)

    def __len__(self) -> int:
        return len(self._troupe.names)


class Crew:
    """The tasks of the event loop in which handlers run. It belongs to no task, unlike a task
    group, so that an environment may be opened and closed by different ones, as fixtures are."""

    def __init__(self, changed: asyncio.Event) -> None:
        self._changed = changed
        self._tasks: set[asyncio.Task[None]] = set()
        self.fault: BaseException | None = None
        """What went wrong outside of handlers: a fault of ours."""

    def create_task(self, coro: Coroutine[object, object, None], /) -> asyncio.Task[None]:
        made = asyncio.get_running_loop().create_task(coro)
        self._tasks.add(made)
        made.add_done_callback(self._done)
        return made

    def cancel(self) -> None:
        for one in self._tasks:
            one.cancel()

    async def ended(self) -> None:
        """Returns when all have ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, done: "asyncio.Task[None]") -> None:
        self._tasks.discard(done)
        if not done.cancelled() and done.exception() is not None:
            self.fault = done.exception()
            self._changed.set()
