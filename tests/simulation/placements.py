"""Where attempts may go: nodes that take them, and no more than they have room for.

What nodes can do is known here from their settings, not from what coordinators believe.
"""

from collections.abc import Callable, Iterable, Iterator

from events.task_facts import TaskDispatched
from node_agent.settings import Settings
from tests.simulation.books import RunBook


class Placements:
    def __init__(self) -> None:
        self.nodes: dict[str, Settings] = {}

    def dispatched(self, fact: TaskDispatched, book: RunBook) -> Iterator[str]:
        """A node that exists, knows the task and has its labels and what it needs."""
        node = self.nodes.get(fact.node)
        if node is None:
            yield f"{fact.step} is given to {fact.node}, which does not exist"
            return
        task = book.task(fact.step)
        if task.task not in node.tasks:
            yield f"{fact.step} is given to {fact.node}, which does not know {task.task}"
        wrong = [name for name, value in task.labels.items() if node.labels.get(name) != value]
        if wrong:
            yield f"{fact.step} is given to {fact.node}, which is of another {wrong[0]}"
        if task.needs is not None and task.needs.cpu > node.capacity.cpu:
            yield f"{fact.step} needs {task.needs.cpu} cores, {fact.node} has {node.capacity.cpu}"

    def crowded(
        self, fact: TaskDispatched, of_owner: Iterable[RunBook], current: Callable[[str], int]
    ) -> Iterator[str]:
        """After a commit: one owner gives a node no more than it is willing to hold; several do not
        know of each other, nor what those before have given."""
        place, most = (fact.node, fact.incarnation), self.nodes[fact.node].credits
        held = sum(
            one.dispatched[attempt] == place
            for one in of_owner
            for attempt in one.outstanding
            if one.epochs[attempt] == current(one.run_id)
        )
        if held > most:
            yield f"{fact.node} is given {held} attempts, it takes {most}"
