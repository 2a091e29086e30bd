"""What a simulated cluster is made of, from a plan: settings, nodes that can do all tasks, nets."""

from collections.abc import Iterator, Sequence
from functools import cache

from events.definition import Definition
from events.limits import Limits
from events.net import Map, Net, Task
from events.policies import PINNED, Needs
from events.simulation import Plan
from node_agent.settings import Settings as NodeSettings
from orchestrator.bootstrap import make_engine
from orchestrator.coordinator.engine import Engine
from orchestrator.kernel.instances import static_of

CREDITS_PER_SLOT = 4
BUILD = "simulated"
RESOURCES = ("cpu", "memory_bytes", "disk_bytes", "gpu")


@cache
def engine() -> Engine:
    return make_engine(Limits())


def nets(definitions: Sequence[Definition]) -> list[Net]:
    return [engine().compile(one)[1] for one in definitions]


def tasks_of(nets_: Sequence[Net]) -> Iterator[Task]:
    """What nodes have to do in any of the workflows, maps' items included."""
    for net in nets_:
        for step in net.steps:
            action = step.action.body if isinstance(step.action, Map) else step.action
            if isinstance(action, Task):
                yield action


def node_settings(plan: Plan) -> list[NodeSettings]:
    """Nodes that know every task and have room for it. Where tasks want different values of a
    label, nodes have them in turn."""
    tasks = list(tasks_of(nets(plan.definitions)))
    wanted: dict[str, list[str]] = {}
    for task in tasks:
        for label, value in task.labels.items():
            if value not in (values := wanted.setdefault(label, [])):
                values.append(value)
    build = plan.definitions[-1].options.build
    return [
        NodeSettings(
            node=f"node-{number}",
            tasks=frozenset(task.task for task in tasks),
            labels={label: values[number % len(values)] for label, values in wanted.items()},
            capacity=_capacity([task.needs for task in tasks if task.needs is not None]),
            build_id=build if build not in ("", PINNED) else BUILD,
            slots=plan.slots,
            credits=CREDITS_PER_SLOT * plan.slots,
        )
        for number in range(1, plan.agents + 1)
    ]


def _capacity(needs: Sequence[Needs]) -> Needs:
    """As much as any task needs, of everything."""
    most = {name: max((getattr(one, name) for one in needs), default=0) for name in RESOURCES}
    custom: dict[str, float] = {}
    for one in needs:
        for name, units in one.custom.items():
            custom[name] = max(units, custom.get(name, 0.0))
    return Needs(**most, custom=custom)


class Tasks:
    """The tasks of a plan: what steps are called by, and what an attempt occupies: what its step
    declares, the most where several do."""

    def __init__(self, plan: Plan) -> None:
        self._names: dict[tuple[str, str], str] = {}
        found: dict[str, list[Needs]] = {}
        for definition, net in zip(plan.definitions, nets(plan.definitions), strict=True):
            for step in net.steps:
                action = step.action.body if isinstance(step.action, Map) else step.action
                if isinstance(action, Task):
                    self._names[definition.name, step.id] = action.task
                    found.setdefault(action.task, []).append(action.needs or Needs())
        self.needs = {name: _capacity(needs) for name, needs in found.items()}

    def named(self, workflow: str, step: str) -> str:
        """The task of an instance of a step."""
        return self._names.get((workflow, static_of(step)), step)
