"""Resources: how many attempts each node had at every position of the log, and how many it took.

What is counted is what the log knows: an attempt is held from its dispatch to the fact that ends
it. A node announces for each of its incarnations how many it takes. Owners divide that between
them; while they come and go their shares overlap, and the node queues what is beyond, up to
`HELD_PER_CREDIT_MAX` times as many: what is more than that it would refuse.

An owner gives work to whom it hears, and the owner of the node tells the log whom *it* hears. So of
an incarnation that ended before that one heard of it the log has the attempts alone.
"""

from collections.abc import Iterator

import msgspec

from events import cluster_facts as c
from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.envelope import Stored
from events.ids import run_stream
from events.limits import HELD_PER_CREDIT_MAX

ENDS = frozenset({t.TaskCompleted.TYPE, t.AttemptFailed.TYPE, t.TaskFailed.TYPE})
ENDS |= {t.TaskSettling.TYPE, t.TaskSettled.TYPE, t.TaskDeferred.TYPE}
ENDS |= {t.TaskCancelled.TYPE, o.ResultGiven.TYPE}
RUN_ENDS = frozenset(
    {r.RunCompleted.TYPE, r.RunFailed.TYPE, r.RunCancelled.TYPE, r.RunTimedOut.TYPE}
)
RUN_ENDS |= {o.RunRestored.TYPE}
LOOKED_AT = ENDS | RUN_ENDS | {c.NodeRegistered.TYPE, t.TaskDispatched.TYPE, c.RunImported.TYPE}
RUN = run_stream("")
INCARNATIONS_MAX = 8
"""Of a node, the newest; attempts of an older one are long over."""


class _Data(msgspec.Struct, frozen=True):
    """As much of these facts as counts."""

    run_id: str = ""
    step: str = ""
    node: str = ""
    incarnation: str = ""
    slots: int = 1
    credits: int = 1


class _Event(msgspec.Struct, frozen=True):
    data: _Data = _Data()


class Held(msgspec.Struct):
    """Where attempts are: of each run, step → node and incarnation. `taken`: how many each
    incarnation of a node has; `announced`: how many it takes."""

    runs: dict[str, dict[str, tuple[str, str]]] = {}
    taken: dict[str, dict[str, int]] = {}
    announced: dict[str, dict[str, int]] = {}
    imported: str = ""
    """The last run that was imported: its events follow at once, and no node of ours had any."""


class Resources:
    """Counts attempts by node over the whole log, in order of position. Memory: those held."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self._decoder = msgspec.json.Decoder(_Event)

    def take(self, stored: Stored) -> Iterator[tuple[str, str]]:
        """What the next event of the log shows to be wrong: the run and why."""
        if stored.type not in LOOKED_AT:
            return
        try:
            data = self._decoder.decode(stored.state).data
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return  # that it does not decode is the business of another check
        run_id = stored.stream.removeprefix(RUN)
        if stored.type == c.RunImported.TYPE:
            self.held.imported = data.run_id
        elif stored.type == c.NodeRegistered.TYPE:
            self._announce(data)
        elif run_id == self.held.imported:
            return
        elif stored.type == t.TaskDispatched.TYPE:
            yield from self._dispatch(run_id, data)
        elif stored.type in ENDS:
            self._end(self.held.runs.get(run_id, {}).pop(data.step, None))
        else:
            for place in self.held.runs.pop(run_id, {}).values():
                self._end(place)

    def _announce(self, data: _Data) -> None:
        known = self.held.announced.setdefault(data.node, {})
        known[data.incarnation] = max(data.slots, data.credits)
        taken = self.held.taken.get(data.node, {})
        while len(known) > INCARNATIONS_MAX:
            oldest = next(iter(known))
            del known[oldest]
            taken.pop(oldest, None)

    def _dispatch(self, run_id: str, data: _Data) -> Iterator[tuple[str, str]]:
        place = data.node, data.incarnation
        steps = self.held.runs.setdefault(run_id, {})
        self._end(steps.get(data.step))
        steps[data.step] = place
        taken = self.held.taken.setdefault(data.node, {})
        taken[data.incarnation] = taken.get(data.incarnation, 0) + 1
        most = self.held.announced.get(data.node, {}).get(data.incarnation)
        if most is not None and taken[data.incarnation] > HELD_PER_CREDIT_MAX * most:
            count, said = taken[data.incarnation], f"it had announced {most}"
            yield (
                run_id,
                f"node {data.node} ({data.incarnation}) was given {count} attempts, {said}",
            )

    def _end(self, place: tuple[str, str] | None) -> None:
        if place is None:
            return
        taken = self.held.taken.get(place[0], {})
        if place[1] in taken:
            taken[place[1]] -= 1
            if not taken[place[1]]:
                del taken[place[1]]
