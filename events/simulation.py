"""What `dalsegno simulate` and the simulator say to each other: a plan, and what came of each seed.

They are processes of their own, of one release: nothing of this is stored.
"""

from typing import Literal

import msgspec

from events.definition import Definition
from events.values import Value

FAULTS: dict[str, str] = {
    "crashes": "coordinators and agents are killed, at any point",
    "pauses": "coordinators and agents are stopped for a while and go on with old beliefs",
    "partitions": "messages are cut off, in both directions or one",
    "messages": "messages are lost, repeated and late",
    "disks": "journals are torn, lost or slow",
    "clocks": "clocks are off, and jump",
    "store": "Postgres is away, slow, or lost its answers",
    "bus": "NATS is away, or loses all its data",
    "drains": "agents and coordinators are stopped in good order",
}
"""Kinds of faults that a user may ask for, and what each is."""


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of plain data."""


class TaskModel(Part, frozen=True, kw_only=True):
    """How a task behaves in place of its handler. An attempt takes a time between `takes_s`: evenly
    spread, or (`lognormal`) such that half take no longer than the first and 99 of 100 no longer
    than the second; a share of `fails` fails with `code`, for good if `permanent`, else returns
    `returns`.
    """

    takes_s: tuple[float, float] = (1.0, 10.0)
    spread: Literal["even", "lognormal"] = "lognormal"
    fails: float = 0.01
    code: str = "simulated"
    permanent: bool = False
    returns: Value = None


class SignalModel(Part, frozen=True, kw_only=True):
    """A signal that clients send to every run so long after its start."""

    after_s: float = 0.0
    data: Value = None
    correlation: Value = None


class Model(Part, frozen=True, kw_only=True):
    """`tasks` by name; every other task is like `default`."""

    tasks: dict[str, TaskModel] = {}
    default: TaskModel = TaskModel()
    signals: dict[str, SignalModel] = {}


class Plan(Part, frozen=True, kw_only=True):
    """What is to be simulated: the last definition is run, the others may be called by it.

    `faults`: names of `FAULTS`; empty: none. `within_s`: faults strike within this time of the
    start, virtual; 0: as long as a run takes undisturbed. `timeline`: keep what happens, of one
    seed.
    """

    definitions: tuple[Definition, ...]
    input: Value = None
    model: Model = Model()
    seeds: tuple[int, ...] = ()
    faults: tuple[str, ...] = ()
    runs: int = 1
    agents: int = 3
    slots: int = 8
    coordinators: int = 2
    within_s: float = 0.0
    timeline: bool = False
    workers: int = 1


class SimulatedTask(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Of one task type, over all runs of a seed; counted up. `busy_s`: time in handlers, of all
    attempts."""

    attempts: int = 0
    retries: int = 0
    lost: int = 0
    completed: int = 0
    busy_s: float = 0.0
    cpu_s: float = 0.0
    memory_byte_s: float = 0.0
    gpu_s: float = 0.0


class SimulatedRun(Part, frozen=True, kw_only=True):
    """`status`: as it ended, `waiting` for a signal that nobody sends, or `open` when it did not
    end. Times are virtual."""

    run_id: str
    workflow: str
    status: str
    took_s: float
    code: str = ""
    message: str = ""
    events: int = 0
    waits_for: str = ""


class Happening(Part, frozen=True, kw_only=True):
    """A line of a timeline: seconds since the start, who, what."""

    at_s: float
    who: str
    what: str
    kind: Literal["fault", "process", "run", "task", "broken"] = "task"


class SimulatedSeed(Part, frozen=True, kw_only=True):
    """What came of a seed. `violations`: promises that were broken, which is a fault of ours."""

    seed: int
    runs: tuple[SimulatedRun, ...] = ()
    tasks: dict[str, SimulatedTask] = {}
    violations: tuple[str, ...] = ()
    faults: int = 0
    virtual_s: float = 0.0
    timeline: tuple[Happening, ...] = ()
