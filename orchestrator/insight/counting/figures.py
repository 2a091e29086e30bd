"""Gathering what statistics are made of, from the projections of one log."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from events.errors import Unavailable
from orchestrator.insight.counting.projections import Generation, Standing
from orchestrator.insight.counting.statistics import Material, Window
from orchestrator.insight.counting.tallies import Key, Kind, NodeState, Tally

EVER = (0, 0, 1)


class Projected(Protocol):
    """As much of the projections of a log as is needed."""

    async def generations(self) -> list[Generation]: ...

    async def nodes(self, generation: int) -> Mapping[str, NodeState]: ...

    async def window(
        self, generation: int, kind: Kind, stretch: tuple[int, int, int], workflow: str
    ) -> dict[Key, Tally]: ...

    async def open_runs(self, workflow: str) -> Mapping[tuple[str, str], int]: ...

    async def standing(self, generation: Generation) -> Standing: ...


async def figures(projected: Projected, workflow: str, seen: Window) -> tuple[Material, Standing]:
    """Of the generation that serves. Raises `Unavailable` when there is none."""
    generation = serving(await projected.generations())
    number = generation.number
    every = list((await projected.nodes(number)).values())
    tasks = await projected.window(number, "task", seen.stretch, workflow)
    named = {key.node for key in tasks}
    made_of = Material(
        runs=await projected.window(number, "run", seen.stretch, workflow),
        tasks=tasks,
        runs_ever=await projected.window(number, "run", EVER, workflow),
        open_runs=await projected.open_runs(workflow),
        nodes=[node for node in every if not workflow or node.node in named],
    )
    return made_of, await projected.standing(generation)


def serving(generations: Sequence[Generation]) -> Generation:
    for generation in generations:
        if generation.state == "serving":
            return generation
    raise Unavailable(
        "there are no projections yet: start `dalsegno projections run`, which keeps them"
    )
