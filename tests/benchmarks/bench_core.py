"""CPU of the coordinator's decisions alone, without sockets, disk and clock; prints JSON.

    python -m tests.benchmarks.bench_core [--runs N] [--in-flight K] [--repeat R]

The step machine over the store's twin; agents are a loop that answers each command at once. Runs of
ten tasks, K at a time, as in `dalsegno bench`. Microseconds of CPU a task, the best of R rounds:
what else the machine does counts little. The twin's own work (lists and dictionaries) is included.
"""

import argparse
import gc
import json
import time
from collections.abc import Iterable

from events.api import RegisterWorkflow, RunAnswer, StartRun
from events.codec import encode
from events.envelope import Head
from events.limits import Limits
from events.messages import Commands, Completed, Execute, Heartbeat, Reports
from events.reading import REQUEST
from events.reports import read_reports
from orchestrator.adapters.memory.store import MemoryLog
from orchestrator.bootstrap import make_engine
from orchestrator.cli.bench.measuring import SEQUENCE, TASKS_IN_RUN, sequence
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.core import Coordinator
from orchestrator.coordinator.memory import Identity
from orchestrator.coordinator.ports import Lease, ReportDelivery
from orchestrator.coordinator.settings import Settings

SHARDS = 8
NODES = ("n1", "n2")
START = 1_700_000_000_000_000
BEAT_EVERY = 100
"""Turns between two heartbeats: half a second; a node that is silent for long gets no work."""


class Bench:
    """One coordinator, its log, two nodes, and a client that keeps so many runs in flight."""

    def __init__(self, runs: int, in_flight: int) -> None:
        identity = Identity(name="c1", seed="s", shards=SHARDS)
        self.core = Coordinator(identity, Settings(), make_engine(Limits()))
        self.at = 0
        self.log = MemoryLog(lambda: START + self.at)
        self.inputs: list[s.CoordinatorInput] = []
        self.finished: dict[str, None] = {}
        self.completed = 0
        self._turns = 0
        self._numbers = iter(range(runs))
        self._sequence = 0
        self._in_flight = in_flight
        self._begun = 0

    def boot(self) -> None:
        self._turn()
        leases = self.log.acquire(tuple(range(SHARDS)), "c1", 1e9)
        self.inputs.append(s.LeasesAcquired(leases=tuple(leases), asked_at=self.at))
        self._settle()
        self._beat()
        self._settle()
        definition = sequence(SEQUENCE, TASKS_IN_RUN)
        request = RegisterWorkflow(definition=definition)
        self.inputs.append(s.RequestArrived(request=request, reply_to="boot"))
        self._settle()

    def run(self) -> int:
        """Tasks that were executed, once all runs have ended."""
        for _ in range(self._in_flight):
            self._start()
        while len(self.finished) < self._begun:
            if self._turns % BEAT_EVERY == 0:
                self._beat()
            self._turn()
        return self.completed

    def _settle(self) -> None:
        while self.inputs:
            self._turn()

    def _start(self) -> None:
        number = next(self._numbers, None)
        if number is None:
            return
        self._begun += 1
        run_id = f"run-{number}"
        request = StartRun(run_id=run_id, workflow=SEQUENCE, wait_s=3.0)
        read = REQUEST.read(encode(request))
        self.inputs.append(s.RequestArrived(request=read, reply_to="client"))

    def _beat(self) -> None:
        for node in NODES:
            beat = Heartbeat(
                node=node,
                incarnation="i",
                sequence=self._turns + 1,
                credits=1000,
                slots=64,
                tasks=("bench.next",),
            )
            self.inputs.append(s.HeartbeatArrived(beat=beat, reply_to="beat"))

    def _turn(self) -> None:
        self.at += 5_000
        self._turns += 1
        inputs, self.inputs = self.inputs, []
        now = s.Now(self.at, START + self.at)
        self._perform(self.core.hear(inputs, now))
        self._perform(self.core.decide())

    def _perform(self, outputs: Iterable[s.CoordinatorOutput]) -> None:  # noqa: C901
        for output in outputs:
            match output:
                case s.Append():
                    outcome = self.log.append(output.batch)
                    self.inputs.append(s.AppendDone(batch_id=output.batch.id, outcome=outcome))
                case s.Publish():
                    self._execute(output.node, output.commands)
                case s.Answer(answer=RunAnswer(run=run)):
                    encode(output.answer)
                    if run.ended_at is not None and run.run_id not in self.finished:
                        self.finished[run.run_id] = None
                        self._start()
                case s.RenewLeases():
                    kept: tuple[Lease, ...] = output.leases
                    self.inputs.append(s.LeasesRenewed(asked=kept, leases=kept, asked_at=self.at))
                case s.LoadHead():
                    self.inputs.append(s.HeadLoaded(head=Head(output.stream)))
                case s.LoadNode():
                    head = Head(f"node:{output.node}")
                    self.inputs.append(s.NodeLoaded(node=output.node, head=head, step=output.step))
                case s.LoadDefinition():
                    head = Head(f"definition:{output.workflow}")
                    self.inputs.append(
                        s.DefinitionLoaded(
                            workflow=output.workflow, versions=(), head=head, step=output.step
                        )
                    )
                case s.FindActive():
                    self.inputs.append(
                        s.ActiveFound(shards=output.shards, rows=(), more=False, era=output.era)
                    )
                case _:
                    pass

    def _execute(self, node: str, commands: Commands) -> None:
        """Every task completes at once; one message of reports for each shard."""
        encode(commands)
        reports: dict[int, list[Completed]] = {}
        for command in commands.commands:
            if isinstance(command, Execute):
                done = Completed(
                    attempt=command.attempt,
                    output=command.inputs["number"],
                    started_at=START + self.at,
                    ended_at=START + self.at,
                )
                reports.setdefault(command.shard, []).append(done)
        for shard, found in reports.items():
            self.completed += len(found)
            self._sequence += 1
            message = Reports(node=node, incarnation="i", reports=tuple(found))
            received = read_reports(encode(message))
            delivery = ReportDelivery(shard, self._sequence, received.reports)
            self.inputs.append(s.ReportsArrived(deliveries=(delivery,)))


def measure(runs: int, in_flight: int) -> float:
    """Microseconds of CPU a task."""
    bench = Bench(runs, in_flight)
    bench.boot()
    gc.collect()
    gc.freeze()
    began = time.process_time()
    tasks = bench.run()
    return (time.process_time() - began) / tasks * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=500)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    found = sorted(measure(given.runs, given.in_flight) for _ in range(given.repeat))
    report = {
        "what": "core",
        "cpu_us_a_task": round(found[0], 1),
        "all": [round(f, 1) for f in found],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
