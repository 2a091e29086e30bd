"""`dalsegno projections`: what lists and statistics are read from; run it, look after it."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from cyclopts import Parameter

from events.errors import Misconfigured, Rejected, Unavailable
from orchestrator.adapters.postgres.projected import PostgresProjected
from orchestrator.adapters.postgres.projections import PostgresProjections
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.cluster.stats import behind
from orchestrator.cli.collecting import keep_what_is_loaded
from orchestrator.cli.common import (
    COMMON,
    Common,
    configured,
    effective,
    go,
    log_databases,
)
from orchestrator.cli.exits import CORRUPT, DONE
from orchestrator.cli.logs import set_up
from orchestrator.cli.output import console, day, instant, plain, print_json, rows, table
from orchestrator.cli.stores import log_settings
from orchestrator.config import Config
from orchestrator.insight.counting.auditing import Finding, Kept, compare, fresh
from orchestrator.insight.counting.figures import serving
from orchestrator.insight.counting.fold import FOLD
from orchestrator.insight.counting.glimpse import Unread
from orchestrator.insight.counting.projections import Generation, Standing
from orchestrator.insight.counting.tallies import WIDTHS, Key, Kind, Tally

UNREAD_SHOWN = 20
UNREAD_MAX = 1_000_000
FOR_EVER = 2**62
CLOCKS_APART_US = 3_600_000_000
"""What clocks of coordinators may differ by when it is asked which minutes must still be there."""
KINDS: tuple[Kind, ...] = ("run", "task")
FINDINGS_SHOWN = 20


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    generation: int
    position: int
    tallies: int
    labels: int
    nodes: int
    unread: int
    findings: tuple[Finding, ...]


def run(*, prefix: str = "", common: Common = COMMON) -> None:
    """Fold the log into lists and statistics until SIGTERM. Of several one works, others stand by.

    It may be killed at any time, and goes on where it was.

    Parameters
    ----------
    prefix
        Subject prefix; separates clusters on one NATS.

    Examples
    --------
    dalsegno projections run --config dalsegno.toml
    """
    from orchestrator.bootstrap import run_projections

    config = effective(common, prefix=prefix).value
    set_up(config.log)
    log_databases(config)
    keep_what_is_loaded()
    go(lambda: run_projections(config))


def status(
    *,
    behind_max_s: Annotated[float | None, Parameter(name="--behind-max-s")] = None,
    common: Common = COMMON,
) -> None:
    """Show how far projections are, how late, and which events could not be read.

    Parameters
    ----------
    behind_max_s
        Exit code 4 when what serves is more seconds behind the log: for health checks.

    Examples
    --------
    dalsegno projections status
    dalsegno projections status --behind-max-s 60
    dalsegno projections status --json
    """
    settings = log_settings(configured(common))

    async def read() -> list[Status]:
        return [await _status_of(one) for one in settings]

    if behind_max_s is not None and behind_max_s <= 0:
        raise Misconfigured(f"--behind-max-s is {behind_max_s:g}: expected more than 0")
    logs = go(read)
    if behind_max_s is not None:
        for log in logs:
            check_lag(log.standings, behind_max_s)
    if common.json:
        generations = [{**log.told, **_status_json(one)} for log in logs for one in log.standings]
        unread = [{**log.told, **msgspec.to_builtins(one)} for log in logs for one in log.unread]
        print_json({"generations": generations, "unread": unread})
        return
    for log in logs:
        serving([one.generation for one in log.standings])
    _print_status(logs)


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Of the projections of one log; its name is empty where it is the only one."""

    log: str
    standings: list[Standing]
    unread: list[Unread]

    @property
    def told(self) -> dict[str, object]:
        return {"log": self.log} if self.log else {}


async def _status_of(settings: Settings) -> Status:
    async with PostgresProjected(settings) as projected, projected.snapshot():
        found = await projected.generations()
        serves = [one.number for one in found if one.state == "serving"]
        return Status(
            log=settings.log,
            standings=[await projected.standing(one) for one in found],
            unread=await projected.unread(serves[0], UNREAD_SHOWN) if serves else [],
        )


def _print_status(logs: Sequence[Status]) -> None:
    made = table("log", "generation", "state", "position>", "begun (UTC)?", "behind")
    lines = (
        (
            plain(log.log),
            str(one.generation.number),
            one.generation.state,
            f"{one.position} of {one.last}",
            day(one.generation.begun_at),
            behind(one),
        )
        for log in logs
        for one in log.standings
    )
    console().print(rows(made, lines))
    for log in logs:
        for event in log.unread:
            of = f" of log {plain(log.log)}" if log.log else ""
            said = f"not read: event {event.position}{of}: {plain(event.why)}"
            console().print(said, soft_wrap=True)


def check_lag(standings: Sequence[Standing], behind_max_s: float) -> None:
    """Raises `Unavailable` when what serves is further behind, or nothing serves."""
    number = serving([one.generation for one in standings]).number
    found = next(one for one in standings if one.generation.number == number)
    if found.seconds_behind > behind_max_s:
        raise Unavailable(
            f"projections are {behind(found)}, over {behind_max_s:g} s: does a "
            "`dalsegno projections run` work?"
        )


def _status_json(one: Standing) -> dict[str, object]:
    found = one.generation
    return {
        "generation": found.number,
        "state": found.state,
        "fold": found.fold,
        "position": one.position,
        "last_position": one.last,
        "events_behind": one.events_behind,
        "seconds_behind": one.seconds_behind,
        "unread": found.unread,
        "begun_at": instant(found.begun_at),
    }


def rebuild(*, common: Common = COMMON) -> None:
    """Build projections anew from the log, beside those that serve, which they replace at the end.

    Exit code 3 if that is under way already.

    Examples
    --------
    dalsegno projections rebuild
    """
    for one in log_settings(configured(common)):
        begun = go(lambda one=one: _begin(one))  # type: ignore[misc]
        if common.json:
            log = {"log": one.log} if one.log else {}
            print_json({**log, "generation": begun.number, "state": begun.state})
            continue
        of = f" of log {one.log}" if one.log else ""
        print(
            f"generation {begun.number}{of} is {begun.state}; `dalsegno projections run` does it, "
            "`dalsegno projections status` shows how far it is"
        )


async def _begin(settings: Settings) -> Generation:
    async with PostgresProjections(settings) as projections:
        under_way = _building(await projections.generations())
        if under_way is not None:
            raise Rejected(
                f"generation {under_way.number} is being built: `dalsegno projections status` "
                "shows how far it is"
            )
        await projections.begin(FOLD)
        return (await projections.generations())[-1]


def _building(generations: list[Generation]) -> Generation | None:
    return next((one for one in generations if one.state == "building"), None)


def verify(*, common: Common = COMMON) -> int:
    """Compare projections with a fresh fold of the log up to where they are. Exit code 5 if wrong.

    Needs nobody to stop. Reads the whole log once.

    Examples
    --------
    dalsegno projections verify
    """
    config = configured(common)
    is_wrong = False
    for one in log_settings(config):
        found = go(lambda one=one: _verify(one, config))  # type: ignore[misc]
        is_wrong |= bool(found.findings)
        if common.json:
            print_json(found)
        else:
            _print_verified(found, f" of log {one.log}" if one.log else "")
    return CORRUPT if is_wrong else DONE


def audited(settings: Settings, config: Config) -> list[str]:
    """What differs from the log, in words. Raises `Unavailable` when none serve."""
    found = go(lambda: _verify(settings, config))
    return [f"{finding.what}: {finding.message}" for finding in found.findings]


def _print_verified(found: Verified, of: str) -> None:
    for finding in found.findings[:FINDINGS_SHOWN]:
        print(f"{finding.what}: {finding.message}")
    wrong = len(found.findings)
    print(
        f"generation {found.generation}{of} at position {found.position}: {found.tallies} tallies, "
        f"{found.labels} labels, {found.nodes} nodes: "
        + (f"{wrong} differ from the log" if wrong else "all as the log says")
    )


async def _verify(settings: Settings, config: Config) -> Verified:
    async with PostgresProjected(settings) as projected, projected.snapshot():
        generation = serving(await projected.generations())
        said = await kept_of(projected, generation)
    async with PostgresProjections(settings) as log:
        expected = await fresh(log, said.position)
    async with await PostgresStore.open(settings) as store:
        archived_until = await store.archives().archived_until()
    kept_us = round(config.projections.minutes_kept_s * 1_000_000)
    minutes_from = generation.recorded_at - kept_us + CLOCKS_APART_US
    return Verified(
        generation=generation.number,
        position=said.position,
        tallies=len(said.tallies),
        labels=len(said.labels),
        nodes=len(said.nodes),
        unread=len(said.unread),
        findings=tuple(compare(said, expected, minutes_from, archived_until)),
    )


async def kept_of(projected: PostgresProjected, generation: Generation) -> Kept:
    number = generation.number
    tallies: dict[Key, Tally] = {}
    for kind in KINDS:
        for width_s in WIDTHS:
            tallies |= await projected.window(number, kind, (width_s, -FOR_EVER, FOR_EVER), "")
    return Kept(
        position=generation.position,
        tallies=tallies,
        labels=await projected.labels(number),
        nodes=await projected.nodes(number),
        unread=tuple(await projected.unread(number, UNREAD_MAX)),
    )
