"""Promise 9: nothing is unbounded. What leaves a process, and what it keeps, is within the limits
that `events/limits` names; and when all runs have ended, nobody holds anything of them any more.
"""

from collections.abc import Iterable, Iterator, Mapping

from events.ids import Attempt
from events.limits import (
    DECISION_EVENTS,
    FLOW_PAYLOADS_MAX,
    HELD_PER_CREDIT_MAX,
    KIB,
    REPORTS_PER_MESSAGE_MAX,
    SETTLED_IN_COMMAND_MAX,
    Limits,
)
from events.messages import Commands, Drop, Heartbeat, Report, Settle
from node_agent.settings import Settings as NodeSettings
from orchestrator.coordinator.ports import Batch
from orchestrator.coordinator.settings import Settings
from orchestrator.replay.snapshots import SnapshotInfo

ENVELOPE_BYTES = 64 * KIB
"""Of an event, beside the values in it: names, reasons, flows."""


class Bounds:
    """`nodes`: what agents may hold, by name."""

    def __init__(
        self, settings: Settings, limits: Limits, nodes: Mapping[str, NodeSettings]
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._nodes = nodes
        self._beats: dict[str, Heartbeat] = {}

    def appended(self, batch: Batch) -> Iterator[str]:
        most = self._settings.turn_events_max + DECISION_EVENTS
        if len(batch.events) > most:
            yield f"batch {batch.id} has {len(batch.events)} events, over {most}"
        bytes_max = FLOW_PAYLOADS_MAX * self._limits.payload_bytes_max + ENVELOPE_BYTES
        for event in batch.events:
            if (size := len(event.state)) > bytes_max:
                yield f"{event.stream} {event.version} has {size} bytes, over {bytes_max}"

    def commanded(self, node: str, commands: Commands) -> Iterator[str]:
        most, count = self._settings.commands_in_message_max, len(commands.commands)
        if count > most:
            yield f"{node} is sent {count} commands in one message, over {most}"
        for command in commands.commands:
            if (
                isinstance(command, Settle | Drop)
                and len(command.attempts) > SETTLED_IN_COMMAND_MAX
            ):
                yield f"{node} is sent {len(command.attempts)} attempts in one command"

    def reported(self, node: str, reports: Iterable[Report]) -> Iterator[str]:
        if (count := len(tuple(reports))) > REPORTS_PER_MESSAGE_MAX:
            yield f"{node} reports {count} times in one message"

    def beaten(self, beat: Heartbeat) -> Iterator[str]:
        self._beats[beat.node] = beat
        most = HELD_PER_CREDIT_MAX * self._nodes[beat.node].credits
        if len(beat.held) > most:
            yield f"{beat.node} holds {len(beat.held)} attempts, over {most}"

    def kept(self, snapshots: Iterable[SnapshotInfo]) -> Iterator[str]:
        """Of all streams of a log."""
        counts: dict[tuple[str, str], int] = {}
        for one in snapshots:
            counts[one.stream, one.kind] = counts.get((one.stream, one.kind), 0) + 1
        most = {
            "automatic": self._settings.snapshots_kept,
            "recovery": self._settings.recovery_snapshots_kept,
        }
        for (stream, kind), count in counts.items():
            if count > most.get(kind, count):
                yield f"{stream} has {count} {kind} snapshots, over {most[kind]}"

    def left_over(self) -> Iterator[str]:
        """When all runs have ended a while ago."""
        for node, beat in self._beats.items():
            left: tuple[Attempt, ...] = (*beat.held, *beat.unsettled)
            if left:
                yield f"all runs have ended, and {node} has {left} still"
