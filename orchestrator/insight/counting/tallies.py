"""Tallies: what is counted and timed, of whom, in which stretch of time.

    kind   of                       counts                                  times
    run    workflow                 started, and each way to end            duration, wait
    task   workflow, task, node     dispatched, completed, failed,          duration, wait, queue
                                    cancelled, retried_failed,
                                    retried_timed_out, retried_lost

An event counts in the minute that it was recorded in, in that hour, and in all time. `duration`: of
a completed task by its node's clock; of a run that ended, by the log's instants. `wait`: from being
ready to being given to a node; of a run, from its start to its first dispatch. `queue`: from there
to the start that the node stamps, so it holds what the two hosts' clocks differ by.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from events.facts import HostSample
from events.policies import Attribute
from orchestrator.insight.counting.bins import Times

MINUTE_S, HOUR_S, ALL = 60, 3600, 0
"""Widths of stretches in seconds; all time has none."""
WIDTHS = (MINUTE_S, HOUR_S, ALL)
MICROSECONDS = 1_000_000

Kind = Literal["run", "task"]


class Key(NamedTuple):
    """`at`: where the stretch of `width_s` seconds begins, in microseconds UTC; 0 for all time."""

    kind: Kind
    width_s: int
    at: int
    workflow: str
    task: str = ""
    node: str = ""


class Tally(msgspec.Struct, omit_defaults=True):
    """Names are those of the table above."""

    counts: dict[str, int] = {}
    times: dict[str, Times] = {}

    def count(self, name: str, number: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + number

    def time(self, name: str) -> Times:
        if name not in self.times:
            self.times[name] = Times()
        return self.times[name]

    def add(self, other: "Tally") -> None:
        for name, number in other.counts.items():
            self.count(name, number)
        for name, times in other.times.items():
            self.time(name).add(times)


class Label(NamedTuple):
    """A tag or a search attribute of a run; `number` when the value is one. Of a fork also the run
    that it was forked from, as the name, and at which version, as the text."""

    run_id: str
    kind: Literal["tag", "attribute", "fork"]
    name: str
    text: str
    number: float | None
    started_at: int


class NodeState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A node as the log tells of it. `since`: when it became what it is; `losses`: how often it was
    lost, all time. `cordoned`: an operator lets it have no attempts; `drained`: that is why it is
    draining."""

    node: str
    status: Literal["healthy", "suspected", "lost", "draining", "left"]
    since: int
    joined_at: int = 0
    incarnation: str = ""
    build_id: str = ""
    slots: int = 0
    credits: int = 0
    labels: dict[str, str] = {}
    tasks: tuple[str, ...] = ()
    sample: HostSample = HostSample()
    losses: int = 0
    cordoned: bool = False
    drained: bool = False


def bucket(at: int, width_s: int) -> int:
    """Where the stretch begins that an instant (microseconds) lies in."""
    return at - at % (width_s * MICROSECONDS) if width_s else 0


def in_all_widths(minutes: Mapping[Key, Tally]) -> dict[Key, Tally]:
    """The tallies of minutes, and what they add to their hours and to all time."""
    found = dict(minutes)
    for key, tally in minutes.items():
        for width_s in (HOUR_S, ALL):
            wider = key._replace(width_s=width_s, at=bucket(key.at, width_s))
            found.setdefault(wider, Tally()).add(tally)
    return found


def total(tallies: Iterable[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    return whole


def label_text(value: Attribute) -> str:
    """How a value is kept as text: true and false; of equal numbers one text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def label_number(value: Attribute) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
