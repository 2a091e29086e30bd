"""The environment: a cluster in memory under virtual time, for one test.

async with dalsegno_env(tasks=[charge, ship]) as env:
    env.fake("mail.send", returns=None)
    run = await env.start(flow, input={"order": 7})
    await env.sleep("2h")
    assert await run.result() == {"shipped": True}
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dalsegno.testing.definitions import AnyWorkflow, Tasks, authored, checked, gather
from dalsegno.testing.driving import Driver
from dalsegno.testing.fakes import Call, Fake, Fakes, Raises, calling
from dalsegno.testing.keys import SeededKeys, SeededSecrets
from dalsegno.testing.nodes import Node, UserNode
from dalsegno.testing.run import ALL, Run, admitted
from dalsegno.testing.stage import Stage, Troupe
from dalsegno.testing.twins.scheduler import EPOCH_US, Scheduler
from dalsegno.testing.world import World, engine
from events.api import CompleteTask, FailTask, RegisterWorkflow, StartRun
from events.completion_tokens import read_token
from events.envelope import Event, unseal
from events.errors import Misconfigured, Rejected
from events.policies import RunOptions
from events.values import Value
from orchestrator.authoring import seconds
from orchestrator.kernel.env import microseconds

Duration = float | str
"""Seconds, or text such as "2h" and "1m30s"."""

PATIENCE_S = 10.0


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment is made with; see `dalsegno_env`."""

    nodes: int | Sequence[Node | str] = 1
    seed: int = 0
    now: datetime | None = None
    secrets: Mapping[str, str] = {}
    patience_s: float = PATIENCE_S


@asynccontextmanager
async def dalsegno_env(
    tasks: Iterable[Tasks] = (),
    *,
    nodes: int | Sequence[Node | str] = 1,
    seed: int = 0,
    now: datetime | None = None,
    secrets: Mapping[str, str] | None = None,
    patience_s: float = PATIENCE_S,
) -> AsyncIterator["Env"]:
    """A cluster of `nodes` in memory that runs `tasks`; closed at the end of the block.

    `tasks`: what `@task` makes, modules that declare tasks, their names or paths. `nodes`: how
    many, or their names, or `Node`s. `seed` decides what comes first of that which happens at the
    same instant. `now`: what the clock shows in the beginning. `secrets`: what `ctx.secrets` knows.
    `patience_s`: real seconds that a handler may take before the kit says that it hangs.

    Raises `Misconfigured` for tasks that are none and nodes of one name.
    """
    around = Around(nodes=nodes, seed=seed, now=now, secrets=secrets or {}, patience_s=patience_s)
    env = Env(tasks, around)
    try:
        yield env
    finally:
        await env.close()


class Env:
    """Time stands still but in `sleep`, `advance`, and where a run is waited for. What steers
    (`start`, `kill_node` …) returns when all that can happen at this instant has happened and the
    handlers have ended that this led to, those that hang left aside."""

    def __init__(self, tasks: Iterable[Tasks], around: Around) -> None:
        registry = gather(tasks)
        self._fakes = Fakes()
        self._scheduler = Scheduler(around.seed, epoch_us=_epoch_us(around.now))
        secrets = SeededSecrets(around.seed)
        self._stage = Stage(self._scheduler, self._fakes, around.secrets, secrets)
        self._registry = registry
        troupe = Troupe(registry, self._stage)
        nodes, keys = _nodes(around.nodes), SeededKeys(around.seed)
        self._world = World(self._scheduler, self._stage, troupe, nodes, keys)
        self._driver = Driver(self._world, around.patience_s)
        self._runs = 0
        self._world.boot()

    async def close(self) -> None:
        """Ends what still runs. `dalsegno_env` does it."""
        await self._world.close()

    # -- tasks ------------------------------------------------------------------------------------

    def fake(
        self,
        task: str,
        *,
        returns: object = None,
        raises: Raises | None = None,
        calls: Callable[..., object] | None = None,
        takes: Duration = 0.0,
        times: int | None = None,
    ) -> None:
        """From now on, the task called so is not executed by its handler, if it has one.

        Instead it returns `returns`; or raises `raises`: an exception, or a code as text; or
        returns what `calls` does, a function, async or plain, that takes inputs by name as handlers
        do. Before, it takes `takes` of virtual time. With `times`, only for so many executions:
        after those it is as it was before.

        Raises `Misconfigured` for a fake that says two things.
        """
        said = [returns is not None, raises is not None, calls is not None]
        if sum(said) > 1:
            raise Misconfigured(
                f"the fake of {task} has more than one of returns=, raises= and calls=: give one"
            )
        if callable(returns):
            raise Misconfigured(
                f"the fake of {task} returns the function {returns!r}: to call it, say calls="
            )
        fake = Fake(
            returns=returns,
            raises=raises,
            calls=None if calls is None else calling(task, calls),
            takes_us=_microseconds(takes),
            left=times,
        )
        self._fakes.add(task, fake)
        self._world.learn([task])
        self._stage.come(task)

    def calls(self, task: str = "") -> list[Call]:
        """Executions so far, of this task or of all, in the order in which they began."""
        return [call for call in self._stage.calls if task in {"", call.task}]

    # -- runs -------------------------------------------------------------------------------------

    async def register(self, workflow: AnyWorkflow) -> str:
        """Makes a workflow known, as one that others call has to be; returns its name.

        Raises `InvalidDefinition`, `NotLoadable`, `Rejected`.
        """
        definition = checked(authored(workflow), self._registry)
        self._world.ask(RegisterWorkflow(definition=definition))
        _, net = engine().compile(definition)
        self._world.know(definition.name, net)
        return definition.name

    async def start(
        self,
        workflow: AnyWorkflow,
        *,
        input: object = None,  # noqa: A002 -- it is called so everywhere
        id: str = "",  # noqa: A002
        options: RunOptions | None = None,
        subject: str = "",
    ) -> Run:
        """Starts a run of a workflow, of a file with one, or of one that is registered by its name.

        The same `id` again is the same run. With a `subject` it is personal: see `Run.erase`.
        Raises like `register`, and `Rejected`.
        """
        known = isinstance(workflow, str) and workflow in self._world.workflows
        if isinstance(workflow, str) and not known and not Path(workflow).suffix:
            raise Rejected(f"no workflow {workflow} is registered here: hand it over with register")
        name = str(workflow) if known else await self.register(workflow)
        self._runs += 1
        run_id = id or f"run-{self._runs}"
        given = admitted(input, "input")
        request = StartRun(
            run_id=run_id, workflow=name, input=given, options=options, subject=subject
        )
        self._world.ask(request)
        await self._driver.settle()
        return self.run(run_id)

    async def complete_task(self, token: str, output: object = None) -> None:
        """Completes the attempt whose handler gave this token away, as somebody outside does.

        Raises `Rejected` for what is no token, and `Fenced` for one that comes too late.
        """
        given = admitted(output, "output of the token's task")
        await self._redeem(CompleteTask(run_id=_run_of(token), token=token, output=given))

    async def fail_task(
        self, token: str, message: str, *, code: str = "failed", retryable: bool = True
    ) -> None:
        """Fails it; another attempt follows if its retry policy has one, and it is `retryable`."""
        run_id = _run_of(token)
        request = FailTask(
            run_id=run_id, token=token, message=message, code=code, retryable=retryable
        )
        await self._redeem(request)

    async def _redeem(self, request: CompleteTask | FailTask) -> None:
        await self._driver.settle()  # the handler that gave it away may not have ended
        self._world.ask(request)
        await self._driver.settle()

    def run(self, run_id: str) -> Run:
        """A run by its id, such as one that was started by a step of another."""
        return Run(run_id, self._world, self._driver)

    def runs(self) -> list[Run]:
        """All runs, those that were started by steps of others too, by their ids."""
        return [self.run(row.run_id) for row in self._world.log.index_rows(limit=ALL)]

    def events(self) -> list[Event]:
        """Everything that was recorded, of runs, nodes and workflows, in order."""
        stored = self._world.log.read_log(0, ALL)
        return [unseal(one, self._world.catalogue) for one in stored]

    # -- time -------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """What the clock of the cluster shows, in UTC."""
        return datetime.fromtimestamp(self._scheduler.wall / 1_000_000, UTC)

    async def sleep(self, duration: Duration) -> None:
        """Lets so much virtual time pass; whatever becomes due on the way happens in order.

        Raises `Stuck` for a handler that does not end.
        """
        await self._pass(duration, waiting=True)

    async def advance(self, duration: Duration) -> None:
        """The same without waiting for handlers that run: it is as if they took so long, and
        timeouts strike them."""
        await self._pass(duration, waiting=False)

    async def settle(self) -> None:
        """Returns when all that can happen at this instant has. Raises `Stuck` for a handler that
        does not end."""
        await self._pass(0, waiting=True)

    async def _pass(self, duration: Duration, *, waiting: bool) -> None:
        until_us = self._scheduler.now + _microseconds(duration)
        await self._driver.drive(_never, until_us, waiting=waiting)

    # -- trouble ----------------------------------------------------------------------------------

    async def restart(self) -> None:
        """The coordinator dies and comes back: all it knows is rebuilt from the events."""
        self._world.coordinator.crash("restarted by the test")
        self._world.coordinator.boot()
        self._world.meet()
        await self._driver.settle()

    async def kill_node(self, name: str = "node-1") -> None:
        """The node dies as by kill -9. After some seconds of its silence its attempts are lost and
        go to others."""
        self._node(name).crash("killed by the test")
        await self._driver.settle()

    async def start_node(self, name: str = "node-1") -> None:
        """A node that was killed, or has left, comes back with its journal."""
        node = self._node(name)
        if not node.alive:
            node.boot()
            self._world.meet()
        await self._driver.settle()

    async def drain_node(self, name: str = "node-1") -> None:
        """The node is told to stop: it takes nothing new, finishes what it has, and leaves."""
        self._node(name).drain()
        await self._driver.settle()

    def _node(self, name: str) -> UserNode:
        found = self._world.nodes.get(name)
        if found is None:
            there_are = ", ".join(self._world.nodes)
            raise Misconfigured(f"there is no node {name}: there are {there_are}")
        return found


def run_workflow(
    workflow: AnyWorkflow,
    *,
    input: object = None,  # noqa: A002
    tasks: Iterable[Tasks] = (),
    fakes: Mapping[str, object] | None = None,
) -> Value:
    """Runs a workflow to its end and returns its output: for tests that are no coroutines.

    `fakes`: by task what it returns, or an exception that it raises, or a function that is called.
    Raises `WorkflowFailed`, `Stuck`, and like `env.start`.
    """

    async def play() -> Value:
        async with dalsegno_env(tasks) as env:
            for task, fake in (fakes or {}).items():
                if isinstance(fake, BaseException):
                    env.fake(task, raises=fake)
                elif callable(fake):
                    env.fake(task, calls=fake)
                else:
                    env.fake(task, returns=fake)
            run = await env.start(workflow, input=input)
            return await run.result()

    return asyncio.run(play())


def _run_of(token: str) -> str:
    return read_token(token).attempt.run_id


def _never() -> bool:
    return False


def _epoch_us(now: datetime | None) -> int:
    if now is None:
        return EPOCH_US
    if now.tzinfo is None:
        raise Misconfigured(f"now is {now}, without a zone: say datetime(…, tzinfo=UTC)")
    return microseconds(now.timestamp())


def _microseconds(duration: Duration) -> int:
    try:
        return microseconds(seconds(duration))
    except ValueError as error:
        raise Misconfigured(f"a duration: {error}") from None


def _nodes(given: int | Sequence[Node | str]) -> list[Node]:
    if isinstance(given, int):
        given = [f"node-{number}" for number in range(1, given + 1)]
    made = [Node(name=one) if isinstance(one, str) else one for one in given]
    names = [one.name for one in made]
    if not made or len(set(names)) != len(names):
        raise Misconfigured(f"nodes are {names}: expected one at least, each with its own name")
    return made
