"""Which events are wanted, as it is said on the command line."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

from orchestrator.cli.run.labels import given_tags
from orchestrator.cli.times import between, now
from orchestrator.insight.following.filters import Filter
from orchestrator.insight.following.sieve import Sieve, compiled

FILTERS = Group(
    "Which events",
    help="An event meets all that are given; names may have * and ?.",
    sort_key=5,
)


def _option(words: str) -> Parameter:
    return Parameter(help=words, group=FILTERS, negative="")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Filtering:
    """Options of every command that follows events or counts them."""

    type: Annotated[
        list[str] | None, _option('Types, with or without version: "task.*", run.started.')
    ] = None
    run: Annotated[list[str] | None, _option("Runs.")] = None
    workflow: Annotated[list[str] | None, _option("Runs of these workflows.")] = None
    step: Annotated[
        list[str] | None, _option("Steps; with or without the number of an iteration.")
    ] = None
    node: Annotated[list[str] | None, _option("Nodes that an event names, or comes from.")] = None
    tag: Annotated[list[str] | None, _option("Runs that have this tag; with all given.")] = None
    correlation: Annotated[
        list[str] | None,
        Parameter(
            help="Business transactions: their ids, or the run's where it has no other.",
            group=FILTERS,
            negative="",
        ),
    ] = None
    stream: Annotated[
        list[str] | None, _option("Streams that begin with this: run:, node:agent-1.")
    ] = None
    since: Annotated[
        str, _option('Recorded since then: "15m", "2h" back from now, or an instant.')
    ] = ""
    until: Annotated[str, _option("Recorded before.")] = ""
    where: Annotated[
        str, _option("CEL over data (the fact's fields) and event (type, run, step, node, tags …).")
    ] = ""


ALL_EVENTS = Filtering()


def given_filter(given: Filtering) -> Filter:
    """Raises `Misconfigured`."""
    since, until = between(given.since, given.until, now())
    return Filter(
        types=_several(given.type),
        streams=_several(given.stream),
        runs=_several(given.run),
        workflows=_several(given.workflow),
        steps=_several(given.step),
        nodes=_several(given.node),
        tags=given_tags(given.tag or ()),
        correlations=_several(given.correlation),
        since=since,
        until=until,
        where=given.where,
    )


def sieve_of(filter_: Filter) -> Sieve:
    """Raises `Rejected` for a filter that can want nothing."""
    from orchestrator.adapters.cel import CelExpressions

    return compiled(filter_, CelExpressions())


def _several(given: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(given or ())
