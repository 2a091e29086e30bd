"""Messages between coordinator and node agents. Sent, never stored as facts.

Everything travels in batches. A command names its attempt, so it may arrive any number of times; a
report is kept by the agent until the owner says that it is settled, so it may as well.
"""

from typing import Literal

import msgspec

from events.facts import Failure, HostSample, LossReason, Usage
from events.ids import Attempt
from events.policies import Needs
from events.task_facts import Said
from events.values import Value

PROTOCOL = 1
"""Which kinds of messages this release knows: raised with each new command or report, which is sent
only to those who know it, and not with new fields. 0: releases that do not say it."""

ONCE_PROTOCOL = 1
"""From which on `Once` is known."""

DEFERRED_PROTOCOL = 1
"""From which on `Deferred` is known."""

PROTOCOL_MIN = 0
"""What coordinators of this release ask of agents at the least."""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of messages and their parts."""


# -- coordinator → node ---------------------------------------------------------------------------


class Execute(Message, frozen=True, kw_only=True, tag="execute"):
    """Run this attempt. `token` fences effects: it grows with every attempt of the run.

    The agent may start it only while its attempt lease for `shard` is valid and within
    `start_within_s` of receipt; otherwise it refuses. `details` are the previous attempt's last
    heartbeat details. `epoch`: of the owner that sent this, 0 if it does not say. `dispatched_at`:
    when the log says that the attempt was dispatched. A log that was restored from a backup may
    dispatch one of the same name again, as another one; every report says which it is of.
    """

    attempt: Attempt
    shard: int
    task: str
    inputs: dict[str, Value] = {}
    workflow: str = ""
    token: int = 0
    details: Value = None
    start_within_s: float | None = None
    start_to_close_s: float | None = None
    heartbeat_s: float | None = None
    needs: Needs | None = None
    traceparent: str = ""
    epoch: int = 0
    settle: bool = False
    """Do not run it: say whether its transaction was committed, and else see that it never is."""
    dispatched_at: int = 0
    once: dict[str, Value] = {}
    """What `ctx.once` of earlier attempts is recorded with, by name."""


class Cancel(Message, frozen=True, kw_only=True, tag="cancel"):
    """Give this attempt back: never start it, or cancel it, and report; unknown ones too."""

    attempt: Attempt
    shard: int
    code: str = "cancelled"
    reason: str = ""


class Settle(Message, frozen=True, kw_only=True, tag="settle"):
    """The owner has recorded or discarded these attempts' reports: the agent may forget them.
    `once`: values that are recorded, by attempt and name; the attempts go on."""

    attempts: tuple[Attempt, ...]
    once: tuple[tuple[Attempt, str], ...] = ()


class Drop(Message, frozen=True, kw_only=True, tag="drop"):
    """These attempts are fenced: cancel what runs of them; nobody wants their reports."""

    attempts: tuple[Attempt, ...]


class Drain(Message, frozen=True, kw_only=True, tag="drain"):
    """Take nothing new, finish what runs."""

    reason: str = ""


Command = Execute | Cancel | Settle | Drop | Drain


class Commands(Message, frozen=True, kw_only=True):
    """One message on a node's command subject."""

    coordinator: str
    commands: tuple[Command, ...]


# -- node → coordinator ---------------------------------------------------------------------------
#
# `dispatched_at` of a report is that of the command which led to it; 0 if the agent does not say.


class Started(Message, frozen=True, kw_only=True, tag="started"):
    """Sent for attempts that run for a while; `started_at` is the agent's stamp."""

    attempt: Attempt
    started_at: int
    dispatched_at: int = 0


class Progressed(Message, frozen=True, kw_only=True, tag="progressed"):
    """A handler's heartbeat details. `sequence` counts from 1 within the attempt, so that one that
    comes late or twice displaces nothing newer; 0: the agent does not count."""

    attempt: Attempt
    details: Value = None
    fraction: float | None = None
    sequence: int = 0
    dispatched_at: int = 0


class Once(Message, frozen=True, kw_only=True, tag="once"):
    """What a part of the handler that is done once per task has returned. The agent repeats it
    until it is settled, and the handler goes on only then."""

    attempt: Attempt
    name: str
    value: Value = None
    dispatched_at: int = 0


class Completed(Message, frozen=True, kw_only=True, tag="completed"):
    attempt: Attempt
    output: Value = None
    outcome: str = ""
    started_at: int = 0
    ended_at: int = 0
    usage: Usage = Usage()
    said: Said | None = None
    dispatched_at: int = 0


class Failed(Message, frozen=True, kw_only=True, tag="failed"):
    """The handler failed, or the agent ended it for a timeout. `retryable` false: the code asked
    for no further attempt; `retry_after_s`: it asked that one comes no sooner than so."""

    attempt: Attempt
    failure: Failure
    kind: Literal["failed", "timed_out"] = "failed"
    retryable: bool = True
    retry_after_s: float = 0.0
    started_at: int = 0
    ended_at: int = 0
    usage: Usage = Usage()
    said: Said | None = None
    dispatched_at: int = 0


class Deferred(Message, frozen=True, kw_only=True, tag="deferred"):
    """The handler has ended, and whoever has the token of the attempt completes it. `digest`: of
    the token's secret."""

    attempt: Attempt
    digest: str
    started_at: int = 0
    ended_at: int = 0
    usage: Usage = Usage()
    said: Said | None = None
    dispatched_at: int = 0


class Returned(Message, frozen=True, kw_only=True, tag="returned"):
    """The attempt ended without a result: refused, cancelled as asked, or lost in a restart.

    `started` tells whether the handler had begun; one that had not is not counted as an attempt.
    """

    attempt: Attempt
    reason: LossReason
    message: str = ""
    started: bool = False
    dispatched_at: int = 0


Report = Started | Progressed | Once | Completed | Failed | Deferred | Returned


class Reports(Message, frozen=True, kw_only=True):
    """One message on a shard's report subject."""

    node: str
    incarnation: str
    reports: tuple[Report, ...]


class Heartbeat(Message, frozen=True, kw_only=True):
    """Sent every `heartbeat_interval_s` and asked for with an answer.

    `sequence` counts from 1 within an incarnation. `held`: attempts accepted and not ended;
    `unsettled`: ended, report not yet settled. `credits`: how many attempts the agent is willing to
    hold at a time;
    `slots`: how many run at the same time. `cordoned`: what the node's owner ordered last, so that
    the other coordinators hear of it, None before it has said anything; `ordered_at_version`: the
    `version` of that order, 0 if it had none; `draining`: the agent takes nothing new, because of
    `refusal`. `tasks` and what follows describe the node; `at` is its wall clock when this was
    sent, in microseconds, 0 if it does not say; `protocol` what it knows.
    """

    node: str
    incarnation: str
    sequence: int
    held: tuple[Attempt, ...] = ()
    unsettled: tuple[Attempt, ...] = ()
    slots: int = 1
    credits: int = 1
    cordoned: bool | None = None
    draining: bool = False
    refusal: str = ""
    leaving: bool = False
    tasks: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    build_id: str = ""
    capacity: Needs = Needs()
    host: HostSample = HostSample()
    weight: float = 1.0
    transactional: tuple[str, ...] = ()
    """Those of the tasks that are."""
    at: int = 0
    protocol: int = 0
    ordered_at_version: int = 0


class Order(Message, frozen=True, kw_only=True):
    """What the operators want of a node, as its stream says, repeated with every grant.

    `drain_in_s`: take nothing new, and give back what still runs after so many seconds; None: the
    node is not drained. `version`: how many events that stream had then, 0 if the owner does not
    say.
    """

    cordoned: bool = False
    reason: str = ""
    drain_in_s: float | None = None
    version: int = 0


class Granted(Message, frozen=True, kw_only=True, tag="granted"):
    """Answer to a heartbeat: attempts of `shards` may be started until `lease_ttl_s` after the
    heartbeat with this `sequence` was sent, by the agent's monotonic clock. `order` is None from
    those that do not own the node, and while nothing is recorded of it. `protocol`: what this
    coordinator knows; an agent that knows less than `protocol_min` ends.

    `epochs`: under which the sender owns each of `shards`; none if it does not say. What an earlier
    owner sent may be started only if that heartbeat listed it as held, and it is not among the
    `fenced`: those that it listed and that are not outstanding. An earlier owner may have taken the
    node for lost, given the attempt to another, and been the only one to know.
    """

    coordinator: str
    sequence: int
    incarnation: str
    shards: tuple[int, ...]
    lease_ttl_s: float
    order: Order | None = None
    protocol: int = 0
    protocol_min: int = 0
    epochs: tuple[int, ...] = ()
    fenced: tuple[Attempt, ...] = ()


class Reset(Message, frozen=True, kw_only=True, tag="reset"):
    """Answer to a heartbeat of an incarnation that was declared lost: drop everything that it holds
    and come back as a new incarnation."""

    coordinator: str
    sequence: int
    incarnation: str
    reason: str = ""


HeartbeatAnswer = Granted | Reset
