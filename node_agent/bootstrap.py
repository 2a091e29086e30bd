"""Composition root of the agent process: configuration and tasks in, a running agent out."""

import base64
import logging
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread
import msgspec

from events.errors import Unavailable
from events.ids import ENTROPY_BYTES, mint
from events.policies import Needs
from events.streams import Topology
from events.subjects import Subjects
from node_agent.adapters.clock import SystemClock
from node_agent.adapters.file_journal import FileJournal
from node_agent.adapters.host import Host, measured_capacity
from node_agent.adapters.nats.bus import NatsBus
from node_agent.adapters.otel import tracing
from node_agent.adapters.processes import HostProcesses
from node_agent.adapters.secret_values import HostSecrets
from node_agent.agent import Agent, Parts
from node_agent.clock import Clock
from node_agent.config import Config, settings_of
from node_agent.core import AgentCore
from node_agent.executors.execution import Surroundings
from node_agent.executors.handlers import Handlers
from node_agent.inbox import Inbox
from node_agent.journal import JournalPort, Live
from node_agent.lists import ListReader
from node_agent.once import Keeper
from node_agent.ports import Bus
from node_agent.registry import TaskRegistry
from node_agent.steps import DrainRequested

PROCESS_STOP_GRACE_S = 5.0
SECRET_BYTES = 18
"""Of entropy in the token of an attempt that somebody else completes."""

log = logging.getLogger("dalsegno.agent")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent is to run and with what; `capacity` is what its host has."""

    config: Config
    registry: TaskRegistry
    environment: Mapping[str, str]
    capacity: Needs


async def run_agent(
    config: Config,
    registry: TaskRegistry,
    environment: Mapping[str, str],
    on_leaving: Callable[[], None] | None = None,
) -> bool:
    """Runs until SIGTERM or SIGINT, then drains; returns whether nothing was cut short.

    Raises `Misconfigured` for what waiting cannot mend, `JournalDamaged`, and `Unavailable` when
    the journal cannot be written. Without NATS it waits.
    """
    with ExitStack() as closing:
        folder = Path(config.agent.data_dir)
        journal = FileJournal(folder / f"node-{config.agent.node}")
        live = journal.open()
        closing.callback(journal.close)
        if (traces := tracing(environment, config.agent.node)) is not None:
            registry = registry.inside(traces.interceptor)
            closing.callback(traces.close)
        capacity = config.agent.capacity
        if capacity is None:
            capacity = await anyio.to_thread.run_sync(measured_capacity, folder)
        plan = Plan(config=config, registry=registry, environment=environment, capacity=capacity)
        topology = Topology(subjects=Subjects(config.prefix), replicas=config.nats.replicas)
        bus = NatsBus(config.nats, topology, config.agent.node)
        try:
            await _connect(bus)
            parts = make_parts(plan, bus, journal, closing)
            return await _run(Agent(parts, on_leaving), parts, live)
        finally:
            await bus.close()


def make_parts(plan: Plan, bus: Bus, journal: JournalPort, closing: ExitStack) -> Parts:
    """Returns an agent's parts over this bus and journal, with this host around them."""
    config = plan.config.agent
    registry = plan.registry
    settings = settings_of(config, registry.timeouts_s(), plan.capacity, registry.transactional)
    clock = SystemClock()
    inbox = Inbox()
    processes = HostProcesses(_minted(clock), plan.environment, PROCESS_STOP_GRACE_S)
    closing.callback(processes.close)
    handlers = Handlers(
        anyio.CapacityLimiter(settings.slots), clock, processes, config.output_bytes_max
    )
    surroundings = Surroundings(
        registry=plan.registry,
        handlers=handlers,
        clock=clock,
        secrets=HostSecrets(
            plan.environment, Path(config.secrets_dir) if config.secrets_dir else None
        ),
        lists=ListReader(bus),
        keeper=Keeper(inbox.put, _secret),
        signal=inbox.signal,
        ended=inbox.put,
        output_bytes_max=config.output_bytes_max,
    )
    return Parts(
        core=AgentCore(settings, lambda at: mint(at, os.urandom(ENTROPY_BYTES))),
        inbox=inbox,
        bus=bus,
        journal=journal,
        surroundings=surroundings,
        host=Host(),
    )


async def _connect(bus: NatsBus) -> None:
    """Finds out early what waiting cannot mend, such as refused credentials."""
    try:
        await bus.start()
    except Unavailable as error:
        log.warning("%s; waiting for it", error)


async def _run(agent: Agent, parts: Parts, live: tuple[Live, ...]) -> bool:
    async with anyio.create_task_group() as group:
        await group.start(_drain_on_signal, parts.inbox)
        is_clean = await agent.run(live)
        group.cancel_scope.cancel()
    return is_clean


async def _drain_on_signal(
    inbox: Inbox, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """The first signal drains, a second one gives up on what still runs."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for number in signals:
            inbox.put(DrainRequested(f"the agent was told to stop ({number.name})"))


def _secret() -> str:
    return base64.urlsafe_b64encode(os.urandom(SECRET_BYTES)).decode().rstrip("=")


def _minted(clock: Clock) -> str:
    return mint(clock.now().wall_us, os.urandom(ENTROPY_BYTES))
