"""Fakes around the agent: a bus in memory that plays a simple coordinator, and small builders."""

from collections.abc import AsyncIterator, Callable

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from events.api import AnyAnswer, AnyRequest
from events.errors import Rejected, Unavailable
from events.facts import HostSample
from events.ids import Attempt
from events.messages import (
    PROTOCOL,
    Command,
    Commands,
    Completed,
    Execute,
    Failed,
    Granted,
    Heartbeat,
    HeartbeatAnswer,
    Once,
    Report,
    Reports,
    Returned,
    Settle,
)
from events.values import Value
from node_agent.ports import Delivery

DEADLINE_S = 10.0


def _refuse(request: AnyRequest) -> AnyAnswer:
    raise Rejected("it owns nothing")


class FakeLists:
    """Has these chunks, answers with two values at most, and not as long as it is `away`. Raises
    `failure` if there is one; `asked` is set by every question."""

    def __init__(self, chunks: dict[str, list[Value]] | None = None) -> None:
        self.chunks = chunks or {}
        self.away = 0
        self.failure: Exception | None = None
        self.asked = anyio.Event()
        self.requests: list[tuple[str, AnyRequest]] = []
        self.owner: Callable[[AnyRequest], AnyAnswer] = _refuse

    async def fetch_values(self, hash_: str, first: int) -> list[Value]:
        self.asked.set()
        if self.away:
            self.away -= 1
            raise Unavailable("nobody answers")
        if self.failure is not None:
            raise self.failure
        return self.chunks[hash_][first : first + 2]

    async def ask(self, request: AnyRequest, about: str) -> AnyAnswer:
        """What `owner` says, as long as nobody is `away`."""
        self.requests.append((about, request))
        if self.away:
            self.away -= 1
            raise Unavailable("nobody answers")
        return self.owner(request)


class FakeBus(FakeLists):
    """Grants every lease, settles every final report, keeps all it sees."""

    def __init__(self, shards: tuple[int, ...] = (0,), lease_ttl_s: float = 10.0) -> None:
        super().__init__()
        self.shards = shards
        self.lease_ttl_s = lease_ttl_s
        self.protocol_min = 0
        self.reports: list[Report] = []
        self.beats: list[Heartbeat] = []
        self.acknowledged = 0
        self.settles = True
        self._waiting: list[Commands] = []
        self._to: dict[str, MemoryObjectSendStream[Delivery]] = {}
        self._answers: MemoryObjectSendStream[HeartbeatAnswer]
        self._heard: MemoryObjectReceiveStream[HeartbeatAnswer]
        self._answers, self._heard = anyio.create_memory_object_stream(100)
        self._news = anyio.Event()

    def send(self, *commands: Command) -> None:
        """Sends to the newest incarnation, or to the first that subscribes."""
        batch = Commands(coordinator="fake", commands=commands)
        if self._to:
            list(self._to.values())[-1].send_nowait(Delivery(batch, object()))
        else:
            self._waiting.append(batch)

    @property
    def finals(self) -> dict[Attempt, Completed | Failed | Returned]:
        return {
            report.attempt: report
            for report in self.reports
            if isinstance(report, (Completed, Failed, Returned))
        }

    async def until_final(self, *attempts: Attempt) -> list[Completed | Failed | Returned]:
        """Waits for these attempts' final reports, within a deadline."""
        await self.until(lambda: all(attempt in self.finals for attempt in attempts))
        return [self.finals[attempt] for attempt in attempts]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Waits until reports or heartbeats have made something true, within a deadline."""
        with anyio.fail_after(DEADLINE_S):
            while not is_so():
                await self._news.wait()

    # -- the port ---------------------------------------------------------------------------------

    async def commands(self, incarnation: str) -> AsyncIterator[Delivery]:
        send, receive = anyio.create_memory_object_stream[Delivery](10_000)
        self._to[incarnation] = send
        with send, receive:
            for batch in self._waiting:
                send.send_nowait(Delivery(batch, object()))
            self._waiting = []
            async for delivery in receive:
                yield delivery

    async def acknowledge(self, delivery: Delivery) -> None:
        self.acknowledged += 1

    async def publish_reports(self, shard: int, reports: Reports) -> None:
        self.reports += reports.reports
        self._ring()
        finals = tuple(
            r.attempt for r in reports.reports if isinstance(r, (Completed, Failed, Returned))
        )
        once = tuple((r.attempt, r.name) for r in reports.reports if isinstance(r, Once))
        if (finals or once) and self.settles:
            self.send(Settle(attempts=finals, once=once))

    async def heartbeat(self, beat: Heartbeat) -> None:
        self.beats.append(beat)
        self._ring()
        self._answers.send_nowait(
            Granted(
                coordinator="fake",
                sequence=beat.sequence,
                incarnation=beat.incarnation,
                shards=self.shards,
                lease_ttl_s=self.lease_ttl_s,
                protocol=PROTOCOL,
                protocol_min=self.protocol_min,
            )
        )

    async def answers(self) -> AsyncIterator[HeartbeatAnswer]:
        async for answer in self._heard:
            yield answer

    async def close(self) -> None:
        self._answers.close()
        self._heard.close()

    def _ring(self) -> None:
        self._news.set()
        self._news = anyio.Event()


class FakeHost:
    def sample(self) -> HostSample:
        return HostSample(cpu_share=0.5)


def attempt(step: str = "a", number: int = 1, run: str = "run-1") -> Attempt:
    return Attempt(run_id=run, step=step, generation=0, number=number)


def execute(step: str = "a", number: int = 1, task: str = "t", **inputs: Value) -> Execute:
    return Execute(attempt=attempt(step, number), shard=0, task=task, inputs=inputs)
