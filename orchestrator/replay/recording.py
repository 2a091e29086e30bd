"""Recordings: all that happened to a run, read once, to be stepped through without the store.

The stored bytes are kept, and decoded when they are asked for: a decoded event takes several times
the memory, and the garbage collector would look at each again and again. The chain of digests is
checked once, while reading. A run that was forked stands on the events of its source up to the
fork; they are a recording of their own, `source`.

Nothing here can write: whoever steps through a recording changes nothing but their own memory.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.codec import digest
from events.envelope import Event, Head, Header, Stored, decoded, header_of, unseal
from events.errors import Corrupt, NotFound, Rejected
from events.facts import Fact
from events.ids import definition_stream, run_stream
from events.limits import FORKS_MAX, KEYFRAMES_BYTES_MAX, RECORDING_BYTES_MAX
from events.net import Net
from events.operator_facts import RunRestored
from events.run_facts import RunForked, RunStarted
from orchestrator.kernel.netindex import NetIndex
from orchestrator.replay.keyframes import Keyframes
from orchestrator.replay.ports import History
from orchestrator.replay.traces import Place, Traces
from orchestrator.replay.why.causes import Causes

PAGE = 1000


class Recording:
    """A run's events in order. Versions count from 1; `last` is that of the newest one that was
    read. `net`: what the run executes; None when its definition is not in the log."""

    def __init__(
        self, run_id: str, catalogue: Catalogue, source: "Recording | None" = None
    ) -> None:
        self.run_id = run_id
        self.catalogue = catalogue
        self.source = source
        self.net: Net | None = None
        self.workflow = self.workflow_version = ""
        self.restores: dict[int, int] = {}
        """Versions of events that went back, and the versions that they went back to."""
        self.targets: set[int] = {1}
        """Versions whose states are asked for again: those gone back to, and a fork's first."""
        self.bytes = 0
        """Of its own events."""
        self.keyframes = Keyframes(self.targets)
        """Shared by all that step through it."""
        self.traces = Traces(self)
        self._net_index: NetIndex | None = None
        self.causes = Causes(self)
        self._head = Head(run_stream(run_id))
        self._states: list[bytes] = []
        self._types: list[str] = []
        self._opened: dict[int, tuple[bytes | None, str]] = {}
        self._ends = array("q", [0])
        self._at = array("q")
        self._latest = array("q")

    @property
    def stream(self) -> str:
        return self._head.stream

    @property
    def last(self) -> int:
        return len(self._states)

    @property
    def is_personal(self) -> bool:
        """Whether it holds values that were opened for it, its own or of what it stands on."""
        return bool(self._opened) or (self.source is not None and self.source.is_personal)

    @property
    def net_index(self) -> NetIndex | None:
        """The net with what expressions look up in it."""
        if self._net_index is None and self.net is not None:
            self._net_index = NetIndex(self.net)
        return self._net_index

    def take(self, stored: Stored) -> None:
        """Adds the next event. Raises `Corrupt` when it does not follow the one before it."""
        header = self._next(stored)
        version = stored.version
        self._states.append(stored.state)
        self._types.append(stored.type)
        if stored.opened is not None or stored.trouble:
            self._opened[version] = stored.opened, stored.trouble
        self._at.append(header.recorded_at)
        self._latest.append(max(header.recorded_at, self._latest[-1] if self._latest else 0))
        self.bytes += len(stored.state) + len(stored.opened or b"")
        self._ends.append(self.bytes)
        if stored.type == RunRestored.TYPE:
            fact = self.fact(version)
            if isinstance(fact, RunRestored):
                self.restores[version] = fact.version
                self.targets.add(fact.version)

    def _next(self, stored: Stored) -> Header:
        head = self._head
        if stored.version != head.version + 1:
            raise Corrupt(f"event {head.version + 1} of {head.stream} is missing from the log")
        header = header_of(stored)
        if header.previous != head.digest:
            raise Corrupt(
                f"event {stored.version} of {head.stream} does not follow the stored event before "
                "it: one of the two was changed"
            )
        head.version, head.digest = stored.version, digest(stored.state)
        return header

    def of(self, run_id: str) -> "Recording":
        """That of a run which this one stands on, or itself. Raises `Rejected` for any other."""
        found: Recording | None = self
        while found is not None and found.run_id != run_id:
            found = found.source
        if found is None:
            raise Rejected(f"run {self.run_id} was not forked from run {run_id}")
        return found

    def at_place(self, place: Place) -> tuple[Header, Fact]:
        """Header and fact of an event of this run, or of one that it stands on."""
        return self.of(place.run_id).decoded(place.version)

    # -- looking ----------------------------------------------------------------------------------

    def stored(self, version: int) -> Stored:
        """The event as the store has it. Raises `NotFound` for a version that is not there."""
        if not 0 < version <= self.last:
            raise NotFound(f"run {self.run_id} has no event {version}: they are 1 to {self.last}")
        opened, trouble = self._opened.get(version, (None, ""))
        state, type_ = self._states[version - 1], self._types[version - 1]
        return Stored(self.stream, version, type_, state, opened=opened, trouble=trouble)

    def event(self, version: int) -> Event:
        """Raises `NotFound` for a version that is not there, `Corrupt` for bytes that cannot be
        decoded, `MissingKey` for values that cannot be opened."""
        return unseal(self.stored(version), self.catalogue)

    def events(self, first: int = 1, last: int | None = None) -> Iterator[Event]:
        """Those from `first` to `last`, both included. Raises as `event`."""
        for version in range(first, (self.last if last is None else last) + 1):
            yield self.event(version)

    def decoded(self, version: int) -> tuple[Header, Fact]:
        """Header and fact alone, which is quicker. Raises as `event`."""
        return decoded(self.stored(version), self.catalogue)

    def fact(self, version: int) -> Fact:
        """Raises as `event`."""
        return self.decoded(version)[1]

    def type(self, version: int) -> str:
        """The stored name of an event's type, without decoding it."""
        return self._types[version - 1]

    def bytes_to(self, version: int) -> int:
        """Bytes of the events up to a version."""
        return self._ends[version]

    def at(self, version: int) -> int:
        """When an event was recorded, microseconds."""
        return self._at[version - 1]

    def version_at(self, instant: int) -> int:
        """The last version before the first event that was recorded later than `instant`; 0 when
        the first one was. O(log events)."""
        return bisect_right(self._latest, instant)


async def record(
    history: History,
    catalogue: Catalogue,
    run_id: str,
    bytes_max: int = RECORDING_BYTES_MAX,
) -> Recording:
    """All that the history has of a run, of those that it was forked from, and its net.

    Raises `Rejected` when there is no such run or when there are more bytes than may be held,
    `Corrupt` when something is missing or was changed, `Unavailable`. O(events).
    """
    begun = [await _begun(history, catalogue, run_id)]
    while (origin := _origin(begun[-1])) is not None:
        if len(begun) > FORKS_MAX:
            raise Corrupt(f"run {run_id} is a fork over {FORKS_MAX} forks deep")
        begun.append(await _begun(history, catalogue, origin[0], begun[-1].run_id))
    recording: Recording | None = None
    budget = bytes_max
    for number, one in reversed(list(enumerate(begun))):
        one.source = recording
        upto = None if number == 0 else (_origin(begun[number - 1]) or ("", 0))[1]
        await _read(history, one, budget, upto)
        budget -= one.bytes
        recording = one
    nets: dict[tuple[str, str], Net | None] = {}
    for one in begun:
        key = one.workflow, one.workflow_version
        if key not in nets:
            nets[key] = await _net(history, catalogue, one)
        one.net = nets[key]
        one.keyframes = Keyframes(one.targets, KEYFRAMES_BYTES_MAX // len(begun))
    return begun[0]


async def extend(recording: Recording, history: History) -> int:
    """Reads what was appended since; returns how many events. Raises as `record`."""
    before = recording.last
    await _read(history, recording, RECORDING_BYTES_MAX, None)
    return recording.last - before


async def _begun(history: History, catalogue: Catalogue, run_id: str, fork: str = "") -> Recording:
    """A recording of the first event of a run. Raises `Rejected`, of a fork's source `Corrupt`."""
    found = await history.read(run_stream(run_id), 0, 1)
    if not found and fork:
        raise Corrupt(f"run {fork} is a fork of run {run_id}, which is not in the log")
    if not found:
        raise NotFound(f"there is no run {run_id}: `dalsegno run list` shows those there are")
    recording = Recording(run_id, catalogue)
    recording.take(found[0])
    fact = recording.fact(1)
    if not isinstance(fact, RunStarted | RunForked):
        raise Corrupt(f"{recording.stream} begins with {fact.TYPE}: a run is started or forked")
    recording.workflow, recording.workflow_version = fact.workflow, fact.workflow_version
    return recording


def _origin(recording: Recording) -> tuple[str, int] | None:
    """The run that this one was forked from, and at which version."""
    if recording.type(1) != RunForked.TYPE:
        return None
    fact = recording.fact(1)
    return (fact.source_run_id, fact.source_version) if isinstance(fact, RunForked) else None


async def _read(history: History, recording: Recording, budget: int, upto: int | None) -> None:
    """The rest of the events, or those up to a version, which has to be there."""
    while upto is None or recording.last < upto:
        page = await history.read(recording.stream, recording.last, PAGE)
        for stored in page if upto is None else page[: upto - recording.last]:
            recording.take(stored)
        if recording.bytes > budget:
            raise Rejected(
                f"run {recording.run_id} and what it was forked from have over "
                f"{RECORDING_BYTES_MAX} bytes of events, more than are held to step through: "
                "`dalsegno log show` lists them"
            )
        if not page:
            break
    if upto is not None and recording.last < upto:
        raise Corrupt(f"run {recording.run_id} has no event {upto}, at which it was forked")


async def _net(history: History, catalogue: Catalogue, recording: Recording) -> Net | None:
    stream, after = definition_stream(recording.workflow), 0
    while page := await history.read(stream, after, PAGE):
        for stored in page:
            if stored.type != DefinitionRegistered.TYPE:
                continue
            fact = unseal(stored, catalogue).fact
            if (
                isinstance(fact, DefinitionRegistered)
                and fact.workflow_version == recording.workflow_version
            ):
                return fact.net
        after = page[-1].version
    return None
