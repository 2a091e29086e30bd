"""Order within a list of steps: what comes after what, and the loops that make it impossible."""

from graphlib import CycleError, TopologicalSorter

import msgspec

from events.limits import CYCLES_MAX
from orchestrator.authoring.outline import Wait

Waits = tuple[tuple[Wait, ...], ...]
SHOWN_MAX = 6


class Order(msgspec.Struct, frozen=True):
    """`after`: for each step of the list the bit set of those that it comes after. `loops`: rows
    of indexes, each waiting for the next and the last for the first.
    """

    after: tuple[int, ...]
    loops: tuple[tuple[int, ...], ...] = ()


def order(waits: Waits) -> Order:
    """The order that `waits` define. Loops that share a step are reported one at a time; where
    there are `CYCLES_MAX`, nothing is said of who comes after whom."""
    graph = {index: {wait.index for wait in waiting} for index, waiting in enumerate(waits)}
    loops: list[tuple[int, ...]] = []
    while loop := _a_loop(graph):
        loops.append(loop)
        if len(loops) == CYCLES_MAX:
            return Order((0,) * len(waits), tuple(loops))
        graph = {
            index: waiting.difference(loop) for index, waiting in graph.items() if index not in loop
        }
    after = [0] * len(waits)
    for place in TopologicalSorter(graph).static_order():
        for waited in graph[place]:
            after[place] |= 1 << waited | after[waited]
    return Order(tuple(after), tuple(loops))


def _a_loop(graph: dict[int, set[int]]) -> tuple[int, ...]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return tuple(reversed(error.args[1][1:]))
    return ()


def loop_message(loop: tuple[int, ...], waits: Waits, ids: tuple[str, ...]) -> str:
    """The loop in words: who waits for whom and why."""
    if len(loop) == 1:
        why = _why(waits[loop[0]], loop[0])
        return f"a loop: `{ids[loop[0]]}` waits for itself ({why}); take that away"
    parts = [
        f"`{ids[place]}` waits for `{ids[following]}` ({_why(waits[place], following)})"
        for place, following in zip(loop, (*loop[1:], loop[0]), strict=True)
    ]
    if len(parts) > SHOWN_MAX:
        parts = [*parts[: SHOWN_MAX - 1], f"… {len(parts) - SHOWN_MAX} more …", parts[-1]]
    mend = "take one of these away; what is to repeat goes into while, until or for_each"
    return f"a loop: {', '.join(parts)}; {mend}"


def _why(waiting: tuple[Wait, ...], index: int) -> str:
    return next(wait.why for wait in waiting if wait.index == index)
