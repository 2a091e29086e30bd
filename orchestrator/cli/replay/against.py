"""`dalsegno replay --against`: recorded runs through a changed definition, without side effect."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from events.definition import Definition
from events.errors import Misconfigured, Rejected
from events.limits import RUNS_AGAINST_MAX, RUNS_LISTED_MAX, WORKERS_AGAINST_MAX
from orchestrator.adapters.postgres.projected import PostgresProjected
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import Common, configured, go
from orchestrator.cli.events.files import with_history
from orchestrator.cli.exits import CORRUPT, DONE, FAILED
from orchestrator.cli.output import counted, print_json
from orchestrator.cli.progress import Progress
from orchestrator.cli.replay.against_display import (
    print_started,
    print_summary,
    print_verdict,
    verdict_json,
)
from orchestrator.cli.replay.against_processes import in_processes
from orchestrator.cli.replay.against_worker import Job, against_of
from orchestrator.cli.stores import log_settings, open_logs, with_store
from orchestrator.cli.times import between, now
from orchestrator.cli.workflow.definitions import Reading
from orchestrator.cli.workflow.registry import definition_of
from orchestrator.cli.workflow.registry import versions as registered_versions
from orchestrator.config import Config
from orchestrator.insight.finding import RunQuery, newest_first
from orchestrator.replay.exchange.opened import OpenedFile
from orchestrator.replay.what_if.verdicts import REDACTED, Verdict, family, verdicts

ALONE_MAX = 100
"""Runs up to which this process does the work itself: another one takes as long to start."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs are asked about."""

    workflow: str
    since: str = ""
    until: str = ""
    limit: int = RUNS_LISTED_MAX
    workers: int = 0


def of_one(target: str, run: str, reference: str, reading: Reading, common: Common) -> int:
    """Of one run of the log, or of an exported file, with those of the same workflow that it has
    started. Exit code 1 if one of them would go otherwise."""
    definition = definition_of(reference, reading, common)
    config = configured(common)

    async def judge(history: PostgresStore | OpenedFile, run_id: str) -> tuple[Verdict, ...]:
        redacted = () if isinstance(history, PostgresStore) else history.info.redacted
        if redacted:
            why = REDACTED.format(fields=", ".join(redacted))
            return (Verdict(run_id=run_id, outcome="unknown", why=why),)
        against = await against_of(history, definition, config)
        return await family(history, against, definition.name, run_id)

    found, *started = with_history(common, target, run, judge)
    if common.json:
        others = [verdict_json(one) for one in started if one.outcome != "same"]
        print_json(verdict_json(found) | ({"started": others} if started else {}))
    else:
        print_verdict(found)
        print_started(started)
    return code_of([found, *started])


def of_many(asked: Asked, reference: str, reading: Reading, common: Common) -> int:
    """Of many runs of a workflow, in processes of their own. Exit code 1 if one of them would go
    otherwise."""
    if not 1 <= asked.limit <= RUNS_AGAINST_MAX:
        raise Misconfigured(f"--limit is {asked.limit}: expected 1 to {RUNS_AGAINST_MAX}")
    if not 0 <= asked.workers <= WORKERS_AGAINST_MAX:
        raise Misconfigured(f"--workers is {asked.workers}: expected 1 to {WORKERS_AGAINST_MAX}")
    definition = definition_of(reference, reading, common)
    if definition.name != asked.workflow:
        raise Rejected(
            f"the definition is of workflow {definition.name}, --all-of {asked.workflow}: expected "
            "one of the same name"
        )
    config = configured(common)
    run_ids, more = _runs(asked, config, common)
    with Progress(f"playing {counted(len(run_ids), 'run')}") as progress:
        found = _played(definition, config, run_ids, asked.workers, progress)
    if common.json:
        print_json(_summary_json(found, more))
    else:
        print_summary(asked.workflow, found, more)
    return code_of(found)


def code_of(found: Iterable[Verdict]) -> int:
    """0: all go the same way, as far as can be known; 1: some would not; 5: some cannot be judged,
    for another reason than that their values are gone for ever."""
    counts = Counter("doubtful" if one.doubtful else one.outcome for one in found)
    return FAILED if counts["differs"] else CORRUPT if counts["doubtful"] else DONE


def _summary_json(found: Sequence[Verdict], more: bool) -> dict[str, object]:
    counts = Counter(one.outcome for one in found)
    return {
        "runs": len(found),
        "same": counts["same"],
        "differs": counts["differs"],
        "unknown": counts["unknown"],
        "more": more,
        "verdicts": [verdict_json(one) for one in found if one.outcome != "same"],
    }


# -- which runs -----------------------------------------------------------------------------------


def _runs(asked: Asked, config: Config, common: Common) -> tuple[list[str], bool]:
    """The newest runs that are asked about, and whether there are more. Raises `Rejected` when
    there is no such workflow."""
    first, last = between(asked.since, asked.until, now())
    query = RunQuery(workflow=asked.workflow, since=first, until=last, limit=asked.limit + 1)
    found = go(lambda: _listed(config, query))
    if not found:
        with_store(common, lambda store: registered_versions(store, asked.workflow))
    return found[: asked.limit], len(found) > asked.limit


async def _listed(config: Config, query: RunQuery) -> list[str]:
    rows = []
    for one in log_settings(config):
        async with PostgresProjected(one) as projected:
            rows += await projected.find_runs(query)
    return [row.run_id for row in newest_first(rows, query.limit)]


# -- in processes ---------------------------------------------------------------------------------


def _played(
    definition: Definition, config: Config, run_ids: Sequence[str], workers: int, shown: Progress
) -> list[Verdict]:
    """The verdicts in the order of the runs."""
    workers = min(workers or os.cpu_count() or 1, len(run_ids), WORKERS_AGAINST_MAX)
    if len(run_ids) <= ALONE_MAX or workers == 1:
        return go(lambda: _here(definition, config, run_ids))
    jobs = [
        Job(config=config, definition=definition, run_ids=tuple(run_ids[place::workers]))
        for place in range(workers)
    ]
    counts = Counter[str]()

    def done(one: Verdict) -> None:
        counts[one.outcome] += 1
        over = counts.total()
        shown.say(f"{over} of {len(run_ids)} runs, {counts['differs']} differ")

    found = {one.run_id: one for one in in_processes(jobs, done)}
    return [found[run_id] for run_id in run_ids]


async def _here(definition: Definition, config: Config, run_ids: Sequence[str]) -> list[Verdict]:
    async with await open_logs(config) as store:
        against = await against_of(store, definition, config)
        return await verdicts(store, against, definition.name, run_ids)
