"""Parts: how a large map becomes runs of their own, and how their results become the map's.

Up to `map_part_items_max` items a map counts them itself. Beyond, its items are cut into parts, and
each part is a child run of the same workflow that does nothing but these items, as a small map
does. So no history and no state grows with the map; its own state has two bits an item and a few
words a part.

What an item's inputs read beside the item is read once, when the map is reached, and handed to the
parts. At most `map_parts_max` parts are under way; the map's concurrency is shared out between
them, and a part that ends leaves its share to the next. The run of a part completes whatever became
of its items: what that means is the map's affair, by its own rule. One that does not complete (it
was cancelled, its results are too large) fails the map, whatever the rule.

Results: the list, as long as the part's results fit into its even share of one payload. Otherwise
they are stored by hash, part by part, and the map's output is a reference.
"""

import msgspec

from events.codec import encode
from events.facts import Cut, Mapped, PartOf, PartResult
from events.references import Chunk, ListReference, as_value
from events.values import Value
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.instances import index_of
from orchestrator.kernel.mapstate import MapState
from orchestrator.kernel.state import RunState

# -- begun ----------------------------------------------------------------------------------------


def is_part(state: RunState, step_id: str) -> bool:
    """Whether this instance is a part of a map, which has a run, and not an item."""
    map_id = state.map_of(step_id)
    found = state.steps[map_id].map if map_id else None
    return found is not None and found.cut is not None


def part_of(state: RunState, step_id: str) -> tuple[PartOf, Mapped, str]:
    """What the run of a part is to know and to go through, and the hash under which its items are
    stored: with one they are still to be filled in. Raises KeyError when this is no part."""
    map_id = state.map_of(step_id)
    found = state.steps[map_id].map
    if found is None or found.cut is None:
        raise KeyError(step_id)
    cut, number = found.cut, index_of(step_id)
    first, end = found.bounds(number)
    share = state.steps[step_id].inputs.get("share")
    part = PartOf(
        step=map_id, count=cut.count, inline_bytes_max=cut.inline_bytes_max, values=cut.values
    )
    stored = cut.chunks[number] if cut.chunks else ""
    items: list[Value] = [None] * (end - first)
    if not cut.chunks:
        items = found.items[first:end] or list(range(first, end))
    mapped = Mapped(
        step=map_id, items=items, first=first, share=share if isinstance(share, int) else 1
    )
    return part, mapped, stored


# -- over -----------------------------------------------------------------------------------------


def handed_over(d: Decision, found: MapState, part: PartOf) -> Value:
    """The output of a part's run."""
    data = encode(found.outputs)
    is_small = len(data) <= part.inline_bytes_max
    result = PartResult(
        completed=found.completed,
        failed=found.failed,
        marks=bytes(found.marks),
        results=found.outputs if is_small else None,
        hash="" if is_small else d.keep(data),
        bytes=len(data),
        failure=found.failure,
        failed_at=found.failed_at,
    )
    value: Value = msgspec.to_builtins(result)
    return value


def taken_over(output: Value) -> PartResult:
    """The same, read by the parent."""
    return msgspec.convert(output, PartResult)


def results(d: Decision, found: MapState, cut: Cut) -> Value:
    """The output of a map that is over: its results, or a reference to them."""
    pieces = [piece or PartResult() for piece in found.pieces]
    if not any(piece.hash for piece in pieces):
        return found.joined()
    chunks = []
    for number, piece in enumerate(pieces):
        first, end = found.bounds(number)
        stored = piece.hash
        if piece.results is not None:
            stored = d.keep(encode(piece.results))
        chunks.append(Chunk(count=end - first, hash=stored))
    size = sum(piece.bytes for piece in pieces)
    return as_value(ListReference(count=cut.count, bytes=size, chunks=tuple(chunks)))
