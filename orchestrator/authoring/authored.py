"""Authored: a definition with the places of its parts, kept apart until it is whole."""

import msgspec

from events.definition import Definition, Step
from orchestrator.authoring.problems import Place
from orchestrator.authoring.walk import spots


class Authored(msgspec.Struct, frozen=True):
    """A definition with the places of its parts, by path in the authored form."""

    definition: Definition
    places: dict[str, Place] = {}
    name: str = ""
    """The file, for messages."""


class Marks:
    """Places of steps that are not yet in a definition, and so have no path.

    Steps are told apart by identity: two may be equal and stand in different lines.
    """

    def __init__(self) -> None:
        self._by_step: dict[int, tuple[Step, dict[str, Place]]] = {}

    def put(self, step: Step, places: dict[str, Place]) -> Step:
        """Remembers the places of a step's parts by their paths below it; "" is its own."""
        self._by_step[id(step)] = step, places  # the step is kept, so its identity is not reused
        return step

    def moved(self, old: Step, new: Step) -> Step:
        """`new` stands for `old` and has its places."""
        _, places = self._by_step.get(id(old), (old, {}))
        return self.put(new, places)

    def of(self, step: Step) -> dict[str, Place]:
        _, places = self._by_step.get(id(step), (step, {}))
        return places

    def by_path(self, definition: Definition) -> dict[str, Place]:
        """All places, by path in the definition that the steps have become parts of."""
        return {
            f"{spot.where}{below}": place
            for spot in spots(definition)
            for below, place in self.of(spot.step).items()
        }
