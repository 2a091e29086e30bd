"""Drives the agent's core by hand, in virtual time, and keeps all that comes out."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from events.ids import Attempt
from events.messages import (
    PROTOCOL,
    Command,
    Commands,
    Completed,
    Failed,
    Granted,
    Heartbeat,
    Order,
    Report,
    Reset,
    Returned,
)
from node_agent.core import AgentCore
from node_agent.journal import Live, Record
from node_agent.settings import Settings
from node_agent.steps import (
    Begin,
    CommandsArrived,
    Done,
    ExecutionEnded,
    HeartbeatAnswered,
    Input,
    Journal,
    JournalSynced,
    Now,
    Output,
    PublishReports,
    ReportsPublished,
    Result,
    SendHeartbeat,
    StartExecution,
    Step,
    Tick,
)

S = TypeVar("S", bound=Step)
WALL_AT_START = 1_700_000_000_000_000
LEASE_TTL_S = 10.0

DEFAULTS = Settings(node="n1", tasks=frozenset({"t", "u"}), slots=4, credits=16)


def seconds(value: float) -> int:
    return round(value * 1_000_000)


class Rig:
    """With `answers` set, disk and bus succeed at once: their inputs follow by themselves."""

    def __init__(self, settings: Settings = DEFAULTS, live: Sequence[Live] = ()) -> None:
        self.minted = 0
        self.core = AgentCore(settings, self._mint)
        self.now_us = seconds(1)
        self.outputs: list[Output] = []
        self.answers = True
        self.tokens = 0
        self.feed(Begin(tuple(live)))

    # -- driving ----------------------------------------------------------------------------------

    @property
    def now(self) -> Now:
        return Now(self.now_us, WALL_AT_START + self.now_us)

    def feed(self, *inputs: Input) -> list[Output]:
        """One step, and those that disk and bus entail; returns all outputs."""
        outputs = self.core.step(inputs, self.now)
        gathered = list(outputs)
        while self.answers and (follow := [a for o in outputs if (a := _answer(o))]):
            outputs = self.core.step(follow, self.now)
            gathered += outputs
        self.outputs += gathered
        return gathered

    def command(self, *commands: Command) -> list[Output]:
        self.tokens += 1
        batch = Commands(coordinator="c", commands=commands)
        return self.feed(CommandsArrived(self.core.incarnation, batch, self.tokens))

    def grant(
        self,
        *shards: int,
        ttl_s: float = LEASE_TTL_S,
        sequence: int = 0,
        order: Order | None = None,
        epoch: int = 0,
        fenced: tuple[Attempt, ...] = (),
        protocol: int = PROTOCOL,
    ) -> list[Output]:
        """Answers the newest heartbeat, or that with `sequence`."""
        answer = Granted(
            coordinator="c",
            sequence=sequence or self.beats[-1].sequence,
            incarnation=self.core.incarnation,
            shards=shards or (0,),
            lease_ttl_s=ttl_s,
            order=order,
            epochs=(epoch,) * len(shards or (0,)),
            fenced=fenced,
            protocol=protocol,
        )
        return self.feed(HeartbeatAnswered(answer))

    def reset(self) -> list[Output]:
        answer = Reset(coordinator="c", sequence=1, incarnation=self.core.incarnation)
        return self.feed(HeartbeatAnswered(answer))

    def end(self, attempt: Attempt, result: Result | None = None) -> list[Output]:
        return self.feed(ExecutionEnded(attempt, result or Done(output=1)))

    def sleep(self, by_s: float) -> list[Output]:
        """Lets time pass, stepping whenever the core wants to be; returns the outputs."""
        until_us = self.now_us + seconds(by_s)
        gathered: list[Output] = []
        while (due_us := self.core.next_due()) is not None and due_us <= until_us:
            self.now_us = max(self.now_us, due_us)
            gathered += self.feed(Tick())
        self.now_us = until_us
        return gathered + self.feed(Tick())

    def doze(self, by_s: float) -> None:
        """Lets time pass without any step, as when the host stands still."""
        self.now_us += seconds(by_s)

    # -- looking ----------------------------------------------------------------------------------

    def all(self, kind: type[S]) -> list[S]:
        return [output for output in self.outputs if isinstance(output, kind)]

    @property
    def started(self) -> list[Attempt]:
        return [output.execute.attempt for output in self.all(StartExecution)]

    @property
    def beats(self) -> list[Heartbeat]:
        return [output.beat for output in self.all(SendHeartbeat)]

    @property
    def records(self) -> list[Record]:
        return [record for journal in self.all(Journal) for record in journal.records]

    @property
    def reports(self) -> list[Report]:
        return [r for output in self.all(PublishReports) for r in output.reports.reports]

    def finals(self, attempt: Attempt) -> list[Completed | Failed | Returned]:
        """Every publication of this attempt's final report."""
        kinds = (Completed, Failed, Returned)
        return [r for r in self.reports if r.attempt == attempt and isinstance(r, kinds)]

    def final(self, attempt: Attempt) -> Completed | Failed | Returned:
        found = self.finals(attempt)
        assert found, f"{attempt} was not reported"
        return found[-1]

    def _mint(self, at: int) -> str:
        self.minted += 1
        return f"inc{self.minted}"


def of(outputs: Sequence[Output], kind: type[S]) -> list[S]:
    return [output for output in outputs if isinstance(output, kind)]


def with_settings(**changes: object) -> Settings:
    return msgspec.structs.replace(DEFAULTS, **changes)


def _answer(output: Output) -> Input | None:
    match output:
        case Journal(sync=True):
            return JournalSynced(output.batch)
        case PublishReports():
            return ReportsPublished(output.number)
        case _:
            return None
