"""Stacks: the threads of a run, the frames of each, and the numbers that clients call them by."""

import msgspec

from events.limits import DAP_THREADS_MAX
from orchestrator.dap.layout import MAIN
from orchestrator.dap.refusals import Stale
from orchestrator.dap.replica import Replica
from orchestrator.kernel.instances import static_of, suffix_of

Shown = dict[str, object]


class Frame(msgspec.Struct, frozen=True):
    """Something that a step lies inside: `instance` is what is at work in it, empty for a run in
    which nothing is known to be. `is_label`: only says where a run came from."""

    replica: Replica
    name: str
    instance: str
    is_label: bool = False


class Threads:
    """The numbers of threads, the same for as long as a session lasts. The run's own has 1."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._keys: dict[int, tuple[str, str]] = {}

    def number(self, run_id: str, key: str) -> int:
        found = self._numbers.get((run_id, key))
        if found is None:
            found = self._numbers[run_id, key] = len(self._numbers) + 1
            self._keys[found] = run_id, key
        return found

    def key(self, run_id: str, number: int) -> str:
        """Raises `Stale` for the number of no thread of this run; 0 stands for its own."""
        if not number:
            return MAIN
        found = self._keys.get(number)
        if found is None or found[0] != run_id:
            raise Stale(f"there is no thread {number}: ask for `threads` again")
        return found[1]

    def shown(self, replica: Replica, focus: str) -> list[Shown]:
        """All that there are, the run's own first and the others in the order of their steps."""
        keys = replica.threads(focus)
        return [
            {"id": self.number(replica.run_id, key), "name": _name(replica, key)}
            for key in keys[:DAP_THREADS_MAX]
        ]


def _name(replica: Replica, key: str) -> str:
    return key or f"{replica.layout.name} {replica.run_id}"


def frames(replica: Replica, thread: str, focus: str) -> list[Frame]:
    """The frames of a thread, the innermost first."""
    instance = replica.leaf(thread, focus)
    levels, suffix = replica.layout.levels(instance), suffix_of(instance)
    places = [replica.layout.name, *(level.named(suffix) for level in levels)]
    instances = [*(level.at(suffix) for level in levels), instance]
    found = [
        Frame(replica, _titled(place, one), one)
        for place, one in zip(places, instances, strict=True)
    ]
    return found[::-1]


def _titled(place: str, instance: str) -> str:
    """`pages[3]: fetch`; an item is only called by its own name."""
    return place if place == instance or not instance else f"{place}: {static_of(instance)}"


def caller(replica: Replica) -> Frame | None:
    """Where a run was started by a step of another one."""
    origin = replica.cursor.state.origin
    if origin.kind != "parent":
        return None
    return Frame(replica, f"called by run {origin.run_id}", "", is_label=True)


def shown_frame(frame: Frame, number: int) -> Shown:
    """As the protocol has it; lines and columns from 1."""
    told: Shown = {"id": number, "name": frame.name, "line": 0, "column": 0}
    if frame.is_label:
        return {**told, "presentationHint": "label"}
    found = frame.replica.sources.find(frame.instance)
    if found is None:
        return told | _first_line(frame)
    sheet, spotted = found
    place = {"line": spotted.line, "column": spotted.column, "source": sheet.source()}
    return {**told, **place, "canRestart": bool(frame.instance)}


def _first_line(frame: Frame) -> Shown:
    """Of the workflow, where nothing is known to be at work."""
    sheets = frame.replica.sources.sheets
    if not sheets or frame.instance:
        return {}
    return {"line": 1, "column": 1, "source": sheets[0].source()}
