"""The walk of a map: from an item, or a part, that is over to those that begin with it."""

import msgspec

from events.codec import encode
from events.facts import Called, Cut, Failure, Moved, PartResult, Stuck
from events.ids import child_run
from events.limits import ITEMS_BEGUN_MAX
from events.values import Value
from orchestrator.kernel.expressions import ExpressionFailed
from orchestrator.kernel.flow import Walk
from orchestrator.kernel.instances import inside, suffix_of
from orchestrator.kernel.mapcuts import cap, first_share
from orchestrator.kernel.maprules import ENTRY_BYTES, Tally, room, verdict
from orchestrator.kernel.mapstate import MapState, error_entry


class MapWalk(Walk):
    """A walk that also knows items and parts; both are named as instances, `scale[17]`."""

    def begin_items(self, map_id: str, most: int = ITEMS_BEGUN_MAX) -> "Walk":
        """Begins items of a map, as many as may, in one fact; notes whether there are more."""
        found = self._state.steps[map_id].map
        if found is None:
            raise KeyError(map_id)
        if found.cut is not None:
            return self._begin_parts(map_id, found, found.cut)
        left = room(self._net.map(map_id), found, found.open)
        index, limits = found.cursor, self._env.limits
        while left and index - found.cursor < most:
            self._begin_item(map_id, found.first + index)
            left, index = left - 1, index + 1
            if self._is_crowded(found.input_bytes):
                left = 0
            if self._budget.used > limits.payload_bytes_max:
                break
        self._move(map_id, index, found.output_bytes, found.input_bytes)
        if left:
            self._turned.append(map_id)
        return self

    def _is_crowded(self, input_bytes: int) -> bool:
        """Whether the inputs that are under way, with those that begin now, leave no room."""
        return input_bytes + self._budget.used > self._env.limits.map_inputs_bytes_max

    def _move(self, map_id: str, cursor: int, output_bytes: int, input_bytes: int) -> None:
        inputs = input_bytes + self._budget.used
        self._moved.append(
            Moved(step=map_id, cursor=cursor, output_bytes=output_bytes, input_bytes=inputs)
        )

    def _begin_parts(self, map_id: str, found: MapState, cut: Cut) -> "Walk":
        action, number = self._net.map(map_id), found.cursor
        most = cap(action, self._state.options.concurrency_max)
        for _ in range(room(action, found, found.open)):
            self._begin_part(map_id, number, first_share(cut, most, number))
            number += 1
        self._move(map_id, number, found.output_bytes, 0)
        return self

    def _begin_part(self, map_id: str, number: int, share: int) -> None:
        part_id, state = inside(map_id, number), self._state
        self._calls.append(
            Called(
                step=part_id,
                run_id=child_run(state.run_id, part_id, state.generation, 1),
                workflow=state.workflow,
                workflow_version=state.workflow_version,
                share=share,
            )
        )

    def part_completed(self, part_id: str, result: PartResult) -> "Walk":
        """A part is over: the next one begins with its share, or the map is done."""
        state, map_id = self._state, self._state.map_of(part_id)
        found = state.steps[map_id].map
        if found is None:
            raise KeyError(map_id)
        completed, failed = found.completed + result.completed, found.failed + result.failed
        cursor, share = found.cursor, state.steps[part_id].inputs.get("share")
        action, limits = self._net.map(map_id), self._env.limits
        if verdict(action, Tally(found.count, completed, failed, 0), limits):
            self._turned.append(map_id)
        elif room(action, found, found.open - 1):
            self._begin_part(map_id, cursor, share if isinstance(share, int) else 1)
            cursor += 1
        self._move(map_id, cursor, found.output_bytes + result.bytes, 0)
        return self

    def part_failed(self, part_id: str) -> "Walk":
        """A part has no results: so its map has failed."""
        self._turned.append(self._state.map_of(part_id))
        return self

    def item_completed(self, item_id: str, size: int) -> "Walk":
        """An item has a result of so many bytes: the next one begins, or the map is done."""
        return self._item_over(item_id, size, completed=1)

    def item_failed(self, item_id: str, failure: Failure, *, is_last: bool = False) -> "Walk":
        """An item failed for good; `is_last`: and the map cannot go on."""
        most = self._env.limits.payload_bytes_max
        size = most + 1 if is_last else len(encode(error_entry(failure)))
        return self._item_over(item_id, size, failed=1)

    def item_given_back(self, item_id: str) -> "Walk":
        """An item, or a part, of a map that is decided is over."""
        return self._item_over(item_id, 0)

    def _item_over(self, item_id: str, size: int, completed: int = 0, failed: int = 0) -> "Walk":
        state, map_id = self._state, self._state.map_of(item_id)
        found = state.steps[map_id].map
        if found is None:
            raise KeyError(map_id)
        open_, item = found.open - 1, state.steps.get(item_id)
        if found.decided is not None:
            if not open_:
                self._turned.append(map_id)
            return self
        action, cursor, limits = self._net.map(map_id), found.cursor, self._env.limits
        size += found.output_bytes + ENTRY_BYTES
        given = found.input_bytes - (len(encode(item.inputs)) if item is not None else 0)
        given = max(0, given)
        tally = Tally(found.count, found.completed + completed, found.failed + failed, size)
        if verdict(action, tally, limits, state.part):
            self._turned.append(map_id)
        elif open_ and self._is_crowded(given):
            pass
        elif left := room(action, found, open_):
            self._begin_item(map_id, found.first + cursor)
            cursor += 1
            if left > 1 and not self._is_crowded(given):  # the others begin in facts of their own
                self._turned.append(map_id)
        self._move(map_id, cursor, size, given)
        return self

    def _begin_item(self, map_id: str, index: int) -> None:
        step, task = self._net.step(map_id), self._net.task(map_id)
        seen = msgspec.structs.replace(
            self._root, suffix=suffix_of(map_id), loop=map_id, index=index
        )
        item_id = inside(map_id, index)
        try:
            inputs: Value = None
            if step.body is not None:
                inputs = step.body.render(seen.resolve, self._env.expressions)
            self._budget.take(inputs, f"what {item_id} is given")
        except ExpressionFailed as error:
            failure = Failure(code=error.code, message=str(error))
            self._stuck.append(Stuck(step=item_id, failure=failure))
        else:
            self._ready(item_id, task, inputs)
