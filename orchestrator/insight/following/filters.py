"""Which events a follower wants, as data, and what is wrong with it.

Several values of one kind are alternatives, kinds are all required. A name may have `*` (any
characters) and `?` (one). A filter is refused at the door, never found out to want nothing later.
"""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

import msgspec

from events.catalogue import Catalogue
from events.errors import Rejected
from events.ids import run_stream
from events.limits import FILTER_NAMES_MAX, NAME_CHARS_MAX
from orchestrator.insight.following.patterns import is_any, like, literal, names, sql
from orchestrator.kernel.expressions import Expressions

RUN = run_stream("")
ROOTS = ("event", "data")
_VERSION = re.compile(r"\.v[0-9]+\Z")


class Filter(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What is wanted; empty is everything. Kept with subscriptions and cursors, as JSON.

    `types`: with or without their version, `task.*`. `streams`: beginnings of stream names.
    `steps`: with or without the number of an iteration. `nodes`: the node that an event names, or
    that said it. `tags`: of the run, all of them. `correlations`: the id of the business
    transaction, or the run's own where it has no other. `since`, `until`: when it was recorded, in
    microseconds, the last excluded. `where`: CEL over `event` and its `data`.
    """

    types: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    correlations: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    where: str = ""


class Wanted(msgspec.Struct, frozen=True):
    """What a store can leave out by itself, as patterns of SQL's LIKE; empty leaves out nothing."""

    types: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()

    def has(self, stream: str, kind: str) -> bool:
        """For a store without SQL."""
        return like(self.types, kind) and like(self.streams, stream)


EVERYTHING = Wanted()


def bare(kind: str) -> str:
    """The name of a type without its version."""
    return _VERSION.sub("", kind)


def wanted(filter_: Filter) -> Wanted:
    types = [one for name in filter_.types for one in (sql(name), f"{sql(name)}.v%")]
    if filter_.runs:
        return Wanted(tuple(types), tuple(f"{RUN}{sql(name)}" for name in filter_.runs))
    return Wanted(tuple(types), tuple(f"{literal(one)}%" for one in filter_.streams))


def check(filter_: Filter, expressions: Expressions, catalogue: Catalogue) -> None:
    """Raises `Rejected` that names what is wrong with a filter, and the mend."""
    for problem in _problems(filter_, catalogue):
        raise Rejected(problem)
    for path in expressions.paths(filter_.where) if filter_.where else ():
        if path.partition(".")[0] not in ROOTS:
            raise Rejected(
                f"where reads `{path}`: expected `event.…` (type, run, workflow, step, node, "
                "tags, recorded_at …) or `data.…`, the fields of the fact"
            )


def _problems(filter_: Filter, catalogue: Catalogue) -> Iterator[str]:
    kinds = ("types", "streams", "runs", "workflows", "steps", "nodes", "correlations")
    given: dict[str, Sequence[str]] = {kind: getattr(filter_, kind) for kind in kinds}
    given["tags"] = list(filter_.tags)
    if (count := sum(map(len, given.values()))) > FILTER_NAMES_MAX:
        yield f"the filter has {count} names, over {FILTER_NAMES_MAX}: use `*`, or follow more"
    for kind, texts in given.items():
        for name in texts:
            if not name:
                yield f"the filter has an empty name among its {kind}: leave it out"
            elif len(name) > NAME_CHARS_MAX or not name.isprintable():
                yield (
                    f"the filter's {kind} have {name[:20]!r} …: expected at most {NAME_CHARS_MAX} "
                    "printable characters"
                )
    known = catalogue.names()
    for name in filter_.types:
        pattern = names((name,))
        if not any(is_any(pattern, one, bare(one)) for one in known):
            yield f"no event has the type {name}{_nearest(name, known)}"
    if filter_.since is not None and filter_.until is not None and filter_.since >= filter_.until:
        yield "the filter's `since` is not before its `until`"


def _nearest(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, sorted({bare(one) for one in known}), n=1)
    mend = f"did you mean {close[0]}?" if close else "docs/reference/events.md lists all"
    return f": {mend}"
