"""Judging events by a filter, the cheapest question first.

    Filter ──compiled()──► Sieve ──wanted──► the store leaves out what its names say is not meant
                             └──sifted()───► the rest is decoded and judged here

What is asked of the run that an event belongs to (its workflow, its tags) is read from the run's
first event, and kept for the runs seen last. An event that cannot be decoded is left out only where
its place says that it is not meant: what it would have said to the rest nobody knows, and to hide
it would be to skip it.
"""

import re
from collections.abc import Sequence

import msgspec

from events.catalogue import Catalogue
from events.envelope import Event, Header, Stored, unseal
from events.errors import Corrupt
from events.ids import definition_stream, node_stream
from events.values import Value
from orchestrator.insight.following.filters import RUN, Filter, bare, check, wanted
from orchestrator.insight.following.origins import Origin, Origins
from orchestrator.insight.following.patterns import is_any, names
from orchestrator.kernel.expressions import (
    ExpressionFailed,
    Expressions,
    PathMissing,
    consult,
    descend,
)

NODE, DEFINITION = node_stream(""), definition_stream("")
_INDEXES = re.compile(r"\[[0-9]+\]")


class Followed(msgspec.Struct, frozen=True):
    """An event on its way to a follower, as its log has it, and decoded, or why it cannot be."""

    log: str
    stored: Stored
    event: Event | None = None
    trouble: str = ""
    origin: Origin = Origin()

    @property
    def position(self) -> int:
        """In its log."""
        return self.stored.position or 0

    @property
    def run_id(self) -> str:
        """Empty for an event of no run."""
        stream = self.stored.stream
        return stream.removeprefix(RUN) if stream.startswith(RUN) else ""

    @property
    def workflow(self) -> str:
        stream = self.stored.stream
        if stream.startswith(DEFINITION):
            return stream.removeprefix(DEFINITION)
        return self.origin.workflow

    @property
    def step(self) -> str:
        return _text(self.event, "step")

    @property
    def node(self) -> str:
        """That the event names, or else whose report it was made of."""
        stream = self.stored.stream
        if stream.startswith(NODE):
            return stream.removeprefix(NODE)
        if self.event is None:
            return ""
        actor = self.event.header.actor
        said = actor.removeprefix(NODE) if actor.startswith(NODE) else ""
        return _text(self.event, "node") or said


def decoded(log: str, stored: Stored, catalogue: Catalogue) -> Followed:
    try:
        return Followed(log, stored, unseal(stored, catalogue))
    except Corrupt as error:
        return Followed(log, stored, trouble=str(error))


class Sieve:
    """A filter, ready to judge. Made by `compiled`."""

    def __init__(
        self, filter_: Filter, expressions: Expressions, *, with_origins: bool = False
    ) -> None:
        """`with_origins`: events are told with the workflow and tags of their runs, also where they
        are not asked for."""
        self.filter = filter_
        self.wanted = wanted(filter_)
        self.failed = ""
        """Why `where` had no value for an event that had all it reads, the last time."""
        self._expressions = expressions
        self._catalogue = Catalogue()
        self._types = names(filter_.types)
        self._runs = names(filter_.runs)
        self._workflows = names(filter_.workflows)
        self._steps = names(filter_.steps)
        self._nodes = names(filter_.nodes)
        self._correlations = frozenset(filter_.correlations)
        self._with_origins = with_origins
        self._paths = expressions.paths(filter_.where) if filter_.where else ()

    @property
    def needs_origins(self) -> bool:
        """Whether it asks what only the first event of a run says."""
        asked = any(path.startswith(("event.workflow", "event.tags")) for path in self._paths)
        return bool(self._with_origins or self._workflows or self.filter.tags) or asked

    async def sifted(self, log: str, page: Sequence[Stored], origins: Origins) -> list[Followed]:
        """Those of a page of a log that are wanted, decoded, in order. Raises `Unavailable`."""
        named = (decoded(log, one, self._catalogue) for one in page if self._by_name(one))
        found = [one for one in named if self._by_header(one)]
        if self.needs_origins:
            known = await origins.of(one.run_id for one in found if one.run_id)
            found = [_of_origin(one, known.get(one.run_id, one.origin)) for one in found]
            found = [one for one in found if self._by_origin(one)]
        return [one for one in found if self._holds(one)] if self.filter.where else found

    def _by_name(self, stored: Stored) -> bool:
        if self._types and not is_any(self._types, stored.type, bare(stored.type)):
            return False
        if self.filter.streams and not stored.stream.startswith(self.filter.streams):
            return False
        if not self._runs:
            return True
        name = stored.stream.removeprefix(RUN)
        return name != stored.stream and is_any(self._runs, name)

    def _by_header(self, seen: Followed) -> bool:
        if seen.event is None:
            return self._by_node_stream(seen)
        header, filter_ = seen.event.header, self.filter
        if filter_.since is not None and header.recorded_at < filter_.since:
            return False
        if filter_.until is not None and header.recorded_at >= filter_.until:
            return False
        if self._correlations and not self._correlations & _transactions(header, seen):
            return False
        if self._steps and not (
            seen.step and is_any(self._steps, seen.step, _INDEXES.sub("", seen.step))
        ):
            return False
        return not self._nodes or (bool(seen.node) and is_any(self._nodes, seen.node))

    def _by_node_stream(self, seen: Followed) -> bool:
        """One that cannot be decoded: its stream may still say that it is another node's."""
        return not (self._nodes and seen.node) or is_any(self._nodes, seen.node)

    def _by_origin(self, seen: Followed) -> bool:
        if not seen.origin.readable:
            return True
        if self._workflows and not (seen.workflow and is_any(self._workflows, seen.workflow)):
            return False
        tags = seen.origin.tags
        return all(tags.get(name) == text for name, text in self.filter.tags.items())

    def _holds(self, seen: Followed) -> bool:
        """Whether `where` is true; it is not where the event lacks what it reads."""
        if seen.event is None:
            return True
        event, scope = seen.event, dict[str, Value]()

        def resolve(path: str) -> Value:
            if not scope:
                scope.update(_scope(seen, event))
            return descend(scope, path, below=0)

        try:
            value, _ = consult(self.filter.where, self._expressions, resolve)
        except PathMissing:
            return False
        except ExpressionFailed as error:
            self.failed = str(error)
            return False
        return value is True


def _scope(seen: Followed, decoded: Event) -> dict[str, Value]:
    """What `where` reads."""
    header = decoded.header
    fact = decoded.fact  # its fields with those that are not stored because they are as usual
    data: Value = {
        name: msgspec.to_builtins(getattr(fact, name)) for name in fact.__struct_fields__
    }
    event: Value = {
        "id": header.id,
        "type": header.type,
        "stream": header.stream,
        "version": header.version,
        "log": seen.log,
        "position": seen.position,
        "recorded_at": header.recorded_at,
        "actor": header.actor,
        "causation": header.causation,
        "correlation": header.correlation,
        "run": seen.run_id,
        "workflow": seen.workflow,
        "step": seen.step,
        "node": seen.node,
        "tags": dict(seen.origin.tags),
        "data": data,
    }
    return {"event": event, "data": data}


def compiled(filter_: Filter, expressions: Expressions, *, with_origins: bool = False) -> Sieve:
    """The sieve of a filter. Raises `Rejected`."""
    check(filter_, expressions, Catalogue())
    return Sieve(filter_, expressions, with_origins=with_origins)


def _of_origin(seen: Followed, origin: Origin) -> Followed:
    return msgspec.structs.replace(seen, origin=origin)


def _transactions(header: Header, seen: Followed) -> set[str]:
    """What an event may be asked for by its business transaction."""
    if header.correlation:
        return {header.correlation}
    return {header.stream, seen.run_id} if seen.run_id else {header.stream}


def _text(event: Event | None, name: str) -> str:
    found = getattr(event.fact, name, "") if event is not None else ""
    return found if isinstance(found, str) else ""
