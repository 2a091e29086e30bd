"""Who waits for whom in a trace: parents, children, and writers of files that are read."""

from collections import defaultdict

from orchestrator.authoring.order import Waits, loop_message, order
from orchestrator.authoring.outline import Wait
from orchestrator.authoring.problems import Problems
from orchestrator.authoring.wfformat_trace import TASKS, Trace

Graph = list[dict[int, str]]
"""For each task, by index, what it waits for and why."""


def dependencies(trace: Trace, problems: Problems, waits_max: int) -> tuple[tuple[int, ...], ...]:
    """For each task the indexes of those that it waits for, in the order of the trace.

    Tasks that wait for each other, and more than `waits_max` waits, are reported. The trace has no
    other problems. O(tasks * waits / word size).
    """
    places = {task.id: index for index, task in enumerate(trace.tasks)}
    graph = _family(trace, places)
    waits = _waits(graph)
    found = order(waits)
    if not found.loops:
        if not _add_files(graph, trace, found.after, waits_max):
            message = f"tasks wait for files of others in over {waits_max} ways: split the trace"
            problems.add("too_large", TASKS, message)
            return ()
        waits = _waits(graph)
        found = order(waits)
    ids = tuple(task.id for task in trace.tasks)
    for loop in found.loops:
        problems.add("loop", f"{TASKS}[{loop[0]}]", loop_message(loop, waits, ids))
    return tuple(tuple(sorted(waiting)) for waiting in graph)


def _family(trace: Trace, places: dict[str, int]) -> Graph:
    """What parents and children say, each of which may be named on one side only."""
    graph: Graph = [{places[name]: "its parent" for name in task.parents} for task in trace.tasks]
    for index, task in enumerate(trace.tasks):
        for name in task.children:
            graph[places[name]].setdefault(index, "its parent")
    return graph


def _add_files(graph: Graph, trace: Trace, after: tuple[int, ...], waits_max: int) -> bool:
    """Adds the writers of what each task reads; False when there are too many."""
    writers: dict[str, list[int]] = defaultdict(list)
    for index, task in enumerate(trace.tasks):
        for name in task.output_files:
            writers[name].append(index)
    left = waits_max
    for index, task in enumerate(trace.tasks):
        for name in task.input_files:
            left -= len(writers.get(name, ()))
            if left < 0:
                return False
            for writer in writers.get(name, ()):
                comes_later = after[writer] >> index & 1
                if writer != index and not comes_later:
                    graph[index].setdefault(writer, f"it reads {name}")
    return True


def _waits(graph: Graph) -> Waits:
    return tuple(tuple(Wait(at, why) for at, why in sorted(waiting.items())) for waiting in graph)
