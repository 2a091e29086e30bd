"""Facts about nodes, shard leases and definitions; each kind has streams of its own."""

from events.definition import Definition
from events.facts import Fact, HostSample
from events.net import Net
from events.policies import Needs


class NodeRegistered(Fact, frozen=True, kw_only=True):
    """A node's agent joined with a new incarnation, with what it can do and what it has."""

    TYPE = "node.registered.v1"
    node: str
    incarnation: str
    tasks: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    build_id: str = ""
    slots: int = 1
    credits: int = 1
    capacity: Needs = Needs()
    weight: float = 1.0
    """The node's share of the work relative to others with as many credits."""


class NodeSampled(Fact, frozen=True, kw_only=True):
    """What a heartbeat said about the node's host; of many heartbeats one, at a bounded rate."""

    TYPE = "node.sampled.v1"
    node: str
    incarnation: str
    sample: HostSample


class NodeSuspected(Fact, frozen=True, kw_only=True):
    TYPE = "node.suspected.v1"
    node: str
    incarnation: str
    silent_s: float


class NodeRecovered(Fact, frozen=True, kw_only=True):
    TYPE = "node.recovered.v1"
    node: str
    incarnation: str


class NodeLost(Fact, frozen=True, kw_only=True):
    """The node's attempt lease ended; what it had outstanding is given to others."""

    TYPE = "node.lost.v1"
    node: str
    incarnation: str
    silent_s: float


class NodeDraining(Fact, frozen=True, kw_only=True):
    """An incarnation finishes what runs and gives the rest back: because its agent was told to stop
    or, with `due_at`, because an operator drains the node: what still runs then is given back, too.
    """

    TYPE = "node.draining.v1"
    node: str
    incarnation: str
    reason: str = ""
    due_at: int | None = None


class NodeCordoned(Fact, frozen=True, kw_only=True):
    """No attempt is given to the node from now on, whichever incarnation, until it is uncordoned.
    Who asked is the event's actor.
    """

    TYPE = "node.cordoned.v1"
    node: str
    reason: str = ""


class NodeUncordoned(Fact, frozen=True, kw_only=True):
    """The node takes attempts again; an operator's drain of it ends."""

    TYPE = "node.uncordoned.v1"
    node: str
    reason: str = ""


class NodeLeft(Fact, frozen=True, kw_only=True):
    TYPE = "node.left.v1"
    node: str
    incarnation: str
    reason: str = ""


class LeaseAcquired(Fact, frozen=True, kw_only=True):
    """A coordinator may append for a shard from now on, under this epoch."""

    TYPE = "lease.acquired.v1"
    shard: int
    epoch: int
    holder: str
    previous_holder: str = ""


class LeaseReleased(Fact, frozen=True, kw_only=True):
    TYPE = "lease.released.v1"
    shard: int
    epoch: int
    holder: str


class PersonalErased(Fact, frozen=True, kw_only=True):
    """The data key `key_id` was dropped, and with it every value of the `runs` that had it, so
    many; who and why is recorded. In a stream of its own, as the runs have ended.
    """

    TYPE = "personal.erased.v1"
    key_id: str
    subject: str
    runs: int
    reason: str = ""


class RunImported(Fact, frozen=True, kw_only=True):
    """The history of a run that is another cluster's was brought into this log, up to `version`,
    whose event has this digest. Nobody here works on it. `file` and `sha256`: what it was brought
    from; `redacted`: fields whose values had been taken out. In a stream of its own, before the
    events that it speaks of, as these stay as they were.
    """

    TYPE = "run.imported.v1"
    run_id: str
    version: int
    digest: str
    file: str = ""
    sha256: str = ""
    redacted: tuple[str, ...] = ()
    by: str = ""


class DefinitionRegistered(Fact, frozen=True, kw_only=True):
    """A version of a workflow, by its definition's hash, with the net that its runs execute. One
    that is set `aside` is only for runs that name it; the newest of the others is for all."""

    TYPE = "definition.registered.v1"
    workflow: str
    workflow_version: str
    definition: Definition
    net: Net
    aside: bool = False
