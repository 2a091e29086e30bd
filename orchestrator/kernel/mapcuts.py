"""How a large map is cut into parts, when it is reached (see `mapparts`)."""

import msgspec

from events.errors import InvalidValue
from events.facts import Cut, Mapped
from events.limits import Limits
from events.net import Map
from events.references import ListReference, reference_of
from events.values import Value
from orchestrator.kernel.expressions import ExpressionFailed, describe


class TooManyItems(ExpressionFailed):
    """A map's list is longer than a map may go through."""

    code = "too_many_items"


def mapped(map_id: str, items: Value, limits: Limits) -> Mapped:
    """A map over a list, over the numbers below one, or over what a reference says; cut if it is
    large. Raises `ExpressionFailed` for anything else."""
    reference = _reference(map_id, items)
    count = _count(map_id, items, reference)
    if count > limits.map_items_max:
        raise TooManyItems(
            f"{map_id} goes through {count} items, over {limits.map_items_max}: "
            "map over parts of the list one after the other, or start a run for each part"
        )
    known = items if isinstance(items, list) else []
    if reference is not None and count:
        return Mapped(step=map_id, cut=_chunked(map_id, reference, limits))
    if count <= limits.map_part_items_max:
        return Mapped(step=map_id, items=known or list(range(count)))
    bounds = tuple(range(0, count, limits.map_part_items_max))
    return Mapped(step=map_id, items=known, cut=Cut(count=count, bounds=bounds))


def _reference(map_id: str, items: Value) -> ListReference | None:
    try:
        return reference_of(items)
    except InvalidValue as error:
        raise ExpressionFailed(f"{map_id}: {error}") from error


def _count(map_id: str, items: Value, reference: ListReference | None) -> int:
    if reference is not None:
        return reference.count
    if isinstance(items, list):
        return len(items)
    if isinstance(items, int) and not isinstance(items, bool) and items >= 0:
        return items
    expected = "expected a list, how many items there are, or a reference to a list"
    raise ExpressionFailed(f"{map_id} goes through {describe(items)}: {expected}")


def _chunked(map_id: str, reference: ListReference, limits: Limits) -> Cut:
    most, bounds, first = limits.map_part_items_max, [], 0
    for chunk in reference.chunks:
        if chunk.count > most:
            raise ExpressionFailed(
                f"{map_id} goes through a reference with {chunk.count} values in one chunk, over "
                f"{most}: store them in smaller ones"
            )
        bounds.append(first)
        first += chunk.count
    hashes = tuple(chunk.hash for chunk in reference.chunks)
    return Cut(count=reference.count, bounds=tuple(bounds), chunks=hashes)


def shared_out(
    cut: Cut, action: Map, most: int | None, values: dict[str, Value], limits: Limits
) -> Cut:
    """With what its parts are to know. `most`: tasks of the whole run at a time. A batch is a bar,
    so there the parts come one after the other."""
    lanes = 1 if action.batch else min(limits.map_parts_max, cap(action, most), len(cut.bounds))
    most_inline = min(limits.map_results_inline_bytes_max, limits.payload_bytes_max)
    inline = most_inline // max(2, len(cut.bounds))
    return msgspec.structs.replace(cut, lanes=lanes, inline_bytes_max=inline, values=values)


def cap(action: Map, most: int | None) -> int:
    return action.concurrency if most is None else max(1, min(most, action.concurrency))


def first_share(cut: Cut, most: int, number: int) -> int:
    """Of `most` items at a time, how many a part of those that begin first may have."""
    return most // cut.lanes + (number < most % cut.lanes)
