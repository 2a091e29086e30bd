"""`dalsegno run tree`: a run with what it has started, and what was forked from it."""

from typing import TYPE_CHECKING

from events.catalogue import Catalogue
from events.envelope import Event, unseal
from events.errors import Rejected
from events.ids import run_stream
from events.run_facts import RunForked
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import COMMON, Common
from orchestrator.cli.nearest import about
from orchestrator.cli.output import (
    DIM,
    clock,
    console,
    counted,
    instant,
    plain,
    print_json,
    status,
    took,
)
from orchestrator.cli.replay.replays import net_of
from orchestrator.cli.stores import with_store
from orchestrator.insight.run_view import run_view
from orchestrator.insight.tree import Twig, grow
from orchestrator.replay.rebuild import Rebuilder

if TYPE_CHECKING:
    from rich.tree import Tree

RUNS_SHOWN = 200
ITEMS_SHOWN = 10
PAGE = 500
REPEATED = frozenset({"item", "iteration"})
SETTLED = frozenset({"completed", "skipped"})


def tree(run_id: str, *, all: bool = False, common: Common = COMMON) -> None:  # noqa: A002
    """Show a run with its loops and their iterations, its maps and their items, the runs of other
    workflows that it called, and the runs that were forked from it; status and time of each.

    It is read from the log, so it needs no coordinator.

    Parameters
    ----------
    run_id
        The run to begin with.
    all
        Every step, item and iteration; else steps with something below them, and of many items or
        iterations those that have not completed and a few others.

    Examples
    --------
    dalsegno run tree 01m7yf4vgw1tqq5ay37h9hvpzk
    dalsegno run tree nightly-17 --all
    dalsegno run tree nightly-17 --json
        Everything, as data.
    """
    with about(common, run_id) as given:
        root = with_store(common, lambda store: _Gatherer(store).run(given))
    if common.json:
        print_json(_json(root))
        return
    console().print(_draw(root, all))


class _Gatherer:
    """Reads runs and what belongs to them, `RUNS_SHOWN` at most."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self._catalogue = Catalogue()
        self._seen: set[str] = set()

    async def run(self, run_id: str) -> Twig:
        """Raises `Rejected` when there is no such run."""
        root = await self._grown(run_id)
        if root is None:
            raise Rejected(f"there is no run {run_id}: `dalsegno run list` shows those there are")
        return root

    async def _grown(self, run_id: str) -> Twig | None:
        self._seen.add(run_id)
        rebuilder = Rebuilder(self._store, self._catalogue)
        rebuilt = await rebuilder.run(run_id)
        if rebuilt is None:
            return None
        net = await net_of(self._store, self._catalogue, rebuilt.state)
        events = await rebuilder.events(run_id)
        facts = ((event.fact, event.header.recorded_at) for event in events)
        root = grow(run_view(rebuilt.state, net), net, facts)
        await self._children(root)
        root.twigs += await self._forks(run_id)
        return root

    async def _children(self, twig: Twig) -> None:
        for place, inner in enumerate(twig.twigs):
            if inner.run_id and inner.run_id not in self._seen:
                twig.twigs[place] = await self._in_full(inner)
            else:
                await self._children(inner)

    async def _in_full(self, leaf: Twig) -> Twig:
        """The run that a leaf names; the leaf when there are too many, or it did not begin."""
        if len(self._seen) >= RUNS_SHOWN:
            leaf.note += f"; not looked at, over {RUNS_SHOWN} runs"
            return leaf
        found = await self._grown(leaf.run_id)
        if found is None:
            return leaf
        found.kind, found.note = leaf.kind, leaf.note
        return found

    async def _forks(self, run_id: str) -> list[Twig]:
        found: list[Twig] = []
        for event, forked in await self._forked_from(run_id):
            if forked.run_id not in self._seen:
                why = f": {forked.reason}" if forked.reason else ""
                leaf = Twig(
                    kind="fork",
                    name=forked.run_id,
                    run_id=forked.run_id,
                    started_at=event.header.recorded_at,
                    note=f"from version {forked.source_version}{why}",
                )
                found.append(await self._in_full(leaf))
        return found

    async def _forked_from(self, run_id: str) -> list[tuple[Event, RunForked]]:
        (first,) = await self._store.read(run_stream(run_id), 0, 1)
        found, after = list[tuple[Event, RunForked]](), self._store.begins_before(first)
        while page := await self._store.first_events(RunForked.TYPE, after, PAGE):
            after = page[-1].position or 0
            for event in (unseal(stored, self._catalogue) for stored in page):
                fact = event.fact
                if isinstance(fact, RunForked) and fact.source_run_id == run_id:
                    found.append((event, fact))
        return found


def _json(twig: Twig) -> dict[str, object]:
    told: dict[str, object] = {
        "kind": twig.kind,
        "name": twig.name,
        "status": twig.status or None,
        "started_at": instant(twig.started_at),
        "ended_at": instant(twig.ended_at),
    }
    if twig.note:
        told["note"] = twig.note
    return {**told, "children": [_json(one) for one in twig.twigs]}


def _draw(root: Twig, all_: bool) -> "Tree":
    from rich.tree import Tree

    drawn = Tree(_words(root), guide_style=DIM)
    _hang(drawn, root, all_)
    return drawn


def _hang(branch: "Tree", twig: Twig, all_: bool) -> None:
    shown = [one for one in twig.twigs if all_ or _tells(one)]
    kept, rest = (shown, []) if all_ else _fewer(shown)
    for one in kept:
        _hang(branch.add(_words(one)), one, all_)
    if rest:
        branch.add(f"[{DIM}]… {len(rest)} more that completed; --all shows them[/]")
    hidden = len(twig.twigs) - len(shown)
    if hidden and twig.kind in {"run", "fork"}:
        branch.add(f"[{DIM}]{counted(hidden, 'step')} with nothing below them; --all shows them[/]")


def _tells(twig: Twig) -> bool:
    """Whether it is worth a line: something is below it, or it went wrong, or is under way."""
    return bool(twig.twigs or twig.run_id or twig.kind in REPEATED) or (twig.status not in SETTLED)


def _fewer(twigs: list[Twig]) -> tuple[list[Twig], list[Twig]]:
    """Of many repetitions that have completed and hold nothing, only the first few."""
    dull = [
        one
        for one in twigs
        if one.kind in REPEATED
        and one.status in SETTLED
        and not any(_tells(inner) for inner in one.twigs)
    ]
    rest = dull[ITEMS_SHOWN:]
    left = {id(one) for one in rest}
    return [one for one in twigs if id(one) not in left], rest


def _words(twig: Twig) -> str:
    name = f"[bold]{plain(twig.name)}[/]" if twig.kind != "item" else plain(twig.name)
    times = "  ".join(filter(None, (clock(twig.started_at), took(twig.started_at, twig.ended_at))))
    note = f"  [{DIM}]{plain(twig.note)}[/]" if twig.note else ""
    return f"{twig.kind} {name}  {status(twig.status)}  {times}{note}".replace("    ", "  ")
